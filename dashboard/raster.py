"""Points -> one RGBA picture, on the server, at interactive speed.

Points in view are sorted by pixel, where there are very many datashader counts them per layer;
compiled passes turn counts into colours: a pixel takes its most frequent class, alpha follows the
equalised density. Only the grid cells in view are read. Very few points are drawn one by one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes, Ramp
from dashboard.kernels import (
    count_points,
    drop,
    majority,
    mean_of_points,
    pixels_of,
    sort_layers,
    thinned,
)
from dashboard.selecting import cell_range, middle_of_box, runs_in_box
from dashboard.shading import (
    GREY_ALPHA,
    UNSELECTED_RGB,
    compose,
    compose_values,
    density,
    draw_discs,
    equalised_alpha,
    pack,
    packed,
    spread,
)
from latent_core.projection import GRID, DrawingCopy

FEWEST_AS_IMAGE = 5000
# Radius of a source in CSS pixels by how crowded the filled pixels are, and its least alpha:
# the sparser a map, the larger and the more opaque its points.
CROWDINGS, RADII, ALPHA_FLOORS = (0.02, 0.15, 0.5, 0.9), (2.2, 1.7, 1.5, 0.5), (215, 195, 165, 90)
LONELY_RADIUS = 1.5
MOST_SORTED = 20_000_000  # points up to which sorting them beats a plane a class
LEAST_SHARED = 100_000  # points from which two threads draw a half each
MOST_SKETCHED = 500_000  # points of a coarse picture
LEAST_GAP = 1.3  # points read for one that is wanted, where that saves copying those wanted
LARGEST_STRIP = 32_000_000  # bytes of the count planes that exist at a time
MISSING_RGB = (196, 200, 206)
VALUED, MISSING = 0, 1
EVERY = np.empty(0, np.int32)  # no weights: each point stands for itself
NO_BEST, NO_MEANS = np.empty((0, 0), np.int16), np.empty((0, 0))
NAN = np.float32(np.nan)
Floats = NDArray[np.float32]
_HELPERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="half a picture")
_ALONE = (os.cpu_count() or 1) < 2


@dataclass(frozen=True)
class View:
    """The rectangle x0..x1, y0..y1 of a map on width x height pixels of the device.

    `ratio` is how many of them make a CSS pixel, the unit in which sizes are felt.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    width: int
    height: int
    ratio: float = 1.0


@dataclass(frozen=True)
class Layers:
    """Points in drawing order with the layer of each, (P,), and the colours of the layers.

    Layers 0..K - 1 have colours; K is unselected, K + 1 not shown. `values` (P,) and `ramp`
    replace the colour of layer VALUED where a number is drawn; of all other points they are NaN.
    `is_masked` tells that there may be points unselected or not shown.
    """

    codes: NDArray[np.integer]
    colours: NDArray[np.uint8]
    values: Floats | None = None
    ramp: Ramp | None = None
    table: NDArray[np.uint8] | None = None
    is_masked: bool = True

    @property
    def planes(self) -> int:
        """How many layers points may lie in, shown or not."""
        return len(self.colours) + 2 * self.is_masked


@dataclass(frozen=True)
class Picture:
    """RGBA in uint32, (height, width), row 0 at the bottom; how many shown points it covers.

    The number is None where not all of them were counted.
    """

    rgba: NDArray[np.uint32]
    in_view: int | None


def class_layers(
    drawing: DrawingCopy,
    classes: Classes,
    codes: NDArray[np.integer],
    shown: Bitmap,
    selected: Bitmap | None,
) -> Layers:
    """Sort points into layers by class; `codes` in drawing order, bitmaps over catalog rows.

    Where all are shown and none is selected the layers are the codes themselves, not a copy.
    """
    colours = classes.colours
    if _is_plain(shown, selected):
        return Layers(codes, colours, is_masked=False)
    return Layers(_sorted(drawing, codes, shown, selected, len(colours)), colours)


