"""How each cost grows with the number of sources, as plots.

A series is whatever a benchmark measured at several sizes: figures of one unit whose text differs
in the number of sources alone, as in "redraw, 4,000,000 points, whole map". Nobody lists them.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

COUNT = re.compile(r"\b\d{1,3}(?:,\d{3})+\b")
FEWEST_SOURCES, FEWEST_SIZES = 10_000, 3
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4, "CPU s": 1e3}
SIZE = (5.6, 3.7)  # inches
GROWTH = "growth"  # the benchmark whose figures name their plot before the first comma


@dataclass
class Series:
    """What one cost was at several numbers of sources, in ms, and what the other way took."""

    name: str
    ours: dict[int, float] = field(default_factory=dict)
    others: dict[str, dict[int, float]] = field(default_factory=dict)


def split(what: str) -> tuple[int, str] | None:
    """Return the number of sources that a text names first, and the text without it."""
    found = COUNT.search(what)
    if not found or (count := int(found[0].replace(",", ""))) < FEWEST_SOURCES:
        return None
    return count, what[: found.start()] + "N" + what[found.end() :]


def series(figures: Iterable[Mapping[str, Any]]) -> list[Series]:
    """Return the series of times among the figures of one benchmark."""
    found: dict[str, Series] = {}
    for figure in figures:
        named = split(figure["what"])
        scale = TIMES.get(figure["unit"])
        if named is None or scale is None or not figure["ours"]:
            continue
        count, name = named
        one = found.setdefault(name, Series(name))
        one.ours[count] = scale * figure["ours"]
        if figure["other"]:
            one.others.setdefault(figure["against"], {})[count] = scale * figure["other"]
    return [one for one in found.values() if len(one.ours) >= FEWEST_SIZES]


def grouped(parts: Iterable[Mapping[str, Any]]) -> dict[str, list[Series]]:
    """Return series by plot: one a topic of the growth benchmark, one a benchmark elsewhere."""
    groups = defaultdict(list)
    for part in parts:
        for one in series(part["figures"]):
            title, _, rest = one.name.partition(", ")
            if part["name"] != GROWTH:
                groups[part["topic"]].append(one)
            else:
                one.name = rest
                groups[title.capitalize()].append(one)
    return dict(groups)


def plots(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a title and an SVG for each group of series."""
    return [{"title": title, "svg": plot(group)} for title, group in grouped(parts).items()]


def plot(group: Iterable[Series]) -> str:
    """Draw times against numbers of sources, both logarithmic: ours solid, others dashed."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings = {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif"}
    with rc_context(settings):
        figure = Figure(SIZE, layout="constrained")
        axes = figure.add_subplot(xscale="log", yscale="log")
        shown = 0
        for number, one in enumerate(group):
            colour = f"C{number % 10}"
            _line(axes, one.ours, one.name, color=colour, marker="o", markersize=4)
            others = zip(("--", ":", "-."), one.others.items(), strict=False)
            for style, (against, values) in others:
                _line(
                    axes, values, against, color=colour, linestyle=style, marker=".", markersize=4
                )
            shown += 1 + len(one.others)
        axes.set_xlabel("sources N")
        axes.set_ylabel("ms")
        axes.grid(alpha=0.3, which="major")
        figure.legend(
            loc="outside lower center", fontsize=7, ncols=1, frameon=False, handlelength=4
        )
        figure.set_figheight(SIZE[1] + 0.16 * shown)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue().split("?>", 1)[-1].split(">", 1)[-1]


def _line(axes: Any, values: Mapping[int, float], label: str, **style: Any) -> None:
    counts = sorted(values)
    axes.plot(counts, [values[n] for n in counts], label=label, linewidth=1.5, **style)
