"""Plots of the report as SVG text; matplotlib without pyplot, so that nothing is global."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, ACCENT, SECOND = "#1F2933", "#7B8794", "#1D5FBF", "#C2571A"
COLOURS = (ACCENT, SECOND, "#1B7F5C", "#8C3FA8", "#A8871B", "#4B5B6B")
STYLE: dict[Any, Any] = {
    "text.usetex": False,  # some libraries switch it on for everybody at import
    "svg.hashsalt": "gaia-latent",
    "font.size": 9,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
}
DPI = 110
MANY_CLASSES = 30


def drawn(
    draw: Callable[[list[Axes]], None], *, panels: int = 1, width: float = 6.0, height: float = 3.6
) -> str:
    """Return SVG text of `panels` axes side by side, each width x height inches, as drawn."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width * panels, height), dpi=DPI, layout="constrained")
        axes = figure.subplots(1, panels, squeeze=False)[0]
        draw(list(axes))
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def shortened(name: str, length: int = 24) -> str:
    """Cut a class name for an axis; matplotlib must not read a dollar sign as mathematics."""
    cut = name if len(name) <= length else name[: length - 1] + "…"
    return cut.replace("$", r"\$")


def confusion_plot(names: Sequence[str], cells: NDArray[np.int64]) -> str:
    """Draw a confusion matrix (C, C) row-normalised in percent."""
    share = 100 * cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    size = max(3.4, 0.36 * len(names) + 2.0)

    def draw(axes: list[Axes]) -> None:
        (ax,) = axes
        ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
        ticks = range(len(names))
        labels = [shortened(name) for name in names]
        ax.set_xticks(ticks, labels, rotation=55, ha="right", rotation_mode="anchor")
        ax.set_yticks(ticks, labels)
        ax.set(xlabel="called", ylabel="is")
        for i, j in np.ndindex(*share.shape):
            if share[i, j] >= 0.5:
                colour = "white" if share[i, j] > 55 else INK
                text = f"{share[i, j]:.0f}"
                ax.text(j, i, text, ha="center", va="center", fontsize=7.5, color=colour)

    return drawn(draw, width=size + 0.7, height=size)