def number_layers(
    drawing: DrawingCopy,
    values: Floats,
    missing: NDArray[np.int8],
    masks: tuple[Bitmap, Bitmap | None],
    ramp: Ramp,
    table: NDArray[np.uint8],
) -> Layers:
    """Sort points into VALUED and MISSING, as `missing` tells; `table` (256, 3).

    `values` and `missing` in drawing order, `masks` what is shown and what is selected of
    the catalog rows; where they leave nothing out, the layers are the arrays given, not copies.
    """
    colours = np.asarray([table[128], MISSING_RGB], np.uint8)
    if _is_plain(*masks):
        return Layers(missing, colours, values, ramp, table, is_masked=False)
    codes = _sorted(drawing, missing, *masks, len(colours))
    return Layers(codes, colours, np.where(codes == VALUED, values, NAN), ramp, table)


def _is_plain(shown: Bitmap, selected: Bitmap | None) -> bool:
    return selected is None and shown.is_full()


def _sorted(
    drawing: DrawingCopy,
    codes: NDArray[np.integer],
    shown: Bitmap,
    selected: Bitmap | None,
    colours: int,
) -> NDArray[np.integer]:
    kept = shown if selected is None else selected
    return np.asarray(sort_layers(codes, drawing.order, shown.words, kept.words, colours))


def points_near(drawing: DrawingCopy, view: View) -> int:
    """Return how many points a picture of a view reads: those in view and a few about it."""
    return sum(b - a for a, b in runs_in_box(drawing, view.x0, view.x1, view.y0, view.y1))


def draw(drawing: DrawingCopy, layers: Layers, view: View) -> Picture:
    """Draw the points of a view, each of them."""
    runs = runs_in_box(drawing, view.x0, view.x1, view.y0, view.y1)
    candidates = sum(stop - start for start, stop in runs)
    if candidates > MOST_SORTED:
        strips = _strips(view, layers.planes)
        counts = _stacked(_count_strip(drawing, layers, view, *rows) for rows in strips)
        return _shaded(counts, layers, view)
    if candidates >= LEAST_SHARED and not _ALONE:
        return _shaded(_count_halves(drawing, layers, view), layers, view)
    x, y, part = _read(drawing, layers, runs)
    if candidates <= 10 * FEWEST_AS_IMAGE:
        inside = (x >= view.x0) & (x <= view.x1) & (y >= view.y0) & (y <= view.y1)
        inside &= part.codes <= len(layers.colours)
        if inside.sum() <= FEWEST_AS_IMAGE:
            return _draw_points(x, y, part, view, np.flatnonzero(inside))
    return _shaded(_count(x, y, part, view), layers, view)


