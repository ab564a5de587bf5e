"""Frequencies of light curves by a floating-mean Lomb-Scargle search.

Zechmeister & Kuerster 2009, A&A 496, 577 (equations 4-15); the grid is that of VanderPlas 2018,
ApJS 236, 16 (section 7.1). Folding needs a frequency, and the archive gives one only for some
classes; a frequency found here has aliases and is marked as ours. For curves as short as Gaia's
the direct sum is faster than a non-uniform FFT (benchmarks/bench_periods.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.001, 25.0  # 1/d
POINTS_A_PEAK = 5
FINER = 20
FEWEST_POINTS = 5
HARMONICS = (1.0, 0.5, 2.0)
EPSILON = float(np.finfo(float).eps)
LEAST_EXACT = -10.0  # below this logarithm two small probabilities are simply added


class Frequency(NamedTuple):
    """A frequency in 1/d, its power, 0..1, and log10 of its false-alarm probability.

    The probability is Baluev's (2008, MNRAS 385, 1279) upper limit for the highest of all peaks
    of white noise up to the highest frequency searched. All NaN where none could be found.
    """

    frequency: float
    power: float
    log10_fap: float = math.nan


def find_frequency(
    time: NDArray[np.floating], mag: NDArray[np.floating], error: NDArray[np.floating]
) -> Frequency:
    """Search 0.001-25 1/d for the highest peak of the periodogram.

    `time` in d, `mag` and `error` in mag, each (n,), finite, errors positive. Fewer than five
    points, no spread in time, or a constant magnitude give NaN.
    """
    curve = _centered(time, mag, error)
    if curve is None:
        return Frequency(math.nan, math.nan)
    times, residual, weight = curve
    step = 1.0 / (POINTS_A_PEAK * float(np.ptp(times)))
    count = int((HIGHEST - LOWEST) / step) + 1
    coarse = _search(times, residual, weight, LOWEST, step, count)
    start = max(LOWEST, coarse[0] - step)
    best, power = _search(times, residual, weight, start, step / FINER, 2 * FINER + 1)
    return Frequency(best, power, log10_false_alarm(power, times, weight))


def candidates(
    time: NDArray[np.floating],
    mag: NDArray[np.floating],
    error: NDArray[np.floating],
    frequency: float,
) -> tuple[Frequency, ...]:
    """Return a frequency in 1/d, half of it and twice it, each with its own power and FAP.

    Half is the true one of an eclipsing binary with two like eclipses. What lies below the lowest
    frequency searched is left out. () where the curve has no periodogram.
    """
    curve = _centered(time, mag, error)
    if curve is None:
        return ()
    times, residual, weight = curve
    asked = [h * frequency for h in HARMONICS if h * frequency >= LOWEST]
    powers = [_search(times, residual, weight, f, 0.0, 1)[1] for f in asked]
    return tuple(
        Frequency(f, power, log10_false_alarm(power, times, weight))
        for f, power in zip(asked, powers, strict=True)
    )


def _centered(
    time: NDArray[np.floating], mag: NDArray[np.floating], error: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Return time and magnitude about their means, and weights of sum 1; None for no curve."""
    times, mags, errors = (np.asarray(x, np.float64) for x in (time, mag, error))
    if len(times) < FEWEST_POINTS or not np.ptp(times) > 0 or not np.ptp(mags) > 0:
        return None
    weight = errors**-2
    weight /= weight.sum()
    return times - times.mean(), mags - weight @ mags, weight


def log10_false_alarm(
    power: float, time: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """Return log10 of Baluev's upper limit for a power, 0..1, of a curve of times in d, (n,).

    Equations 5 and 6 of Baluev 2008 for the floating mean, in logarithms: a good period's
    probability is below what a float holds. `weight` (n,) are of sum 1, n is at least 5.
    """
    n = len(time)
    left = math.log1p(-min(power, 1 - EPSILON))
    single = (n - 3) / 2 * left
    spread = weight @ (time - weight @ time) ** 2
    width = HIGHEST * math.sqrt(4 * math.pi * spread)
    gamma = 0.5 * math.log(2 / (n - 1)) + math.lgamma((n - 1) / 2) - math.lgamma((n - 2) / 2)
    crossings = gamma + math.log(width) + (n - 4) / 2 * left
    crossings += 0.5 * math.log(max((n - 1) / 2 * power, EPSILON))
    either = float(np.logaddexp(single, crossings))
    if either < LEAST_EXACT:
        return either / math.log(10)
    exact = 1 - (1 - math.exp(single)) * math.exp(-math.exp(crossings))
    return math.log10(max(exact, EPSILON))


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
