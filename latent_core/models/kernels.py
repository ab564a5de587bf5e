"""Compiled loops of the activations in single precision, one pass over memory each.

torch's own take as long as the matrix products of networks as narrow as ours. Each function is
odd but for a constant and is drawn as x P(x^2) / Q(x^2), cut where it has become flat. The
coefficients are least-squares fits in double precision at Chebyshev nodes, reweighted towards the
worst error, which is below 2e-8; rounding leaves less than torch's own does
(tests/unit/test_activations.py).
"""

# mypy sees functions that numba types by itself
# mypy: disallow_untyped_defs=False
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np
from numba import njit


def _singles(*values: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in values)


_HALF = np.float32(0.5)
# Phi(x) - 1/2, Phi being the normal distribution's
_CDF_END = np.float32(5.6)
_CDF_OVER = _singles(
    *(0.39894223, 0.034373373, 0.004707079, 0.00017382139, 6.356186e-06, 2.2146498e-08)
)
_CDF_UNDER = _singles(*(1.0, 0.252827, 0.028938489, 0.0019128127, 7.5091775e-05, 1.1802214e-06))
# Phi(x) + x phi(x) - 1/2, the slope of x Phi(x) without its constant
_SLOPE_END = np.float32(6.3)
_SLOPE_OVER = _singles(
    *(0.7978845, -0.01593388, 0.013611808, 0.0003194171, 3.4213197e-05, 1.2409678e-06),
    1.9786997e-08,
)
_SLOPE_UNDER = _singles(
    *(1.0, 0.31336245, 0.04651607, 0.0043056, 0.0002750822, 1.1857115e-05, 4.301272e-07),
    1.4211806e-09,
)
_TANH_END = np.float32(8.5)
_TANH_OVER = _singles(0.99999994, 0.13406257, 0.0035258785, 2.1122518e-05, 1.4100495e-08)
_TANH_UNDER = _singles(1.0, 0.4673957, 0.025991363, 0.00033357862, 8.0741444e-07)
# a product and a sum in one rounding; not the rest of fastmath, which takes NaN for a number
_FUSED = {"contract", "nsz"}


@njit(inline="always", fastmath=_FUSED)
def _cdf(x):
    c = min(max(x, -_CDF_END), _CDF_END)
    t = c * c
    p0, p1, p2, p3, p4, p5 = _CDF_OVER
    q0, q1, q2, q3, q4, q5 = _CDF_UNDER
    over = ((((p5 * t + p4) * t + p3) * t + p2) * t + p1) * t + p0
    under = ((((q5 * t + q4) * t + q3) * t + q2) * t + q1) * t + q0
    return _HALF + c * over / under


@njit(inline="always", fastmath=_FUSED)
def _slope(x):
    c = min(max(x, -_SLOPE_END), _SLOPE_END)
    t = c * c
    p0, p1, p2, p3, p4, p5, p6 = _SLOPE_OVER
    q0, q1, q2, q3, q4, q5, q6, q7 = _SLOPE_UNDER
    over = (((((p6 * t + p5) * t + p4) * t + p3) * t + p2) * t + p1) * t + p0
    under = ((((((q7 * t + q6) * t + q5) * t + q4) * t + q3) * t + q2) * t + q1) * t + q0
    return _HALF + c * over / under


@njit(inline="always", fastmath=_FUSED)
def _tanh(x):
    c = min(max(x, -_TANH_END), _TANH_END)
    t = c * c
    p0, p1, p2, p3, p4 = _TANH_OVER
    q0, q1, q2, q3, q4 = _TANH_UNDER
    over = (((p4 * t + p3) * t + p2) * t + p1) * t + p0
    under = (((q4 * t + q3) * t + q2) * t + q1) * t + q0
    return c * over / under


@njit(inline="always", fastmath=_FUSED)
def _sigmoid(x):
    return _HALF + _HALF * _tanh(_HALF * x)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_FUSED)
def gelu(x):
    """Turn numbers (M,) into x Phi(x)."""
    for i in range(len(x)):
        x[i] *= _cdf(x[i])


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_FUSED)
def gelu_and_slope(x, out, slope):
    """Write x Phi(x) of numbers (M,), and its derivative."""
    for i in range(len(x)):
        slope[i] = _slope(x[i])
        out[i] = x[i] * _cdf(x[i])


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_FUSED)
def gated(given, held, bias, state, out):
    """Write the next states of a GRU (B, H): torch.nn.GRU's equations, rows reset, update, new.

    `given` (B, 3 H) comes from the input with its bias, for reset and update both; `held` (B, 3 H)
    from the states (B, H), without; `bias` (H,) is that of the new state's part of it.
    """
    width = state.shape[1]
    for b in range(len(state)):
        for i in range(width):
            reset = _sigmoid(given[b, i] + held[b, i])
            update = _sigmoid(given[b, width + i] + held[b, width + i])
            new = held[b, 2 * width + i] + bias[i]
            new = _tanh(given[b, 2 * width + i] + reset * new)
            out[b, i] = new + update * (state[b, i] - new)
