"""A histogram as a plot: all shown sources in grey, the selected ones in the accent colour."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from bokeh.events import SelectionGeometry
from bokeh.models import BoxSelectTool, ColumnDataSource, FixedTicker, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboard import design, limits, theme
from dashboard.curves import pretty_unit
from dashboard.gestures import Drag
from dashboard.histogram import Binned, Counts
from dashboard.limits import LimitError
from dashboard.plane_plot import add_simulated, style_axes
from dashboard.state import Combine, ExplorerState

EMPTY: dict[str, list[float]] = {"left": [], "right": [], "top": []}
GREY = "#C3CAD3"
MOST_TICKS = 5
LOG_FOOT = 0.3  # height of a bin with one source on the logarithmic scale, in decades


class HistogramPlot:
    """One figure; a horizontal drag over it calls `brushed(low, high, how)` in column values."""

    def __init__(
        self, state: ExplorerState, brushed: Callable[[float, float, Combine], None]
    ) -> None:
        self._state, self._brushed = state, brushed
        self._bins: Binned | None = None
        brush = BoxSelectTool(dimensions="width", renderers=[], continuous=False)
        self.figure = figure(
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[brush],
            active_drag=brush,
            toolbar_location=None,
            outline_line_color=None,
            background_fill_color=theme.PANEL,
            border_fill_color=theme.PANEL,
            min_border_left=58,
            min_border_right=14,
            min_border_top=8,
            min_border_bottom=40,
            sizing_mode="stretch_both",
            name="histogram",
            stylesheets=[design.FIGURE],
        )
        style_axes(self.figure)
        self.figure.xgrid.visible = False
        self.figure.yaxis.axis_label = "sources"
        self.every, self.chosen = (ColumnDataSource(EMPTY, name=n) for n in ("all", "selected"))
        for source, colour in ((self.every, GREY), (self.chosen, theme.ACCENT)):
            self.figure.quad(
                "left", "right", "top", bottom=0, source=source, fill_color=colour,
                line_color=theme.PANEL, line_width=0.4,
            )  # fmt: skip
        self.simulated = add_simulated(self.figure)
        self._drag = Drag(state, self.figure)
        self.figure.on_event(SelectionGeometry, self._drawn)

    def show(self, bins: Binned, counts: Counts, *, log_counts: bool) -> None:
        """Draw the bars of a column."""
        if self._bins is None or self._bins is not bins:
            self._bins = bins
            self._frame(bins)
        self.simulated.visible = self._state.bundle.simulated
        self.every.data = bars(bins, counts.shown, log_counts=log_counts)
        self.chosen.data = bars(bins, counts.selected, log_counts=log_counts)
        self._scale(int(counts.shown.max()), log_counts=log_counts)

    def _frame(self, bins: Binned) -> None:
        ends = (bins.low, bins.high)
        start, end = ends[::-1] if bins.column.inverted else ends
        self.figure.x_range.update(start=start, end=end)
        self.figure.xaxis.axis_label = pretty_unit(bins.title)

    def _scale(self, most: int, *, log_counts: bool) -> None:
        top = float(heights(np.asarray([max(most, 1)]), log_counts=log_counts)[0])
        self.figure.y_range.update(start=0, end=1.06 * top)
        ticks = count_ticks(most, log_counts=log_counts)
        axis = self.figure.yaxis[0]
        axis.ticker = FixedTicker(ticks=list(ticks))
        axis.major_label_overrides = ticks

    def _drawn(self, event: SelectionGeometry) -> None:
        if not event.final or self._bins is None:
            return
        how = self._drag.combination()
        try:
            ends = [limits.finite(event.geometry.get(k), "brush") for k in ("x0", "x1")]
        except LimitError as error:
            self._state.status = str(error)
            return
        low, high = (min(max(v, self._bins.low), self._bins.high) for v in ends)
        self._brushed(*self._bins.values_of(low, high), how)


def heights(counts: NDArray[np.integer], *, log_counts: bool) -> NDArray[np.float64]:
    """Return how high the bars stand; on the logarithmic scale a bin of one can be seen."""
    found = np.asarray(counts, np.float64)
    if not log_counts:
        return found
    return np.where(found > 0, np.log10(np.maximum(found, 1)) + LOG_FOOT, 0.0)


def bars(
    bins: Binned, counts: NDArray[np.int64], *, log_counts: bool
) -> dict[str, NDArray[np.float64]]:
    """Return the bars that are not empty as columns of a Bokeh source."""
    kept, edges = counts > 0, bins.edges
    top = heights(counts[kept], log_counts=log_counts)
    return {"left": edges[:-1][kept], "right": edges[1:][kept], "top": top}


def count_ticks(most: int, *, log_counts: bool) -> dict[float, str]:
    """Return places on the count axis with their texts."""
    if log_counts:
        values = [10**d for d in range(int(math.log10(max(most, 1))) + 1)]
    else:
        least = max(most / MOST_TICKS, 1)
        decade = 10 ** int(math.log10(least))
        step = next(s * decade for s in (1, 2, 5, 10) if s * decade >= least)
        values = list(range(0, most + 1, step))
    places = heights(np.asarray(values), log_counts=log_counts)
    return {float(p): f"{v:,}" for p, v in zip(places, values, strict=True)}
