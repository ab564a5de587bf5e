"""The map: one picture drawn on the server, gestures on it, and marks above it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import panel as pn
from bokeh.core.properties import value
from bokeh.events import PanStart, SelectionGeometry, Tap
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    CustomJS,
    LassoSelectTool,
    PanTool,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

from dashboard import design, limits, theme
from dashboard.colouring import Classes, Numbers, drawn_codes, drawn_values, peak_labels
from dashboard.limits import Extent, LimitError
from dashboard.raster import Layers, Picture, View, class_layers, draw, number_layers
from dashboard.selecting import select_box, select_polygon
from dashboard.state import MOST_HITS, Combine, ExplorerState

REACH_PX = 14
FIRST_SIZE = (740, 770)
MARGIN = 0.04
PATIENCE_MS = 700  # how long a frame waits for the browser to say that it was painted
FONT = value("system-ui, sans-serif")
NUMBERED_PX = 15  # hits nearer than this to a better one get a dot instead of a number
_POOL = ThreadPoolExecutor(max_workers=2, thread_name_prefix="map")
_ACKNOWLEDGE = "setTimeout(() => { painted.tags = [picture.data['frame'][0]] }, 0)"


def home(extent: Extent) -> Extent:
    """Return the view that holds the whole map, with a margin."""
    x0, x1, y0, y1 = extent
    wide, high = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return (x0 - wide, x1 + wide, y0 - high, y1 + high)


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
        self._dirty = self._busy = self._waiting = False
        self._frame = 0
        self._modifiers: Mapping[str, bool] = {}
        self._size = {"inner_width": FIRST_SIZE[0], "inner_height": FIRST_SIZE[1]}
        self._build()
        self._fit()
        self._watch()
        self._pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", margin=0)
        self._draw_now()
        self._mark()
        self._label()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._pane

    def _build(self) -> None:
        self.tools = {
            "pan": PanTool(),
            "lasso": LassoSelectTool(renderers=[], continuous=False),
            "box": BoxSelectTool(renderers=[], continuous=False),
        }
        wheel = WheelZoomTool(speed=1 / 450)
        self.figure = figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[*self.tools.values(), wheel],
            active_scroll=wheel,
            active_drag=self.tools["pan"],
            toolbar_location=None,
            lod_interval=0,
            lod_timeout=0,
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
        self._build_picture()
        self._build_marks()

    def _build_picture(self) -> None:
        blank = np.zeros((1, 1), np.uint32)
        self.picture = ColumnDataSource(
            {"image": [blank], "x": [0], "y": [0], "dw": [1], "dh": [1], "frame": [0]}
        )
        self.figure.image_rgba(
            "image", x="x", y="y", dw="dw", dh="dh", source=self.picture, level="image"
        )
        self.painted = ColumnDataSource(name="painted")
        acknowledge = CustomJS(
            args={"picture": self.picture, "painted": self.painted}, code=_ACKNOWLEDGE
        )
        self.picture.js_on_change("data", acknowledge)

    def _build_marks(self) -> None:
        plot = self.figure
        self.labels = ColumnDataSource({"x": [], "y": [], "text": []})
        plot.text(
            "x", "y", "text", source=self.labels, text_font_size="12px", text_align="center",
            text_baseline="middle", text_font_style="bold", text_color=theme.INK,
            text_outline_color="#FFFFFFE6", text_font=FONT,
        )  # fmt: skip
        self.hits = ColumnDataSource({"x": [], "y": [], "text": [], "size": []})
        plot.scatter(
            "x", "y", source=self.hits, size="size", fill_color="#FFFFFFEB",
            line_color=theme.INK, line_width=1.2,
        )  # fmt: skip
        plot.text(
            "x", "y", "text", source=self.hits, text_font_size="10px", text_align="center",
            text_baseline="middle", text_color=theme.INK, text_font=FONT,
        )  # fmt: skip
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

    def _watch(self) -> None:
        for axis in (self.figure.x_range, self.figure.y_range):
            for edge in ("start", "end"):
                axis.on_change(edge, self._moved)
        for side in ("inner_width", "inner_height"):
            self.figure.on_change(side, self._resized)
        self.painted.on_change("tags", self._was_painted)
        self.figure.on_event(PanStart, self._drag_started)
        self.figure.on_event(SelectionGeometry, self._drawn)
        self.figure.on_event(Tap, self._clicked)
        watch = self.state.param.watch
        place = ["bundle_name", "space_name", "projection_name"]
        look = ["palette", "reverse_palette", "scale", "clip"]
        watch(self._recoloured, [*place, "colour_by", "hidden_classes", "selection", *look])
        watch(self._labels_changed, [*place, "colour_by", "hidden_classes"])
        watch(self._marks_changed, [*place, "current_row", "hits", "ghost"])
        watch(self._view_changed, [*place, "view"])

    # What the browser tells

    def _moved(self, attribute: str, old: Any, new: Any) -> None:
        self._request()

    def _resized(self, attribute: str, old: Any, new: Any) -> None:
        self._size = {**self._size, attribute: new}
        self._request()

    def _drag_started(self, event: PanStart) -> None:
        self._modifiers = dict(event.modifiers or {})

    def _drawn(self, event: SelectionGeometry) -> None:
        if not event.final:
            return
        modifiers, self._modifiers = self._modifiers, {}
        try:
            rows = self._rows_inside(event.geometry)
        except LimitError as error:
            self.state.status = str(error)
            return
        self.state.select(rows, combination(modifiers, self.state.combine))

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
        try:
            x, y = limits.finite(event.x, "click"), limits.finite(event.y, "click")
            view = self._view()
        except LimitError:
            return
        reach = (
            REACH_PX * (view.x1 - view.x0) / view.width,
            REACH_PX * (view.y1 - view.y0) / view.height,
        )
        row = self.state.pick(x, y, reach)
        if row < 0:
            return
        modifiers = event.modifiers or {}
        if modifiers.get("shift") or modifiers.get("alt"):
            self.state.select(np.asarray([row]), combination(modifiers, "new"))
        else:
            self.state.current_row = row

    # What the state tells

    def _recoloured(self, *_: Any) -> None:
        self._layers = None
        self._request()

    def _view_changed(self, *_: Any) -> None:
        self._with_lock(self._fit)

    def _labels_changed(self, *_: Any) -> None:
        self._with_lock(self._label)

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
        x0, x1, y0, y1 = wanted = self.state.view or home(self.state.drawing.extent)
        if np.allclose(wanted, self._ranges(), rtol=0, atol=1e-9):
            return
        self.figure.x_range.update(start=x0, end=x1, reset_start=x0, reset_end=x1)
        self.figure.y_range.update(start=y0, end=y1, reset_start=y0, reset_end=y1)

    def _mark(self) -> None:
        place = self.state.place(self.state.current_row)
        self.ring.data = _points([place] if place else [])
        ghost = self.state.ghost
        self.ghost.data = _points([ghost] if ghost is not None else [])
        self._mark_hits()

    def _mark_hits(self) -> None:
        """Number the hits, best first; one that a better mark would cover becomes a dot."""
        rows = [] if self.state.hits is None else list(self.state.hits["row"][:MOST_HITS])
        places = [(i + 1, self.state.place(int(row))) for i, row in enumerate(rows)]
        there = [(number, place) for number, place in places if place]
        view = self._view()
        pixels = np.array(
            [(x * view.width / (view.x1 - view.x0), y * view.height / (view.y1 - view.y0))
             for x, y in (p for _, p in there)]
        ).reshape(-1, 2)  # fmt: skip
        kept: list[int] = []
        for i, here in enumerate(pixels):
            if all(np.hypot(*(here - pixels[k])) >= NUMBERED_PX for k in kept):
                kept.append(i)
        numbered = [i in kept for i in range(len(there))]
        data = {
            **_points([p for _, p in there]),
            "text": [str(n) if big else "" for (n, _), big in zip(there, numbered, strict=True)],
            "size": [17 if big else 7 for big in numbered],
        }
        old = self.hits.data
        if any(list(old[name]) != data[name] for name in data):
            self.hits.data = data

    def _label(self) -> None:
        state = self.state
        found = peak_labels(state.bundle, state.space_name, state.projection_name, state.colour_by)
        shown = [label for label in found if label.name not in state.hidden_classes]
        self.labels.data = {
            **_points([(label.x, label.y) for label in shown]),
            "text": [theme.class_title(label.name) for label in shown],
        }

    # Drawing: one picture at a time, the latest view wins

    def _ranges(self) -> tuple[Any, ...]:
        x, y = self.figure.x_range, self.figure.y_range
        return (x.start, x.end, y.start, y.end)

    def _view(self) -> View:
        box = limits.view(self._ranges(), self.state.drawing.extent)
        return View(*box, *limits.plot_size(*self._size.values()))

    def _request(self) -> None:
        """Ask for a new picture; requests before it is drawn become one."""
        self._dirty = True
        document = self.figure.document
        if document is None or document.session_context is None:
            self._draw_now()
        elif not self._busy and not self._waiting:
            self._busy = True
            document.add_next_tick_callback(self._work)

    async def _work(self) -> None:
        try:
            self._dirty = False
            view, drawing, layers = self._view(), self.state.drawing, self._colour_layers()
            loop = asyncio.get_running_loop()
            picture = await loop.run_in_executor(_POOL, draw, drawing, layers, view)
            self._put(picture, view)
            self._wait_for_browser()
        except LimitError:
            return  # counted where it was refused; the picture before it stays
        finally:
            self._busy = False

    def _wait_for_browser(self) -> None:
        self._waiting, frame = True, self._frame

        def lost() -> None:
            if self._frame == frame:
                self._was_painted("tags", [], [frame])

        self.figure.document.add_timeout_callback(lost, PATIENCE_MS)

    def _was_painted(self, attribute: str, old: Any, new: Any) -> None:
        if self._waiting and list(new) == [self._frame]:
            self._waiting = False
            if self._dirty:
                self._request()

    def _draw_now(self) -> None:
        self._dirty = False
        view = self._view()
        self._put(draw(self.state.drawing, self._colour_layers(), view), view)

    def _put(self, picture: Picture, view: View) -> None:
        self._frame += 1
        self.picture.data = {
            "image": [picture.rgba],
            "x": [view.x0],
            "y": [view.y0],
            "dw": [view.x1 - view.x0],
            "dh": [view.y1 - view.y0],
            "frame": [self._frame],
        }
        self._mark_hits()
        box = (view.x0, view.x1, view.y0, view.y1)
        is_home = np.allclose(box, home(self.state.drawing.extent))
        self.state.param.update(in_view=picture.in_view, view=None if is_home else box)

    def _colour_layers(self) -> Layers:
        if self._layers is None:
            self._layers = layers_of(self.state)
        return self._layers


def layers_of(state: ExplorerState) -> Layers:
    """Sort the points of the state's map into coloured layers."""
    place = (state.bundle, state.space_name, state.projection_name, state.colour_by)
    selected = state.selection if state.selection.any() else None
    found = state.colouring
    if isinstance(found, Classes):
        return class_layers(state.drawing, found, drawn_codes(*place), state.shown, selected)
    return _number_layers(state, found, drawn_values(*place), selected)


def _number_layers(state: ExplorerState, numbers: Numbers, values: Any, selected: Any) -> Layers:
    table = theme.palette(state.palette, reverse=state.reverse_palette)
    if state.ramp is None:
        raise TypeError(f"{numbers.column.name} has no colour scale")
    return number_layers(state.drawing, values, state.shown, selected, state.ramp, table)


def _points(places: list[Any]) -> dict[str, list[float]]:
    return {"x": [float(p[0]) for p in places], "y": [float(p[1]) for p in places]}
