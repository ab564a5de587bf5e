"""Points -> one RGBA picture, on the server, at interactive speed.

Datashader counts the points of the view per layer, few are sorted by pixel instead; one compiled
pass turns counts into colours: a pixel takes its most frequent class, alpha follows the equalised
density. Only the grid cells in view are read. Very few points are drawn one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes, Ramp
from dashboard.kernels import (
    GREY_ALPHA,
    UNSELECTED_RGB,
    compose,
    crowding,
    draw_discs,
    equalised_alpha,
    majority,
    majority_of_few,
    mean_of_few,
    pack,
    pixels_of,
    sort_layers,
    spread,
)
from dashboard.selecting import runs_in_box
from latent_core.projection import DrawingCopy

FEWEST_AS_IMAGE = 5000
# Radius of a source in CSS pixels by how crowded the filled pixels are, and its least alpha:
# the sparser a map, the larger and the more opaque its points.
CROWDINGS, RADII, ALPHA_FLOORS = (0.02, 0.15, 0.5, 0.9), (2.2, 1.7, 1.5, 0.5), (215, 195, 165, 90)
LONELY_RADIUS = 1.5
MOST_SORTED = 200_000  # points up to which sorting them beats a plane a class
LARGEST_STRIP = 32_000_000  # bytes of the count planes that exist at a time
MISSING_RGB = (196, 200, 206)
VALUED, MISSING = 0, 1


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
    replace the colour of layer VALUED where a number is drawn.
    """

    codes: NDArray[np.integer]
    colours: NDArray[np.uint8]
    values: NDArray[np.float32] | None = None
    ramp: Ramp | None = None
    table: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Picture:
    """RGBA in uint32, (height, width), row 0 at the bottom; how many shown points it covers."""

    rgba: NDArray[np.uint32]
    in_view: int


def class_layers(
    drawing: DrawingCopy,
    classes: Classes,
    codes: NDArray[np.integer],
    shown: Bitmap,
    selected: Bitmap | None,
) -> Layers:
    """Sort points into layers by class; `codes` in drawing order, bitmaps over catalog rows."""
    colours = classes.colours
    return Layers(_sorted(drawing, codes, shown, selected, len(colours)), colours)


def number_layers(
    drawing: DrawingCopy,
    values: NDArray[np.float32],
    shown: Bitmap,
    selected: Bitmap | None,
    ramp: Ramp,
    table: NDArray[np.uint8],
) -> Layers:
    """Sort points into valued and missing; `values` in drawing order, `table` (256, 3)."""
    codes = np.isnan(values).astype(np.int8)
    layers = _sorted(drawing, codes, shown, selected, 2)
    colours = np.asarray([table[128], MISSING_RGB], np.uint8)
    return Layers(layers, colours, values, ramp, table)


def _sorted(
    drawing: DrawingCopy,
    codes: NDArray[np.integer],
    shown: Bitmap,
    selected: Bitmap | None,
    colours: int,
) -> NDArray[np.integer]:
    if shown.is_full() and selected is None:
        return codes  # nobody writes into layers: all sessions share these
    kept = shown if selected is None else selected
    return np.asarray(sort_layers(codes, drawing.order, shown.words, kept.words, colours))


def points_near(drawing: DrawingCopy, view: View) -> int:
    """Return how many points a picture of a view reads: those in view and a few about it."""
    return sum(b - a for a, b in runs_in_box(drawing, view.x0, view.x1, view.y0, view.y1))


def draw(drawing: DrawingCopy, layers: Layers, view: View) -> Picture:
    """Draw the points of a view."""
    runs = runs_in_box(drawing, view.x0, view.x1, view.y0, view.y1)
    candidates = sum(stop - start for start, stop in runs)
    x, y, codes = (_gather(array, runs) for array in (drawing.x, drawing.y, layers.codes))
    values = None if layers.values is None else _gather(layers.values, runs)
    part = Layers(codes, layers.colours, values, layers.ramp, layers.table)
    if candidates <= 10 * FEWEST_AS_IMAGE:
        inside = (x >= view.x0) & (x <= view.x1) & (y >= view.y0) & (y <= view.y1)
        inside &= codes <= len(layers.colours)
        if inside.sum() <= FEWEST_AS_IMAGE:
            return _draw_points(x, y, part, view, np.flatnonzero(inside))
    return _draw_image(x, y, part, view)


def _gather(array: NDArray, runs: list[tuple[int, int]]) -> NDArray:
    if len(runs) == 1:
        return np.asarray(array[runs[0][0] : runs[0][1]])
    return np.concatenate([array[a:b] for a, b in runs]) if runs else np.asarray(array[:0])


