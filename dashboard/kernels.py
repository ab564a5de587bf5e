"""Compiled passes over points: which layer each belongs to, and points -> counts a pixel.

Pictures are (height, width), row 0 at the bottom. Pixels are those of datashader, to the last
rounding, so that a picture does not depend on which of the two counted it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def sort_layers(codes: Any, order: Any, shown: Any, selected: Any, colours: int) -> Any:
    """Return the layer of each point in drawing order, (P,) like `codes`.

    0..colours - 1 keep their colour, `colours` is unselected, `colours + 1` is not shown; `shown`
    and `selected` are words of bitmaps over catalog rows.
    """
    layers = np.empty_like(codes)
    for i in range(len(codes)):
        word, bit = order[i] >> 6, np.uint64(1) << np.uint64(order[i] & 63)
        if not shown[word] & bit:
            layers[i] = colours + 1
        elif not selected[word] & bit:
            layers[i] = colours
        else:
            layers[i] = codes[i]
    return layers


@numba.njit(cache=True, nogil=True)
def pixels_of(x: Any, y: Any, box: Any, shape: Any, rows: Any) -> Any:
    """Return the pixel of each point in some rows of a picture of `shape`, (P,) uint32.

    Pixels are numbered row by row from the first of `rows` = (first, end); one past the last of
    them is outside. `box` is x0, x1, y0, y1; the last row and column own the upper edges.
    """
    (height, width), (first, end) = shape, rows
    found = np.empty(len(x), np.uint32)
    x0, x1, y0, y1 = box
    across, up = width / (x1 - x0), height / (y1 - y0)
    left, low = -x0 * across, -y0 * up
    nowhere = (end - first) * width
    for i in range(len(x)):
        if x0 <= x[i] <= x1 and y0 <= y[i] <= y1:
            column = min(int(x[i] * across + left), width - 1)
            row = min(int(y[i] * up + low), height - 1)
            found[i] = (row - first) * width + column if first <= row < end else nowhere
        else:
            found[i] = nowhere
    return found


@numba.njit(cache=True, nogil=True)
def drop(pixels: Any, codes: Any, most: int, nowhere: int) -> None:
    """Move points whose code is above `most` out of the picture."""
    for i in range(len(pixels)):
        pixels[i] = pixels[i] if codes[i] <= most else nowhere


@numba.njit(cache=True, nogil=True)
def thinned(offsets: Any, cells: Any, grid: int, most: int) -> Any:
    """Return positions in drawing order, and how many points each stands for, both (T,).

    Of a cell with more than `most` points every n-th is taken, of others all: what is sparse
    stays whole. `cells` are the first and last column and row of the `grid`.
    """
    first, last, bottom, top = cells
    positions = np.empty(offsets[top * grid + last + 1] - offsets[bottom * grid + first], np.int32)
    weights = np.empty(len(positions), np.int32)
    n = 0
    for row in range(bottom, top + 1):
        for cell in range(row * grid + first, row * grid + last + 1):
            start, stop = offsets[cell], offsets[cell + 1]
            step = max(1, (stop - start) // most)
            for i in range(start, stop, step):
                positions[n] = i
                weights[n] = min(step, stop - i)
                n += 1
    return positions[:n], weights[:n]


@numba.njit(cache=True, nogil=True)
def _ends(pixels: Any, count: int) -> Any:
    """Return where the points of each pixel start once they are sorted, (count + 1,)."""
    ends = np.zeros(count + 1, np.uint32)
    for i in range(len(pixels)):
        ends[pixels[i]] += np.uint32(1)
    total = np.uint32(0)
    for p in range(count + 1):
        here = ends[p]
        ends[p] = total
        total += here
    return ends


@numba.njit(cache=True, nogil=True)
def _sorted(pixels: Any, values: Any, starts: Any) -> Any:
    """Return values sorted by pixel, and where each pixel's end; a counting sort."""
    found, ends = np.empty(len(pixels), values.dtype), starts.copy()
    for i in range(len(pixels)):
        at = ends[pixels[i]]
        found[at] = values[i]
        ends[pixels[i]] = at + np.uint32(1)
    return found, ends


