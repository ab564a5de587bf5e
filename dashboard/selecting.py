"""Points inside a polygon or box, and the point nearest to the pointer, by the drawing grid.

Grid cells are classified in, out or edge; only points of edge cells are tested one by one with
the even-odd rule, so a lasso over millions costs its outline and not its area (speed.md, 3).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from latent_core.projection import GRID, DrawingCopy

Rows = NDArray[np.int64]
OUT, IN, EDGE = 0, 1, 2  # what a cell of the grid is to a polygon
_MARGIN = 1e-6  # of a cell: the rounding of a point's own cell is far below


@numba.njit(cache=True, nogil=True)
def _mark_edges(cells: Any, gx: Any, gy: Any, grid: int) -> None:
    """Mark each cell that an edge of the polygon touches; corners in units of cells."""
    n = len(gx)
    for i in range(n):
        j = (i + 1) % n
        ax, ay, bx, by = gx[i], gy[i], gx[j], gy[j]
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        first = max(0, int(np.floor(max(ay - _MARGIN, -1.0))))
        last = min(grid - 1, int(np.floor(min(by + _MARGIN, grid + 1.0))))
        for row in range(first, last + 1):
            low, high = max(ay, row - _MARGIN), min(by, row + 1 + _MARGIN)
            if by > ay:
                xa = ax + (bx - ax) * (low - ay) / (by - ay)
                xb = ax + (bx - ax) * (high - ay) / (by - ay)
            else:
                xa, xb = ax, bx
            left, right = min(xa, xb) - _MARGIN, max(xa, xb) + _MARGIN
            if right < 0 or left >= grid:
                continue
            start, stop = max(0, int(np.floor(left))), min(grid - 1, int(np.floor(right)))
            for column in range(start, stop + 1):
                cells[row, column] = EDGE


@numba.njit(cache=True, nogil=True)
def _fill(cells: Any, gx: Any, gy: Any, grid: int) -> None:
    """Mark the untouched cells whose centre lies inside, one scan line a row."""
    n = len(gx)
    crossings = np.empty(n, np.float64)
    for row in range(grid):
        y, found = row + 0.5, 0
        for i in range(n):
            j = (i + 1) % n
            if (gy[i] > y) != (gy[j] > y):
                crossings[found] = gx[i] + (gx[j] - gx[i]) * (y - gy[i]) / (gy[j] - gy[i])
                found += 1
        ordered = np.sort(crossings[:found])
        passed = 0
        for column in range(grid):
            while passed < found and ordered[passed] <= column + 0.5:
                passed += 1
            if cells[row, column] == OUT and passed % 2 == 1:
                cells[row, column] = IN


@numba.njit(cache=True, nogil=True)
def _inside(px: float, py: float, vx: Any, vy: Any, edges: Any, count: int) -> bool:
    inside = False
    for k in range(count):
        i = edges[k]
        j = (i + 1) % len(vx)
        if (vy[i] > py) != (vy[j] > py) and px < vx[i] + (vx[j] - vx[i]) * (py - vy[i]) / (
            vy[j] - vy[i]
        ):
            inside = not inside
    return inside


@numba.njit(cache=True, nogil=True)
def _edges_of_row(edges: Any, gy: Any, row: int) -> int:
    """Collect the edges that cross a band of cells; returns how many."""
    count = 0
    for i in range(len(gy)):
        j = (i + 1) % len(gy)
        low, high = min(gy[i], gy[j]), max(gy[i], gy[j])
        if high >= row - _MARGIN and low <= row + 1 + _MARGIN:
            edges[count] = i
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _collect(
    cells: Any, x: Any, y: Any, offsets: Any, vx: Any, vy: Any, gy: Any, grid: int
) -> Any:
    """Return positions in drawing order of the points inside."""
    most = 0
    for cell in range(grid * grid):
        if cells[cell // grid, cell % grid] != OUT:
            most += offsets[cell + 1] - offsets[cell]
    found = np.empty(most, np.int64)
    edges = np.empty(len(vx), np.int64)
    n = 0
    for row in range(grid):
        count = _edges_of_row(edges, gy, row)
        for column in range(grid):
            kind, cell = cells[row, column], row * grid + column
            if kind == OUT:
                continue
            for i in range(offsets[cell], offsets[cell + 1]):
                if kind == IN or _inside(x[i], y[i], vx, vy, edges, count):
                    found[n] = i
                    n += 1
    return found[:n]


def select_polygon(drawing: DrawingCopy, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> Rows:
    """Return catalog rows inside a polygon (V,), (V,) by the even-odd rule, in drawing order."""
    x0, x1, y0, y1 = drawing.extent
    vx, vy = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
    gx, gy = (vx - x0) * (GRID / (x1 - x0)), (vy - y0) * (GRID / (y1 - y0))
    cells = np.zeros((GRID, GRID), np.uint8)
    _mark_edges(cells, gx, gy, GRID)
    _fill(cells, gx, gy, GRID)
    found = _collect(cells, drawing.x, drawing.y, drawing.offsets, vx, vy, gy, GRID)
    return np.asarray(drawing.order[found], np.int64)


def cell_range(low: float, high: float, start: float, stop: float) -> tuple[int, int]:
    """Return the first and last grid column (or row) that an interval low..high touches."""
    step = GRID / (stop - start)
    first, last = (int(np.floor(np.clip((v - start) * step, -1, GRID))) for v in (low, high))
    return min(max(first, 0), GRID - 1), min(max(last, 0), GRID - 1)


def runs_in_box(
    drawing: DrawingCopy, x0: float, x1: float, y0: float, y1: float
) -> list[tuple[int, int]]:
    """Return runs start, stop of drawing order that hold each point of a box, and few others."""
    columns = cell_range(x0, x1, *drawing.extent[:2])
    rows = cell_range(y0, y1, *drawing.extent[2:])
    starts = np.arange(rows[0], rows[1] + 1) * GRID + columns[0]
    stops = starts + (columns[1] - columns[0] + 1)
    runs: list[tuple[int, int]] = []
    for start, stop in zip(drawing.offsets[starts], drawing.offsets[stops], strict=True):
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], int(stop))
        elif stop > start:
            runs.append((int(start), int(stop)))
    return runs


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


def select_box(drawing: DrawingCopy, x0: float, x1: float, y0: float, y1: float) -> Rows:
    """Return catalog rows in a box, its edges included."""
    return np.asarray(drawing.order[positions_in_box(drawing, x0, x1, y0, y1)], np.int64)


def nearest_row(
    drawing: DrawingCopy,
    x: float,
    y: float,
    reach: tuple[float, float],
    shown: NDArray[np.bool_] | None = None,
) -> int:
    """Return the catalog row nearest to a place, -1 where none is within reach.

    `reach` is the same distance on the screen, in data units of x and of y; distance is measured
    on the screen. `shown` (N,) allows catalog rows.
    """
    rx, ry = reach
    near = positions_in_box(drawing, x - rx, x + rx, y - ry, y + ry)
    if shown is not None:
        near = near[shown[drawing.order[near]]]
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
