"""Plots of a comparison: both samples on the same axes, each always in its own colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent_core.report.plots import ACCENT, INK, QUIET, SECOND, drawn, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
BINS = 40
ROW = 3  # panels side by side
FIRST_COLOUR, OTHER_COLOUR = SECOND, ACCENT  # orange and blue: apart for every kind of sight


def histograms(
    panels: Sequence[tuple[str, Floats, Floats]], xlabel: str, names: tuple[str, str]
) -> list[str]:
    """Draw both samples' densities of (title, first, other) on common axes, three in a row."""
    rows = [panels[i : i + ROW] for i in range(0, len(panels), ROW)]
    drawings = []
    for row in rows:

        def draw(axes: list[Axes], row: Sequence[tuple[str, Floats, Floats]] = row) -> None:
            for ax, (title, first, other) in zip(axes, row, strict=True):
                _histogram(ax, first, other, names)
                ax.set_title(shortened(title, 44))
                ax.set_xlabel(xlabel)
            axes[0].set_ylabel("share of sources a bin")
            _legend_above(axes[0], 1 if len(axes) == 1 else 2)

        drawings.append(drawn(draw, panels=len(row), width=3.6, height=2.7))
    return drawings


def _legend_above(ax: Axes, columns: int = 2) -> None:
    """Name both samples once for all panels, above them, where no curve is hidden."""
    handles, labels = ax.get_legend_handles_labels()
    ax.get_figure(root=True).legend(  # type: ignore[union-attr]
        handles, labels, loc="outside upper left", ncols=columns, fontsize=8
    )


def _histogram(ax: Axes, first: Floats, other: Floats, names: tuple[str, str]) -> None:
    both = np.concatenate([first, other])
    low, high = np.percentile(both, [0.3, 99.7])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    count = int(np.clip(2 * np.sqrt(min(len(first), len(other))), 8, BINS))
    edges = np.linspace(low, high, count + 1)
    for values, colour, name, filled in (
        (other, OTHER_COLOUR, names[1], True),
        (first, FIRST_COLOUR, names[0], False),
    ):
        share = np.histogram(values, edges)[0] / len(values)
        label = shortened(name, 60)
        if filled:
            ax.stairs(share, edges, fill=True, color=colour, alpha=0.35)
            ax.stairs(share, edges, color=colour, lw=1.0, label=label)
        else:
            ax.stairs(share, edges, color=colour, lw=1.6, ls="-", label=label)
        ax.axvline(float(np.median(values)), color=colour, lw=1.0, ls="--")
    ax.set_ylim(0, None)


def bands(
    panels: Sequence[tuple[str, Mapping[str, tuple[Floats, Floats]]]],
    labels: tuple[str, str],
    *,
    step: float = 0.5,
) -> str:
    """Draw medians with 16-84 % bands of y by x, for each panel the first and the other sample."""

    def draw(axes: list[Axes]) -> None:
        for ax, (title, series) in zip(axes, panels, strict=True):
            marks = zip(series.items(), ((FIRST_COLOUR, "o"), (OTHER_COLOUR, "s")), strict=True)
            for (name, (x, y)), (colour, marker) in marks:
                at, low, middle, high = quantile_band(x, y, step)
                ax.fill_between(at, low, high, color=colour, alpha=0.22, lw=0)
                ax.plot(at, middle, marker=marker, ms=3.5, lw=1.4, color=colour,
                        label=shortened(name, 60))  # fmt: skip
            ax.set_title(shortened(title, 60))
            ax.set(xlabel=labels[0], ylabel=labels[1])
        _legend_above(axes[0])

    return drawn(draw, panels=len(panels), width=4.6, height=3.4)


def quantile_band(x: Floats, y: Floats, step: float, fewest: int = 10) -> tuple[Floats, ...]:
    """Return bin centres and the 16, 50, 84 % of y in bins of x that hold at least `fewest`."""
    good = np.isfinite(x) & np.isfinite(y)
    code = np.floor(x[good] / step).astype(int)
    points = []
    for number in np.unique(code):
        here = y[good][code == number]
        if len(here) >= fewest:
            points.append(((number + 0.5) * step, *np.percentile(here, [16, 50, 84])))
    return tuple(np.array(points, float).reshape(-1, 4).T)


def worst_plot(
    rows: Sequence[tuple[str, float, tuple[float, float], float, float | None]],
) -> str:
    """Draw (name, distance, interval, floor, distance between real tables), a line each."""

    def draw(axes: list[Axes]) -> None:
        (ax,) = axes
        at = np.arange(len(rows))
        values, low, high, floors = (
            np.array([pick(row) for row in rows], float)
            for pick in (lambda r: r[1], lambda r: r[2][0], lambda r: r[2][1], lambda r: r[3])
        )
        ax.barh(at, floors, 0.4, color=QUIET, alpha=0.45, label="floor: two halves of the other")
        apart = [(row[4], i) for i, row in enumerate(rows) if row[4] is not None]
        if apart:
            ax.plot(*np.array(apart, float).T, "D", ms=5, mfc="none", color=OTHER_COLOUR,
                    label="real tables from each other")  # fmt: skip
        reach = np.maximum(0.0, [values - low, high - values])
        ax.errorbar(values, at, xerr=reach, fmt="o", ms=5, capsize=2.5, color=FIRST_COLOUR,
                    label="distance, 95 %")  # fmt: skip
        ax.set_yticks(at, [shortened(name, 70) for name, *_ in rows], color=INK)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xlim(0, 1)
        ax.set_xlabel("Kolmogorov-Smirnov distance")
        ax.grid(axis="x", color="#E4E7EB", lw=0.7)
        _legend_above(ax, 3)

    return drawn(draw, width=9.2, height=1.1 + 0.3 * len(rows))


def profiles(panels: Sequence[tuple[str, Mapping[str, Floats]]], ylabel: str) -> str:
    """Draw medians with 16-84 % bands of numbers (n, K) by their place 0..K-1, a panel each."""

    def draw(axes: list[Axes]) -> None:
        for ax, (title, series) in zip(axes, panels, strict=True):
            colours = (FIRST_COLOUR, OTHER_COLOUR)
            for (name, numbers), colour in zip(series.items(), colours, strict=False):
                low, middle, high = np.percentile(numbers, [16, 50, 84], axis=0)
                at = np.arange(len(middle))
                if len(numbers) > 1:
                    ax.fill_between(at, low, high, color=colour, alpha=0.22, lw=0)
                ax.plot(at, middle, marker="o", ms=2.2, lw=1.1, color=colour,
                        label=shortened(name, 60))  # fmt: skip
            ax.set_title(title)
            ax.set(xlabel="coefficient", ylabel=ylabel)
        _legend_above(axes[0])

    return drawn(draw, panels=len(panels), width=4.8, height=3.4)
