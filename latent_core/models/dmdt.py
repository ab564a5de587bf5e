"""The dm-dt VAE of Huijse et al. 2025: a histogram of magnitude against time differences."""

from __future__ import annotations

import torch
from torch import Tensor

from latent_core.models.residual import ResidualVAE
from latent_core.models.vae import Normal, residual_body


class DmdtVAE(ResidualVAE):
    """The residual VAE with a sigmoid output; empty time columns are masked.

    Cells are dm-major (cell = dm * columns + dt). The `error` of a cell is 1 / sqrt(pairs of its
    column). The release's sizes are the defaults; its decoder's first layer has no activation.
    """

    def __init__(
        self,
        size: int = 200,
        latents: int = 5,
        *,
        width: int = 128,
        depth: int = 2,
        decoder_depth: int = 1,
    ) -> None:
        super().__init__(size, latents, width=width, depth=depth)
        self.decoder = residual_body(latents, width, decoder_depth, activate=False)

    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return the decoded histogram (B, size) and zero scatter."""
        mean = torch.sigmoid(self.out(self.decoder(z)))
        return Normal(mean, torch.zeros_like(mean))
