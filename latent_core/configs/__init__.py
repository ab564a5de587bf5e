"""Settings of published systems, to be passed as `gaia-latent build --config`."""
