"""What a selection is, in numbers: classes against the map, ranges of columns, median curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes
from dashboard.tally import (
    Percentiles,
    chosen,
    class_counts,
    histogram,
    numbers_of,
    percentiles,
)
from latent_core import Bundle
from latent_core.catalog import Column
from latent_core.modalities import Curve

SAMPLE, SEED = 300, 20240601
_BAND = (16, 50, 84)


@dataclass(frozen=True)
class ClassShare:
    """One class in a selection: its count there, on the whole map, and the enrichment."""

    name: str
    selected: int
    total: int
    fraction: float
    ratio: float


@dataclass(frozen=True)
class Spread:
    """16, 50 and 84 % of a column in the selection, its median on the map, and what is missing."""

    low: float
    median: float
    high: float
    of_all: float
    missing: int


def class_shares(classes: Classes, rows: Bitmap) -> list[ClassShare]:
    """Return the classes of the selection, most frequent first.

    `ratio` is the class's share of the selection over its share of the map.
    """
    inside = class_counts(classes.codes, rows, len(classes.names))
    size = max(rows.count, 1)
    shares = [
        ClassShare(name, int(n), int(of), n / size, (n / size) / (of / rows.size))
        for name, n, of in zip(classes.names, inside, classes.counts, strict=True)
        if n
    ]
    return sorted(shares, key=lambda share: (-share.selected, share.name))


def spread(bundle: Bundle, name: str, rows: Bitmap) -> Spread | None:
    """Measure a catalog column over the selection; None where it has no number there."""
    whole = _whole(bundle, name)
    found = whole if rows.is_full() else percentiles(_numbers(bundle, name), rows, _BAND)
    if not found.finite:
        return None
    low, median, high = found.values
    return Spread(low, median, high, whole.values[1], found.missing)


@lru_cache(maxsize=512)
def _whole(bundle: Bundle, name: str) -> Percentiles:
    """Measure a column over the whole map: the same for every visitor and every selection."""
    values = _numbers(bundle, name)
    return percentiles(values, Bitmap.all(len(values)), _BAND)


def warm(bundle: Bundle, classes: Classes | None) -> None:
    """Compile for the types of a bundle's columns, before anybody waits for it."""
    few = Bitmap.from_rows(np.arange(min(1, len(bundle.table))), len(bundle.table))
    if classes is not None:
        class_shares(classes, few)
    kinds: dict[object, str] = {}
    for column in numeric_columns(bundle):
        kinds.setdefault(bundle.table[column.name].dtype, column.name)
    for name in kinds.values():
        percentiles(_numbers(bundle, name), few, _BAND)
    numbers = np.zeros(few.size, np.float32)  # what a map is coloured by, when a class is hidden
    histogram(chosen(numbers, few), Bitmap.all(few.count), np.array([0.0, 1.0]))


def _numbers(bundle: Bundle, name: str) -> NDArray[np.floating]:
    return numbers_of(bundle.table[name])


def numeric_columns(bundle: Bundle) -> list[Column]:
    """Return the columns worth a median: numbers, no ids, no errors of other columns."""
    names = {column.name for column in bundle.columns}
    return [
        column
        for column in bundle.columns
        if column.kind == "number"
        and pd.api.types.is_numeric_dtype(bundle.table[column.name])
        and not column.name.endswith("_id")
        and not (column.name.endswith("_err") and column.name.removesuffix("_err") in names)
    ]


def sample_rows(rows: Bitmap, most: int = SAMPLE) -> NDArray[np.int64]:
    """Return at most `most` random members, ascending; the same ones for the same selection."""
    if rows.count <= most:
        return rows.to_rows()
    places = np.random.default_rng(SEED).choice(rows.count, most, replace=False)
    return rows.rows_at(np.sort(places))


def relative(curves: Sequence[Curve]) -> list[Curve]:
    """Take out each source's own brightness: fluxes over their mean, magnitudes minus it.

    Without this the band of a selection shows how bright its members are, not their shapes.
    """
    finite = [np.asarray(c.y)[np.isfinite(c.y)] for c in curves]
    joined = np.concatenate(finite) if finite else np.empty(0)
    mean = float(joined.mean()) if len(joined) else 0.0
    if not mean:
        return list(curves)
    return [_relative(curve, mean) for curve in curves]


def _relative(curve: Curve, mean: float) -> Curve:
    if curve.y_inverted:
        return replace(curve, y=curve.y - mean, y_label=f"{curve.y_label} - mean")
    error = None if curve.y_error is None else curve.y_error / mean
    label = f"{curve.y_label} / mean"
    return replace(curve, y=curve.y / mean, y_error=error, y_label=label, y_unit="")


def median_curves(many: Sequence[Sequence[Curve]]) -> list[Curve]:
    """Return the median of curves of the same name and x; half of 16-84 % is its y_error.

    Names whose x differs from source to source (light curves) are left out.
    """
    by_name: dict[str, list[Curve]] = {}
    for curves in many:
        for curve in curves:
            by_name.setdefault(curve.name, []).append(curve)
    return [_median(curves) for curves in by_name.values() if _same_x(curves)]


def thinned(curve: Curve, most: int = 60) -> Curve:
    """Keep every n-th point, so that bars of neighboring points do not run together."""
    step = -(-len(curve.x) // most)
    error = None if curve.y_error is None else curve.y_error[::step]
    return replace(curve, x=curve.x[::step], y=curve.y[::step], y_error=error)


def _same_x(curves: Sequence[Curve]) -> bool:
    first = curves[0].x
    return all(len(c.x) == len(first) and np.array_equal(c.x, first) for c in curves)


def _median(curves: Sequence[Curve]) -> Curve:
    stack = np.stack([np.asarray(c.y, np.float64) for c in curves])
    low, median, high = np.nanpercentile(stack, _BAND, axis=0)
    return replace(curves[0], y=median, y_error=(high - low) / 2)
