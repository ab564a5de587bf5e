"""Train, encode, map and search the latent spaces of Gaia sources; draws nothing.

The map of the package, from the ground up:

- `errors`, `release`, `catalog`, `config`: what a user can fix; one data release as data; one row
  a source; settings in TOML.
- `bundle`: the folder on disk: names, manifest, hashes, atomic writing, memory-mapped opening.
- `products`: the raw archive products of a survey (XP coefficients, sampled XP, epoch photometry).
- `surveys/`: where sources come from. `modalities/`: raw product -> model input -> curves.
  `models/`: networks (torch only, nothing of ours).
- `training`, `encoding`, `projection`, `similarity`, `evaluation`: stages, independent of each
  other; `pipeline` runs what is missing or stale, in order.
- `report/`: the report on a bundle and its model cards, made on request (`gaia-latent evaluate`).
- `labels/`: label tables joined by source_id (`gaia-latent labels`); a bundle's models stay.
- `opened`, `latent_space`: an opened bundle and its spaces: latents, maps, neighbors, decoding.
  What a view needs.
- `cli`: the command `gaia-latent`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latent_core.version import __version__

if TYPE_CHECKING:
    from latent_core.latent_space import LatentSpace
    from latent_core.opened import Bundle

__all__ = ["Bundle", "LatentSpace", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the two public classes on first use, so that `gaia-latent --help` stays instant."""
    if name in __all__:
        from latent_core import latent_space, opened

        return getattr(opened if name == "Bundle" else latent_space, name)
    raise AttributeError(f"module 'latent_core' has no attribute {name!r}")
