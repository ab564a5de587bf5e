"""A picture on a Bokeh figure that follows its ranges: exact, or coarse first where that is slow.

    plot = figure(x_range=Range1d(0, 1), y_range=Range1d(0, 1), tools=[PanTool(), ...])
    live = LivePicture(plot, lambda: (drawing, layers), shown=told)
    live.draw_now()                                  # the first picture, before a browser is there
    live.request(changed=True)                       # other points, colours or hidden classes

It listens to the figure's ranges and size itself. One picture at a time is drawn, in a pool of
threads that all sessions share, and one is on its way to a browser; what was asked for meanwhile
becomes one picture of the latest view. A picture that nobody waits for any more is never sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS

from dashboard import limits
from dashboard.limits import Extent, LimitError
from dashboard.raster import Layers, Picture, View, draw, points_near, sketch
from latent_core.projection import DrawingCopy

FIRST_SIZE = (740, 770)
MARGIN = 0.04
TOGETHER_MS = 10  # in which a browser's message of x is followed by that of y
PATIENCE_MS = 700  # how long a frame waits for the browser to say that it was painted
COARSE = 2  # device pixels a side of one pixel of a coarse picture
# A browser needs a tenth of a second for any picture: a coarse one first is worth it only where
# the exact one takes as long
SLOW_S = 0.1
FEW = 1_000_000  # points that take as long as fewer do: the pixels are most of the work
Subject = tuple[DrawingCopy, Layers]
_POOL = ThreadPoolExecutor(max_workers=2, thread_name_prefix="picture")
_MEASURE = "screen.tags = [window.devicePixelRatio]"
_ACKNOWLEDGE = "setTimeout(() => { painted.tags = [picture.data['frame'][0]] }, 0)"


def home(extent: Extent) -> Extent:
    """Return the view that holds the whole map, with a margin."""
    x0, x1, y0, y1 = extent
    wide, high = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    return (x0 - wide, x1 + wide, y0 - high, y1 + high)


@dataclass(frozen=True)
class _Task:
    """A picture to be drawn: of which request, for which view, at full resolution or not.

    One that `refines` follows a coarse one of the same view.
    """

    turn: int
    view: View
    exact: bool = True
    refines: bool = False

    @property
    def drawn_view(self) -> View:
        view = self.view
        if self.exact:
            return view
        width, height = max(1, view.width // COARSE), max(1, view.height // COARSE)
        return replace(view, width=width, height=height, ratio=view.ratio / COARSE)


class LivePicture:
    """Keeps one image on `plot` up to date with the ranges and the size of the plot.

    `plot` is a Bokeh figure with Range1d ranges and without an image of its own yet: the image is
    added here, so make glyphs that stand above it afterwards.
    `subject()` returns the points and their layers; it is asked before each picture, under the
    document's lock, and must be quick: keep the layers until colours or masks change.
    `shown(picture, view)` is called, under the lock, after each picture, coarse ones too, was
    given to the browser. `rested(view)` is called once the exact picture was painted and nothing
    newer is wanted: the time for what is less urgent.
    `name` is given to the Bokeh source whose `tags` hold the number of the last painted frame.
    """

    def __init__(
        self,
        plot: Any,
        subject: Callable[[], Subject],
        shown: Callable[[Picture, View], None] = lambda picture, view: None,
        rested: Callable[[View], None] = lambda view: None,
        *,
        size: tuple[int, int] = FIRST_SIZE,
        name: str = "painted",
    ) -> None:
        self.plot, self._subject, self._shown, self._rested = plot, subject, shown, rested
        self._drawing = self._waiting = False
        self._turn = self._content = 0  # the latest request, and the latest with new content
        self._last = _Task(-1, View(0, 1, 0, 1, *size))  # what the browser got
        self._pace = 0.0  # seconds a point of the latest exact picture, on a core of its own
        self._frame = 0
        self._ratio: object = 1.0
        self._size = {"inner_width": size[0], "inner_height": size[1]}
        # without these Bokeh holds back ranges for half a second after each turn of the wheel
        plot.lod_interval = plot.lod_timeout = 0
        self._build(name)
        self._watch()

    def _build(self, name: str) -> None:
        blank = np.zeros((1, 1), np.uint32)
        self.source = ColumnDataSource(
            {"image": [blank], "x": [0], "y": [0], "dw": [1], "dh": [1], "frame": [0]}
        )
        self.plot.image_rgba(
            "image", x="x", y="y", dw="dw", dh="dh", source=self.source, level="image"
        )
        self._painted = ColumnDataSource(name=name)
        models = {"picture": self.source, "painted": self._painted}
        self.source.js_on_change("data", CustomJS(args=models, code=_ACKNOWLEDGE))
        self._screen = ColumnDataSource(name=f"{name} screen")
        measure = CustomJS(args={"screen": self._screen}, code=_MEASURE)
        self.plot.js_on_change("inner_width", measure)

    def _watch(self) -> None:
        for axis in (self.plot.x_range, self.plot.y_range):
            for edge in ("start", "end"):
                axis.on_change(edge, self._moved)
        for side in ("inner_width", "inner_height"):
            self.plot.on_change(side, self._resized)
        self._painted.on_change("tags", self._was_painted)
        self._screen.on_change("tags", self._measured)

    # What the browser tells

    def _moved(self, attribute: str, old: Any, new: Any) -> None:
        self.request()

    def _resized(self, attribute: str, old: Any, new: Any) -> None:
        self._size = {**self._size, attribute: new}
        self.request()

    def _measured(self, attribute: str, old: Any, new: Any) -> None:
        self._ratio = new[0] if new else 1.0
        self.request()

    def _was_painted(self, attribute: str, old: Any, new: Any) -> None:
        if not self._waiting or list(new) != [self._frame]:
            return
        self._waiting = False
        if self._last.exact and self._last.turn == self._turn:
            self._rested(self._last.view)
        else:
            self._begin()

    # What is asked for

    def ranges(self) -> tuple[Any, ...]:
        """Return x0, x1, y0, y1 as the browser told them last, unchecked."""
        x, y = self.plot.x_range, self.plot.y_range
        return (x.start, x.end, y.start, y.end)

    def view(self) -> View:
        """Return the view on the screen; raises LimitError where the browser told nonsense."""
        box = limits.view(self.ranges(), self._subject()[0].extent)
        width, height = limits.plot_size(*self._size.values())
        ratio = limits.pixel_ratio(self._ratio, width, height)
        return View(*box, round(width * ratio), round(height * ratio), ratio)

    def request(self, *, changed: bool = False) -> None:
        """Ask for a new picture; requests before it is drawn become one.

        `changed` tells that `subject` has other points or colours: a picture of the old ones is
        not shown any more.
        """
        self._turn += 1
        if changed:
            self._content = self._turn
        document = self.plot.document
        if document is None or document.session_context is None:
            if self._frame:  # before the first picture ranges are still being laid out
                self.draw_now()
        elif not self._drawing and not self._waiting:
            self._drawing = True
            if changed:
                document.add_next_tick_callback(self._begin)
            else:
                document.add_timeout_callback(self._begin, TOGETHER_MS)

    def draw_now(self) -> None:
        """Draw the exact picture here and now: there is no browser yet that could wait."""
        task = _Task(self._turn, self.view())
        self._put(self._exact(*self._subject(), task.view), task)
        self._rested(task.view)

    # One picture after the other

    def _begin(self) -> None:
        """Have the latest view drawn: coarse where it is new and the exact one takes long."""
        self._drawing = False
        try:
            view = self.view()
        except LimitError:
            return  # counted where it was refused; the picture before it stays
        drawing, layers = self._subject()
        refines = self._turn == self._last.turn
        slow = self._pace * max(points_near(drawing, view), FEW) > SLOW_S
        exact = refines or self._turn == self._content or not slow
        task = _Task(self._turn, view, exact, refines)
        done = _POOL.submit(self._draw, task, drawing, layers)
        self._drawing = True
        document = self.plot.document
        done.add_done_callback(
            lambda found: document.add_next_tick_callback(lambda: self._finish(task, found))
        )

    def _is_stale(self, task: _Task) -> bool:
        """Tell whether nobody waits for a picture; a quick one shows the way while we move."""
        return task.turn < (self._turn if task.refines else self._content)

    def _draw(self, task: _Task, drawing: DrawingCopy, layers: Layers) -> Picture | None:
        if self._is_stale(task):
            return None
        return (self._exact if task.exact else sketch)(drawing, layers, task.drawn_view)

    def _exact(self, drawing: DrawingCopy, layers: Layers, view: View) -> Picture:
        begun = time.thread_time()
        picture = draw(drawing, layers, view)
        self._pace = (time.thread_time() - begun) / max(points_near(drawing, view), FEW)
        return picture

    def _finish(self, task: _Task, done: Future[Picture | None]) -> None:
        self._drawing = False
        picture = done.result()
        if picture is None or self._is_stale(task):
            self._begin()
        else:
            self._put(picture, task)
            self._wait_for_browser()

    def _wait_for_browser(self) -> None:
        self._waiting, frame = True, self._frame

        def lost() -> None:
            if self._frame == frame:
                self._was_painted("tags", [], [frame])

        self.plot.document.add_timeout_callback(lost, PATIENCE_MS)

    def _put(self, picture: Picture, task: _Task) -> None:
        self._frame += 1
        self._last = task
        view = task.view
        self.source.data = {
            "image": [picture.rgba],
            "x": [view.x0],
            "y": [view.y0],
            "dw": [view.x1 - view.x0],
            "dh": [view.y1 - view.y0],
            "frame": [self._frame],
        }
        self._shown(picture, view)
