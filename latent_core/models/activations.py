"""GELU, as torch computes it to rounding, by compiled loops where they can run."""

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
        out, slope = torch.empty_like(x), torch.empty_like(x)
        kernels.gelu_and_slope(_flat(x), _flat(out), _flat(slope))
        ctx.save_for_backward(slope)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the gradient of x."""
        (slope,) = ctx.saved_tensors
        given: Tensor = grads[0] * slope
        return given


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


def _compiled(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and x.is_contiguous()


def _flat(x: Tensor) -> Any:
    return x.detach().view(-1).numpy()
