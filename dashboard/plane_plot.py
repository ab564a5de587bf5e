"""A plane of astronomy as a plot: the map's picture, colours and gestures between axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, Label, Range1d
from bokeh.plotting import figure

from dashboard import design, limits, theme
from dashboard.curves import axis_label
from dashboard.gestures import Gestures, make_wheel
from dashboard.layering import layers_in
from dashboard.limits import LimitError
from dashboard.marks import FONT, Marks
from dashboard.picture import LivePicture, Subject, home
from dashboard.plane_store import drawn_colours, places_of
from dashboard.pointer import Pointer, hover_text
from dashboard.raster import Layers, Picture, View
from dashboard.state import MOST_HITS, ExplorerState
from latent_core import sky
from latent_core.planes import Axis, Extent, Placed
from latent_core.projection import DrawingCopy, sort_for_drawing

FIRST_SIZE, SIDES = (440, 180), ("inner_width", "inner_height")
NOWHERE = sort_for_drawing(np.empty((0, 2), np.float32))


class PlanePlot:
    """One figure that shows one plane after the other; `show` changes which.

    `tools` are those that the toolbar arms; `told(in_view)` hears how many shown sources are
    inside the axes after each picture.
    """

    def __init__(
        self, state: ExplorerState, tools: dict[str, Any], plane: Placed,
        told: Callable[[int], None],
    ) -> None:  # fmt: skip
        self.state, self._told = state, told
        self._take(plane)
        self._fitted: tuple[float, ...] = ()
        self._inner: dict[str, Any] = dict(zip(SIDES, FIRST_SIZE, strict=True))
        self._build(tools)
        for side in SIDES:
            self.figure.on_change(side, self._resized)
        self._dress()
        self.fit()
        self.picture.draw_now()
        self.mark()

    def _build(self, tools: dict[str, Any]) -> None:
        wheel = make_wheel()
        armed = tools[self.state.tool]
        taps = self.state.tool == "polygon"
        self.figure = figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[*tools.values(), wheel],
            active_scroll=wheel,
            active_drag=None if taps else armed,
            active_tap=armed if taps else None,
            toolbar_location=None,
            outline_line_color=theme.LINE,
            background_fill_color=theme.MAP_BACKGROUND,
            border_fill_color=theme.PANEL,
            min_border_left=52,
            min_border_right=14,
            min_border_top=6,
            min_border_bottom=40,
            sizing_mode="stretch_both",
            name="plane",
            stylesheets=[design.FIGURE],
        )
        style_axes(self.figure)
        self._add_graticule()
        self.picture = LivePicture(
            self.figure, self._subject, self._shown, size=FIRST_SIZE, name="plane painted"
        )
        self.marks = Marks(self.figure)
        self.gestures = Gestures(self.state, self.figure, self.picture, self._within_reach)
        self.pointer = Pointer(self.figure, self.marks.hover, self._rested)
        self.simulated = add_simulated(self.figure)

    def _add_graticule(self) -> None:
        self.lines = ColumnDataSource({"xs": [], "ys": []})
        self.names = ColumnDataSource({"x": [], "y": [], "text": []})
        self.figure.multi_line(
            "xs", "ys", source=self.lines, line_color=theme.LINE, line_width=1, level="underlay"
        )
        self.figure.text(
            "x", "y", "text", source=self.names, text_font_size="11px", text_font=FONT,
            text_color=theme.MUTED, text_align="center", text_baseline="middle",
            background_fill_color=theme.MAP_BACKGROUND, background_fill_alpha=0.7,
        )  # fmt: skip

    # Which plane

    def show(self, plane: Placed) -> None:
        """Show another plane, whole."""
        self._take(plane)
        self._dress()
        self.fit()
        self.picture.request(changed=True)
        self.mark()

    def _take(self, plane: Placed) -> None:
        self.placed, self._stale = plane, True
        self._of = (self.state.bundle, self.state.space_name)

    def _dress(self) -> None:
        """Give the axes their names, or the sky its graticule."""
        plane = self.placed.plane
        on_the_sky = plane.extent is not None
        self.simulated.visible = self.state.bundle.simulated
        for part in (*self.figure.axis, *self.figure.grid):
            part.visible = not on_the_sky
        self.figure.xaxis.axis_label = _title(plane.x)
        self.figure.yaxis.axis_label = _title(plane.y)
        xs, ys = sky.graticule() if on_the_sky else ([], [])
        self.lines.data = {"xs": xs, "ys": ys}
        x, y, names = sky.graticule_labels() if on_the_sky else ([], [], [])
        self.names.data = {"x": x, "y": y, "text": names}

    @property
    def flipped(self) -> tuple[bool, bool]:
        """Which axes run backwards."""
        return self.placed.plane.x.inverted, self.placed.plane.y.inverted

    def fit(self) -> None:
        """Show the whole plane; the sky keeps its proportions."""
        x0, x1, y0, y1 = home(self.placed.home)
        if self.placed.plane.extent is not None:
            x0, x1, y0, y1 = in_proportion((x0, x1, y0, y1), *self._size())
        back, down = self.flipped
        across = (x1, x0) if back else (x0, x1)
        up = (y1, y0) if down else (y0, y1)
        self._fitted = (*across, *up)
        for axis, (start, end) in ((self.figure.x_range, across), (self.figure.y_range, up)):
            axis.update(start=start, end=end, reset_start=start, reset_end=end)

    def _size(self) -> tuple[int, int]:
        return limits.plot_size(*self._inner.values())

    def _resized(self, attribute: str, old: Any, new: Any) -> None:
        try:
            limits.finite(new, "plot size")
        except LimitError:
            return
        self._inner = {**self._inner, attribute: new}
        if np.allclose(self.picture.ranges(), self._fitted):
            self.fit()

    @property
    def _is_current(self) -> bool:
        """Whether the plane is of what is on the screen, not of what was before."""
        return self._of == (self.state.bundle, self.state.space_name)

    def _within_reach(self) -> DrawingCopy:
        """Return the points that gestures reach: none while another bundle's plane is made."""
        return self.placed.drawing if self._is_current else NOWHERE

    # What is drawn

    def recolour(self) -> None:
        """Draw with the state's colours, selection and legend as they are now."""
        self._stale = True
        self.picture.request(changed=True)

    def _subject(self) -> Subject:
        """Return points and layers; the former layers while another bundle's plane is made."""
        state = self.state
        if self._stale and self._is_current:
            drawn = drawn_colours(*self._of, self.placed.plane, state.colour_by)
            self._layers: Layers = layers_in(state, self.placed.drawing, drawn)
            self._drawing, self._stale = self.placed.drawing, False
        return self._drawing, self._layers

    def _shown(self, picture: Picture, view: View) -> None:
        if picture.in_view is not None:  # a sketch counts nothing
            self._told(picture.in_view)

    # What stands above the picture

    def mark(self) -> None:
        """Ring the current source and number the similar ones, where they stand in this plane."""
        state = self.state
        if not self._is_current:
            return
        self.marks.hide_hover()
        rows = [] if state.hits is None else [int(r) for r in state.hits["row"][:MOST_HITS]]
        known = 0 <= state.current_row < state.size
        places = places_of(*self._of, self.placed.plane, [max(state.current_row, 0), *rows])
        self.marks.show_places(places[0] if known else None, None)
        self.marks.show_hits(places[1:], self.picture.view())

    def _rested(self, turn: int, x: float, y: float) -> None:
        row = self.gestures.row_at(self.gestures.near(x, y))
        if row < 0:
            self.marks.hide_hover()
            return
        (place,) = places_of(*self._of, self.placed.plane, [row])
        if place is not None:
            text = hover_text(self.state, row)
            self.marks.show_hover(place, text, turn, self.picture.view(), self.flipped)


