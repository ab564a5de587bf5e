"""What a hand does on a plot of sources: lasso, box, polygon and click change the shared state.

    tools, wheel = make_tools(), make_wheel()
    plot = figure(tools=[*tools.values(), wheel], ...)
    live = LivePicture(plot, subject)
    Gestures(state, plot, live)

The same hand works on the map and on every other plane: a gesture there changes the same
selection, combined by its keys or by the buttons above the map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.events import PanStart, SelectionGeometry, Tap
from bokeh.models import BoxSelectTool, LassoSelectTool, PanTool, PolySelectTool, WheelZoomTool

from dashboard import limits
from dashboard.bitmap import Bitmap
from dashboard.limits import LimitError
from dashboard.picture import LivePicture
from dashboard.selecting import nearest_row, select_box, select_polygon
from dashboard.state import Combine, ExplorerState
from latent_core.projection import DrawingCopy

REACH_PX = 14
LIVE_COUNT_MS = 120


@dataclass(frozen=True)
class Near:
    """A place on a plot, and how far 14 CSS pixels reach from it along x and y."""

    x: float
    y: float
    reach: tuple[float, float]


def make_tools() -> dict[str, Any]:
    """Return the tools that the toolbar arms; Bokeh selects nothing itself (screen.md, T5)."""
    return {
        "pan": PanTool(),
        "lasso": LassoSelectTool(renderers=[], continuous=True),
        "box": BoxSelectTool(renderers=[], continuous=True),
        "polygon": PolySelectTool(renderers=[]),
    }


def make_wheel() -> WheelZoomTool:
    """Return the wheel's tool: it zooms about the pointer."""
    return WheelZoomTool(speed=1 / 450)


def combination(modifiers: Mapping[str, bool], chosen: Combine) -> Combine:
    """Return how a gesture combines: by its keys, else as the buttons say."""
    shift, alt = bool(modifiers.get("shift")), bool(modifiers.get("alt"))
    if shift and alt:
        return "intersect"
    return "add" if shift else "subtract" if alt else chosen


def with_lock(plot: Any, work: Callable[[], None]) -> None:
    """Change Bokeh models at the next tick: Panel tells some events without the lock."""
    document = plot.document
    if document is None or document.session_context is None:
        work()
    else:
        document.add_next_tick_callback(lambda: work())


class Drag:
    """The drag that is under way on a plot: the keys held at its start, and how it combines."""

    def __init__(self, state: ExplorerState, plot: Any) -> None:
        self._state = state
        self._modifiers: Mapping[str, bool] = {}
        plot.on_event(PanStart, self._started)

    def _started(self, event: PanStart) -> None:
        self._modifiers = dict(event.modifiers or {})

    def combination(self) -> Combine:
        """Return how the drag that ends now combines; the next one starts without keys."""
        modifiers, self._modifiers = self._modifiers, {}
        return combination(modifiers, self._state.combine)


class Gestures:
    """Listens to one plot; `taken(near)` may answer a click before the sources do."""

    def __init__(
        self,
        state: ExplorerState,
        plot: Any,
        picture: LivePicture,
        drawing: Callable[[], DrawingCopy],
        taken: Callable[[Near], bool] = lambda near: False,
    ) -> None:
        self._state, self._plot, self._picture = state, plot, picture
        self._drawing, self._taken = drawing, taken
        self._unfinished: Mapping[str, Any] | None = None
        self._drag = Drag(state, plot)
        plot.on_event(SelectionGeometry, self._drawn)
        plot.on_event(Tap, self._clicked)

    def _drawn(self, event: SelectionGeometry) -> None:
        if not event.final:
            self._count_soon(event.geometry)
            return
        self._unfinished = None
        how = self._drag.combination()
        try:
            inside = self.rows_inside(event.geometry)
        except LimitError as error:
            self._state.status = str(error)
            return
        self._state.select(inside, how)

    def _count_soon(self, geometry: Mapping[str, Any]) -> None:
        """Count what a gesture holds so far; the browser sends each move, few are counted."""
        waiting, self._unfinished = self._unfinished is not None, geometry
        if not waiting:
            self._plot.document.add_timeout_callback(self._count, LIVE_COUNT_MS)

    def _count(self) -> None:
        geometry, self._unfinished = self._unfinished, None
        if geometry is None:
            return
        try:
            inside = self.rows_inside(geometry)
        except LimitError:
            return  # no area yet
        self._state.status = f"drawing: {inside.count:,} inside"

    def rows_inside(self, geometry: Mapping[str, Any]) -> Bitmap:
        """Return the shown rows inside a box or polygon; LimitError where it is neither."""
        drawing, size = self._drawing(), self._state.size
        if geometry.get("type") == "rect":
            edges = [limits.finite(geometry.get(k), "box") for k in ("x0", "x1", "y0", "y1")]
            x0, x1, y0, y1 = edges
            box = (min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1))
            inside = select_box(drawing, *box, size)
        else:
            corners = limits.polygon(geometry.get("x"), geometry.get("y"))
            inside = select_polygon(drawing, *corners, size)
        return inside & self._state.shown

    def _clicked(self, event: Tap) -> None:
        if self._state.tool == "polygon":
            return  # the click was a corner
        near = self.near(event.x, event.y)
        if near is None or self._taken(near):
            return
        row = self.row_at(near)
        if row < 0:
            return
        modifiers = event.modifiers or {}
        if modifiers.get("shift") or modifiers.get("alt"):
            self._state.select(np.asarray([row]), combination(modifiers, "new"))
        else:
            self._state.current_row = row

    def near(self, x: object, y: object) -> Near | None:
        """Return a place that the browser told with the reach of a hand, None where it is none."""
        try:
            place = limits.finite(x, "pointer"), limits.finite(y, "pointer")
            view = self._picture.view()
        except LimitError:
            return None
        reach = REACH_PX * view.ratio
        wide, high = (view.x1 - view.x0) / view.width, (view.y1 - view.y0) / view.height
        return Near(*place, (reach * wide, reach * high))

    def row_at(self, near: Near | None) -> int:
        """Return the shown row within reach, -1 where none is."""
        if near is None:
            return -1
        return nearest_row(self._drawing(), near.x, near.y, near.reach, self._state.shown)
