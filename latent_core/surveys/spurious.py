"""Frequencies that the scanning law makes: flagged, never dropped.

Gaia looks at a source at times that its spin and precession set, so that a periodogram of almost
any curve has peaks at certain frequencies. The windows are those of Huijse et al.'s release for
bright and for faint sources (huijse-2025.md, 1.6); 15 % of its own table lies in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPURIOUS = "frequency_spurious"
SENTENCE = "Its frequency lies within a window of the scanning law and may be spurious."
FAINT_FROM_G = 15.0
# Closed intervals of log10(frequency / d^-1).
BRIGHT = np.array([
    [-2.273, -2.251], [-1.987, -1.975], [-1.888, -1.874], [-1.736, -1.725], [-1.678, -1.667],
    [-1.535, -1.531], [-1.505, -1.490], [-1.465, -1.462], [-1.435, -1.424], [-1.405, -1.396],
    [-1.379, -1.368], [-1.278, -1.271], [-1.257, -1.253], [-1.237, -1.228], [-1.199, -1.193],
    [-1.148, -1.145], [0.602, 0.603], [1.053, 1.113], [1.187, 1.214], [1.373, 1.385],
])  # fmt: skip
FAINT = np.array([
    [-2.290, -2.280], [-2.273, -2.251], [-2.238, -2.228], [-1.988, -1.974], [-1.970, -1.955],
    [-1.890, -1.874], [-1.740, -1.720], [-1.678, -1.667], [-1.505, -1.490], [-1.435, -1.424],
    [-1.405, -1.396], [-1.375, -1.368], [-1.303, -1.296], [-1.278, -1.271], [-1.237, -1.228],
    [-1.199, -1.193], [-1.148, -1.145], [0.600, 0.604], [1.053, 1.113], [1.187, 1.214],
    [1.371, 1.390],
])  # fmt: skip


def is_spurious(frequency: NDArray[np.floating], g_mag: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Tell which frequencies in 1/d lie in a window for a source of that G in mag, (N,).

    Faint windows hold from G = 15 on; a source without magnitude is asked for both lists. A
    frequency that is not positive is never flagged.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_frequency = np.log10(np.asarray(frequency, np.float64))
    bright, faint = (_within(log_frequency, windows) for windows in (BRIGHT, FAINT))
    g_mag = np.asarray(g_mag, np.float64)
    flagged = np.where(g_mag >= FAINT_FROM_G, faint, bright)
    return np.where(np.isnan(g_mag), bright | faint, flagged)


def _within(values: NDArray[np.float64], windows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which values lie in one of the closed intervals (W, 2), which ascend apart."""
    place = np.searchsorted(windows[:, 0], values, side="right") - 1
    inside: NDArray[np.bool_] = (place >= 0) & (values <= windows[np.maximum(place, 0), 1])
    return inside
