"""Curves and grids of any modality, drawn: observed as points, decoded as a line with its band.

The functions are pure and know no modality. `CurvePlot` and `GridPlot` keep one Bokeh figure
each and replace its data, so that dragging a slider moves a line instead of building a plot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, Label, LinearColorMapper, Range1d, Span
from bokeh.plotting import figure
from numpy.typing import NDArray

from latent_core.modalities import Curve, Grid

WIDTH, HEIGHT, RESIDUAL_HEIGHT = 392, 190, 62
_LEFT = 58
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWER = re.compile(r"(?<=[A-Za-z)])\^?(-?\d+)")
TEXT_COLOUR, GRID_COLOUR = "#4A525C", "#E4E8EC"
OBSERVED_COLOUR, DECODED_COLOUR = "#2B333C", "#C2410C"


def pretty_unit(unit: str) -> str:
    """Write powers as superscripts: `W m-2 nm-1` -> `W m⁻² nm⁻¹`."""
    return _POWER.sub(lambda match: match.group(1).translate(_SUPERSCRIPT), unit)


def axis_label(label: str, unit: str, exponent: int = 0) -> str:
    """Return an axis title, with the power of ten that was taken out of its ticks."""
    factor = f"10{str(exponent).translate(_SUPERSCRIPT)} " if exponent else ""
    inside = (factor + pretty_unit(unit)).strip()
    return f"{label} [{inside}]" if inside else label


def tidy(curve: Curve) -> Curve:
    """Drop points that are not finite and sort by x, so that a line can be drawn."""
    good = np.isfinite(curve.x) & np.isfinite(curve.y)
    order = np.flatnonzero(good)[np.argsort(curve.x[good], kind="stable")]
    error = None if curve.y_error is None else curve.y_error[order]
    return replace(curve, x=curve.x[order], y=curve.y[order], y_error=error)


def is_phased(curve: Curve) -> bool:
    """Whether x is a phase, so that the curve repeats with period 1."""
    return curve.x_label.lower() == "phase"


def two_cycles(curve: Curve) -> Curve:
    """Repeat a phased curve over phases 0 to 2."""
    error = curve.y_error
    return replace(
        curve,
        x=np.concatenate([curve.x, curve.x + 1]),
        y=np.tile(curve.y, 2),
        y_error=None if error is None else np.tile(error, 2),
    )


def residual(observed: Curve, decoded: Curve) -> Curve | None:
    """Return (observed - decoded) / sqrt(error^2 + scatter^2) at the observed points, in sigma.

    None where neither side has an error: there is no sigma to measure in.
    """
    if (observed.y_error is None and decoded.y_error is None) or not len(decoded.x):
        return None
    period = 1.0 if is_phased(decoded) else None
    mean = np.interp(observed.x, decoded.x, decoded.y, period=period)
    variance = np.zeros(len(observed.x))
    if observed.y_error is not None:
        variance = variance + np.asarray(observed.y_error) ** 2
    if decoded.y_error is not None:
        scatter = np.interp(observed.x, decoded.x, decoded.y_error, period=period)
        variance = variance + scatter**2
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = (observed.y - mean) / np.sqrt(variance)
    return tidy(replace(observed, y=sigma, y_error=None, y_label="residual", y_unit="sigma"))


def residuals(observed: Sequence[Curve], decoded: Sequence[Curve]) -> list[Curve]:
    """Pair curves by name and return their residuals in sigma."""
    known = {curve.name: tidy(curve) for curve in decoded}
    pairs = [(tidy(c), known[c.name]) for c in observed if c.name in known]
    return [r for r in (residual(o, d) for o, d in pairs) if r is not None and len(r.x)]


def reduced_chi2(curves: Sequence[Curve]) -> float:
    """Return the mean squared residual, NaN where there is none."""
    if not curves:
        return float("nan")
    return float(np.mean(np.concatenate([curve.y for curve in curves]) ** 2))


def exponent_of(curves: Sequence[Curve]) -> int:
    """Return the power of ten to take out of the ticks; 0 for numbers of everyday size."""
    values = [np.abs(c.y[np.isfinite(c.y)]) for c in curves]
    largest = max((float(v.max()) for v in values if len(v)), default=0.0)
    if largest == 0 or 1e-3 <= largest < 1e5:
        return 0
    return int(np.floor(np.log10(largest)))


def y_limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return limits that hold all but the wildest percent of points and bars, with some air."""
    reach = [np.concatenate([c.y - e, c.y + e]) for c in curves for e in [_half_band(c)]]
    values = [v[np.isfinite(v)] for v in reach]
    joined = np.concatenate(values) if values else np.empty(0)
    if not len(joined):
        return 0.0, 1.0
    low, high = np.percentile(joined, [0.5, 99.5])
    air = 0.08 * (high - low) or 0.05 * max(abs(high), 1e-30)
    return float(low - air), float(high + air)