def interval_plot(
    rows: Sequence[tuple[str, Mapping[str, tuple[float, float, float]]]],
    xlabel: str,
    line: tuple[float, str] | None = None,
) -> str:
    """Draw figures with intervals, (value, low, high), one line a name, one mark a series."""
    series = list(dict.fromkeys(key for _, values in rows for key in values))

    def draw(axes: list[Axes]) -> None:
        (ax,) = axes
        for number, key in enumerate(series):
            shift = (number - (len(series) - 1) / 2) * 0.8 / max(len(series), 3)
            held = [(i, values[key]) for i, (_, values) in enumerate(rows) if key in values]
            at = [i + shift for i, _ in held]
            value, low, high = np.array([v for _, v in held]).T
            reach = np.abs(np.array([value - low, high - value]))
            colour = COLOURS[number % len(COLOURS)]
            ax.errorbar(
                value, at, xerr=reach, fmt="o", ms=4.5, capsize=2.5, lw=1.3, color=colour,
                label=shortened(key, 70),
            )  # fmt: skip
        ax.set_yticks(range(len(rows)), [shortened(name, 44) for name, _ in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xlabel(xlabel)
        ax.grid(axis="x", color="#E4E7EB", lw=0.7)
        if line is not None:
            ax.axvline(line[0], color=QUIET, lw=1, ls="--", label=line[1])
        if len(series) > 1 or line is not None:
            ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)

    height = 0.9 + len(rows) * max(0.34, 0.16 * len(series))
    return drawn(draw, width=8.2, height=height)


def regression_plot(
    panels: Sequence[tuple[str, str, NDArray[np.float64], NDArray[np.float64]]],
) -> str:
    """Draw predicted against true, and residuals below, for (title, unit, truth, predicted)."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        width = 3.1 * len(panels)
        figure = Figure(figsize=(width, 4.3), dpi=DPI, layout="constrained")
        axes = figure.subplots(2, len(panels), squeeze=False, sharex="col", height_ratios=[2.2, 1])
        for column, (title, unit, truth, predicted) in enumerate(panels):
            _regression_panel(list(axes[:, column]), title, unit, truth, predicted)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _regression_panel(
    axes: list[Axes],
    title: str,
    unit: str,
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
) -> None:
    from matplotlib.colors import LogNorm

    top, below = axes
    low, high = (float(q) for q in np.percentile(truth, [0.3, 99.7]))
    reach = float(np.percentile(np.abs(predicted - truth), 99)) or 1.0
    options: dict[str, Any] = {"bins": 70, "cmap": "viridis", "cmin": 1, "rasterized": True}
    options["norm"] = LogNorm()
    top.hist2d(truth, predicted, range=[[low, high], [low, high]], **options)
    top.plot([low, high], [low, high], color=INK, lw=0.8)
    below.hist2d(truth, predicted - truth, range=[[low, high], [-reach, reach]], **options)
    below.axhline(0, color=INK, lw=0.8)
    top.set_title(title)
    suffix = f" [{unit}]" if unit else ""
    below.set_xlabel(f"true{suffix}")
    top.set_ylabel("predicted")
    below.set_ylabel("residual")


def band_plot(
    panels: Sequence[tuple[str, Mapping[str, Sequence[Mapping[str, float | None]]]]],
    xlabel: str,
    ylabel: str,
    *,
    line: float | None = None,
) -> str:
    """Draw medians with 16-84 % bars at `x` for each panel's series of {x, p16, p50, p84}."""

    def draw(axes: list[Axes]) -> None:
        for ax, (title, series) in zip(axes, panels, strict=True):
            for number, (name, points) in enumerate(series.items()):
                found = [p for p in points if p["p50"] is not None]
                if not found:
                    continue
                x, low, middle, high = (
                    np.array([p[key] for p in found], float) for key in ("x", "p16", "p50", "p84")
                )
                ax.errorbar(
                    x + 0.06 * number, middle, yerr=[middle - low, high - middle], fmt="o-",
                    ms=4, lw=1.2, capsize=2, color=COLOURS[number], label=name,
                )  # fmt: skip
            if line is not None:
                ax.axhline(line, color=QUIET, lw=1, ls="--")
            ax.set_title(title)
            ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
            ax.legend(fontsize=8)

    return drawn(draw, panels=len(panels), width=4.4, height=3.1)


def bar_plot(
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    xlabel: str,
    *,
    lines: Sequence[float] = (),
    limit: float | None = None,
) -> str:
    """Draw horizontal bars, one group a name, none for NaN; `lines` are to compare with."""

    def draw(axes: list[Axes]) -> None:
        (ax,) = axes
        thick = 0.8 / len(series)
        for number, (key, values) in enumerate(series.items()):
            at = np.arange(len(names)) + (number - (len(series) - 1) / 2) * thick
            colour = COLOURS[number % len(COLOURS)]
            bars = ax.barh(at, np.nan_to_num(values), thick * 0.92, color=colour, label=key)
            texts = ["" if np.isnan(value) else f"{value:.1f}" for value in values]
            ax.bar_label(bars, texts, fontsize=7.5, padding=2)
        ax.set_yticks(range(len(names)), [shortened(name, 44) for name in names])
        ax.invert_yaxis()
        ax.set_xlabel(xlabel)
        if limit is not None:
            ax.set_xlim(0, limit)
        for value in lines:
            ax.axvline(value, color=QUIET, lw=1, ls="--")
        if len(series) > 1:
            ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)

    height = 0.9 + len(names) * max(0.36, 0.22 * len(series))
    return drawn(draw, width=8.2, height=height)
