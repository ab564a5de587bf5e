"""When Gaia looks: the nominal scanning law, and how well it measures a transit in G.

The spin axis precesses at 45 deg around the Sun at constant speed (Lindegren & Bastian 2011,
EAS Publ. Ser. 45, 109) while the satellite turns once in 6 h. A source is seen whenever it lies
within 0.35 deg of the scanned great circle: by the preceding field of view, then by the following
one 106.5 deg = 0.0740 d later. The phases of the law are not Gaia's own: statistics are real,
dates are not. The month of ecliptic pole scanning is not imitated.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from latent_core.surveys.simulated.summary import figures

Floats = NDArray[np.float64]
START_D, STOP_D = 1666.0, 2704.0
REVOLUTION_D = 0.25
FIELDS_APART_D = 0.0740
_HALF_WIDTH = np.radians(0.35)
_SUN_ASPECT = np.radians(45.0)
_SPEED = 4.22  # axis speed relative to the Sun's, |dz/d(lambda)|
# Data gaps of weeks (decontamination, refocus), in d since 2010.0; times in rough accord with DR3
_GAPS = ((1720.0, 1734.0), (2108.0, 2112.0), (2332.0, 2351.0))
_KEPT = 0.92  # share of transits that survive processing
_OBLIQUITY = np.radians(23.4393)


@lru_cache
def scanning_law() -> tuple[Floats, Floats, Floats]:
    """Return time (K,), spin axis (K, 3) and reference direction (K, 3) of each revolution."""
    time = np.arange(START_D, STOP_D, REVOLUTION_D)
    sun = 2.0 * np.pi * (time - START_D) / 365.25
    step = sun[1] - sun[0]
    angle = np.zeros(len(time))
    for k in range(1, len(time)):
        a = angle[k - 1]
        root = np.sqrt(_SPEED**2 - np.cos(a) ** 2)
        angle[k] = a + step * (root + np.cos(_SUN_ASPECT) * np.sin(a)) / np.sin(_SUN_ASPECT)
    zero = np.zeros_like(sun)
    to_sun = np.column_stack([np.cos(sun), np.sin(sun), zero])
    across = np.column_stack([-np.sin(sun), np.cos(sun), zero])
    north = np.array([0.0, 0.0, 1.0])
    tilt = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * north
    axis = np.cos(_SUN_ASPECT) * to_sun + np.sin(_SUN_ASPECT) * tilt
    reference = np.sin(_SUN_ASPECT) * to_sun - np.cos(_SUN_ASPECT) * tilt
    return time, axis, reference


def ecliptic(ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Unit vectors (N, 3) in ecliptic axes of ICRS positions in degrees."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    x, y, z = np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)
    c, s = np.cos(_OBLIQUITY), np.sin(_OBLIQUITY)
    return np.column_stack([x, c * y + s * z, c * z - s * y])


def transit_times(
    ra_deg: Floats, dec_deg: Floats, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return sorted times (N, T) in d since 2010.0 and which are real; the rest is padding."""
    time, axis, reference = scanning_law()
    source = ecliptic(ra_deg, dec_deg)
    row, turn = np.nonzero(np.abs(source @ axis.T) < np.sin(_HALF_WIDTH))
    third = np.cross(axis[turn], reference[turn])
    angle = np.arctan2(
        (source[row] * third).sum(axis=1), (source[row] * reference[turn]).sum(axis=1)
    )
    first = time[turn] + REVOLUTION_D * (angle / (2.0 * np.pi) % 1.0)
    seen = np.concatenate([first, first + FIELDS_APART_D])
    owner = np.concatenate([row, row])
    good = (rng.random(len(seen)) < _KEPT) & (seen < STOP_D)
    for low, high in _GAPS:
        good &= (seen < low) | (seen > high)
    return padded(owner[good], seen[good], len(source))


def padded(owner: NDArray[np.int64], values: Floats, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Lay ragged values out as rows, sorted; padding repeats the last value of the row."""
    order = np.lexsort((values, owner))
    owner, values = owner[order], values[order]
    counts = np.bincount(owner, minlength=n)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.arange(len(owner)) - starts[owner]
    table = np.full((n, max(int(counts.max(initial=0)), 1)), -np.inf)
    table[owner, place] = values
    real = np.isfinite(table)
    return np.maximum.accumulate(np.where(real, table, START_D), axis=1), real


def transit_errors(mag: Floats, rng: np.random.Generator) -> Floats:
    """Draw G transit errors in mag for magnitudes of any shape, from quantiles of real ones."""
    table = figures()["transit_errors"]
    g, p, q = (np.array(table[key]) for key in ("g", "p", "log_error"))
    place = np.interp(mag, g, np.arange(len(g)))
    low = np.minimum(place.astype(int), len(g) - 2)
    u = rng.uniform(p[0], p[-1], np.shape(mag))
    column = np.interp(u, p, np.arange(len(p)))
    left = np.minimum(column.astype(int), len(p) - 2)
    x, y = place - low, column - left
    faint = (1 - y) * q[low + 1, left] + y * q[low + 1, left + 1]
    bright = (1 - y) * q[low, left] + y * q[low, left + 1]
    log_error = (1 - x) * bright + x * faint
    # the measured bins end at G 20; beyond, photon noise of a faint source, 0.4 dex a magnitude
    return np.asarray(10.0 ** (log_error + 0.4 * np.maximum(mag - g[-1], 0.0)))