def sketch(drawing: DrawingCopy, layers: Layers, view: View) -> Picture:
    """Draw a view from part of its points: in crowded cells of the grid one stands for many."""
    columns = cell_range(view.x0, view.x1, *drawing.extent[:2])
    rows = cell_range(view.y0, view.y1, *drawing.extent[2:])
    cells = (columns[1] - columns[0] + 1) * (rows[1] - rows[0] + 1)
    most = max(1, MOST_SKETCHED // cells)
    positions, weights = thinned(drawing.offsets, (*columns, *rows), GRID, most)
    values = None if layers.values is None else layers.values[positions]
    part = replace(layers, codes=layers.codes[positions], values=values)
    counts = _count(drawing.x[positions], drawing.y[positions], part, view, weights=weights)
    return replace(_shaded(counts, layers, view), in_view=None)


class _Counts(NamedTuple):
    """What each pixel of (H, W) holds: best layer, coloured and grey count, mean value.

    Where a number is drawn there is no best layer, else no mean.
    """

    best: NDArray[np.int16]
    total: NDArray[np.uint32]
    grey: NDArray[np.uint32]
    means: NDArray[np.float64]


def _read(
    drawing: DrawingCopy, layers: Layers, runs: list[tuple[int, int]]
) -> tuple[Floats, Floats, Layers]:
    """Return the places and layers of some runs: a copy only where much lies between the runs."""
    candidates = sum(stop - start for start, stop in runs)
    if runs and runs[-1][1] - runs[0][0] <= LEAST_GAP * candidates:
        runs = [(runs[0][0], runs[-1][1])]
    x, y, codes = (_gather(array, runs) for array in (drawing.x, drawing.y, layers.codes))
    values = None if layers.values is None else _gather(layers.values, runs)
    return x, y, replace(layers, codes=codes, values=values)


def _gather(array: NDArray, runs: list[tuple[int, int]]) -> NDArray:
    if len(runs) == 1:
        return np.asarray(array[runs[0][0] : runs[0][1]])
    return np.concatenate([array[a:b] for a, b in runs]) if runs else np.asarray(array[:0])


def _stacked(parts: Iterable[_Counts]) -> _Counts:
    """Join counts of pixel rows that lie above each other, the lowest first."""
    return _Counts(*(np.concatenate(a) for a in zip(*parts, strict=True)))


def _count_halves(drawing: DrawingCopy, layers: Layers, view: View) -> _Counts:
    """Count the lower and the upper half of the points side by side; the same counts."""
    middle = middle_of_box(drawing, view.x0, view.x1, view.y0, view.y1)
    row = round((middle - view.y0) * (view.height / (view.y1 - view.y0)))
    row = min(max(row, 1), view.height - 1)
    upper = _HELPERS.submit(_count_rows, drawing, layers, view, (row, view.height))
    return _stacked([_count_rows(drawing, layers, view, (0, row)), upper.result()])


def _count_rows(
    drawing: DrawingCopy, layers: Layers, view: View, rows: tuple[int, int]
) -> _Counts:
    step = (view.y1 - view.y0) / view.height
    # a row more on each side: which of two rows a point lies in is decided by its pixel alone
    low, high = view.y0 + (rows[0] - 1) * step, view.y0 + (rows[1] + 1) * step
    near = runs_in_box(drawing, view.x0, view.x1, max(low, view.y0), min(high, view.y1))
    return _count(*_read(drawing, layers, near), view, rows)


def _count(
    x: Floats,
    y: Floats,
    layers: Layers,
    view: View,
    rows: tuple[int, int] | None = None,
    weights: NDArray[np.int32] = EVERY,
) -> _Counts:
    """Count points without a plane a layer: faster up to MOST_SORTED of them.

    Of the pixel rows `rows` = (first, end) alone, where they are given.
    """
    first, end = rows or (0, view.height)
    shape, box = (end - first, view.width), np.array([view.x0, view.x1, view.y0, view.y1])
    pixels = pixels_of(x, y, box, (view.height, view.width), (first, end))
    colours = len(layers.colours)
    if layers.is_masked:
        drop(pixels, layers.codes, colours, shape[0] * shape[1])
    if layers.values is None:
        best, total, grey = count_points(pixels, layers.codes, weights, colours, *shape)
        return _Counts(best, total, grey, NO_MEANS)
    found = mean_of_points(pixels, layers.codes, layers.values, weights, colours, shape)
    return _Counts(NO_BEST, *found)


def _strips(view: View, planes: int) -> list[tuple[int, int]]:
    rows = max(1, LARGEST_STRIP // (view.width * planes * 4))
    return [(a, min(a + rows, view.height)) for a in range(0, view.height, rows)]


def _count_strip(
    drawing: DrawingCopy, layers: Layers, view: View, bottom: int, top: int
) -> _Counts:
    """Have datashader count the points of some pixel rows."""
    import datashader as ds

    step = (view.y1 - view.y0) / view.height
    low, high = view.y0 + bottom * step, view.y0 + top * step
    if top < view.height:
        high = float(np.nextafter(high, low))  # the edge belongs to the strip above
    x, y, part = _read(drawing, layers, runs_in_box(drawing, view.x0, view.x1, low, high))
    canvas = ds.Canvas(view.width, top - bottom, (view.x0, view.x1), (low, high))
    wanted = {"layers": ds.by("layer", ds.count())}
    if layers.values is not None:
        wanted["mean"] = ds.mean("value")
    found = canvas.points(_frame(x, y, part), "x", "y", agg=ds.summary(**wanted))
    planes, colours = found["layers"].to_numpy(), len(layers.colours)
    best, total = majority(planes, colours)
    grey = (
        np.ascontiguousarray(planes[:, :, colours]) if layers.is_masked else np.zeros_like(total)
    )
    means = NO_MEANS if layers.values is None else found["mean"].to_numpy()
    return _Counts(best, total, grey, means)


def _frame(x: Floats, y: Floats, layers: Layers) -> pd.DataFrame:
    categories = pd.RangeIndex(layers.planes)
    layer = pd.Categorical.from_codes(layers.codes, categories=categories, validate=False)
    columns = {"x": x, "y": y, "layer": layer}
    if layers.values is not None:
        columns["value"] = layers.values
    return pd.DataFrame(columns, copy=False)


def _shaded(counts: _Counts, layers: Layers, view: View) -> Picture:
    histogram, coloured, crowded = density(counts.total)
    _, beneath, grey_crowded = density(counts.grey) if layers.is_masked else (0, 0, 0.0)
    radius, floor = _point_size(coloured, crowded, view.ratio)
    if layers.ramp is None or layers.table is None:
        palette, alpha = packed(layers.colours, 0), equalised_alpha(histogram, floor)
        rgba = compose(counts.best, counts.total, counts.grey, palette, alpha)
    else:
        table = packed(np.concatenate([layers.table, [MISSING_RGB]]).astype(np.uint8))
        steps = _steps(layers.ramp, counts.means[np.isfinite(counts.means)])
        rgba = compose_values(steps, counts.means, counts.total, counts.grey, table)
    grey_radius = _point_size(beneath, grey_crowded, view.ratio)[0] if beneath else 0.0
    grown = spread(rgba, radius, grey_radius, LONELY_RADIUS * view.ratio)
    return Picture(grown, coloured + beneath)


def _steps(ramp: Ramp | None, values: NDArray[np.floating]) -> NDArray[np.uint8]:
    places = np.zeros(len(values)) if ramp is None else ramp.place(values)
    return np.asarray(np.clip(places, 0, 1) * 255, np.uint8)


def _point_size(count: int, crowded: float, ratio: float) -> tuple[float, int]:
    """Return the radius of a source in device pixels and its least alpha."""
    if not count:
        crowded = 1.0
    elif ratio >= 1:
        crowded *= ratio**2  # a CSS pixel holds ratio^2 of the device's
    else:  # where sources lie at random, so much of the finer pixels that make a coarse one
        crowded = 1 - (1 - crowded) ** ratio**2
    radius = float(np.interp(crowded, CROWDINGS, RADII)) * ratio
    return radius, int(np.interp(crowded, CROWDINGS, ALPHA_FLOORS))


def _draw_points(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    layers: Layers,
    view: View,
    inside: NDArray[np.int64],
) -> Picture:
    """Draw few points one by one: unselected and missing beneath, the rest in shuffled order."""
    shuffled = inside[np.random.default_rng(0).permutation(len(inside))]
    codes = layers.codes[shuffled]
    beneath = (codes == len(layers.colours)) | ((layers.ramp is not None) & (codes == MISSING))
    drawn = np.concatenate([shuffled[beneath], shuffled[~beneath]])
    colours, alphas = _point_colours(layers, drawn)
    px = (x[drawn].astype(np.float64) - view.x0) * (view.width / (view.x1 - view.x0))
    py = (y[drawn].astype(np.float64) - view.y0) * (view.height / (view.y1 - view.y0))
    radius = float(np.interp(len(drawn), [200, 1000, FEWEST_AS_IMAGE], [4.5, 3.5, 2.4]))
    discs = draw_discs(px, py, colours, alphas, radius * view.ratio, (view.height, view.width))
    return Picture(pack(discs), len(drawn))


def _point_colours(
    layers: Layers, drawn: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    grey = np.asarray([UNSELECTED_RGB], np.uint8)
    codes = layers.codes[drawn]
    colours = np.concatenate([layers.colours, grey])[codes]
    if layers.values is not None and layers.table is not None:
        valued = codes == VALUED
        colours[valued] = layers.table[_steps(layers.ramp, layers.values[drawn][valued])]
    alphas = np.where(codes == len(layers.colours), GREY_ALPHA / 255, 0.85)
    return colours, alphas
