"""Selecting: lassos, boxes, sets of rows, and what a selection is made of, on made-up clusters.

Each beside the usual way in the same run: matplotlib's Path, numpy's boolean masks, pandas.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from made_up_points import CLASSES, clusters
from measuring import Figure, cpu_time, report, within

from dashboard.bitmap import Bitmap
from dashboard.selecting import select_box, select_polygon
from dashboard.tally import class_counts, histogram, percentiles
from latent_core.projection import DrawingCopy, sort_for_drawing

BINS, BAND = 100, (16, 50, 84)
COUNTS = (1_000_000, 4_000_000, 10_000_000)
CHECKED = 4_000_000  # sources at which there are limits
LASSO_LIMIT, POLYGON_LIMIT, SET_LIMIT, RATIO_LIMIT = 40.0, 70.0, 1.0, 15.0  # ms, ms, ms, times
MOST_TESTS = 10_000_000 * 60  # points times corners that matplotlib is given: a minute
SHARE = 4  # the selection that is described holds one source in four


def outline(drawing: DrawingCopy, corners: int, size: float) -> np.ndarray:
    """Return a wavy closed outline about the middle of the map, (V, 2), ragged as a hand's."""
    x0, x1, y0, y1 = drawing.extent
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ragged = 0.01 * np.random.default_rng(1).standard_normal(corners)
    reach = size * (1 + 0.3 * np.sin(5 * turn) + ragged)
    middle = np.array([x0 + x1, y0 + y1]) / 2
    return middle + np.column_stack([np.cos(turn), np.sin(turn)]) * reach[:, None] * (
        np.array([x1 - x0, y1 - y0])
    )


def crossed(drawing: DrawingCopy, corners: int) -> np.ndarray:
    """Return random corners in random order, (V, 2): an outline that crosses itself all over."""
    x0, x1, y0, y1 = drawing.extent
    return np.random.default_rng(2).uniform((x0, y0), (x1, y1), (corners, 2))


def milliseconds(work: Callable[[], Any], repeats: int = 7) -> float:
    work()  # compiles, and reads for the first time
    return 1e3 * cpu_time(work, repeats)


def lassos(data: SimpleNamespace) -> list[Figure]:
    figures = []
    for what, corners, limit in (
        ("lasso of 60 corners", outline(data.drawing, 60, 0.25), LASSO_LIMIT),
        ("small lasso of 60 corners", outline(data.drawing, 60, 0.03), LASSO_LIMIT),
        ("polygon of 600 corners", outline(data.drawing, 600, 0.25), POLYGON_LIMIT),
        ("polygon of 60 random corners", crossed(data.drawing, 60), None),
        ("polygon of 600 random corners", crossed(data.drawing, 600), None),
    ):
        given = (data.drawing, *corners.T, data.size)
        ours = milliseconds(lambda given=given: select_polygon(*given))
        found = select_polygon(*given).to_mask()
        theirs, different = by_path(data, corners, found)
        named = f"{data.name}, {what}"
        if data.size != CHECKED:
            limit = None
        elif limit is not None and theirs is not None:  # so much faster than Path as well
            limit = min(limit, theirs / RATIO_LIMIT)
        figures.append(Figure(named, ours, "ms", theirs, "matplotlib Path", limit))
        if different is not None:
            hits = f"of {np.count_nonzero(found):,}"
            figures.append(Figure(f"{named}: hits unlike matplotlib's", different, hits))
    return figures


def by_path(
    data: SimpleNamespace, corners: np.ndarray, found: np.ndarray
) -> tuple[float | None, int | None]:
    """Return what matplotlib's test costs, ms, and how many points it decides otherwise."""
    from matplotlib.path import Path

    if data.size * len(corners) > MOST_TESTS:
        return None, None
    answers = []
    path = Path(corners)
    seconds = cpu_time(lambda: answers.append(path.contains_points(data.places)), 1)
    return 1e3 * seconds, np.count_nonzero(found != answers[0])


