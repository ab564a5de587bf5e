"""The map: the live picture, gestures on it, and marks above it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import PanStart, SelectionGeometry, Tap
from bokeh.models import (
    BoxSelectTool,
    LassoSelectTool,
    PanTool,
    PolySelectTool,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

from dashboard import design, limits, theme
from dashboard.colouring import Classes
from dashboard.labels import labels_in_view
from dashboard.layering import layers_of
from dashboard.limits import LimitError
from dashboard.marks import Marks
from dashboard.mine import MINE_TAB
from dashboard.overlay import Overlay, mine_text
from dashboard.picture import LivePicture, Subject, home
from dashboard.pointer import Pointer, hover_text
from dashboard.raster import Layers, Picture, View
from dashboard.selecting import select_box, select_polygon
from dashboard.state import MOST_HITS, Combine, ExplorerState

REACH_PX = 14
LIVE_COUNT_MS = 120


def combination(modifiers: Mapping[str, bool], chosen: Combine) -> Combine:
    """Return how a gesture combines: by its keys, else as the buttons say."""
    shift, alt = bool(modifiers.get("shift")), bool(modifiers.get("alt"))
    if shift and alt:
        return "intersect"
    return "add" if shift else "subtract" if alt else chosen


class MapView(pn.viewable.Viewer):
    """Draws `state` as a picture and turns gestures into changes of `state`."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self._layers: Layers | None = None
        self._reporting = self._fit_due = False
        self._modifiers: Mapping[str, bool] = {}
        self._unfinished: Mapping[str, Any] | None = None
        self._build()
        self._fit()
        self._watch()
        self._pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", margin=0)
        self.picture.draw_now()
        self._mark()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._pane

    def _build(self) -> None:
        self.tools = {
            "pan": PanTool(),
            "lasso": LassoSelectTool(renderers=[], continuous=True),
            "box": BoxSelectTool(renderers=[], continuous=True),
            "polygon": PolySelectTool(renderers=[]),
        }
        wheel = WheelZoomTool(speed=1 / 450)
        self.figure = figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[*self.tools.values(), wheel],
            active_scroll=wheel,
            active_drag=self.tools["pan"],
            toolbar_location=None,
            outline_line_color=None,
            background_fill_color=theme.MAP_BACKGROUND,
            border_fill_color=theme.MAP_BACKGROUND,
            min_border=0,
            sizing_mode="stretch_both",
            name="map",
            stylesheets=[design.FIGURE],
        )
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.picture = LivePicture(self.figure, self._subject, self._shown, self._label)
        self.overlay = Overlay(self.figure)
        self.marks = Marks(self.figure)
        self.pointer = Pointer(self.figure, self.marks.hover, self._rested)

    def _watch(self) -> None:
        self.figure.on_event(PanStart, self._drag_started)
        self.figure.on_event(SelectionGeometry, self._drawn)
        self.figure.on_event(Tap, self._clicked)
        watch = self.state.param.watch
        place = ["bundle_name", "space_name", "projection_name"]
        look = ["palette", "reverse_palette", "scale", "clip"]
        watch(self._recoloured, [*place, "colour_by", "hidden_classes", "selection", *look])
        watch(
            self._marks_changed, [*place, "current_row", "hits", "ghost", "mine", "current_mine"]
        )
        watch(self._view_changed, [*place, "view"])

    # What the browser tells

    def _drag_started(self, event: PanStart) -> None:
        self._modifiers = dict(event.modifiers or {})

    def _drawn(self, event: SelectionGeometry) -> None:
        if not event.final:
            self._count_soon(event.geometry)
            return
        self._unfinished = None
        modifiers, self._modifiers = self._modifiers, {}
        try:
            rows = self._rows_inside(event.geometry)
        except LimitError as error:
            self.state.status = str(error)
            return
        self.state.select(rows, combination(modifiers, self.state.combine))

    def _count_soon(self, geometry: Mapping[str, Any]) -> None:
        """Count what a gesture holds so far; the browser sends each move, few are counted."""
        waiting, self._unfinished = self._unfinished is not None, geometry
        if not waiting:
            self.figure.document.add_timeout_callback(self._count, LIVE_COUNT_MS)

    def _count(self) -> None:
        geometry, self._unfinished = self._unfinished, None
        if geometry is None:
            return
        try:
            rows = self._rows_inside(geometry)
        except LimitError:
            return  # no area yet
        self.state.status = f"drawing: {len(rows):,} inside"

    def _rows_inside(self, geometry: Mapping[str, Any]) -> Any:
        drawing = self.state.drawing
        if geometry.get("type") == "rect":
            edges = [limits.finite(geometry.get(k), "box") for k in ("x0", "x1", "y0", "y1")]
            x0, x1, y0, y1 = edges
            rows = select_box(drawing, min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1))
        else:
            rows = select_polygon(drawing, *limits.polygon(geometry.get("x"), geometry.get("y")))
        return rows[self.state.shown[rows]]

    def _clicked(self, event: Tap) -> None:
        if self.state.tool == "polygon":
            return  # the click was a corner
        if (own := self._mine_at(event.x, event.y)) >= 0:
            self.state.param.update(current_mine=own, tab=MINE_TAB)
            return
        row = self._row_at(event.x, event.y)
        if row < 0:
            return
        modifiers = event.modifiers or {}
        if modifiers.get("shift") or modifiers.get("alt"):
            self.state.select(np.asarray([row]), combination(modifiers, "new"))
        else:
            self.state.current_row = row

    def _row_at(self, x: object, y: object) -> int:
        """Return the shown row within 14 CSS pixels of a place, -1 where none is."""
        near = self._near(x, y)
        return -1 if near is None else self.state.pick(*near)

    def _mine_at(self, x: object, y: object) -> int:
        """Return which of the visitor's own sources was placed here, -1 where none was."""
        near, mine = self._near(x, y), self.state.mine
        return -1 if near is None or mine is None else mine.pick(*near)

    def _near(self, x: object, y: object) -> tuple[float, float, tuple[float, float]] | None:
        try:
            place = limits.finite(x, "pointer"), limits.finite(y, "pointer")
            view = self.picture.view()
        except LimitError:
            return None
        reach = REACH_PX * view.ratio
        wide, high = (view.x1 - view.x0) / view.width, (view.y1 - view.y0) / view.height
        return (*place, (reach * wide, reach * high))

    def _rested(self, turn: int, x: float, y: float) -> None:
        state, own = self.state, self._mine_at(x, y)
        if state.mine is not None and own >= 0:
            place, text = state.mine.place(own), mine_text(state.space, state.mine, own)
        else:
            row = self._row_at(x, y)
            place = state.place(row)
            text = "" if place is None else hover_text(state, row)
            if place is not None and state.mine is not None:
                text += state.mine.told_of_row(row)
        if place is None:
            self.marks.hide_hover()
        else:
            self.marks.show_hover(place, text, turn, self.picture.view())

    # What the state tells

    def _recoloured(self, *_: Any) -> None:
        self._layers = None
        self.picture.request(changed=True)

    def _view_changed(self, *_: Any) -> None:
        """Move to a view that somebody asked for; our own report of one asks for nothing."""
        if not self._reporting:
            self._fit_due = True
            self._with_lock(self._fit)

    def _marks_changed(self, *_: Any) -> None:
        self._with_lock(self._mark)

    def _with_lock(self, work: Callable[[], None]) -> None:
        """Change Bokeh models at the next tick: Panel tells some events without the lock."""
        document = self.figure.document
        if document is None or document.session_context is None:
            work()
        else:
            document.add_next_tick_callback(lambda: work())

    def _fit(self) -> None:
        self._fit_due = False
        x0, x1, y0, y1 = wanted = self.state.view or home(self.state.drawing.extent)
        if np.allclose(wanted, self.picture.ranges(), rtol=0, atol=1e-9):
            return
        self.figure.x_range.update(start=x0, end=x1, reset_start=x0, reset_end=x1)
        self.figure.y_range.update(start=y0, end=y1, reset_start=y0, reset_end=y1)

    def _mark(self) -> None:
        self.marks.hide_hover()
        self.marks.show_places(self.state.place(self.state.current_row), self.state.ghost)
        self._mark_lists()

    def _mark_lists(self) -> None:
        rows = [] if self.state.hits is None else list(self.state.hits["row"][:MOST_HITS])
        self.marks.show_hits([self.state.place(int(row)) for row in rows], self.picture.view())
        self.overlay.show(self.state.mine, self.state.current_mine, self.picture.view())

    # What the picture tells

    def _subject(self) -> Subject:
        if self._layers is None:
            self._layers = layers_of(self.state)
        return self.state.drawing, self._layers

    def _shown(self, picture: Picture, view: View) -> None:
        self._mark_lists()
        box = (view.x0, view.x1, view.y0, view.y1)
        is_home = np.allclose(box, home(self.state.drawing.extent))
        self._reporting = True
        try:
            if picture.in_view is not None:
                self.state.in_view = picture.in_view
            if not self._fit_due:  # a picture of the old place must not undo the way to the new
                self.state.view = None if is_home else box
        finally:
            self._reporting = False

    def _label(self, view: View) -> None:
        """Name the classes at their densest places in view; after the picture, which is urgent."""
        found = self.state.colouring
        names = found.names if isinstance(found, Classes) else ()
        box = (view.x0, view.x1, view.y0, view.y1)
        drawing, layers = self._subject()
        self.marks.show_labels(labels_in_view(drawing, names, layers.codes, box))
