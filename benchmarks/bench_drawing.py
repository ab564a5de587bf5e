"""One picture against stock datashader, on made-up clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from measuring import Figure, cpu_time, report

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes
from dashboard.raster import View, class_layers, draw
from latent_core.catalog import Column
from latent_core.projection import DrawingCopy, sort_for_drawing

CLASSES, WIDTH, HEIGHT = 25, 740, 770
COUNTS = (50_000, 1_000_000, 4_000_000)
LIMITS = {4_000_000: 60.0}  # ms of a redraw
NAMES = tuple(f"class {i}" for i in range(CLASSES))


def clusters(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places (N, 2) about 25 centres, in random order, and the class of each point."""
    rng = np.random.default_rng(0)
    centres, widths = rng.uniform(-8, 8, (CLASSES, 2)), rng.uniform(0.2, 1.5, CLASSES)
    classes = rng.choice(CLASSES, count, p=rng.dirichlet(np.ones(CLASSES)))
    places = centres[classes] + widths[classes, None] * rng.standard_normal((count, 2))
    return places.astype(np.float32), classes.astype(np.int8)


def views(drawing: DrawingCopy) -> dict[str, View]:
    """Return the whole map and an eighth of its width about its fullest cell."""
    x0, x1, y0, y1 = drawing.extent
    middle = int(drawing.offsets[np.argmax(np.diff(drawing.offsets))])
    x, y = float(drawing.x[middle]), float(drawing.y[middle])
    wide, high = (x1 - x0) / 16, (y1 - y0) / 16
    return {
        "whole": View(x0, x1, y0, y1, WIDTH, HEIGHT),
        "zoomed in 8 x": View(x - wide, x + wide, y - high, y + high, WIDTH, HEIGHT),
    }


def stock(frame: pd.DataFrame, view: View) -> object:
    """Draw as datashader's own guide does: count by category, shade, spread."""
    import datashader as ds
    import datashader.transfer_functions as tf

    canvas = ds.Canvas(view.width, view.height, (view.x0, view.x1), (view.y0, view.y1))
    counts = canvas.points(frame, "x", "y", agg=ds.by("layer", ds.count()))
    return tf.dynspread(tf.shade(counts, color_key=(2 * ds.colors.Sets1to3)[:CLASSES]))


def redraws(
    name: str, drawing: DrawingCopy, places: np.ndarray, codes: np.ndarray
) -> list[Figure]:
    """Return what sorting into layers costs once a selection, and what each picture costs."""
    everything = Bitmap.all(len(places))
    classes = Classes(Column("class"), NAMES, codes, np.bincount(codes, minlength=CLASSES))
    sorted_codes = np.ascontiguousarray(codes[drawing.order])
    given = (drawing, classes, sorted_codes, everything, None)
    layers = class_layers(*given)
    layer = pd.Categorical.from_codes(codes, categories=NAMES)
    frame = pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "layer": layer})
    limit = LIMITS.get(len(places))
    sorting = 1e3 * cpu_time(lambda: class_layers(*given))
    figures = [Figure(f"{name}, a changed selection sorted into layers", sorting)]
    for title, view in views(drawing).items():
        draw(drawing, layers, view)  # compiles
        stock(frame, view)
        ours = cpu_time(lambda view=view: draw(drawing, layers, view), 7)
        theirs = cpu_time(lambda view=view: stock(frame, view), 3)
        figure = Figure(f"{name}, {title}", 1e3 * ours, "ms", 1e3 * theirs, "datashader", limit)
        figures.append(figure)
    return figures


def measure(count: int) -> list[Figure]:
    places, codes = clusters(count)
    drawing = sort_for_drawing(places)
    name = f"{count:,} points"
    return redraws(f"{name}, {CLASSES} classes", drawing, places, codes)


if __name__ == "__main__":
    report("drawing", [figure for count in COUNTS for figure in measure(count)])
