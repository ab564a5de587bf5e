"""What a space knows of its own latents: how uncertain each one is, and which carry nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import Folder


class Certainty:
    """Uncertainties and dead latents of a space, read from the folder it lies in."""

    folder: Folder
    name: str
    blocks: Mapping[str, slice]
    models: Mapping[str, str]
    latent_names: tuple[str, ...]

    @cached_property
    def sigmas(self) -> NDArray[np.float32] | None:
        """Encoder sigma of each latent, (N, K); None where the space was imported without."""
        return self._array("sigmas")

    @cached_property
    def noise_sigmas(self) -> NDArray[np.float32] | None:
        """How far each source's own noise moves its latents, (N, K), one sigma.

        NaN in blocks for which no noise was drawn; None where it was drawn for none.
        """
        return self._array("noise_sigmas")

    def total_sigmas(self, row: int) -> NDArray[np.float64] | None:
        """Return a catalog row's encoder and noise sigmas in quadrature, (K,).

        Where no noise was drawn it is the encoder's alone; None for a space without sigmas.
        """
        if self.sigmas is None:
            return None
        encoder = np.asarray(self.sigmas[row], np.float64)
        noise = 0.0 if self.noise_sigmas is None else np.nan_to_num(self.noise_sigmas[row])
        return np.asarray(np.hypot(encoder, noise))

    @cached_property
    def dead(self) -> frozenset[str]:
        """Names of the latents that carry nothing (see `activity`)."""
        names: set[str] = set()
        for block, model in self.models.items():
            file = f"models/{model}/activity.json"
            if file in self.folder:
                of_block = self.latent_names[self.blocks[block]]
                names |= {of_block[place] for place in self.folder.json(file)["dead"]}
        return frozenset(names)

    def _array(self, part: str) -> NDArray[np.float32] | None:
        file = f"spaces/{self.name}/{part}.npy"
        return self.folder.array(file) if file in self.folder else None
