"""Settings that a build can be given as `--config`, beside the default ones."""