def boxes(data: SimpleNamespace) -> list[Figure]:
    x0, x1, y0, y1 = data.drawing.extent
    box = (0.7 * x0 + 0.3 * x1, 0.4 * x0 + 0.6 * x1, 0.7 * y0 + 0.3 * y1, 0.4 * y0 + 0.6 * y1)
    x, y = data.places.T
    a, b, c, d = (np.float32(v) for v in box)
    ours = milliseconds(lambda: select_box(data.drawing, *box, data.size))
    theirs = milliseconds(lambda: (x >= a) & (x <= b) & (y >= c) & (y <= d))
    return [Figure(f"{data.name}, box", ours, "ms", theirs, "numpy comparisons")]


def sets(data: SimpleNamespace) -> list[Figure]:
    """Combine and count two sets of half the sources."""
    rng = np.random.default_rng(3)
    masks = [rng.random(data.size) < 0.5 for _ in range(2)]
    bitmaps = [Bitmap.from_mask(mask) for mask in masks]
    limit = SET_LIMIT if data.size == CHECKED else None
    ways = {
        "and, counted": (lambda a, b: (a & b).count, lambda a, b: np.count_nonzero(a & b)),
        "or, counted": (lambda a, b: (a | b).count, lambda a, b: np.count_nonzero(a | b)),
        "minus, counted": (lambda a, b: (a - b).count, lambda a, b: np.count_nonzero(a & ~b)),
    }
    figures = [
        Figure(
            f"{data.name}, {name}",
            milliseconds(lambda ours=ours: ours(*bitmaps), 20),
            "ms",
            milliseconds(lambda theirs=theirs: theirs(*masks), 20),
            "numpy masks",
            limit,
        )
        for name, (ours, theirs) in ways.items()
    ]
    size = Figure(
        f"{data.name}, memory of a selection",
        bitmaps[0].words.nbytes / 1e3,
        "kB",
        masks[0].nbytes / 1e3,
        "numpy mask",
    )
    return [*figures, size]


def descriptions(data: SimpleNamespace) -> list[Figure]:
    """Describe a selection: its classes, a histogram and percentiles of a column."""
    rows = Bitmap.from_mask(data.chosen)
    values, codes = data.values, data.codes
    edges = np.linspace(-4, 4, BINS + 1)
    frame = pd.DataFrame({"class": pd.Categorical.from_codes(codes, range(CLASSES)), "v": values})
    ways = {
        "classes of a quarter": (
            lambda: class_counts(codes, rows, CLASSES),
            lambda: frame.loc[data.chosen, "class"].value_counts(),
            "pandas value_counts",
        ),
        "histogram of a quarter": (
            lambda: histogram(values, rows, edges),
            lambda: np.histogram(values[data.chosen], edges),
            "numpy on a copy",
        ),
        "three percentiles of a quarter": (
            lambda: percentiles(values, rows, BAND),
            lambda: frame.loc[data.chosen, "v"].quantile([0.16, 0.5, 0.84]),
            "pandas quantile",
        ),
        "three percentiles of all": (
            lambda: percentiles(values, Bitmap.all(data.size), BAND),
            lambda: np.nanpercentile(values, BAND),
            "numpy nanpercentile",
        ),
    }
    return [
        Figure(
            f"{data.name}, {name}", milliseconds(ours, 5), "ms", milliseconds(theirs, 3), against
        )
        for name, (ours, theirs, against) in ways.items()
    ]


def measure(count: int) -> list[Figure]:
    places, codes = clusters(count)
    rng = np.random.default_rng(4)
    values = rng.standard_normal(count, np.float32)
    values[rng.random(count) < 0.1] = np.nan
    data = SimpleNamespace(
        name=f"{count:,} points",
        size=count,
        places=places,
        codes=codes,
        drawing=sort_for_drawing(places),
        values=values,
        chosen=rng.integers(0, SHARE, count) == 0,
    )
    return [f for part in (lassos, boxes, sets, descriptions) for f in part(data)]


if __name__ == "__main__":
    report("selecting", [figure for count in within(*COUNTS) for figure in measure(count)])