@numba.njit(cache=True, nogil=True)
def _fill(counts: Any, layers: Any, shares: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        share = shares[i] if len(shares) else 1
        counts[np.uint8(layers[i])] += np.uint32(share)


@numba.njit(cache=True, nogil=True)
def _take(counts: Any) -> Any:
    """Return the first layer with the highest count and the sum of all; empty the counts."""
    most, total, where = np.uint32(0), np.uint32(0), 0
    for k in range(len(counts)):
        most = max(most, counts[k])
        total += counts[k]
    while counts[where] != most:
        where += 1
    counts[:] = 0
    return where, total


@numba.njit(cache=True, nogil=True)
def count_points(
    pixels: Any, codes: Any, weights: Any, colours: int, height: int, width: int
) -> Any:
    """Return best layer, coloured count and grey count of each pixel, without a plane a layer.

    A counting sort by pixel, then one small table for all pixels. `weights` (P,) int32 tells how
    many sources a point stands for; empty: one.
    """
    best = np.full(height * width, -1, np.int16)
    total, grey = np.zeros(height * width, np.uint32), np.zeros(height * width, np.uint32)
    starts = _ends(pixels, height * width)
    layers, ends = _sorted(pixels, codes, starts)
    shares = _sorted(pixels, weights, starts)[0] if len(weights) else weights
    table = np.zeros(256, np.uint32)
    for p in range(height * width):
        start, stop = starts[p], ends[p]
        if stop == start:
            continue
        if stop == start + 1 and len(shares) == 0 and layers[start] < colours:
            best[p], total[p] = layers[start], 1  # the most frequent case needs no table
            continue
        _fill(table, layers, shares, start, stop)
        grey[p] = table[colours]
        table[colours] = 0
        where, count = _take(table[:colours])
        if count:
            best[p], total[p] = where, count
    shape = (height, width)
    return best.reshape(shape), total.reshape(shape), grey.reshape(shape)


@numba.njit(cache=True, nogil=True)
def mean_of_points(
    pixels: Any, codes: Any, values: Any, weights: Any, colours: int, shape: Any
) -> Any:
    """Return coloured count, grey count and mean value of each pixel of `shape`.

    A value that is missing is NaN, and so is the mean where none is there; `weights` as in
    `count_points`.
    """
    height, width = shape
    sums, counts = np.zeros(height * width + 1), np.zeros(height * width + 1, np.uint32)
    others, grey = np.zeros_like(counts), np.zeros_like(counts)
    for i in range(len(pixels)):
        p = pixels[i]
        weight = np.uint32(weights[i] if len(weights) else 1)
        if not np.isnan(values[i]):
            sums[p] += values[i] * weight
            counts[p] += weight
        elif codes[i] < colours:
            others[p] += weight
        else:
            grey[p] += weight
    for p in range(height * width):
        sums[p] = sums[p] / counts[p] if counts[p] else np.nan
    total = counts + others
    return total[:-1].reshape(shape), grey[:-1].reshape(shape), sums[:-1].reshape(shape)


@numba.njit(cache=True, nogil=True)
def majority(planes: Any, colours: int) -> Any:
    """Return the most frequent layer of each pixel (-1 where empty) and its coloured count."""
    height, width = planes.shape[0], planes.shape[1]
    best = np.full((height, width), -1, np.int16)
    total = np.zeros((height, width), np.uint32)
    for i in range(height):
        for j in range(width):
            counts = planes[i, j]
            count, most, k = np.uint32(0), np.uint32(0), 0
            for layer in range(colours):
                count += counts[layer]
            if not count:
                continue
            for layer in range(colours):
                most = max(most, counts[layer])
            while counts[k] != most:
                k += 1
            best[i, j], total[i, j] = k, count
    return best, total


@numba.njit(cache=True, nogil=True)
def count_in_cells(counts: Any, x: Any, y: Any, codes: Any, box: Any) -> None:
    """Add points inside x0, x1, y0, y1 to the counts of their class, (K, rows, columns)."""
    classes, rows, columns = counts.shape
    wide, high = columns / (box[1] - box[0]), rows / (box[3] - box[2])
    for i in range(len(x)):
        column, row = int(np.floor((x[i] - box[0]) * wide)), int(np.floor((y[i] - box[2]) * high))
        if codes[i] < classes and 0 <= column < columns and 0 <= row < rows:
            counts[codes[i], row, column] += 1
