"""Compiled passes of the raster: which layer a point belongs to, and counts -> colours.

All arrays are (height, width), row 0 at the bottom; colours leave as RGBA packed in uint32.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

GREY_ALPHA = 64  # 25 % of 255
UNSELECTED_RGB = (138, 143, 152)


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
def pixels_of(x: Any, y: Any, box: Any, height: int, width: int) -> Any:
    """Return the pixel of each point, row * width + column, -1 outside x0, x1, y0, y1.

    The last row and column own the upper edges, as in datashader.
    """
    found = np.empty(len(x), np.int64)
    x0, x1, y0, y1 = box
    for i in range(len(x)):
        if x0 <= x[i] <= x1 and y0 <= y[i] <= y1:
            column = min(int((x[i] - x0) * (width / (x1 - x0))), width - 1)
            row = min(int((y[i] - y0) * (height / (y1 - y0))), height - 1)
            found[i] = row * width + column
        else:
            found[i] = -1
    return found


@numba.njit(cache=True, nogil=True)
def majority_of_few(pixels: Any, codes: Any, colours: int, height: int, width: int) -> Any:
    """Return best layer, coloured count and grey count of each pixel, without a plane a layer.

    For few points: sorting them costs less than clearing and reading every plane.
    """
    best = np.full(height * width, -1, np.int16)
    total, grey = np.zeros(height * width, np.uint32), np.zeros(height * width, np.uint32)
    kept = (pixels >= 0) & (codes <= colours)
    keys = np.sort(pixels[kept] * (colours + 1) + codes[kept])
    most, last, start = 0, -1, 0
    for i in range(len(keys)):
        if i + 1 < len(keys) and keys[i + 1] == keys[i]:
            continue
        pixel, layer, count = keys[i] // (colours + 1), keys[i] % (colours + 1), i + 1 - start
        start = i + 1
        if layer == colours:
            grey[pixel] = count
            continue
        if pixel != last:
            most, last = 0, pixel
        total[pixel] += count
        if count > most:
            most, best[pixel] = count, layer
    shape = (height, width)
    return best.reshape(shape), total.reshape(shape), grey.reshape(shape)


@numba.njit(cache=True, nogil=True)
def mean_of_few(pixels: Any, values: Any, height: int, width: int) -> Any:
    """Return the mean of the values that are there, (height, width), NaN where none is."""
    sums, counts = np.zeros(height * width), np.zeros(height * width)
    for i in range(len(pixels)):
        if pixels[i] >= 0 and not np.isnan(values[i]):
            sums[pixels[i]] += values[i]
            counts[pixels[i]] += 1
    for i in range(len(sums)):
        sums[i] = sums[i] / counts[i] if counts[i] else np.nan
    return sums.reshape((height, width))


@numba.njit(cache=True, nogil=True)
def majority(planes: Any, colours: int) -> Any:
    """Return the most frequent layer of each pixel (-1 where empty) and its coloured count."""
    height, width = planes.shape[0], planes.shape[1]
    best = np.full((height, width), -1, np.int16)
    total = np.zeros((height, width), np.uint32)
    for i in range(height):
        for j in range(width):
            most, where, count = 0, -1, 0
            for k in range(colours):
                n = planes[i, j, k]
                if n:
                    count += n
                    if n > most:
                        most, where = n, k
            best[i, j] = where
            total[i, j] = count
    return best, total


@numba.njit(cache=True, nogil=True)
def compose(best: Any, alpha: Any, total: Any, grey: Any, palette: Any) -> Any:
    """Colour each pixel by its layer; unselected counts lie beneath in grey."""
    height, width = best.shape
    picture = np.zeros((height, width), np.uint32)
    red, green, blue = UNSELECTED_RGB
    under = np.uint32(red | (green << 8) | (blue << 16) | (GREY_ALPHA << 24))
    top = len(alpha) - 1
    for i in range(height):
        for j in range(width):
            k = best[i, j]
            if k >= 0:
                picture[i, j] = (
                    np.uint32(palette[k, 0])
                    | (np.uint32(palette[k, 1]) << np.uint32(8))
                    | (np.uint32(palette[k, 2]) << np.uint32(16))
                    | (np.uint32(alpha[min(total[i, j], top)]) << np.uint32(24))
                )
            elif grey[i, j]:
                picture[i, j] = under
    return picture


@numba.njit(cache=True, nogil=True)
def crowding(counts: Any) -> float:
    """Return the mean share of filled neighbors about filled pixels, 0..1; 0 where all is empty.

    Unlike the share of filled pixels it does not depend on how much of the view is blank.
    """
    height, width = counts.shape
    filled, near = 0, 0
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            if counts[i, j]:
                filled += 1
                for y in range(i - 1, i + 2):
                    for x in range(j - 1, j + 2):
                        near += counts[y, x] > 0
    return (near - filled) / (8 * filled) if filled else 0.0


@numba.njit(cache=True, nogil=True)
def _grow(grown: Any, picture: Any, i: int, j: int, cover: Any) -> None:
    """Lay a soft disc of one pixel's colour over neighbors that are empty or in grey."""
    height, width = picture.shape
    reach = cover.shape[0] // 2
    colour, alpha = picture[i, j] & np.uint32(0xFFFFFF), picture[i, j] >> np.uint32(24)
    for y in range(max(0, i - reach), min(height, i + reach + 1)):
        for x in range(max(0, j - reach), min(width, j + reach + 1)):
            faded = np.uint32(alpha * cover[y - i + reach, x - j + reach])
            if picture[y, x] >> np.uint32(24) > GREY_ALPHA:
                continue
            if faded > grown[y, x] >> np.uint32(24):
                grown[y, x] = colour | (faded << np.uint32(24))


