"""The parametric UMAP of Huijse et al.'s release: from latents to a place on the map."""

from __future__ import annotations

from torch import Tensor, nn

from latent_core.models.vae import residual_body


class Projector(nn.Module):
    """Linear, GELU, residual blocks, Linear: raw coordinates (B, size) to a map (B, 2)."""

    def __init__(self, size: int = 17, *, width: int = 128, depth: int = 3) -> None:
        super().__init__()
        self.size = size
        self.body = residual_body(size, width, depth)
        self.out = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the places, (B, 2)."""
        placed: Tensor = self.out(self.body(x))
        return placed
