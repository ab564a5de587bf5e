"""Names of classes at the densest places of what is in view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard.kernels import count_in_cells
from dashboard.selecting import runs_in_box
from dashboard.theme import NO_LABEL
from latent_core.projection import DrawingCopy

CELLS = 48
MOST_LABELS = 10
FEWEST_MEMBERS = 5
SAMPLE = 200_000  # points that are counted: a label needs no more, and must cost next to nothing
LEAST_SHARE = 0.3  # of the sources about a label: a name over another class would mislead
APART = (0.13, 0.045)  # of the view's width and height
EDGE = 0.08  # of the view's width: a name so near to its end reads inwards


@dataclass(frozen=True)
class Label:
    """A class name at the densest place of its sources on a map; `align` keeps it in the view."""

    name: str
    x: float
    y: float
    align: str = "center"


def labels_in_view(
    drawing: DrawingCopy,
    names: Sequence[str],
    codes: NDArray[np.integer],
    box: tuple[float, float, float, float],
) -> list[Label]:
    """Return labels of the classes most frequent in x0, x1, y0, y1, none upon another.

    `codes` (P,) in drawing order; codes beyond `names` are not labelled. Cells and sample belong
    to the map, not to the view: while the hand pans, labels stay where they are.
    """
    across, up = _Cells.over(*box[:2]), _Cells.over(*box[2:])
    edges = (*across.edges, *up.edges)
    runs = runs_in_box(drawing, *edges)
    several = sum(stop - start for start, stop in runs) // SAMPLE
    step = 1 << max(0, several.bit_length() - 1)
    counts = np.zeros((len(names), CELLS + 2, CELLS + 2), np.int32)
    for start, stop in runs:
        part = slice(-(-start // step) * step, stop, step)
        count_in_cells(counts, drawing.x[part], drawing.y[part], codes[part], np.asarray(edges))
    smooth = _smoothed(counts)
    everything = smooth.sum(0)
    kept: list[Label] = []
    for code in np.argsort(-counts.sum((1, 2)), kind="stable"):
        if counts[code].sum() < FEWEST_MEMBERS or len(kept) == MOST_LABELS:
            break
        row, column = np.unravel_index(int(np.argmax(smooth[code])), smooth[code].shape)
        x = across.middle(int(column))
        label = Label(names[code], x, up.middle(int(row)), _aligned(x, *box[:2]))
        leads = smooth[code, row, column] >= LEAST_SHARE * everything[row, column]
        free = all(_are_apart(label, other, box) for other in kept)
        if label.name != NO_LABEL and leads and free:
            kept.append(label)
    return kept


def _aligned(x: float, low: float, high: float) -> str:
    """Return on which side of a name its place lies: names at the ends of a view read inwards."""
    share = (x - low) / (high - low)
    return "left" if share < EDGE else "right" if share > 1 - EDGE else "center"


def _are_apart(a: Label, b: Label, box: tuple[float, float, float, float]) -> bool:
    x0, x1, y0, y1 = box
    return abs(a.x - b.x) > APART[0] * (x1 - x0) or abs(a.y - b.y) > APART[1] * (y1 - y0)


@dataclass(frozen=True)
class _Cells:
    """Cells of one axis: `first` is the number of the first, counted from 0, `wide` their width.

    They hold a view and one cell more at each end; all views of one width share their edges.
    """

    first: int
    wide: float

    @classmethod
    def over(cls, low: float, high: float) -> _Cells:
        """Lay them over low to high."""
        # a view that moved is as wide but for rounding
        wide = float(f"{(high - low) / CELLS:.6g}")
        return cls(int(np.floor(low / wide)), wide)

    @property
    def edges(self) -> tuple[float, float]:
        return self.first * self.wide, (self.first + CELLS + 2) * self.wide

    def middle(self, inner: int) -> float:
        """Return the middle of an inner cell: the same number in every view."""
        return (self.first + inner + 1.5) * self.wide


def _smoothed(counts: NDArray[np.int32]) -> NDArray[np.int64]:
    """Add to each inner cell of (K, R, C) its neighbors, weighted 4, 2 and 1."""
    whole = counts.astype(np.int64)
    rows = whole[:, :-2] + 2 * whole[:, 1:-1] + whole[:, 2:]
    return np.asarray(rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:], np.int64)