def _half_band(curve: Curve) -> NDArray[np.float64]:
    error = np.zeros(len(curve.y)) if curve.y_error is None else np.asarray(curve.y_error)
    return np.nan_to_num(error)


def point_data(curves: Sequence[Curve], factor: float = 1.0) -> dict[str, NDArray]:
    """Columns x, y, low, high of points with error bars."""
    if not curves:
        return {name: np.empty(0) for name in ("x", "y", "low", "high")}
    errors = [_half_band(c) for c in curves]
    x, y = (np.concatenate([getattr(c, name) for c in curves]) for name in ("x", "y"))
    error = np.concatenate(errors)
    return {"x": x, "y": y * factor, "low": (y - error) * factor, "high": (y + error) * factor}


def line_data(curves: Sequence[Curve], factor: float = 1.0) -> dict[str, list[NDArray]]:
    """Columns xs, ys, one line a curve."""
    return {"xs": [c.x for c in curves], "ys": [c.y * factor for c in curves]}


def band_data(curves: Sequence[Curve], factor: float = 1.0) -> dict[str, list[NDArray]]:
    """Columns xs, ys, one closed patch of y - error to y + error a curve that has errors."""
    xs, ys = [], []
    for curve in curves:
        if curve.y_error is not None and len(curve.x):
            error = np.nan_to_num(curve.y_error)
            xs.append(np.concatenate([curve.x, curve.x[::-1]]))
            ys.append(np.concatenate([curve.y - error, (curve.y + error)[::-1]]) * factor)
    return {"xs": xs, "ys": ys}


