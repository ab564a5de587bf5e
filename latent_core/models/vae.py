"""What all our variational autoencoders share: named tensors in, means and scatters out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latent_core.models.activations import Gelu, residual_block

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

    def trained(self, beta: float) -> Iterator[nn.Parameter]:
        """Return the parameters that the loss with this `beta` trains: all, as a rule."""
        return self.parameters()

    def draw(self, posterior: Normal) -> Tensor:
        """Sample the posterior while training, take its mean otherwise."""
        if not self.training:
            return posterior.mean
        return posterior.mean + posterior.sigma * torch.randn_like(posterior.mean)


def divergence(posterior: Normal) -> Tensor:
    """KL divergence to N(0, 1), summed over latents, (B,)."""
    variance = posterior.sigma**2
    return 0.5 * (posterior.mean**2 + variance - 1 - torch.log(variance)).sum(dim=1)


class _WeightedNLL(torch.autograd.Function):
    """The sum over points of weight * (residual^2 / variance + ln variance) / 2, in few passes.

    Written out because autograd's way over as many small steps takes longer than the network's
    matrix products.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor) -> Tensor:
        """Return the sum; all are (B, P), or weight one number."""
        residual = x - mean
        pull = residual / variance
        ctx.save_for_backward(pull, variance, weight)
        point = torch.log(variance).addcmul_(residual, pull)
        return 0.5 * (point * weight).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of mean and, where it is asked for, of variance."""
        pull, variance, weight = ctx.saved_tensors
        scaled = weight * grads[0]
        by_variance = None
        if ctx.needs_input_grad[2]:
            by_variance = variance.reciprocal().addcmul_(pull, pull, value=-1.0)
            by_variance = by_variance.mul_(scaled).mul_(0.5)
        return None, -pull * scaled, by_variance, None


def weighted_nll(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor) -> Tensor:
    """Gaussian NLL without its constant, points (B, P) times `weight` summed; variance > 0."""
    loss: Tensor = _WeightedNLL.apply(x, mean, variance, weight)
    return loss


class ResidualBlock(nn.Module):
    """Linear, GELU, Linear, add the input, GELU (Huijse et al. 2025 release)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width) to (B, width)."""
        return residual_block(x, self.first, self.second)


def residual_body(size_in: int, width: int, depth: int, *, activate: bool = True) -> nn.Sequential:
    """Linear to `width` (then GELU where `activate`) and `depth` residual blocks."""
    first: list[nn.Module] = [nn.Linear(size_in, width)]
    if activate:
        first.append(Gelu())
    return nn.Sequential(*first, *(ResidualBlock(width) for _ in range(depth)))
