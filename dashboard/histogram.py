"""Histograms of a column over all shown sources and over the selected ones, counted in one pass.

A column is put into bins once, one byte a source, shared by all sessions; counting millions of
them for another selection is then a few milliseconds whatever the column's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap
from dashboard.tally import class_counts
from latent_core.catalog import Column

BINS = 100
OUTSIDE, MISSING = 254, 255
CLIP_PERCENT = 0.1  # the axis leaves out this share at either end where it lies far out
KEPT_WHOLE = 1.3  # an axis that the outermost values make no longer than this shows them
SAMPLE = 400_000


@dataclass(frozen=True)
class Binned:
    """A column in BINS equal bins between `low` and `high`, in log10 of its values if `log`.

    `codes` (N,) hold the bin of each source, OUTSIDE or MISSING.
    """

    column: Column
    low: float
    high: float
    log: bool
    codes: NDArray[np.uint8]

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins along the axis, (BINS + 1,)."""
        return np.linspace(self.low, self.high, BINS + 1)

    @property
    def title(self) -> str:
        """What the axis shows, with its unit."""
        name = self.column.label or self.column.name
        log = "log\N{SUBSCRIPT ONE}\N{SUBSCRIPT ZERO} " if self.log else ""
        return f"{log}{name}" + (f" [{self.column.unit}]" if self.column.unit else "")

    def values_of(self, a: float, b: float) -> tuple[float, float]:
        """Return the column's values at two places of the axis, the smaller first."""
        low, high = min(a, b), max(a, b)
        return (10**low, 10**high) if self.log else (low, high)


@dataclass(frozen=True)
class Counts:
    """Sources a bin, (BINS,) each, shown and selected; of the shown: outside, and without one."""

    shown: NDArray[np.int64]
    selected: NDArray[np.int64]
    outside: int
    missing: int


def binned(column: Column, values: NDArray, *, log: bool = False) -> Binned:
    """Put a column (N,) into bins; `log` needs values above 0, those that are not are OUTSIDE."""
    low, high = _ends(values, log)
    codes = np.empty(len(values), np.uint8)
    _fill_codes(codes, values, low, high, log)
    return Binned(column, low, high, log, codes)


def _ends(values: NDArray, log: bool) -> tuple[float, float]:
    """Return the ends of the axis: the range, without a few values that lie far out."""
    some = np.asarray(values[:: max(1, len(values) // SAMPLE)], np.float64)
    some = some[np.isfinite(some) & ((some > 0) | (not log))]
    finite = np.isfinite(values) & ((values > 0) | (not log))
    if not finite.any() or not len(some):
        return (0.0, 1.0)
    low, high = float(values[finite].min()), float(values[finite].max())
    if log:
        some, low, high = np.log10(some), float(np.log10(low)), float(np.log10(high))
    near = np.percentile(some, (CLIP_PERCENT, 100 - CLIP_PERCENT))
    if 0 < near[1] - near[0] < (high - low) / KEPT_WHOLE:
        low, high = float(near[0]), float(near[1])
    return (low, high) if high > low else (low - 0.5, low + 0.5)


@numba.njit(cache=True, nogil=True)
def _fill_codes(codes: Any, values: Any, low: float, high: float, log: bool) -> None:
    scale = BINS / (high - low)
    for i in range(len(values)):
        value = np.float64(values[i])
        if not np.isfinite(value):
            codes[i] = MISSING
            continue
        if log:
            if value <= 0:
                codes[i] = OUTSIDE
                continue
            value = np.log10(value)
        place = (value - low) * scale
        # the ends of the axis were rounded once: a value on them counts inside
        if place < -1e-6 or place > BINS + 1e-6:
            codes[i] = OUTSIDE
        else:
            codes[i] = min(max(int(place), 0), BINS - 1)


def count(bins: Binned, shown: Bitmap, selected: Bitmap) -> Counts:
    """Count the shown sources of each bin, and those of them that are selected."""
    every, chosen = (class_counts(bins.codes, rows, 256) for rows in (shown, shown & selected))
    return Counts(every[:BINS], chosen[:BINS], int(every[OUTSIDE]), int(every[MISSING]))


def rows_between(values: NDArray, low: float, high: float, shown: Bitmap) -> Bitmap:
    """Return the shown rows whose value (N,) lies within low..high, both included."""
    return Bitmap.from_mask((values >= low) & (values <= high)) & shown


def warm() -> None:
    """Compile for the types that catalogs and latents have, before anybody waits for it."""
    for kind in (np.float32, np.float64):
        bins = binned(Column(""), np.zeros(1, kind))
        count(bins, Bitmap.all(1), Bitmap.all(1))
