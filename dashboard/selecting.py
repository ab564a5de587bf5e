"""Points inside a polygon or box, and the point nearest to the pointer, by the drawing grid.

Grid cells are classified in, out or edge; only points of edge cells are tested one by one, so a
lasso over millions costs its outline and not its area (speed.md, 3).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap, empty_words
from dashboard.polygon import set_inside, set_run
from latent_core.projection import GRID, DrawingCopy

FARTHEST = 1e100  # no map reaches there; beyond it products would overflow


def select_polygon(
    drawing: DrawingCopy, xs: NDArray[np.float64], ys: NDArray[np.float64], size: int
) -> Bitmap:
    """Return which of `size` catalog rows lie inside a polygon (V,), (V,), even-odd, exactly."""
    x0, x1, y0, y1 = drawing.extent
    vx, vy = (np.clip(np.asarray(v, np.float64), -FARTHEST, FARTHEST) for v in (xs, ys))
    in_cells = ((vx - x0) * (GRID / (x1 - x0)), (vy - y0) * (GRID / (y1 - y0)))
    words = empty_words(size)
    points = (drawing.x, drawing.y, drawing.order)
    set_inside(words, points, drawing.offsets, (vx, vy), in_cells, GRID)
    return Bitmap(words, size)


@numba.njit(cache=True, nogil=True)
def _set_box(words: Any, points: Any, offsets: Any, box: Any, cells: Any, grid: int) -> None:
    """Set the bits of the rows in a box: whole cells within, points one by one in its border."""
    x, y, order = points
    x0, x1, y0, y1 = box
    left, right, bottom, top = cells
    for row in range(bottom, top + 1):
        whole = bottom < row < top
        for column in range(left, right + 1):
            start, stop = offsets[row * grid + column], offsets[row * grid + column + 1]
            if whole and left < column < right:
                set_run(words, order, start, stop)
                continue
            for i in range(start, stop):
                if x0 <= x[i] <= x1 and y0 <= y[i] <= y1:
                    set_run(words, order, i, i + 1)


def select_box(
    drawing: DrawingCopy, x0: float, x1: float, y0: float, y1: float, size: int
) -> Bitmap:
    """Return which of `size` catalog rows lie in a box, its edges included."""
    columns = cell_range(x0, x1, *drawing.extent[:2])
    rows = cell_range(y0, y1, *drawing.extent[2:])
    words, box = empty_words(size), (float(x0), float(x1), float(y0), float(y1))
    points = (drawing.x, drawing.y, drawing.order)
    _set_box(words, points, drawing.offsets, box, (*columns, *rows), GRID)
    return Bitmap(words, size)


def cell_range(low: float, high: float, start: float, stop: float) -> tuple[int, int]:
    """Return the first and last grid column (or row) that an interval low..high touches."""
    step = GRID / (stop - start)
    first, last = (int(np.floor(np.clip((v - start) * step, -1, GRID))) for v in (low, high))
    return min(max(first, 0), GRID - 1), min(max(last, 0), GRID - 1)


def runs_in_box(
    drawing: DrawingCopy, x0: float, x1: float, y0: float, y1: float
) -> list[tuple[int, int]]:
    """Return runs start, stop of drawing order that hold each point of a box, and few others."""
    _, starts, stops = _grid_rows(drawing, x0, x1, y0, y1)
    runs: list[tuple[int, int]] = []
    for start, stop in zip(starts, stops, strict=True):
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], int(stop))
        elif stop > start:
            runs.append((int(start), int(stop)))
    return runs


def middle_of_box(drawing: DrawingCopy, x0: float, x1: float, y0: float, y1: float) -> float:
    """Return a y with about as many points of a box below as above it, an edge of the grid."""
    first, starts, stops = _grid_rows(drawing, x0, x1, y0, y1)
    upto = np.cumsum(stops - starts)
    below = first + int(np.searchsorted(upto, upto[-1] / 2)) + 1
    low, high = drawing.extent[2:]
    return low + below * (high - low) / GRID


def _grid_rows(
    drawing: DrawingCopy, x0: float, x1: float, y0: float, y1: float
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of grid cells in a box, and each row's start and stop, (R,)."""
    columns = cell_range(x0, x1, *drawing.extent[:2])
    rows = cell_range(y0, y1, *drawing.extent[2:])
    cells = np.arange(rows[0], rows[1] + 1) * GRID + columns[0]
    stops = cells + (columns[1] - columns[0] + 1)
    return rows[0], drawing.offsets[cells], drawing.offsets[stops]


def positions_in_box(
    drawing: DrawingCopy, x0: float, x1: float, y0: float, y1: float
) -> NDArray[np.int64]:
    """Return positions in drawing order of the points of a box, its edges included."""
    found = [
        start
        + np.flatnonzero(
            (drawing.x[start:stop] >= x0)
            & (drawing.x[start:stop] <= x1)
            & (drawing.y[start:stop] >= y0)
            & (drawing.y[start:stop] <= y1)
        )
        for start, stop in runs_in_box(drawing, x0, x1, y0, y1)
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def nearest_row(
    drawing: DrawingCopy,
    x: float,
    y: float,
    reach: tuple[float, float],
    shown: Bitmap | None = None,
) -> int:
    """Return the catalog row nearest to a place, -1 where none is within reach.

    `reach` is the same distance on the screen, in data units of x and of y; distance is measured
    on the screen. `shown` allows catalog rows.
    """
    rx, ry = reach
    near = positions_in_box(drawing, x - rx, x + rx, y - ry, y + ry)
    if shown is not None and not shown.is_full():
        near = near[shown.contains(drawing.order[near])]
    if not len(near):
        return -1
    distance = np.hypot((drawing.x[near] - x) / rx, (drawing.y[near] - y) / ry)
    best = int(np.argmin(distance))
    return int(drawing.order[near[best]]) if distance[best] <= 1 else -1


def box_around(drawing: DrawingCopy, x: float, y: float, count: int) -> tuple[float, ...]:
    """Return x0, x1, y0, y1 about a place with the map's proportions and about `count` points."""
    x0, x1, y0, y1 = drawing.extent
    distance = np.maximum(np.abs(drawing.x - x) / (x1 - x0), np.abs(drawing.y - y) / (y1 - y0))
    count = min(count, len(distance))
    half = float(np.partition(distance, count - 1)[count - 1]) if count else 0.5
    half = max(half, 1e-3)
    wide, high = half * (x1 - x0), half * (y1 - y0)
    return (x - wide, x + wide, y - high, y + high)
