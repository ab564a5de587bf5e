"""Coordinates that are known already: the network that is none."""

from __future__ import annotations

import torch
from torch import Tensor

from latent_core.models.vae import VAE, Batch, Loss, Normal


class Identity(VAE):
    """Passes `x` (B, size) on as latents, and latents on as decoded values, without scatter.

    It has no parameters, so that training leaves it alone. With it, measured numbers such as
    period and amplitude stand beside latents in a space.
    """

    inputs = ("x", "error", "mask")

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.latents = self.size = size

    def encode(self, batch: Batch) -> Normal:
        """Return `x` itself with sigma 0."""
        return Normal(batch["x"], torch.zeros_like(batch["x"]))

    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return the latents themselves and zero scatter."""
        return Normal(z, torch.zeros_like(z))

    def loss(self, batch: Batch, beta: float) -> Loss:
        """Return zeros: nothing is lost, and nothing can be learnt."""
        nothing = batch["x"].new_zeros(())
        return Loss(nothing, nothing, nothing)
