"""The visitor's own sources over the picture of the map: known ones ringed, placed ones hollow."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource
from numpy.typing import NDArray

from dashboard import theme
from dashboard.mine import Mine
from dashboard.raster import View
from latent_core import LatentSpace

MOST_MARKS = 3000
CELL_PX = 4  # marks nearer than this cannot be told apart
Places = NDArray[np.floating]
EMPTY: Places = np.empty((0, 2))
SHAPES = {"lit": ("circle", 9), "inside": ("diamond", 15), "outside": ("inverted_triangle", 14)}


class Overlay:
    """Hollow marks: circles on the catalog's own points, diamonds and triangles on new places."""

    def __init__(self, plot: Any) -> None:
        self.sources = {name: self._add(plot, name, *SHAPES[name]) for name in SHAPES}
        self.chosen = ColumnDataSource({"x": [], "y": []}, name="chosen mine")
        plot.scatter(
            "x", "y", source=self.chosen, size=24, fill_alpha=0, line_color=theme.MINE,
            line_width=2,
        )  # fmt: skip

    def _add(self, plot: Any, name: str, marker: str, size: int) -> ColumnDataSource:
        source = ColumnDataSource({"x": [], "y": []}, name=f"mine {name}")
        for width, colour in ((4.5, "#FFFFFF"), (2.0, theme.MINE)):
            plot.scatter(
                "x", "y", source=source, size=size, marker=marker, fill_alpha=0,
                line_color=colour, line_width=width,
            )  # fmt: skip
        return source

    def show(self, mine: Mine | None, current: int, view: View) -> None:
        """Draw what was brought; of very many, one mark for each few pixels of the view."""
        places = dict.fromkeys(SHAPES, EMPTY)
        chosen = None
        if mine is not None:
            xy, inside = mine.placed.coordinates[mine.drawn], mine.placed.inside[mine.drawn]
            places = {"lit": mine.lit_places, "inside": xy[inside], "outside": xy[~inside]}
            chosen = mine.place(current) if 0 <= current < len(mine) else None
        for name, source in self.sources.items():
            _put(source, thinned(places[name], view))
        _put(self.chosen, EMPTY if chosen is None else np.array([chosen]))


def _put(source: ColumnDataSource, places: Places) -> None:
    data = {"x": places[:, 0].tolist(), "y": places[:, 1].tolist()}
    if any(list(source.data[name]) != data[name] for name in data):
        source.data = data


def thinned(places: Places, view: View) -> Places:
    """Return all places (P, 2), or of very many those in view, one for each few pixels."""
    if len(places) <= MOST_MARKS:
        return places
    x, y = places.T
    seen = places[(x >= view.x0) & (x <= view.x1) & (y >= view.y0) & (y <= view.y1)]
    size = np.array([view.x1 - view.x0, view.y1 - view.y0])
    pixels = np.array([view.width, view.height]) / view.ratio
    cell = np.floor((seen - (view.x0, view.y0)) / size * pixels / CELL_PX).astype(np.int64)
    _, first = np.unique(cell, axis=0, return_index=True)
    kept = np.sort(first)[:: max(1, -(-len(first) // MOST_MARKS))]
    return np.asarray(seen[kept])


def mine_text(space: LatentSpace, mine: Mine, item: int) -> str:
    """Return the lines of a hover card: whose it is, how it was placed, what its file says."""
    from latent_core.placing import placing_method

    placed = mine.placed
    where = "also in the catalog" if placed.in_catalog[item] else "not in the catalog"
    trust = "inside" if placed.inside[item] else "OUTSIDE"
    lines = [
        f"mine: {placed.source_id[item]}",
        f"{where}: placed by",
        placing_method(space, placed.latents[item]),
        f"{trust} the training data",
    ]
    return "\n".join(lines) + mine.told_lines(item)
