"""Light curves folded with a period of the user's choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fold(time: Floats, frequency: float, zero: float = 0.0) -> Floats:
    """Return phases in [0, 1) of times (d) at a frequency (1/d); `zero` is put at phase 0."""
    return np.asarray(np.mod(time * frequency - zero, 1.0))


def phase_offset(
    raw_phase: Floats, raw_mag: Floats, stored_phase: Floats, stored_mag: Floats
) -> float:
    """Return the shift between our phases and stored ones of the same points, in [0, 1).

    Points are matched by magnitude, because a modality may have sorted them by phase. 0 where
    they are not the same points: then nothing can be aligned.
    """
    if len(raw_mag) != len(stored_mag) or not len(raw_mag):
        return 0.0
    ours, theirs = np.argsort(raw_mag, kind="stable"), np.argsort(stored_mag, kind="stable")
    if not np.allclose(raw_mag[ours], stored_mag[theirs], atol=2e-3, rtol=0):
        return 0.0
    turns = np.exp(2j * np.pi * (raw_phase[ours] - stored_phase[theirs]))
    centre = np.median(turns.real) + 1j * np.median(turns.imag)
    return float(np.mod(np.angle(centre) / (2 * np.pi), 1.0))
