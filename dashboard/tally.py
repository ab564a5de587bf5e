"""Counting a set of rows in one compiled pass over a column: classes, bins, order statistics.

Nothing is copied but the few values next to a wanted percentile. Sets come as words of a
`bitmap.Bitmap`; of a word without rows nothing is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap

_KEY_BITS = 16  # upper bits of a value that sort it into one of 65,536 bins
_STEPS = 4096  # of a histogram's range: with few edges each
_UINTS = {4: np.uint32, 8: np.uint64}
_EXPONENTS = {4: 0x7F800000, 8: 0x7FF0000000000000}
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_ONE = np.uint64(1)


def _bit_places() -> NDArray[np.int64]:
    places = np.zeros(64, np.int64)
    for bit in range(64):
        places[((1 << bit) * int(_DE_BRUIJN) >> 58) & 63] = bit
    return places


_PLACES = _bit_places()


@numba.njit(cache=True, nogil=True, inline="always")
def _lowest(word: Any) -> Any:
    """Return the place of the lowest bit that is set, by a de Bruijn sequence."""
    return _PLACES[((word & (~word + _ONE)) * _DE_BRUIJN) >> np.uint64(58)]


@numba.njit(cache=True, nogil=True)
def _count_codes(counts: Any, codes: Any, words: Any) -> None:
    for w in range(len(words)):
        word, first = words[w], w * 64
        while word:
            counts[codes[first + _lowest(word)]] += 1
            word &= word - _ONE


def class_counts(codes: NDArray[np.integer], rows: Bitmap, classes: int) -> NDArray[np.int64]:
    """Return how many rows of a set have each code, (K,); `codes` (N,) are 0..K - 1."""
    counts = np.zeros(classes, np.int64)
    _count_codes(counts, codes, rows.words)
    return counts


@numba.njit(cache=True, nogil=True)
def _step(value: float, low: float, scale: float) -> Any:
    """Return which of _STEPS equal steps from `low` a value is on; grows with the value."""
    place = (value - low) * scale
    if place < 0.0:
        return np.int64(0)
    return np.int64(place) if place < _STEPS else np.int64(_STEPS - 1)


@numba.njit(cache=True, nogil=True)
def _steps_of(edges: Any, low: float, scale: float) -> Any:
    """Return how many edges between bins are on the steps before each, (_STEPS + 1,)."""
    before = np.zeros(_STEPS + 1, np.int64)
    for k in range(1, len(edges) - 1):
        before[_step(edges[k], low, scale) + 1] += 1
    for step in range(_STEPS):
        before[step + 1] += before[step]
    return before


@numba.njit(cache=True, nogil=True)
def _count_bins(
    counts: Any, values: Any, edges: Any, words: Any, low: float, scale: float
) -> None:
    """Count values in bins; only the edges on a value's own step are compared with it."""
    before, least, most = _steps_of(edges, low, scale), edges[0], edges[-1]
    for w in range(len(words)):
        word, first = words[w], w * 64
        while word:
            value = np.float64(values[first + _lowest(word)])
            word &= word - _ONE
            if not (value >= least and value <= most):
                continue
            step = _step(value, low, scale)
            found, end = before[step], before[step + 1]
            while found < end:
                middle = (found + end) >> 1
                if value >= edges[middle + 1]:
                    found = middle + 1
                else:
                    end = middle
            counts[found] += 1


