"""The residual VAE of spectra in Huijse et al. 2025 (A&A 701, A150; release of December 2025)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent_core.models.vae import (
    MIN_VARIANCE,
    VAE,
    Batch,
    Loss,
    Normal,
    divergence,
    residual_body,
    weighted_nll,
)


class ResidualVAE(VAE):
    """Linear, GELU, residual blocks on both sides; errors weigh the likelihood only.

    The encoder's head gives `latents` means, then as many log-sigmas. The release's sizes are the
    defaults. It models no scatter of its own: `decode` returns zeros for it.
    """

    inputs = ("x", "error", "mask")

    def __init__(
        self, size: int = 100, latents: int = 5, *, width: int = 64, depth: int = 3
    ) -> None:
        super().__init__()
        self.latents, self.size = latents, size
        self.encoder = residual_body(size, width, depth)
        self.head = nn.Linear(width, 2 * latents)
        self.decoder = residual_body(latents, width, depth)
        self.out = nn.Linear(width, size)

    def encode(self, batch: Batch) -> Normal:
        """Return the posterior of scaled samples `x` (B, size)."""
        mean, log_sigma = self.head(self.encoder(batch["x"])).chunk(2, dim=1)
        return Normal(mean, torch.exp(log_sigma))

    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return the decoded samples (B, size) and zero scatter."""
        mean = self.out(self.decoder(z))
        return Normal(mean, torch.zeros_like(mean))

    def loss(self, batch: Batch, beta: float) -> Loss:
        """Return mean NLL a valid point + beta KL (huijse-2025.md, 4.1), batch mean."""
        posterior = self.encode(batch)
        decoded = self.decode(self.draw(posterior))
        misfit = masked_nll(batch["x"], decoded.mean, batch["error"] ** 2, batch["mask"])
        kl = divergence(posterior).mean()
        return Loss(misfit + beta * kl, misfit, kl)


def masked_nll(x: Tensor, mean: Tensor, variance: Tensor, mask: Tensor) -> Tensor:
    """Gaussian NLL without its constant: mean over a row's valid points, then over the batch.

    The variance is held at MIN_VARIANCE or more; the clamp passes no gradient.
    """
    if variance.requires_grad:
        variance = variance + (MIN_VARIANCE - variance).clamp(min=0).detach()
    else:
        variance = variance.clamp(min=MIN_VARIANCE)
    count = mask.sum(dim=1, keepdim=True).clamp(min=1)
    return weighted_nll(x, mean, variance, mask / (count * len(x)))
