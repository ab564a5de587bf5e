"""Marks above the picture of the map: labels, hits, the current source, a ghost, the hovered one.

Each is a Bokeh source of a few rows; texts are painted on a canvas and never become markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource

from dashboard import theme
from dashboard.labels import Label
from dashboard.raster import View

Place = tuple[float, float]
FONT = value("system-ui, sans-serif")
NUMBERED_PX = 15  # hits nearer than this to a better one get a dot instead of a number
NO_HOVER: dict[str, list[Any]] = {
    name: [] for name in ("x", "y", "text", "anchor", "dx", "dy", "turn")
}


class Marks:
    """What stands above the picture; each method replaces one kind of mark."""

    def __init__(self, plot: Any) -> None:
        self._add_labels(plot)
        self._add_hits(plot)
        self._add_places(plot)
        self._add_hover(plot)

    def _add_labels(self, plot: Any) -> None:
        columns: dict[str, list[Any]] = {"x": [], "y": [], "text": [], "align": []}
        self.labels = ColumnDataSource(columns, name="labels")
        plot.text(
            "x", "y", "text", source=self.labels, text_font_size="12px", text_align="align",
            text_baseline="middle", text_font_style="bold", text_color=theme.INK,
            text_font=FONT, background_fill_color=theme.MAP_BACKGROUND,
            background_fill_alpha=0.78, padding=2, border_radius=4,
        )  # fmt: skip

    def _add_hits(self, plot: Any) -> None:
        self.hits = ColumnDataSource({"x": [], "y": [], "text": [], "size": []})
        plot.scatter(
            "x", "y", source=self.hits, size="size", fill_color="#FFFFFFEB",
            line_color=theme.INK, line_width=1.2,
        )  # fmt: skip
        plot.text(
            "x", "y", "text", source=self.hits, text_font_size="10px", text_align="center",
            text_baseline="middle", text_color=theme.INK, text_font=FONT,
        )  # fmt: skip

    def _add_places(self, plot: Any) -> None:
        self.ghost = ColumnDataSource({"x": [], "y": []})
        plot.scatter(
            "x", "y", source=self.ghost, size=18, marker="diamond_cross",
            fill_color="#FFFFFFB0", line_color=theme.ACCENT, line_width=2,
        )  # fmt: skip
        self.ring = ColumnDataSource({"x": [], "y": []})
        for size, colour in ((17, "#000000"), (13, "#FFFFFF")):
            plot.scatter(
                "x", "y", source=self.ring, size=size, fill_alpha=0, line_color=colour,
                line_width=2.2,
            )  # fmt: skip

    def _add_hover(self, plot: Any) -> None:
        self.hover = ColumnDataSource(NO_HOVER, name="hover")
        for width, colour in ((4.5, "#FFFFFF"), (2, theme.ACCENT)):
            plot.scatter(
                "x", "y", source=self.hover, size=14, fill_alpha=0, line_color=colour,
                line_width=width,
            )  # fmt: skip
        plot.text(
            "x", "y", "text", source=self.hover, x_offset="dx", y_offset="dy", anchor="anchor",
            text_font_size="12px", text_line_height=1.35, text_color=theme.INK, text_font=FONT,
            background_fill_color=theme.PANEL, background_fill_alpha=0.96,
            border_line_color="#B9C1CB", border_radius=6, padding=8, outline_shape="box",
        )  # fmt: skip

    def show_places(self, current: Place | None, ghost: Place | None) -> None:
        """Ring the current source and mark a point that is no source."""
        self.ring.data = points([] if current is None else [current])
        self.ghost.data = points([] if ghost is None else [ghost])

    def show_labels(self, labels: Sequence[Label]) -> None:
        """Write class names; told again what already stands there, nothing is sent."""
        data = {
            **points([(label.x, label.y) for label in labels]),
            "text": [theme.class_title(label.name) for label in labels],
            "align": [label.align for label in labels],
        }
        if any(list(self.labels.data[name]) != data[name] for name in data):
            self.labels.data = data

    def show_hits(self, places: Sequence[Place | None], view: View) -> None:
        """Number the hits, best first; one that a better mark would cover becomes a dot."""
        there = [(number, place) for number, place in enumerate(places, 1) if place]
        big = _apart([place for _, place in there], view)
        data = {
            **points([place for _, place in there]),
            "text": [str(n) if wide else "" for (n, _), wide in zip(there, big, strict=True)],
            "size": [17 if wide else 7 for wide in big],
        }
        if any(list(self.hits.data[name]) != data[name] for name in data):
            self.hits.data = data

    def show_hover(
        self,
        place: Place,
        text: str,
        turn: int,
        view: View,
        flipped: tuple[bool, bool] = (False, False),
    ) -> None:
        """Ring a source and lay a small card beside it, on the side where there is room.

        `flipped` tells which axes run backwards.
        """
        left = (place[0] < (view.x0 + view.x1) / 2) != flipped[0]
        low = (place[1] < (view.y0 + view.y1) / 2) != flipped[1]
        self.hover.data = {
            **points([place]),
            "text": [text],
            "anchor": [f"{'bottom' if low else 'top'}_{'left' if left else 'right'}"],
            "dx": [14 if left else -14],
            "dy": [-14 if low else 14],
            "turn": [turn],
        }

    def hide_hover(self) -> None:
        """Take the hover card away."""
        if len(self.hover.data["x"]):
            self.hover.data = NO_HOVER


def _apart(places: Sequence[Place], view: View) -> list[bool]:
    """Tell for each place whether it keeps its distance to those before it that do."""
    scale = np.array([view.width / (view.x1 - view.x0), view.height / (view.y1 - view.y0)])
    pixels = np.array(places, np.float64).reshape(-1, 2) * scale / view.ratio
    kept: list[int] = []
    for i, here in enumerate(pixels):
        if all(np.hypot(*(here - pixels[k])) >= NUMBERED_PX for k in kept):
            kept.append(i)
    return [i in kept for i in range(len(pixels))]


def points(places: Sequence[Place]) -> dict[str, list[float]]:
    """Return places as the columns of a Bokeh source."""
    return {"x": [float(p[0]) for p in places], "y": [float(p[1]) for p in places]}
