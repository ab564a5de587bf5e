"""Frequencies of light curves by a floating-mean Lomb-Scargle search.

Zechmeister & Kuerster 2009, A&A 496, 577 (equations 4-15); the grid is that of VanderPlas 2018,
ApJS 236, 16 (section 7.1). Folding needs a frequency, and the archive gives one only for some
classes; a frequency found here has aliases and is marked as ours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.001, 25.0  # 1/d
POINTS_A_PEAK = 5
FEWEST_POINTS = 5


class Frequency(NamedTuple):
    """The best frequency in 1/d and its power, 0..1; both NaN where none could be found."""

    frequency: float
    power: float


def find_frequency(
    time: NDArray[np.floating], mag: NDArray[np.floating], error: NDArray[np.floating]
) -> Frequency:
    """Search 0.001-25 1/d for the highest peak of the periodogram.

    `time` in d, `mag` and `error` in mag, each (n,), finite, errors positive. Fewer than five
    points, no spread in time, or a constant magnitude give NaN.
    """
    time, mag, error = (np.asarray(x, np.float64) for x in (time, mag, error))
    span = float(np.ptp(time)) if len(time) else 0.0
    if len(time) < FEWEST_POINTS or span <= 0 or not np.ptp(mag) > 0:
        return Frequency(math.nan, math.nan)
    weight = error**-2
    weight /= weight.sum()
    residual = mag - weight @ mag
    centered = time - time.mean()
    step = 1.0 / (POINTS_A_PEAK * span)
    count = int((HIGHEST - LOWEST) / step) + 1
    coarse = _search(centered, residual, weight, LOWEST, step, count)
    start = max(LOWEST, coarse[0] - step)
    return Frequency(*_search(centered, residual, weight, start, step / 20, 41))


@numba.njit(cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"})
def _search(
    time: NDArray[np.float64],
    residual: NDArray[np.float64],
    weight: NDArray[np.float64],
    start: float,
    step: float,
    count: int,
) -> tuple[float, float]:
    """Best of `count` frequencies; each point's phase is rotated on, not computed anew."""
    cosine, sine = np.cos(2 * np.pi * start * time), np.sin(2 * np.pi * start * time)
    turn_cosine, turn_sine = np.cos(2 * np.pi * step * time), np.sin(2 * np.pi * step * time)
    scatter = 0.0
    for i in range(len(time)):
        scatter += weight[i] * residual[i] ** 2
    best, best_power = start, -1.0
    for k in range(count):
        c_sum, s_sum, yc, ys, cc, cs = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(len(time)):
            c, s = cosine[i], sine[i]
            wc, ws = weight[i] * c, weight[i] * s
            c_sum += wc
            s_sum += ws
            yc += wc * residual[i]
            ys += ws * residual[i]
            cc += wc * c
            cs += wc * s
            cosine[i] = c * turn_cosine[i] - s * turn_sine[i]
            sine[i] = s * turn_cosine[i] + c * turn_sine[i]
        ss = 1.0 - cc - s_sum * s_sum
        cc -= c_sum * c_sum
        cs -= c_sum * s_sum
        determinant = cc * ss - cs * cs
        if determinant > 1e-10:
            power = (ss * yc * yc + cc * ys * ys - 2.0 * cs * yc * ys) / (scatter * determinant)
            if power > best_power:
                best, best_power = start + k * step, power
    return best, best_power
