"""Compiled loops of `cells`: sorting rows into boxes, and the search that opens the nearest.

Distances run in float32. That of a row lies within d (1 +- step) +- shift of its true distance d:
`step` is the rounding of the sum (2^-24 an operation, all terms positive), `shift` how far
rounding moved the query, by the triangle inequality. Every row that these bounds leave among the
k nearest is a candidate.
"""

# mypy sees functions that numba types by itself
# mypy: disallow_untyped_defs=False
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

from heapq import heappop, heappush, heapreplace

import numpy as np
from numba import njit

_KEPT = 1024  # candidates before those that have fallen behind are dropped
_SAMPLE = 1024  # rows of a node on which its spread is measured
_UNDERFLOW = 1e-18  # squares of smaller distances leave float32
_LEAST_WEIGHT = 1e-30  # of a largest weight of 1: smaller ones leave float32


@njit(nogil=True, cache=True)
def split(z, rows, boxes):
    """Sort rows (M, K), (M,) in place by cell, halves of halves, and write boxes (2 C, 2, K)."""
    m, cells = len(z), len(boxes) // 2
    depth = 0
    for node in range(1, cells):
        if node >= 2 << depth:
            depth += 1
        place = node - (1 << depth)
        start, stop = (place * m) >> depth, ((place + 1) * m) >> depth
        middle = ((2 * place + 1) * m) >> (depth + 1)
        _halve(z, rows, start, stop, middle, _widest(z, start, stop))
    levels = _levels(cells)
    for place in range(cells):
        start, stop = (place * m) >> levels, ((place + 1) * m) >> levels
        for j in range(z.shape[1]):
            boxes[cells + place, 0, j] = z[start:stop, j].min()
            boxes[cells + place, 1, j] = z[start:stop, j].max()
    for node in range(cells - 1, 0, -1):
        for j in range(z.shape[1]):
            boxes[node, 0, j] = min(boxes[2 * node, 0, j], boxes[2 * node + 1, 0, j])
            boxes[node, 1, j] = max(boxes[2 * node, 1, j], boxes[2 * node + 1, 1, j])


@njit(nogil=True, cache=True)
def _levels(cells):
    levels = 0
    while 1 << levels < cells:
        levels += 1
    return levels