def _title(axis: Axis) -> str:
    return axis_label(axis.label, axis.unit)


def in_proportion(box: Extent, width: float, height: float) -> Extent:
    """Return a box widened about its middle until a unit is as long across as up."""
    x0, x1, y0, y1 = box
    unit = max((x1 - x0) / width, (y1 - y0) / height)
    wide, high = unit * width - (x1 - x0), unit * height - (y1 - y0)
    return (x0 - wide / 2, x1 + wide / 2, y0 - high / 2, y1 + high / 2)


def style_axes(plot: Any) -> None:
    """Give axes and grid of a plot of the drawer their look."""
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_font_size = "12px"
    plot.axis.major_label_text_font_size = "11px"
    plot.axis.axis_label_text_font = plot.axis.major_label_text_font = design.FONT
    plot.axis.axis_label_text_color = theme.INK
    plot.axis.major_label_text_color = theme.MUTED
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = theme.LINE
    plot.axis.minor_tick_line_color = None
    plot.axis.axis_label_standoff = 4
    plot.grid.grid_line_color = theme.LINE
    plot.grid.grid_line_alpha = 0.6


def add_simulated(plot: Any) -> Label:
    """Write the word on a plot, to be shown where its sources were never observed."""
    label = Label(
        x=6, y=6, x_units="screen", y_units="screen", text="simulated", visible=False,
        text_font_size="11px", text_font_style="bold", text_color="#9A3412",
        background_fill_color=theme.MAP_BACKGROUND, background_fill_alpha=0.8,
    )  # fmt: skip
    plot.add_layout(label)
    return label
