"""One TOML file a Gaia data release; `latent_core.release` reads them."""
