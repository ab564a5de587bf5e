"""Which points lie inside a polygon: the even-odd rule, decided without rounding error.

The points come sorted by the cells of the drawing grid. Each band of cells is walked once: a cell
that no edge of the polygon touches is in or out as a whole, and in every other cell a point is
tested only against the edges that touch the cell and those that end to its right, so that the
cost follows the outline, not the area or the number of corners.

A point is inside when an odd number of edges crosses its horizontal to the right. An edge from a
to b crosses when one end is above the point's y and the other is not, and the point is strictly
to the left of it. The last is the sign of a determinant: taken in double precision where its
error bound allows, else exactly as a sum of floating-point numbers that do not overlap (Shewchuk
1997, Discrete & Computational Geometry 18, 305, sections 2.4 and 4.1); exact as long as no
product of two coordinates leaves the range of normal doubles.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_HALF_ULP = 2.0**-53
_BOUND = (3 + 16 * _HALF_ULP) * _HALF_ULP  # of the determinant, Shewchuk's ccwerrboundA
_SPLITTER = 2.0**27 + 1
_LEAST_MARGIN = 1e-6  # of a cell: the rounding of a point's own cell is far below
_ROUNDING = 2.0**-48  # of a corner's distance from the grid, in cells: what moving it there costs


@numba.njit(cache=True, nogil=True)
def _product(a: float, b: float) -> tuple[float, float]:
    """Return a * b as the nearest double and what is missing, exactly (Dekker)."""
    p = a * b
    big = _SPLITTER * a
    ah = big - (big - a)
    al = a - ah
    big = _SPLITTER * b
    bh = big - (big - b)
    bl = b - bh
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


@numba.njit(cache=True, nogil=True)
def _sign_of_sum(terms: Any) -> float:
    """Return the sign of a sum, exactly: a non-overlapping expansion grown term by term."""
    parts = np.zeros(len(terms))
    used = 0
    for term in terms:
        carried = term
        for k in range(used):
            total = carried + parts[k]
            other = total - carried
            parts[k] = (carried - (total - other)) + (parts[k] - other)
            carried = total
        parts[used] = carried
        used += 1
    for k in range(used - 1, -1, -1):
        if parts[k] != 0.0:
            return 1.0 if parts[k] > 0 else -1.0
    return 0.0


@numba.njit(cache=True, nogil=True)
def exact_turn(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> Any:
    """Return 1 where p lies to the left of the way from a to b, -1 to the right, 0 on the line."""
    terms = np.empty(12)
    terms[0], terms[1] = _product(ax, by)
    terms[2], terms[3] = _product(-ax, py)
    terms[4], terms[5] = _product(-px, by)
    terms[6], terms[7] = _product(-ay, bx)
    terms[8], terms[9] = _product(ay, px)
    terms[10], terms[11] = _product(py, bx)
    return _sign_of_sum(terms)


@numba.njit(cache=True, nogil=True)
def crosses(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> bool:
    """Return whether the edge from a to b crosses the horizontal to the right of p."""
    if (ay > py) == (by > py):
        return False
    left, right = (ax - px) * (by - py), (ay - py) * (bx - px)
    turn = left - right
    if not abs(turn) > _BOUND * (abs(left) + abs(right)):
        turn = exact_turn(ax, ay, bx, by, px, py)
    return turn > 0 if by > ay else turn < 0


@numba.njit(cache=True, nogil=True)
def _column(x: float, grid: int) -> int:
    """Return the column of cells at x, -1 left of the grid and `grid` right of it."""
    return int(np.floor(min(max(x, -1.0), float(grid))))


@numba.njit(cache=True, nogil=True)
def _edges_of_band(band: Any, gx: Any, gy: Any, row: int, grid: int, margin: float) -> int:
    """List the edges that touch a band of cells and are not all to the left; return how many.

    `band` (3, V) receives the number of the edge and the first and last column that it touches.
    """
    low, high, found = row - margin, row + 1 + margin, 0
    for i in range(len(gx)):
        j = i + 1 if i + 1 < len(gx) else 0
        ax, ay, bx, by = gx[i], gy[i], gx[j], gy[j]
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        if by < low or ay > high:
            continue
        xa, xb = ax, bx
        if by > ay:
            xa = ax + (bx - ax) * ((max(ay, low) - ay) / (by - ay))
            xb = ax + (bx - ax) * ((min(by, high) - ay) / (by - ay))
        last = _column(max(xa, xb) + margin, grid)
        if last >= 0:
            band[0, found], band[2, found] = i, last
            band[1, found] = _column(min(xa, xb) - margin, grid)
            found += 1
    return found


@numba.njit(cache=True, nogil=True)
def _mark_band(
    touched: Any, inside: Any, band: Any, found: int, gx: Any, gy: Any, row: int
) -> None:
    """Write which cells of a band an edge touches, and whether the centres of cells are inside."""
    grid, y = len(touched) - 1, row + 0.5
    touched[:] = 0
    inside[:] = 0
    for k in range(found):
        i = band[0, k]
        j = i + 1 if i + 1 < len(gx) else 0
        if band[1, k] < grid:
            touched[max(band[1, k], 0)] += 1
            touched[min(band[2, k] + 1, grid)] -= 1
        if (gy[i] > y) != (gy[j] > y):
            x = gx[i] + (gx[j] - gx[i]) * ((y - gy[i]) / (gy[j] - gy[i]))
            inside[_column(x + 0.5, grid) if x > -0.5 else 0] ^= 1  # flips all cells to the left
    for column in range(1, grid + 1):
        touched[column] += touched[column - 1]
    for column in range(grid - 1, -1, -1):
        inside[column] ^= inside[column + 1]
    for column in range(grid):
        inside[column] = inside[column + 1]


@numba.njit(cache=True, nogil=True)
def _edges_of_cell(near: Any, band: Any, found: int, column: int) -> tuple[int, int]:
    """List the edges that touch a cell, then those of its band further right; return both ends."""
    touching = 0
    for k in range(found):
        if band[1, k] <= column <= band[2, k]:
            near[touching] = band[0, k]
            touching += 1
    end = touching
    for k in range(found):
        if band[1, k] > column:
            near[end] = band[0, k]
            end += 1
    return touching, end


@numba.njit(cache=True, nogil=True)
def _keep_spanning(near: Any, touching: int, end: int, gy: Any, row: int, margin: float) -> Any:
    """Drop the edges to the right that cross the whole band, and tell their parity."""
    low, high, kept, parity = row - margin, row + 1 + margin, touching, False
    for k in range(touching, end):
        i = near[k]
        j = i + 1 if i + 1 < len(gy) else 0
        if min(gy[i], gy[j]) < low and max(gy[i], gy[j]) > high:
            parity = not parity
        else:
            near[kept] = i
            kept += 1
    return kept, parity


@numba.njit(cache=True, nogil=True)
def _is_inside(px: float, py: float, corners: Any, near: Any, cell: Any) -> Any:
    vx, vy = corners
    touching, end, parity = cell
    for k in range(end):
        i = near[k]
        j = i + 1 if i + 1 < len(vx) else 0
        if k < touching:
            parity ^= crosses(vx[i], vy[i], vx[j], vy[j], px, py)
        else:
            parity ^= (vy[i] > py) != (vy[j] > py)
    return parity


@numba.njit(cache=True, nogil=True)
def set_run(words: Any, order: Any, start: int, stop: int) -> None:
    """Set the bits of the rows order[start:stop]."""
    for i in range(start, stop):
        row = order[i]
        words[row >> 6] |= np.uint64(1) << np.uint64(row & 63)


@numba.njit(cache=True, nogil=True)
def _set_some(
    words: Any, points: Any, start: int, stop: int, corners: Any, near: Any, cell: Any
) -> None:
    """Set the bits of those points of one cell that lie inside."""
    x, y, order = points
    for i in range(start, stop):
        if _is_inside(float(x[i]), float(y[i]), corners, near, cell):
            set_run(words, order, i, i + 1)


@numba.njit(cache=True, nogil=True)
def set_inside(
    words: Any, points: Any, offsets: Any, corners: Any, cell_corners: Any, grid: int
) -> None:
    """Set the bits of the rows whose points lie inside a polygon.

    `points` are x, y (P,) float32 and row (P,) sorted by cell, of which `offsets` holds the ends
    (projection.DrawingCopy); `corners` are x and y (V,) in data units, `cell_corners` in cells.
    """
    gx, gy = cell_corners
    corner_count = len(gx)
    margin = max(_LEAST_MARGIN, _ROUNDING * max(np.abs(gx).max(), np.abs(gy).max()))
    band, near = np.empty((3, corner_count), np.int64), np.empty(corner_count, np.int64)
    touched, inside = np.empty(grid + 1, np.int64), np.empty(grid + 1, np.int64)
    for row in range(grid):
        cells = offsets[row * grid : (row + 1) * grid + 1]
        found = 0
        if cells[0] < cells[grid]:
            found = _edges_of_band(band, gx, gy, row, grid, margin)
        if not found:
            continue
        _mark_band(touched, inside, band, found, gx, gy, row)
        for column in range(grid):
            start, stop = cells[column], cells[column + 1]
            if start < stop and touched[column]:
                touching, end = _edges_of_cell(near, band, found, column)
                end, parity = _keep_spanning(near, touching, end, gy, row, margin)
                cell = (touching, end, parity)
                _set_some(words, points, start, stop, corners, near, cell)
            elif inside[column]:
                set_run(words, points[2], start, stop)
