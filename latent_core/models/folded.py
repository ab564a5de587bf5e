"""The folded-light-curve VAE of Huijse et al. 2025: GRU with attention, phase harmonics, noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latent_core.models.activations import Gelu
from latent_core.models.recurrent import states
from latent_core.models.residual import masked_nll
from latent_core.models.vae import VAE, Batch, Loss, Normal, divergence, residual_body

AT_ONCE = 2048  # points that are decoded: their activations stay within a core's own cache


class FoldedVAE(VAE):
    """Up to P points of phase and scaled magnitude, valid ones first, in phase order.

    Each point enters as cos and sin of `harmonics` multiples of its phase, and its magnitude. The
    last latent carries no shape: it sets the variance that is added to the measured one. The
    release's sizes are the defaults. Batches are cut at their longest curve, which changes
    nothing (valid points stand first, the recurrence runs forward) and saves most of the time.
    """

    inputs = ("x", "error", "mask", "phase")

    def __init__(
        self,
        latents: int = 5,
        *,
        width: int = 128,
        harmonics: int = 12,
        layers: int = 2,
        depth: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.latents, self.harmonics = latents, harmonics
        self.recurrent = nn.GRU(2 * harmonics + 1, width, num_layers=layers, dropout=dropout)
        self.attention = nn.Linear(width, 1, bias=False)
        self.head = nn.Sequential(nn.Linear(width, width), Gelu(), nn.Linear(width, 2 * latents))
        self.decoder = residual_body(2 * harmonics + latents - 1, width, depth)
        self.out = nn.Linear(width, 1)
        self.noise = nn.Sequential(
            nn.Linear(1, width), Gelu(), nn.Linear(width, width), Gelu(), nn.Linear(width, 1)
        )

    def encode(self, batch: Batch) -> Normal:
        """Return the posterior of curves `x` at `phase` with `mask`, all (B, P)."""
        x, mask, phase = cut(batch, "x", "mask", "phase")
        # point by point, as the recurrence takes them; what lies beyond the mask has no weight
        waves = self._waves(phase.t().contiguous())
        hidden = self._hidden(torch.cat([waves, x.t().unsqueeze(-1)], dim=-1))
        score = self.attention(hidden).squeeze(-1).t().masked_fill(~mask, -torch.inf)
        weight = torch.softmax(score, dim=1)
        pooled = torch.einsum("bp,pbh->bh", weight, hidden)
        mean, log_sigma = self.head(pooled).chunk(2, dim=1)
        return Normal(mean, torch.exp(log_sigma))

    def _hidden(self, points: Tensor) -> Tensor:
        """Return the recurrence's states of points (P, B, I), (P, B, H)."""
        if torch.is_grad_enabled() or self.training:
            hidden: Tensor = self.recurrent(points)[0]
            return hidden
        return states(self.recurrent, points)

    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return scaled magnitude and added scatter at phases `at` (B, P).

        Raises ValueError where no phases are given.
        """
        if at is None:
            raise ValueError("a folded light curve is decoded at phases; give `at`")
        shape = z[:, None, :-1].expand(-1, at.shape[1], -1)
        points = torch.cat([self._waves(at), shape], dim=-1)
        mean = self._means(points.flatten(0, 1)).view(at.shape)
        scatter = torch.exp(0.5 * self.noise(z[:, -1:]))
        return Normal(mean, scatter.expand_as(mean))

    def _means(self, points: Tensor) -> Tensor:
        """Return the magnitude of each point (M, I), (M, 1)."""
        if torch.is_grad_enabled():
            whole: Tensor = self.out(self.decoder(points))
            return whole
        return torch.cat([self.out(self.decoder(part)) for part in points.split(AT_ONCE)])

    def loss(self, batch: Batch, beta: float) -> Loss:
        """Return mean NLL a valid point + beta KL (huijse-2025.md, 4.1 and 4.3), batch mean."""
        posterior = self.encode(batch)
        x, error, mask, phase = cut(batch, "x", "error", "mask", "phase")
        decoded = self.decode(self.draw(posterior), phase)
        variance = error**2 + decoded.sigma**2
        misfit = masked_nll(x, decoded.mean, variance, mask)
        kl = divergence(posterior).mean()
        return Loss(misfit + beta * kl, misfit, kl)

    def _waves(self, phase: Tensor) -> Tensor:
        """Return cos, then sin of 2 pi k phase for k = 1..H, (B, P, 2 H)."""
        k = torch.arange(1, self.harmonics + 1, device=phase.device, dtype=phase.dtype)
        angle = 2 * torch.pi * phase.unsqueeze(-1) * k
        return torch.cat([torch.cos(angle), torch.sin(angle)], dim=-1)


def cut(batch: Batch, *names: str) -> tuple[Tensor, ...]:
    """Cut arrays of a batch after its longest curve."""
    longest = int(batch["mask"].sum(dim=1).max().clamp(min=1))
    return tuple(batch[name][:, :longest] for name in names)