def new_figure(height: int, *, width: int = WIDTH, **options: Any) -> Any:
    """Return an empty figure in our quiet style; its ranges are set by hand."""
    plot = figure(
        width=width,
        height=height,
        x_range=options.pop("x_range", None) or Range1d(0, 1),
        y_range=Range1d(0, 1),
        tools="box_zoom,reset,save",
        toolbar_location="above",
        min_border_left=_LEFT,
        min_border_right=6,
        min_border_top=4,
        **options,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.toolbar_inner = True
    plot.title.text_font_size = "11px"
    plot.title.text_font_style = "normal"
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    plot.title.text_color = TEXT_COLOUR
    plot.grid.grid_line_color = GRID_COLOUR
    plot.axis.axis_label_text_font_size = plot.axis.major_label_text_font_size = "11px"
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_standoff = 4
    plot.axis.axis_label_text_color = plot.axis.major_label_text_color = TEXT_COLOUR
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = GRID_COLOUR
    plot.axis.minor_tick_line_color = None
    plot.axis.major_tick_in = 0
    return plot


def set_range(held: Range1d, low: float, high: float) -> None:
    """Move a range; its reset tool returns to the same place."""
    held.update(start=low, end=high, reset_start=low, reset_end=high)


class CurvePlot:
    """One figure of curves with, beneath, the residual in sigma where both sides are known."""

    def __init__(self, *, height: int = HEIGHT, title: str = "") -> None:
        self.points = ColumnDataSource(point_data([]))
        self.lines = ColumnDataSource(line_data([]))
        self.band = ColumnDataSource(band_data([]))
        self.sigmas = ColumnDataSource(point_data([]))
        self.figure = new_figure(height, title=title)
        self.residual = new_figure(RESIDUAL_HEIGHT, x_range=self.figure.x_range, title="")
        self.residual.toolbar_location = None
        self.residual.xaxis.visible = False
        self.residual.yaxis.axis_label = "resid. [σ]"
        self.residual.yaxis.ticker = FixedTicker(ticks=[-3, 0, 3])
        self.message = Label(
            x=0.5, y=0.5, x_units="data", y_units="data", text="", text_align="center"
        )
        self.message.text_font_size = "12px"
        self.message.text_baseline = "middle"
        self.message.text_color = TEXT_COLOUR
        self.figure.add_layout(self.message)
        self._draw()

    def _draw(self) -> None:
        plot = self.figure
        plot.patches(
            "xs",
            "ys",
            source=self.band,
            fill_color=DECODED_COLOUR,
            fill_alpha=0.22,
            line_color=None,
        )
        plot.segment(
            "x", "low", "x", "high", source=self.points, line_color=OBSERVED_COLOUR, line_alpha=0.4
        )
        points = {"fill_color": OBSERVED_COLOUR, "line_color": None}
        plot.scatter("x", "y", source=self.points, size=3, **points)
        self.residual.scatter("x", "y", source=self.sigmas, size=2.5, **points)
        plot.multi_line("xs", "ys", source=self.lines, line_color=DECODED_COLOUR, line_width=1.5)
        zero = Span(location=0, dimension="width", line_color=DECODED_COLOUR, line_width=1)
        self.residual.add_layout(zero)

    def show(
        self, observed: Sequence[Curve], decoded: Sequence[Curve], *, message: str = ""
    ) -> float:
        """Replace the curves; return their reduced chi2, NaN where it has no meaning."""
        sigma = residuals(observed, decoded)
        points = [_over_cycles(c) for c in map(tidy, observed)]
        lines = [_over_cycles(c) for c in map(tidy, decoded)]
        shown = [*points, *lines]
        exponent = exponent_of(shown)
        factor = 10.0**-exponent
        self._label(shown, exponent)
        self._frame(shown, factor)
        self.points.data = point_data(points, factor)
        self.lines.data = line_data(lines, factor)
        self.band.data = band_data(lines, factor)
        self._show_residual([_over_cycles(c) for c in sigma])
        self._say(message if not shown else "")
        return reduced_chi2(sigma)

    def _label(self, shown: Sequence[Curve], exponent: int) -> None:
        if not shown:
            return
        first = shown[0]
        self.figure.yaxis.axis_label = axis_label(first.y_label, first.y_unit, exponent)
        self.figure.xaxis.axis_label = axis_label(first.x_label, first.x_unit)

    def _frame(self, shown: Sequence[Curve], factor: float) -> None:
        low, high = (end * factor for end in y_limits(shown))
        inverted = bool(shown) and shown[0].y_inverted
        set_range(self.figure.y_range, *((high, low) if inverted else (low, high)))
        places = [c.x for c in shown if len(c.x)]
        left, right = (
            (min(float(x.min()) for x in places), max(float(x.max()) for x in places))
            if places
            else (0.0, 1.0)
        )
        if shown and is_phased(shown[0]):
            left, right = 0.0, 2.0
        air = 0.01 * (right - left)
        set_range(self.figure.x_range, left - air, right + air)

    def _show_residual(self, sigma: Sequence[Curve]) -> None:
        self.sigmas.data = point_data(sigma)
        reach = max(4.0, *(float(np.percentile(np.abs(c.y), 99)) for c in sigma), 4.0)
        ticks = [-3, 0, 3] if reach < 8 else [-round(reach / 2), 0, round(reach / 2)]
        self.residual.yaxis.ticker = FixedTicker(ticks=ticks)
        set_range(self.residual.y_range, -1.1 * reach, 1.1 * reach)

    def _say(self, message: str) -> None:
        self.message.update(text=message)
        for part in (*self.figure.axis, *self.figure.grid):
            part.visible = not message


def _over_cycles(curve: Curve) -> Curve:
    return two_cycles(curve) if is_phased(curve) else curve


class GridPlot:
    """One heat map in cell coordinates: every cell has the same size, ticks name its edges."""

    def __init__(self, *, width: int = WIDTH // 2, height: int = HEIGHT) -> None:
        self.image = ColumnDataSource({"image": [], "dw": [], "dh": []})
        self.mapper = LinearColorMapper(palette="Viridis256", low=0, high=1)
        self.figure = new_figure(height, width=width, title="")
        self.figure.min_border_left = 44
        self.figure.grid.visible = False
        self.figure.image(
            "image", x=0, y=0, dw="dw", dh="dh", source=self.image, color_mapper=self.mapper
        )

    def show(self, grid: Grid | None, title: str, high: float = 1.0) -> None:
        """Replace the grid; `high` is the value at the bright end, to share between two maps."""
        self.figure.title.text = title
        if grid is None:
            self.image.data = {"image": [], "dw": [], "dh": []}
            return
        columns, rows = grid.z.shape
        self.image.data = {"image": [grid.z.T.astype(np.float32)], "dw": [columns], "dh": [rows]}
        self.mapper.high = high or 1.0
        set_range(self.figure.x_range, 0, columns)
        set_range(self.figure.y_range, 0, rows)
        self._name_edges(grid)

    def _name_edges(self, grid: Grid) -> None:
        axes = (
            (self.figure.xaxis, grid.x_edges, axis_label(grid.x_label, grid.x_unit)),
            (self.figure.yaxis, grid.y_edges, axis_label(grid.y_label, grid.y_unit)),
        )
        for axis, edges, label in axes:
            ticks = edge_ticks(edges)
            axis.ticker = FixedTicker(ticks=list(ticks))
            axis.major_label_overrides = ticks
            axis.axis_label = label


def edge_ticks(edges: NDArray[np.float64], wanted: int = 3) -> dict[int, str]:
    """Choose about `wanted` edges to label: cell position -> text."""
    step = max(1, (len(edges) - 1) // wanted)
    return {int(i): f"{edges[i]:.2g}" for i in range(0, len(edges), step)}


def brightest(grids: Sequence[Grid]) -> float:
    """Return the largest finite value of several grids, to share a colour scale."""
    values = [g.z[np.isfinite(g.z)] for g in grids]
    return max((float(v.max()) for v in values if len(v)), default=1.0)
