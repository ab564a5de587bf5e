"""Compiled passes over pixels: counts -> colours, and points that grow where there is room.

All arrays are (height, width), row 0 at the bottom; colours leave as RGBA packed in uint32.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

GREY_ALPHA = 64  # 25 % of 255
UNSELECTED_RGB = (138, 143, 152)
MOST_COUNTED = 65536  # counts from here on look alike
LONELY_REACH = 2
Packed = NDArray[np.uint32]


def packed(colours: NDArray[np.uint8], alpha: int = 255) -> Packed:
    """Return colours (K, 3) as RGBA in uint32, (K,)."""
    wide = np.asarray(colours, np.uint32)
    found = wide[:, 0] | (wide[:, 1] << 8) | (wide[:, 2] << 16) | np.uint32(alpha << 24)
    return np.asarray(found, np.uint32)


MOST_GREY = np.uint32((GREY_ALPHA << 24) | 0xFFFFFF)  # no pixel above it is unselected or empty
UNDER = packed(np.asarray([UNSELECTED_RGB], np.uint8), GREY_ALPHA)[0]


@numba.njit(cache=True, nogil=True)
def _density(counts: Any) -> Any:
    height, width = counts.shape
    histogram = np.zeros(MOST_COUNTED, np.int64)
    column = np.zeros(width, np.int64)
    filled, near, everything = 0, 0, 0
    for i in range(height):
        for j in range(width):
            n = counts[i, j]
            if n:
                everything += n
                histogram[min(n, MOST_COUNTED - 1)] += 1
        if 0 < i < height - 1:
            for j in range(width):
                column[j] = (
                    int(counts[i - 1, j] > 0) + int(counts[i, j] > 0) + int(counts[i + 1, j] > 0)
                )
            for j in range(1, width - 1):
                here = int(counts[i, j] > 0)
                filled += here
                near += here * (column[j - 1] + column[j] + column[j + 1])
    return histogram, everything, (near - filled) / (8 * filled) if filled else 0.0


def density(counts: NDArray[np.uint32]) -> tuple[NDArray[np.int64], int, float]:
    """Return how many pixels hold each count (65536,), the sum of all, and how crowded they are.

    Crowded is the mean share of filled neighbors about filled pixels, 0..1: unlike the share of
    filled pixels it does not depend on how much of the view is blank.
    """
    histogram, everything, crowded = _density(counts)
    return histogram, int(everything), float(crowded)


def equalised_alpha(histogram: NDArray[np.int64], floor: int) -> NDArray[np.uint8]:
    """Return alpha by count, (65536,): the share of filled pixels with at most that count.

    The rarest non-zero count keeps at least `floor`, so a single source is always visible.
    """
    below = np.cumsum(histogram)
    if not below[-1]:
        return np.full(MOST_COUNTED, floor, np.uint8)
    shares = below / below[-1]
    first = shares[np.flatnonzero(histogram)[0]]
    share = np.clip((shares - first) / (1 - first), 0, 1) if first < 1 else np.ones(len(shares))
    return np.asarray(floor + (255 - floor) * share, np.uint8)


@numba.njit(cache=True, nogil=True)
def compose(best: Any, total: Any, grey: Any, palette: Any, alpha: Any) -> Any:
    """Colour each pixel by its layer and its count; unselected counts lie beneath in grey."""
    height, width = best.shape
    picture = np.zeros((height, width), np.uint32)
    for i in range(height):
        for j in range(width):
            k = best[i, j]
            if k >= 0:
                faded = np.uint32(alpha[min(total[i, j], MOST_COUNTED - 1)])
                picture[i, j] = palette[k] | (faded << np.uint32(24))
            elif grey[i, j]:
                picture[i, j] = UNDER
    return picture


@numba.njit(cache=True, nogil=True)
def compose_values(steps: Any, means: Any, total: Any, grey: Any, table: Any) -> Any:
    """Colour each pixel whose mean is a number by the next of `steps` along `table`.

    One with missing values alone takes the last colour of the table.
    """
    height, width = means.shape
    picture = np.zeros((height, width), np.uint32)
    n = 0
    for i in range(height):
        for j in range(width):
            if np.isfinite(means[i, j]):
                picture[i, j] = table[steps[n]]
                n += 1
            elif total[i, j]:
                picture[i, j] = table[-1]
            elif grey[i, j]:
                picture[i, j] = UNDER
    return picture


@numba.njit(cache=True, nogil=True)
def _raise(target: Any, row: Any, shift: int) -> None:
    """Lay a row over another, moved to the left and to the right; loops that compile to SIMD."""
    width = len(row) - shift
    for x in range(width):
        target[x] = max(target[x], row[x + shift])
    if shift:
        for x in range(width):
            target[x + shift] = max(target[x + shift], row[x])


@numba.njit(cache=True, nogil=True)
def _lay_row(grown: Any, row: Any, i: int, covers: Any, faded: Any) -> None:
    """Lay discs about all pixels of row i over `grown`, the most opaque colour on top."""
    height, width = grown.shape
    reach = covers.shape[0] // 2
    for dy in range(reach + 1):
        for dx in range(reach + 1):
            cover = covers[reach + dy, reach + dx]
            if not cover:
                continue
            for x in range(width):
                alpha = ((row[x] >> np.uint32(24)) * cover) >> np.uint32(8)
                faded[x] = (row[x] & np.uint32(0xFFFFFF)) | (alpha << np.uint32(24))
            if i + dy < height:
                _raise(grown[i + dy], faded, dx)
            if dy and i >= dy:
                _raise(grown[i - dy], faded, dx)


@numba.njit(cache=True, nogil=True)
def _lay_disc(grown: Any, i: int, j: int, colour: Any, covers: Any) -> None:
    height, width = grown.shape
    reach = covers.shape[0] // 2
    for y in range(max(0, i - reach), min(height, i + reach + 1)):
        for x in range(max(0, j - reach), min(width, j + reach + 1)):
            cover = covers[y - i + reach, x - j + reach]
            alpha = ((colour >> np.uint32(24)) * cover) >> np.uint32(8)
            faded = (colour & np.uint32(0xFFFFFF)) | (alpha << np.uint32(24))
            grown[y, x] = max(grown[y, x], faded)


@numba.njit(cache=True, nogil=True)
def _sum_columns(picture: Any, i: int, sums: Any) -> None:
    """Count the filled pixels in each column of the rows about row i."""
    sums[:] = 0
    for y in range(max(0, i - LONELY_REACH), min(picture.shape[0], i + LONELY_REACH + 1)):
        for x in range(picture.shape[1]):
            sums[x] += np.uint8(picture[y, x] > 0)


@numba.njit(cache=True, nogil=True)
def _lay_lonely(grown: Any, picture: Any, covers: Any) -> None:
    """Lay discs about coloured pixels with nothing near."""
    height, width = picture.shape
    sums = np.zeros(width, np.uint8)
    for i in range(height):
        _sum_columns(picture, i, sums)
        for j in range(width):
            if picture[i, j] > MOST_GREY and sums[j] == 1:
                near = 0
                for x in range(max(0, j - LONELY_REACH), min(width, j + LONELY_REACH + 1)):
                    near += sums[x]
                if near == 1:
                    _lay_disc(grown, i, j, picture[i, j], covers)


@numba.njit(cache=True, nogil=True)
def _lay_rows(grown: Any, picture: Any, above: Any, upto: Any, covers: Any) -> None:
    """Lay discs about all pixels whose packed colour is above one number and up to another."""
    width = picture.shape[1]
    row, faded = np.zeros(width, np.uint32), np.zeros(width, np.uint32)
    for i in range(len(picture)):
        for x in range(width):
            here = picture[i, x]
            row[x] = here if above < here <= upto else np.uint32(0)
        _lay_row(grown, row, i, covers, faded)


@numba.njit(cache=True, nogil=True)
def _keep_coloured(grown: Any, picture: Any) -> None:
    for i in range(len(picture)):
        for x in range(picture.shape[1]):
            here = picture[i, x]
            grown[i, x] = here if here > MOST_GREY else max(here, grown[i, x])


def spread(picture: Packed, radius: float, grey_radius: float, lonely_radius: float) -> Packed:
    """Grow each pixel into a soft disc over what is empty; coloured pixels stay as they are.

    Radii in pixels: of coloured pixels, of unselected ones, which are told by their alpha, and
    the least of a coloured one far from all others, so that a dense map keeps its outliers.
    """
    cover, grey_cover = _cover(radius), _cover(grey_radius)
    grown = np.zeros_like(picture)
    if len(cover) > 1:
        _lay_rows(grown, picture, MOST_GREY, np.uint32(0xFFFFFFFF), cover)
    if len(grey_cover) > 1:
        _lay_rows(grown, picture, np.uint32(0), MOST_GREY, grey_cover)
    if lonely_radius > radius:
        _lay_lonely(grown, picture, _cover(lonely_radius))
    _keep_coloured(grown, picture)
    return grown


def _cover(radius: float) -> Packed:
    """Return how much of each pixel a disc about the middle one covers, (2 R + 1, 2 R + 1).

    In 256ths: 0 nothing, 256 all.
    """
    reach = int(np.ceil(radius + 0.5)) - 1 if radius > 0.5 else 0
    steps = np.arange(-reach, reach + 1)
    share = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps), 0, 1)
    return np.asarray(np.round(256 * share), np.uint32)


@numba.njit(cache=True, nogil=True)
def draw_discs(px: Any, py: Any, colours: Any, alphas: Any, radius: float, shape: Any) -> Any:
    """Draw points one by one as smooth discs, the last on top; (P,) pixels, (P, 3) bytes."""
    height, width = shape
    layers = np.zeros((height, width, 4), np.float32)
    reach = int(np.ceil(radius + 1))
    for p in range(len(px)):
        column, row = int(np.floor(px[p])), int(np.floor(py[p]))
        for i in range(max(0, row - reach), min(height, row + reach + 1)):
            for j in range(max(0, column - reach), min(width, column + reach + 1)):
                distance = np.hypot(j + 0.5 - px[p], i + 0.5 - py[p])
                cover = alphas[p] * min(1.0, max(0.0, radius + 0.5 - distance))
                if cover > 0:
                    for c in range(3):
                        layers[i, j, c] = colours[p, c] * cover + layers[i, j, c] * (1 - cover)
                    layers[i, j, 3] = cover + layers[i, j, 3] * (1 - cover)
    return layers


@numba.njit(cache=True, nogil=True)
def pack(layers: Any) -> Any:
    """Turn premultiplied RGB and alpha in 0..1, (H, W, 4), into packed RGBA."""
    height, width = layers.shape[0], layers.shape[1]
    picture = np.zeros((height, width), np.uint32)
    for i in range(height):
        for j in range(width):
            alpha = layers[i, j, 3]
            if alpha > 0:
                found = np.uint32(alpha * 255 + 0.5) << np.uint32(24)
                for c in range(3):
                    byte = np.uint32(min(layers[i, j, c] / alpha + 0.5, 255))
                    found |= byte << np.uint32(8 * c)
                picture[i, j] = found
    return picture
