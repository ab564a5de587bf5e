"""Compiled search of the nearest known rows, kept in cells; every query is answered by itself.

The triangle inequality (of a ball around each cell, and of the distance from its centre that its
rows have) and each cell's box say which rows can still be nearer than the ones found, so that
few are compared. No query shares a sum with another: its answer is the same in any batch, and
the same for a batch of one, which a search by matrix products does not promise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

SLACK = np.float32(1e-5)  # well above the rounding of a float32 distance, well below a distance
NONE = np.float32(np.inf)
REORDERED = {"reassoc", "contract", "nsz"}  # vectorised sums, in an order that K alone decides


class Cells(NamedTuple):
    """Known rows (M, K) sorted by cell, and within one by their distance from its centre.

    `rows` (M, K) float32, `numbers` (M,) what the caller calls them, `away` (M,) distance from
    their centre; rows of cell c are `offsets[c]:offsets[c + 1]`. `centres` is (K, C), `radii`
    (C,), `low` and `high` (C, K) are each cell's box.
    """

    rows: NDArray[np.float32]
    numbers: NDArray[np.int64]
    away: NDArray[np.float32]
    offsets: NDArray[np.int64]
    centres: NDArray[np.float32]
    radii: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@numba.njit(cache=True, nogil=True, fastmath=REORDERED, inline="always")
def _squared(query: Any, rows: Any, row: Any) -> Any:
    total = np.float32(0)
    for d in range(query.shape[0]):
        gap = query[d] - rows[row, d]
        total += gap * gap
    return total


@numba.njit(cache=True, nogil=True, fastmath=REORDERED, inline="always")
def _squared_to_box(query: Any, low: Any, high: Any, cell: Any) -> Any:
    total = np.float32(0)
    for d in range(query.shape[0]):
        below, above = low[cell, d] - query[d], query[d] - high[cell, d]
        gap = below if below > above else above
        gap = gap if gap > 0 else np.float32(0)
        total += gap * gap
    return total


@numba.njit(cache=True, nogil=True, fastmath=REORDERED)
def _to_centres(query: Any, centres: Any, out: Any) -> Any:
    """Fill in the distances from all centres, and return the nearest one."""
    for c in range(len(out)):
        out[c] = np.float32(0)
    for d in range(len(query)):
        for c in range(len(out)):
            gap = query[d] - centres[d, c]
            out[c] += gap * gap
    nearest, least = 0, NONE
    for c in range(len(out)):
        if out[c] < least:
            nearest, least = c, out[c]
        out[c] = np.sqrt(out[c])
    return nearest


@numba.njit(cache=True, nogil=True)
def _first_at_least(values: Any, start: Any, end: Any, wanted: Any) -> Any:
    while start < end:
        middle = (start + end) // 2
        if values[middle] < wanted:
            start = middle + 1
        else:
            end = middle
    return start


@numba.njit(cache=True, nogil=True)
def _compare(query: Any, cells: Any, span: Any, skip: Any, found: Any) -> None:
    """Put the rows of a span among the k nearest found so far; ties go to the lower number."""
    numbers, squared = found
    last = len(squared) - 1
    for j in range(span[0], span[1]):
        gap = _squared(query, cells.rows, j)
        if gap > squared[last]:
            continue
        number = cells.numbers[j]
        if number == skip or (gap == squared[last] and number > numbers[last]):
            continue
        p = last
        while p > 0 and (
            gap < squared[p - 1] or (gap == squared[p - 1] and number < numbers[p - 1])
        ):
            squared[p], numbers[p] = squared[p - 1], numbers[p - 1]
            p -= 1
        squared[p], numbers[p] = gap, number


@numba.njit(cache=True, nogil=True)
def _candidates(query: Any, cells: Any, to_centre: Any, reach: Any, out: Any) -> Any:
    """Fill in the cells that can hold a row within `reach`; return how many they are."""
    count = 0
    for c in range(len(to_centre)):
        out[count] = c
        count += to_centre[c] * (1 - SLACK) - cells.radii[c] <= reach
    kept = 0
    for i in range(count):
        if _squared_to_box(query, cells.low, cells.high, out[i]) <= reach * reach:
            out[kept] = out[i]
            kept += 1
    return kept


@numba.njit(cache=True, nogil=True)
def _search_one(query: Any, cells: Any, most: Any, skip: Any, found: Any, scratch: Any) -> None:
    to_centre, todo = scratch
    nearest = _to_centres(query, cells.centres, to_centre)
    _compare(query, cells, (cells.offsets[nearest], cells.offsets[nearest + 1]), skip, found)
    last = len(found[1]) - 1
    reach = np.sqrt(found[1][last]) * (1 + SLACK)
    count = _candidates(query, cells, to_centre, reach, todo)
    for i in np.argsort(to_centre[todo[:count]])[:most]:
        c = todo[i]
        reach = np.sqrt(found[1][last]) * (1 + SLACK)
        if c == nearest or _squared_to_box(query, cells.low, cells.high, c) > reach * reach:
            continue
        start, end = cells.offsets[c], cells.offsets[c + 1]
        slack = SLACK * to_centre[c]
        start = _first_at_least(cells.away, start, end, to_centre[c] - reach - slack)
        end = _first_at_least(cells.away, start, end, to_centre[c] + reach + slack)
        _compare(query, cells, (start, end), skip, found)


@numba.njit(cache=True, nogil=True)
def search(queries: Any, cells: Any, most: Any, skip: Any, found: Any) -> None:
    """Find the k nearest rows of each query (L, K), looking into at most `most` cells.

    `found` is the numbers (L, k) int64 and squared distances (L, k) float32 to fill in, ascending;
    `skip` (L,) is a number that each query must not find (itself), -1 for none.
    """
    numbers, squared = found
    numbers[:] = np.iinfo(np.int64).max
    squared[:] = NONE
    count = len(cells.offsets) - 1
    scratch = (np.empty(count, np.float32), np.empty(count + 1, np.int64))
    for i in range(len(queries)):
        _search_one(queries[i], cells, most, skip[i], (numbers[i], squared[i]), scratch)
