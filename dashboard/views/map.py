"""The map: the live picture, gestures on it, and marks above it."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
from bokeh.models import Range1d
from bokeh.plotting import figure

from dashboard import design, theme
from dashboard.colouring import Classes
from dashboard.gestures import Gestures, Near, make_tools, make_wheel, with_lock
from dashboard.labels import labels_in_view
from dashboard.layering import layers_of
from dashboard.marks import Marks
from dashboard.mine import MINE_TAB
from dashboard.overlay import Overlay, mine_text
from dashboard.picture import LivePicture, Subject, home
from dashboard.pointer import Pointer, hover_text
from dashboard.raster import Layers, Picture, View
from dashboard.state import MOST_HITS, ExplorerState


class MapView(pn.viewable.Viewer):
    """Draws `state` as a picture and turns gestures into changes of `state`."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self._layers: Layers | None = None
        self._reporting = self._fit_due = False
        self._build()
        self._fit()
        self._watch()
        self._pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", margin=0)
        self.picture.draw_now()
        self._mark()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._pane

    def _build(self) -> None:
        self.tools, wheel = make_tools(), make_wheel()
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
        self.gestures = Gestures(
            self.state, self.figure, self.picture, lambda: self.state.drawing, self._is_mine
        )
        self.pointer = Pointer(self.figure, self.marks.hover, self._rested)

    def _watch(self) -> None:
        watch = self.state.param.watch
        place = ["bundle_name", "space_name", "projection_name"]
        look = ["palette", "reverse_palette", "scale", "clip"]
        watch(self._recoloured, [*place, "colour_by", "hidden_classes", "selection", *look])
        watch(
            self._marks_changed, [*place, "current_row", "hits", "ghost", "mine", "current_mine"]
        )
        watch(self._view_changed, [*place, "view"])

    # What the browser tells

    def _is_mine(self, near: Near) -> bool:
        """Open the card of the visitor's own source at this place, if there is one."""
        own = self._mine_at(near)
        if own >= 0:
            self.state.param.update(current_mine=own, tab=MINE_TAB)
        return own >= 0

    def _mine_at(self, near: Near | None) -> int:
        """Return which of the visitor's own sources was placed here, -1 where none was."""
        mine = self.state.mine
        return -1 if near is None or mine is None else mine.pick(near.x, near.y, near.reach)

    def _rested(self, turn: int, x: float, y: float) -> None:
        near = self.gestures.near(x, y)
        state, own = self.state, self._mine_at(near)
        if state.mine is not None and own >= 0:
            place, text = state.mine.place(own), mine_text(state.space, state.mine, own)
        else:
            row = self.gestures.row_at(near)
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
            with_lock(self.figure, self._fit)

    def _marks_changed(self, *_: Any) -> None:
        with_lock(self.figure, self._mark)

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
        self._mark_lists(self.picture.view())

    def _mark_lists(self, view: View) -> None:
        rows = [] if self.state.hits is None else list(self.state.hits["row"][:MOST_HITS])
        self.marks.show_hits([self.state.place(int(row)) for row in rows], view)
        self.overlay.show(self.state.mine, self.state.current_mine, view)

    # What the picture tells

    def _subject(self) -> Subject:
        if self._layers is None:
            self._layers = layers_of(self.state)
        return self.state.drawing, self._layers

    def _shown(self, picture: Picture, view: View) -> None:
        self._mark_lists(view)
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