def _draw_image(
    x: NDArray[np.float32], y: NDArray[np.float32], layers: Layers, view: View
) -> Picture:
    colours = len(layers.colours)
    if len(x) <= MOST_SORTED:
        best, total, grey, means = _count_few(x, y, layers, view)
    else:
        strips = _strips(view, colours + 2)
        parts = [_count_strip(x, y, layers, view, bottom, top) for bottom, top in strips]
        best, total, grey, means = (np.concatenate(found) for found in zip(*parts, strict=True))
    in_view = int(total.sum()) + int(grey.sum())
    radius, floor = _point_size(total, view.ratio)
    alpha = equalised_alpha(total, floor)
    if layers.ramp is None:
        rgba = compose(best, alpha, total, grey, layers.colours)
    else:
        rgba = _compose_values(best, means, grey, layers)
    return Picture(_grown(rgba, radius, grey, view.ratio), in_view)


def _strips(view: View, planes: int) -> list[tuple[int, int]]:
    rows = max(1, LARGEST_STRIP // (view.width * planes * 4))
    return [(a, min(a + rows, view.height)) for a in range(0, view.height, rows)]


def _count_few(
    x: NDArray[np.float32], y: NDArray[np.float32], layers: Layers, view: View
) -> tuple[NDArray, ...]:
    """Return best layer, coloured count, grey count and mean value, as `_count_strip` does."""
    box = np.array([view.x0, view.x1, view.y0, view.y1])
    pixels = pixels_of(x, y, box, view.height, view.width)
    found = majority_of_few(pixels, layers.codes, len(layers.colours), view.height, view.width)
    if layers.values is None:
        return (*found, found[2][:, :0])
    values = _frame(x, y, layers)["value"].to_numpy()
    return (*found, mean_of_few(pixels, values, view.height, view.width))


def _count_strip(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    layers: Layers,
    view: View,
    bottom: int,
    top: int,
) -> tuple[NDArray, ...]:
    """Return best layer, coloured count, grey count and mean value of some pixel rows.

    The mean has no columns where no number is drawn.
    """
    import datashader as ds

    colours = len(layers.colours)
    step = (view.y1 - view.y0) / view.height
    canvas = ds.Canvas(
        plot_width=view.width,
        plot_height=top - bottom,
        x_range=(view.x0, view.x1),
        y_range=(view.y0 + bottom * step, view.y0 + top * step),
    )
    frame = _frame(x, y, layers)
    planes = canvas.points(frame, "x", "y", agg=ds.by("layer", ds.count())).to_numpy()
    best, total = majority(planes, colours)
    grey = np.ascontiguousarray(planes[:, :, colours])
    if layers.values is None:
        return best, total, grey, grey[:, :0]
    return best, total, grey, canvas.points(frame, "x", "y", agg=ds.mean("value")).to_numpy()


def _frame(x: NDArray[np.float32], y: NDArray[np.float32], layers: Layers) -> pd.DataFrame:
    count = len(layers.colours) + 2
    layer = pd.Categorical.from_codes(
        layers.codes, categories=pd.RangeIndex(count), validate=False
    )
    columns = {"x": x, "y": y, "layer": layer}
    if layers.values is not None:
        columns["value"] = np.where(layers.codes == VALUED, layers.values, np.float32(np.nan))
    return pd.DataFrame(columns, copy=False)


def _compose_values(
    best: NDArray[np.int16], means: NDArray[np.floating], grey: NDArray, layers: Layers
) -> NDArray[np.uint32]:
    """Colour pixels by their mean; a pixel with missing values alone is grey."""
    table = np.concatenate([_packed(layers.table), _packed(np.asarray([MISSING_RGB], np.uint8))])
    rgba = np.where(grey > 0, _packed(np.asarray([UNSELECTED_RGB], np.uint8), GREY_ALPHA)[0], 0)
    rgba = np.where(best == MISSING, table[-1], rgba).astype(np.uint32)
    valued = np.isfinite(means)
    rgba[valued] = table[_steps(layers.ramp, means[valued])]
    return rgba


def _steps(ramp: Ramp | None, values: NDArray[np.floating]) -> NDArray[np.int64]:
    places = np.zeros(len(values)) if ramp is None else ramp.place(values)
    return np.asarray(np.clip(places, 0, 1) * 255, np.int64)


def _packed(colours: NDArray[np.uint8] | None, alpha: int = 255) -> NDArray[np.uint32]:
    wide = np.asarray(colours, np.uint32)
    packed = wide[:, 0] | (wide[:, 1] << 8) | (wide[:, 2] << 16) | np.uint32(alpha << 24)
    return np.asarray(packed, np.uint32)


def _grown(rgba: NDArray[np.uint32], radius: float, grey: NDArray, ratio: float) -> Any:
    return spread(rgba, radius, _point_size(grey, ratio)[0], LONELY_RADIUS * ratio)


def _point_size(counts: NDArray, ratio: float) -> tuple[float, int]:
    """Return the radius of a source in device pixels and its least alpha."""
    crowded = (
        crowding(counts) * ratio**2 if counts.any() else 1.0
    )  # a CSS pixel holds ratio^2 of the device's
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
