"""What all our variational autoencoders share: named tensors in, means and scatters out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
MIN_VARIANCE = 1e-6


@dataclass(frozen=True)
class Normal:
    """A mean and its standard deviation, of equal shape; they never travel apart."""

    mean: Tensor
    sigma: Tensor


@dataclass(frozen=True)
class Loss:
    """Batch means: `total` is minimised, the other two are written to the history."""

    total: Tensor
    reconstruction: Tensor
    divergence: Tensor


class VAE(nn.Module, ABC):
    """Encode a batch of named tensors into `latents` numbers a source and decode them again."""

    latents: int
    inputs: tuple[str, ...]

    @abstractmethod
    def encode(self, batch: Batch) -> Normal:
        """Return the posterior of each row, mean and sigma (B, K)."""

    @abstractmethod
    def decode(self, z: Tensor, at: Tensor | None = None) -> Normal:
        """Return the decoded mean and scatter of each row, (B, P); `at` (B, P) are phases."""

    @abstractmethod
    def loss(self, batch: Batch, beta: float) -> Loss:
        """Return the training loss of a batch; draws z when the module is in training mode."""

    def draw(self, posterior: Normal) -> Tensor:
        """Sample the posterior while training, take its mean otherwise."""
        if not self.training:
            return posterior.mean
        return posterior.mean + posterior.sigma * torch.randn_like(posterior.mean)


def divergence(posterior: Normal) -> Tensor:
    """KL divergence to N(0, 1), summed over latents, (B,)."""
    variance = posterior.sigma**2
    return 0.5 * (posterior.mean**2 + variance - 1 - torch.log(variance)).sum(dim=1)


class ResidualBlock(nn.Module):
    """Linear, GELU, Linear, add the input, GELU (Huijse et al. 2025 release)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width) to (B, width)."""
        inner = self.second(nn.functional.gelu(self.first(x)))
        return nn.functional.gelu(x + inner)


def residual_body(size_in: int, width: int, depth: int, *, activate: bool = True) -> nn.Sequential:
    """Linear to `width` (then GELU where `activate`) and `depth` residual blocks."""
    first: list[nn.Module] = [nn.Linear(size_in, width)]
    if activate:
        first.append(nn.GELU())
    return nn.Sequential(*first, *(ResidualBlock(width) for _ in range(depth)))
