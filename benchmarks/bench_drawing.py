"""One picture against stock datashader, on made-up clusters.

The other way draws as datashader's own guide does, the same points in random order: count by
category, or the mean of a number, shade, spread. The limit of the machine is reading x and y once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from made_up_points import CLASSES, clusters
from measuring import Figure, cpu_time, report, within

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes, Numbers, ramp
from dashboard.raster import Layers, View, class_layers, draw, number_layers, sketch
from dashboard.theme import palette
from latent_core.catalog import Column
from latent_core.projection import DrawingCopy, sort_for_drawing

WIDTH, HEIGHT = 900, 700
COUNTS = within(1_000_000, 4_000_000, 10_000_000)
LIMITS = {4_000_000: 60.0}  # ms of a redraw
NAMES = tuple(f"class {i}" for i in range(CLASSES))


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


def stock(frame: pd.DataFrame, view: View, colouring: str) -> object:
    """Draw as datashader's own guide does."""
    import datashader as ds
    import datashader.transfer_functions as tf

    canvas = ds.Canvas(view.width, view.height, (view.x0, view.x1), (view.y0, view.y1))
    if colouring == "number":
        return tf.dynspread(tf.shade(canvas.points(frame, "x", "y", agg=ds.mean("value"))))
    counts = canvas.points(frame, "x", "y", agg=ds.by("layer", ds.count()))
    return tf.dynspread(tf.shade(counts, color_key=(2 * ds.colors.Sets1to3)[:CLASSES]))


class Cloud:
    """Points with a class and a number each, as the screen holds them and as datashader wants."""

    def __init__(self, count: int) -> None:
        self.places, self.codes = clusters(count)
        self.drawing = sort_for_drawing(self.places)
        self.everything = Bitmap.all(count)
        self.half = Bitmap.from_mask(self.places[:, 0] > 0)
        counts = np.bincount(self.codes, minlength=CLASSES)
        self.classes = Classes(Column("class"), NAMES, self.codes, counts)
        self.ordered = np.ascontiguousarray(self.codes[self.drawing.order])

    def layers(self, selected: Bitmap | None = None) -> Layers:
        """Return the points by class."""
        given = (self.drawing, self.classes, self.ordered, self.everything, selected)
        return class_layers(*given)

    def numbers(self) -> Layers:
        """Return the points by a number that some lack."""
        values = np.where(self.codes == 3, np.nan, self.places[:, 1]).astype(np.float32)
        ordered = values[self.drawing.order]
        bar = ramp(Numbers(Column("v"), values), "linear", (1, 99))
        missing, masks = np.isnan(ordered).view(np.int8), (self.everything, None)
        return number_layers(self.drawing, ordered, missing, masks, bar, palette("viridis"))

    def frame(self) -> pd.DataFrame:
        """Return the points in random order."""
        x, y = self.places.T
        layer = pd.Categorical.from_codes(self.codes, categories=NAMES)
        return pd.DataFrame({"x": x, "y": y, "layer": layer, "value": y})


def redraws(name: str, cloud: Cloud) -> Iterator[Figure]:
    """Tell what each picture costs, the coarse one too, and sorting after a new selection."""
    frame, limit = cloud.frame(), LIMITS.get(len(cloud.places))
    scan = 1e3 * cpu_time(lambda: np.dot(cloud.drawing.x, cloud.drawing.y), 9, 3)
    plain = cloud.layers()
    shown = {
        f"{CLASSES} classes": (plain, "classes"),
        f"{CLASSES} classes, half selected": (cloud.layers(cloud.half), "classes"),
        "a number": (cloud.numbers(), "number"),
    }
    for title, view in views(cloud.drawing).items():
        for colours, (layers, way) in shown.items():
            theirs = 1e3 * least(lambda way=way, view=view: stock(frame, view, way), 3)
            ours = 1e3 * least(lambda of=layers, view=view: draw(cloud.drawing, of, view), 9)
            what = f"{name}, {title}, {colours}"
            yield Figure(what, ours, "ms", theirs, "datashader", limit)
            if title == "whole":
                yield Figure(what, ours, "ms", scan, "reading x and y", physical=True)
        half = replace(view, width=WIDTH // 2, height=HEIGHT // 2, ratio=0.5)
        coarse = least(lambda half=half: sketch(cloud.drawing, plain, half), 9)
        yield Figure(f"{name}, {title}, {CLASSES} classes, coarse", 1e3 * coarse)
    again = least(lambda: cloud.layers(cloud.half), 5)
    yield Figure(f"{name}, a changed selection sorted into layers", 1e3 * again)


def least(function: Callable[[], object], repeats: int) -> float:
    """Return the least CPU seconds of some repeats after one that compiles."""
    function()
    return cpu_time(function, repeats)


def measure(count: int) -> list[Figure]:
    cloud, name = Cloud(count), f"{count:,} points"
    return list(redraws(name, cloud))


if __name__ == "__main__":
    report("drawing", [figure for count in COUNTS for figure in measure(count)])
