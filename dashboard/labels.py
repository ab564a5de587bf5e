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
    members = counts.sum((1, 2))
    kept: list[Label] = []
    for code in np.argsort(-members, kind="stable"):
        if members[code] < FEWEST_MEMBERS or len(kept) == MOST_LABELS:
            break
        label = Label(names[code], *_densest(counts[code], box))
        if label.name != NO_LABEL and all(_are_apart(label, other, box) for other in kept):
            kept.append(label)
    return kept


def _are_apart(a: Label, b: Label, box: tuple[float, float, float, float]) -> bool:
    x0, x1, y0, y1 = box
    return abs(a.x - b.x) > APART[0] * (x1 - x0) or abs(a.y - b.y) > APART[1] * (y1 - y0)


def _densest(
    counts: NDArray[np.int32], box: tuple[float, float, float, float]
) -> tuple[float, float]:
    """Return the middle of the fullest cell, (CELLS, CELLS) row by row, its neighbors counted."""
    padded = np.pad(counts, 1)
    smooth = sum(
        padded[1 + i : CELLS + 1 + i, 1 + j : CELLS + 1 + j] * (2 - abs(i)) * (2 - abs(j))
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    )
    row, column = np.unravel_index(int(np.argmax(smooth)), counts.shape)
    x0, x1, y0, y1 = box
    return (
        float(x0 + (column + 0.5) * (x1 - x0) / CELLS),
        float(y0 + (row + 0.5) * (y1 - y0) / CELLS),
    )
