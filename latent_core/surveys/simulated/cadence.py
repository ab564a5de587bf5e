"""When Gaia looks at a source, and how well it measures a transit in G.

The scanning law says when a source crosses a field of view; some crossings never become a point of
the light curve: Gaia was idle or out of focus (gaps of hours to days, measured on real rows), or
the transit was lost, one in twelve, at random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_core.surveys.simulated.scanning_law import START_D, STOP_D, ecliptic, scan
from latent_core.surveys.simulated.summary import figures

__all__ = ["START_D", "STOP_D", "padded", "transit_errors", "transit_times"]
Floats = NDArray[np.float64]


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