@njit(nogil=True, cache=True)
def _widest(z, start, stop):
    """Return the latent of the largest variance among rows evenly drawn."""
    step = max(1, (stop - start) // _SAMPLE)
    best, widest = -1.0, 0
    for j in range(z.shape[1]):
        variance = z[start:stop:step, j].astype(np.float64).var()
        if variance > best:
            best, widest = variance, j
    return widest


@njit(nogil=True, cache=True)
def _halve(z, rows, start, stop, middle, j):
    """Hoare's selection: what stands before `middle` is nowhere above what stands behind it."""
    low, high = start, stop - 1
    while low < high:
        pivot = z[(low + high) // 2, j]
        left, right = low, high
        while left <= right:
            while z[left, j] < pivot:
                left += 1
            while z[right, j] > pivot:
                right -= 1
            if left <= right:
                _swap(z, rows, left, right)
                left += 1
                right -= 1
        if middle <= right:
            high = right
        elif middle >= left:
            low = left
        else:
            return


@njit(nogil=True, cache=True)
def _swap(z, rows, a, b):
    for c in range(z.shape[1]):
        z[a, c], z[b, c] = z[b, c], z[a, c]
    rows[a], rows[b] = rows[b], rows[a]


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _to_box(query, w, box):
    """Return the squared weighted distance from a point to a box, 0 inside."""
    total = 0.0
    for j in range(len(query)):
        gap = max(max(box[0, j] - query[j], query[j] - box[1, j]), 0.0)
        total += w[j] * gap * gap
    return total


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _to_row(query, w, row):
    """Return the squared weighted distance in float32."""
    total = np.float32(0)
    for j in range(len(query)):
        gap = row[j] - query[j]
        total += w[j] * gap * gap
    return total


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def _to_cell(query, w, turned, start, stop, apart):
    """Write the squared weighted distances of one cell, float32, many rows at a time."""
    apart[: stop - start] = 0
    for j in range(len(query)):
        column, at, weight = turned[j, start:stop], query[j], w[j]
        for i in range(stop - start):
            gap = column[i] - at
            apart[i] += weight * gap * gap


@njit(nogil=True, cache=True)
def _shift(query, w, box):
    """Return how far rounding the query, or the weights, can move a distance to any row."""
    moved, lost = 0.0, 0.0
    for j in range(len(query)):
        moved += w[j] * (np.float64(np.float32(query[j])) - query[j]) ** 2
        if w[j] < _LEAST_WEIGHT:
            lost += w[j] * max(abs(box[0, j] - query[j]), abs(box[1, j] - query[j])) ** 2
    return 2 * (np.sqrt(moved) + np.sqrt(lost)) + _UNDERFLOW


@njit(nogil=True, cache=True)
def candidates(z, turned, rows, boxes, query, w, k, allowed, skipped, budget):
    """Return places that hold the k nearest rows, rows looked at, and whether that is proven.

    `turned` (K, M) is z once more, latent by latent, or (K, 0) where z is too large to hold twice;
    `query`, `w` (K,) float64, the largest weight 1; `allowed` (N / 8,) bits by row number, lowest
    first, or empty for all; row `skipped` is left out; after `budget` rows no further cell is
    opened.
    """
    # what Python calls is called by nothing compiled: numba mixes up the two when both come from
    # its cache ("'descr' is NULL")
    return _search(z, turned, rows, boxes, query, w, k, allowed, skipped, budget)


@njit(nogil=True, cache=True)
def _search(z, turned, rows, boxes, query, w, k, allowed, skipped, budget):
    m, cells = len(z), len(boxes) // 2
    levels = _levels(cells)
    query32, w32 = query.astype(np.float32), w.astype(np.float32)
    step, shift = (len(query) + 8) * 2.0**-23, _shift(query, w, boxes[1])
    best = [-np.inf] * k  # squared distances of the k nearest so far, negative: farthest first
    to_open, to_keep = np.inf, np.inf
    place, squared, kept = np.empty(_KEPT, np.int64), np.empty(_KEPT, np.float64), 0
    seen, apart = 0, np.empty(m // cells + 1, np.float32)
    waiting = [(_to_box(query, w, boxes[1]), 1)]
    while waiting and not waiting[0][0] > to_open:
        if seen >= budget:
            return _within(place[:kept], squared[:kept], to_keep), seen, False
        node = _descend(boxes, query, w, to_open, waiting)
        if node < 0:
            continue
        start, stop = ((node - cells) * m) >> levels, ((node - cells + 1) * m) >> levels
        seen += stop - start
        if len(place) - kept < stop - start:
            place, squared, kept = _make_room(place, squared, kept, to_keep)
        if turned.shape[1]:
            _to_cell(query32, w32, turned, start, stop, apart)
        else:
            for i in range(start, stop):
                apart[i - start] = _to_row(query32, w32, z[i])
        cell, filters = (rows, start, stop), (allowed, skipped, to_keep)
        kept = _look_through(cell, filters, apart, best, place, squared, kept)
        farthest = (np.sqrt(-best[0]) + shift) / (1 - step)
        to_open, to_keep = (farthest * (1 + step)) ** 2, (farthest * (1 + step) + shift) ** 2
    return _within(place[:kept], squared[:kept], to_keep), seen, True


@njit(nogil=True, cache=True)
def _descend(boxes, query, w, to_open, waiting):
    """Go from the nearest waiting node down to a cell, on the nearer side; the other side waits.

    Returns -1 where all that is left of it is too far.
    """
    bound, node = heappop(waiting)
    while node < len(boxes) // 2:
        node, other = 2 * node, 2 * node + 1
        bound, beyond = _to_box(query, w, boxes[node]), _to_box(query, w, boxes[other])
        if beyond < bound:
            node, other, bound, beyond = other, node, beyond, bound
        if not beyond > to_open:
            heappush(waiting, (beyond, other))
    return -1 if bound > to_open else node


@njit(nogil=True, cache=True)
def _look_through(cell, filters, apart, best, place, squared, kept):
    """Keep the allowed rows of one cell that are near enough; returns how many are kept."""
    rows, start, stop = cell
    allowed, skipped, to_keep = filters
    for i in range(start, stop):
        distance = np.float64(apart[i - start])
        if distance > to_keep:
            continue
        row = rows[i]
        if row == skipped or (len(allowed) and not allowed[row >> 3] >> (row & 7) & 1):
            continue
        place[kept], squared[kept] = i, distance
        kept += 1
        if -distance > best[0]:
            heapreplace(best, -distance)
    return kept


@njit(nogil=True, cache=True)
def _within(place, squared, limit):
    return place[~(squared > limit)]


@njit(nogil=True, cache=True)
def _make_room(place, squared, kept, limit):
    """Drop candidates that fell behind; the arrays double where most of them are still near."""
    near = ~(squared[:kept] > limit)
    still = near.sum()
    size = len(place) if still <= len(place) // 2 else 2 * len(place)
    more_place, more_squared = np.empty(size, np.int64), np.empty(size, np.float64)
    more_place[:still], more_squared[:still] = place[:kept][near], squared[:kept][near]
    return more_place, more_squared, still


@njit(nogil=True, cache=True)
def candidates_of_many(z, turned, rows, boxes, queries, w, k, allowed, skipped, budget):
    """Return the k nearest rows of each query, nearest first, ties by row number.

    `queries` (Q, K) float64, `skipped` (Q,). Returns rows (Q, k), -1 where fewer are allowed;
    squared distances (Q, k) float64; rows looked at (Q,); and which answers are proven (Q,).
    """
    items = np.full((len(queries), k), -1, np.int64)
    squared = np.full((len(queries), k), np.inf)
    seen, proven = np.empty(len(queries), np.int64), np.empty(len(queries), np.bool_)
    for q in range(len(queries)):
        query = queries[q]
        places, seen[q], proven[q] = _search(
            z, turned, rows, boxes, query, w, k, allowed, skipped[q], budget
        )
        for place in places:
            total = 0.0
            for j in range(len(query)):
                gap = z[place, j] - query[j]
                total += w[j] * gap * gap
            _insert(items[q], squared[q], rows[place], total)
    return items, squared, seen, proven


@njit(nogil=True, cache=True)
def _insert(items, squared, item, distance):
    """Put one row into a sorted list of the nearest."""
    last = len(items) - 1
    for i in range(len(items)):
        if items[i] < 0 or (distance, item) < (squared[i], items[i]):
            for j in range(last, i, -1):
                items[j], squared[j] = items[j - 1], squared[j - 1]
            items[i], squared[i] = item, distance
            return