@numba.njit(cache=True, nogil=True)
def _is_lonely(picture: Any, i: int, j: int) -> bool:
    height, width = picture.shape
    for y in range(max(0, i - 2), min(height, i + 3)):
        for x in range(max(0, j - 2), min(width, j + 3)):
            if (y != i or x != j) and picture[y, x]:
                return False
    return True


@numba.njit(cache=True, nogil=True)
def _spread(picture: Any, cover: Any, grey_cover: Any, lonely_cover: Any) -> Any:
    grown = picture.copy()
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            alpha = picture[i, j] >> np.uint32(24)
            if alpha > GREY_ALPHA:
                wide = len(lonely_cover) > len(cover) and _is_lonely(picture, i, j)
                _grow(grown, picture, i, j, lonely_cover if wide else cover)
            elif alpha and len(grey_cover) > 1:
                _grow(grown, picture, i, j, grey_cover)
    return grown


def spread(
    picture: NDArray[np.uint32], radius: float, grey_radius: float, lonely_radius: float
) -> NDArray[np.uint32]:
    """Grow each pixel into a soft disc over what is empty; coloured pixels stay as they are.

    Radii in pixels: of coloured pixels, of unselected ones, which are told by their alpha, and
    the least of a coloured one far from all others, so that a dense map keeps its outliers.
    """
    discs = (_disc(r) for r in (radius, grey_radius, max(radius, lonely_radius)))
    return np.asarray(_spread(picture, *discs), np.uint32)


def _disc(radius: float) -> NDArray[np.float64]:
    """Return how much of each pixel a disc about the middle one covers, (2 R + 1, 2 R + 1)."""
    reach = int(np.ceil(radius + 0.5)) - 1 if radius > 0.5 else 0
    steps = np.arange(-reach, reach + 1)
    return np.clip(radius + 0.5 - np.hypot(steps[:, None], steps), 0, 1)


@numba.njit(cache=True, nogil=True)
def count_in_cells(counts: Any, x: Any, y: Any, codes: Any, box: Any) -> None:
    """Add points inside x0, x1, y0, y1 to the counts of their class, (K, rows, columns)."""
    classes, rows, columns = counts.shape
    wide, high = columns / (box[1] - box[0]), rows / (box[3] - box[2])
    for i in range(len(x)):
        column, row = int(np.floor((x[i] - box[0]) * wide)), int(np.floor((y[i] - box[2]) * high))
        if codes[i] < classes and 0 <= column < columns and 0 <= row < rows:
            counts[codes[i], row, column] += 1


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


def pack(layers: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Turn premultiplied RGB and alpha in 0..1, (H, W, 4), into packed RGBA."""
    alpha = layers[..., 3]
    safe = np.where(alpha > 0, alpha, 1)
    rgba = np.empty(layers.shape, np.uint8)
    rgba[..., :3] = np.clip(layers[..., :3] / safe[..., None] + 0.5, 0, 255)
    rgba[..., 3] = np.clip(alpha * 255 + 0.5, 0, 255)
    return np.ascontiguousarray(rgba).view(np.uint32)[..., 0]


def equalised_alpha(total: NDArray[np.uint32], floor: int) -> NDArray[np.uint8]:
    """Return alpha by count, (65536,): the share of filled pixels with at most that count.

    The rarest non-zero count keeps at least `floor`, so a single source is always visible.
    """
    filled = np.minimum(total[total > 0], 65535)
    if not len(filled):
        return np.full(65536, floor, np.uint8)
    below = np.cumsum(np.bincount(filled, minlength=65536)) / len(filled)
    first = below[filled.min()]
    share = np.clip((below - first) / (1 - first), 0, 1) if first < 1 else np.ones(65536)
    return np.asarray(floor + (255 - floor) * share, np.uint8)