def histogram(
    values: NDArray[np.floating], rows: Bitmap, edges: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Return how many values (N,) of a set lie between ascending edges (B + 1,), (B,).

    A bin holds its lower edge, the last one its upper edge as well; NaN lies in none.
    """
    edges = np.asarray(edges, np.float64)
    finite = edges[np.isfinite(edges)]
    low, width = (finite[0], finite[-1] - finite[0]) if len(finite) else (0.0, 0.0)
    scale = _STEPS / width if width > 0 and np.isfinite(_STEPS / width) else 0.0
    counts = np.zeros(len(edges) - 1, np.int64)
    _count_bins(counts, values, edges, rows.words, float(low), float(scale))
    return counts


@numba.njit(cache=True, nogil=True)
def _sort_key(bits: Any, sign: Any) -> Any:
    """Return unsigned bits that sort as the numbers do, from their sign and magnitude."""
    return ~bits if bits & sign else bits | sign


@numba.njit(cache=True, nogil=True)
def _count_keys(counts: Any, bits: Any, words: Any, sign: Any, exponent: Any, shift: Any) -> None:
    """Count the finite values of a set by the upper bits of their keys."""
    for w in range(len(words)):
        word, first = words[w], w * 64
        while word:
            value = bits[first + _lowest(word)]
            word &= word - _ONE
            if value & exponent != exponent:
                counts[_sort_key(value, sign) >> shift] += 1


@numba.njit(cache=True, nogil=True)
def _gather_keys(
    found: Any, wanted: Any, bits: Any, words: Any, sign: Any, exponent: Any, shift: Any
) -> None:
    """Copy the values whose bin is wanted."""
    n = 0
    for w in range(len(words)):
        word, first = words[w], w * 64
        while word:
            value = bits[first + _lowest(word)]
            word &= word - _ONE
            if value & exponent != exponent and wanted[_sort_key(value, sign) >> shift]:
                found[n] = value
                n += 1


@numba.njit(cache=True, nogil=True)
def _gather(found: Any, values: Any, words: Any) -> None:
    n = 0
    for w in range(len(words)):
        word, first = words[w], w * 64
        while word:
            found[n] = values[first + _lowest(word)]
            word &= word - _ONE
            n += 1


def chosen(values: NDArray[np.floating], rows: Bitmap) -> NDArray[np.floating]:
    """Return the values (N,) of a set, (M,), in the order of rows."""
    found = np.empty(rows.count, values.dtype)
    _gather(found, values, rows.words)
    return found


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of the finite values of a set, how many those are, and how many are missing."""

    values: tuple[float, ...]
    finite: int
    missing: int


def percentiles(
    values: NDArray[np.floating], rows: Bitmap, percents: Sequence[float]
) -> Percentiles:
    """Return percentiles of the finite values (N,) of a set, exactly as numpy's (linear).

    The values are counted by their upper bits; only the bins that hold a wanted one are sorted.
    Without a finite value the percentiles are NaN. `values` are float32 or float64.
    """
    width = values.dtype.itemsize
    uint = _UINTS[width]
    bits = np.ascontiguousarray(values).view(uint)
    rule = (uint(1 << (8 * width - 1)), uint(_EXPONENTS[width]), uint(8 * width - _KEY_BITS))
    counts = np.zeros(1 << _KEY_BITS, np.int64)
    _count_keys(counts, bits, rows.words, *rule)
    finite = int(counts.sum())
    missing = rows.count - finite
    if not finite:
        return Percentiles((float("nan"),) * len(percents), 0, missing)
    places = np.asarray(percents, np.float64) / 100 * (finite - 1)
    below = np.floor(places).astype(np.int64)
    ranks = np.concatenate([below, np.minimum(below + 1, finite - 1)])
    wanted = np.zeros(len(counts), np.bool_)
    ends = np.cumsum(counts)
    wanted[np.searchsorted(ends, ranks, side="right")] = True
    found = np.empty(int(counts[wanted].sum()), uint)
    _gather_keys(found, wanted, bits, rows.words, *rule)
    ordered = np.sort(found.view(values.dtype))
    left_out = np.cumsum(np.where(wanted, 0, counts))[np.searchsorted(ends, ranks, side="right")]
    low, high = ordered[ranks - left_out].astype(np.float64).reshape(2, -1)
    return Percentiles(tuple(_between(low, high, places - below).tolist()), finite, missing)


def _between(
    low: NDArray[np.float64], high: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate from the nearer end, as numpy does."""
    step = high - low
    return np.where(share >= 0.5, high - step * (1 - share), low + step * share)


def numbers_of(column: pd.Series) -> NDArray[np.floating]:
    """Return a numeric column as float32 or float64, (N,); NaN where it is missing.

    A column that is of such a type already is not copied.
    """
    kind = column.dtype
    if isinstance(kind, np.dtype) and kind in (np.dtype(np.float32), np.dtype(np.float64)):
        return column.to_numpy()
    return column.to_numpy(np.float64, na_value=np.nan)
