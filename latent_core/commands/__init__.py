"""The commands of `gaia-latent`, one short function each: the only place that prints."""
