"""When Gaia looks at a source, and how well it measures a transit in G.

The scanning law says when a source crosses a field of view; some crossings never become a point of
the light curve: Gaia was idle or out of focus (gaps of hours to days, measured on real rows), or
the transit was lost, one in twelve, at random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from latent_core.surveys.simulated.scanning_law import START_D, STOP_D, ecliptic, scan
from latent_core.surveys.simulated.summary import figures

__all__ = [
    "START_D",
    "STOP_D",
    "measure",
    "padded",
    "transit_errors",
    "transit_times",
    "typical_scatter",
]
Floats = NDArray[np.float64]
# Real DR3 rows lack the variability flag: DR2 rejects 4 %, most of it rightly
_REJECTED, _REJECTED_FAILED = 0.01, 0.9


def transit_times(
    ra_deg: Floats, dec_deg: Floats, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return sorted times (N, T) in d since 2010.0 and which are real; the rest is padding."""
    source = ecliptic(ra_deg, dec_deg)
    owner, time, _ = scan(source)
    good = rng.random(len(time)) < kept_share(time)
    return padded(owner[good], time[good], len(source))


def kept_share(time: Floats) -> Floats:
    """Share of the transits at each time that became points of a light curve, as measured."""
    table = figures()["cadence"]
    begin, end, share = (np.array(table[key]) for key in ("gap_begin", "gap_end", "gap_kept"))
    place = np.searchsorted(begin, time, side="right") - 1
    inside = (place >= 0) & (time < end[place])
    return np.where(inside, share[place], table["kept"])


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
    """Draw G transit errors in mag for magnitudes of any shape, from quantiles of real ones.

    Errors of one source (of one row, where `mag` is (N, T)) are alike, as much as real ones are.
    """
    table = figures()["transit_errors"]
    g, p, q = (np.array(table[key]) for key in ("g", "p", "log_error"))
    place = np.interp(mag, g, np.arange(len(g)))
    low = np.minimum(place.astype(int), len(g) - 2)
    u = p[0] + (p[-1] - p[0]) * ndtr(_alike(mag, g, np.array(table["alike"]), rng))
    column = np.interp(u, p, np.arange(len(p)))
    left = np.minimum(column.astype(int), len(p) - 2)
    x, y = place - low, column - left
    faint = (1 - y) * q[low + 1, left] + y * q[low + 1, left + 1]
    bright = (1 - y) * q[low, left] + y * q[low, left + 1]
    log_error = (1 - x) * bright + x * faint
    # the measured bins end at G 20; beyond, photon noise of a faint source, 0.4 dex a magnitude
    return np.asarray(10.0 ** (log_error + 0.4 * np.maximum(mag - g[-1], 0.0)))


def _alike(mag: Floats, g: Floats, alike: Floats, rng: np.random.Generator) -> Floats:
    """Normal scores that share `alike` of their variance along the last axis."""
    share = np.interp(mag, g, alike)
    common = rng.standard_normal((*np.shape(mag)[:-1], 1))
    return np.sqrt(share) * common + np.sqrt(1.0 - share) * rng.standard_normal(np.shape(mag))


def measure(true: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Observe true magnitudes (N, T): G, its formal error, and whether flags reject the point.

    The scatter exceeds the formal error as it does between real transits of one night; a few
    transits fail: hugely uncertain, too faint mostly, and mostly flagged.
    """
    noise = figures()["noise"]
    error = transit_errors(true, rng)
    scatter = np.hypot(noise["floor"], noise["factor"] * error) * rng.standard_normal(true.shape)
    failed = np.flatnonzero(rng.random(true.size) < noise["failed"])
    n = len(failed)
    wrong = 10.0 ** (noise["failed_log_shift"] + noise["failed_log_shift_sd"] * rng.normal(size=n))
    side = np.where(rng.random(n) < noise["failed_faint"], 1.0, -1.0)
    scatter.ravel()[failed] = side * wrong
    error.ravel()[failed] = wrong * 10.0 ** (noise["failed_log_error"] + 0.2 * rng.normal(size=n))
    chance = np.full(true.size, _REJECTED)
    chance[failed] = _REJECTED_FAILED
    return true + scatter, error, rng.random(true.shape) < chance.reshape(true.shape)


def typical_scatter(g: Floats) -> Floats:
    """How much a constant source scatters, in mag, at its G, (N,), failed transits aside."""
    table, noise = figures()["transit_errors"], figures()["noise"]
    squares = 10.0 ** (2.0 * np.array(table["log_error"]))
    p = np.array(table["p"])
    mean = np.trapezoid(squares, p, axis=1) / (p[-1] - p[0])
    error = 10.0 ** np.interp(g, table["g"], 0.5 * np.log10(mean))
    return np.asarray(np.hypot(noise["floor"], noise["factor"] * error))
