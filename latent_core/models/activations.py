"""GELU, as torch computes it to rounding, and the residual block, by compiled loops.

Where those cannot run (another device or precision), torch's own takes their place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from latent_core.models import kernels


class _Gelu(torch.autograd.Function):
    """Keeps the slope, which costs little beside the value and spares the way back all but it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return x Phi(x)."""
        out, slope = _with_slope(x)
        ctx.save_for_backward(slope)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the gradient of x."""
        (slope,) = ctx.saved_tensors
        given: Tensor = grads[0] * slope
        return given


class _Block(torch.autograd.Function):
    """A residual block as one step: in narrow networks autograd's own steps take half the time."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, first: Tensor, bias: Tensor, second: Tensor, other_bias: Tensor
    ) -> Tensor:
        """Return gelu(x + second gelu(first x + bias) + other bias)."""
        inner, slope = _with_slope(torch.addmm(bias, x, first.t()))
        out, last = _with_slope(torch.addmm(other_bias, inner, second.t()).add_(x))
        ctx.save_for_backward(x, first, second, inner, slope, last)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients of all five."""
        x, first, second, inner, slope, last = ctx.saved_tensors
        by_sum = grads[0] * last
        by_inner = torch.mm(by_sum, second).mul_(slope)
        return (
            torch.addmm(by_sum, by_inner, first),
            torch.mm(by_inner.t(), x),
            by_inner.sum(dim=0),
            torch.mm(by_sum.t(), inner),
            by_sum.sum(dim=0),
        )


def residual_block(x: Tensor, first: nn.Linear, second: nn.Linear) -> Tensor:
    """Return gelu(x + second(gelu(first(x)))) of rows (B, width)."""
    if torch.is_grad_enabled() and _compiled(x):
        found: Tensor = _Block.apply(x, first.weight, first.bias, second.weight, second.bias)
        return found
    return gelu(second(gelu(first(x))).add_(x))


def gelu(x: Tensor) -> Tensor:
    """Return x Phi(x), Phi being the normal distribution's.

    It takes x's memory where no gradient is kept: hand over what nobody else reads, the fresh
    result of a layer.
    """
    if not _compiled(x):
        return nn.functional.gelu(x)
    if torch.is_grad_enabled() and x.requires_grad:
        found: Tensor = _Gelu.apply(x)
        return found
    kernels.gelu(_flat(x))
    return x


class Gelu(nn.Module):
    """`gelu` as a layer behind another."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return gelu(x)


def _with_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    out, slope = torch.empty_like(x), torch.empty_like(x)
    kernels.gelu_and_slope(_flat(x), _flat(out), _flat(slope))
    return out, slope


def _compiled(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and x.is_contiguous()


def _flat(x: Tensor) -> Any:
    return x.detach().numpy().reshape(-1)
