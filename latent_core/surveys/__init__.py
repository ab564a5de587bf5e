"""Where sources come from: the simulator, archive files, ready-made tables of latents.

Each source of sources writes (or reads) the same survey folder: a catalog, and the raw products
of `latent_core.products` aligned with it by row number.
"""
