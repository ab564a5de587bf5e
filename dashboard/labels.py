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


@dataclass(frozen=True)
class Label:
    """A class name at the densest place of its sources on a map."""

    name: str
    x: float
    y: float


def labels_in_view(
    drawing: DrawingCopy,
    names: Sequence[str],
    codes: NDArray[np.integer],
    box: tuple[float, float, float, float],
) -> list[Label]:
    """Return labels of the classes most frequent in x0, x1, y0, y1, none upon another.

    `codes` (P,) in drawing order; codes beyond `names` are not labelled.
    """
    runs = runs_in_box(drawing, *box)
    step = max(1, sum(stop - start for start, stop in runs) // SAMPLE)
    counts = np.zeros((len(names), CELLS, CELLS), np.int32)
    for start, stop in runs:
        part = slice(start, stop, step)
        count_in_cells(counts, drawing.x[part], drawing.y[part], codes[part], np.asarray(box))
    smooth = _smoothed(counts)
    everything = smooth.sum(0)
    kept: list[Label] = []
    for code in np.argsort(-counts.sum((1, 2)), kind="stable"):
        if counts[code].sum() < FEWEST_MEMBERS or len(kept) == MOST_LABELS:
            break
        row, column = np.unravel_index(int(np.argmax(smooth[code])), smooth[code].shape)
        label = Label(names[code], *_middle(float(row), float(column), box))
        leads = smooth[code, row, column] >= LEAST_SHARE * everything[row, column]
        free = all(_are_apart(label, other, box) for other in kept)
        if label.name != NO_LABEL and leads and free:
            kept.append(label)
    return kept


def _are_apart(a: Label, b: Label, box: tuple[float, float, float, float]) -> bool:
    x0, x1, y0, y1 = box
    return abs(a.x - b.x) > APART[0] * (x1 - x0) or abs(a.y - b.y) > APART[1] * (y1 - y0)


def _smoothed(counts: NDArray[np.int32]) -> NDArray[np.int64]:
    """Add to each cell of (K, CELLS, CELLS) its neighbors, weighted 4, 2 and 1."""
    padded = np.pad(counts, ((0, 0), (1, 1), (1, 1))).astype(np.int64)
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return np.asarray(rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:], np.int64)


def _middle(row: float, column: float, box: tuple[float, ...]) -> tuple[float, float]:
    x0, x1, y0, y1 = box
    return (
        x0 + (column + 0.5) * (x1 - x0) / CELLS,
        y0 + (row + 0.5) * (y1 - y0) / CELLS,
    )
