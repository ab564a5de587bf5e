"""The dm-dt VAE of Huijse et al. 2025: a histogram of magnitude against time differences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent_core.models.residual import masked_nll
from latent_core.models.vae import VAE, Batch, Loss, Normal, divergence, residual_body


class DmdtVAE(VAE):
    """Residual blocks on both sides, sigmoid output; empty time columns are masked.

    Cells are dm-major (cell = dm * columns + dt). The `error` of a cell is 1 / sqrt(pairs of its
    column). The release's sizes are the defaults; its decoder's first layer has no activation.
    """

    inputs = ("x", "error", "mask")

    def __init__(
        self,
        size: int = 200,
        latents: int = 5,
        *,
        width: int = 128,
        depth: int = 2,
        decoder_depth: int = 1,
    ) -> None:
        super().__init__()
        self.latents, self.size = latents, size
        self.encoder = residual_body(size, width, depth)
        self.head = nn.Linear(width, 2 * latents)
        self.decoder = residual_body(latents, width, decoder_depth, activate=False)
        self.out = nn.Linear(width, size)

    def encode(self, batch: Batch) -> Normal:
        """Return the posterior of histograms `x` (B, size)."""
        mean, log_sigma = self.head(self.encoder(batch["x"])).chunk(2, dim=1)
        return Normal(mean, torch.exp(log_sigma))

    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return the decoded histogram (B, size) and zero scatter."""
        mean = torch.sigmoid(self.out(self.decoder(z)))
        return Normal(mean, torch.zeros_like(mean))

    def loss(self, batch: Batch, beta: float) -> Loss:
        """Return mean NLL a valid cell + beta KL (huijse-2025.md, 4.4), batch mean."""
        posterior = self.encode(batch)
        decoded = self.decode(self.draw(posterior))
        misfit = masked_nll(batch["x"], decoded.mean, batch["error"] ** 2, batch["mask"])
        kl = divergence(posterior).mean()
        return Loss(misfit + beta * kl, misfit, kl)
