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
    With the number of `columns`, a softmax over each takes the sigmoid's place: what it decodes
    is then a distribution in every column, which the release's is to 1 % only.
    """

    def __init__(
        self,
        size: int = 200,
        latents: int = 5,
        *,
        width: int = 128,
        depth: int = 2,
        decoder_depth: int = 1,
        columns: int = 0,
    ) -> None:
        super().__init__(size, latents, width=width, depth=depth)
        if columns and size % columns:
            raise ValueError(f"{size} cells are not {columns} columns of equal length")
        self.columns = columns
        self.decoder = residual_body(latents, width, decoder_depth, activate=False)

    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return the decoded histogram (B, size) and zero scatter."""
        cells = self.out(self.decoder(z))
        if self.columns:
            mean = torch.softmax(cells.unflatten(1, (-1, self.columns)), dim=1).flatten(1)
        else:
            mean = torch.sigmoid(cells)
        return Normal(mean, torch.zeros_like(mean))
