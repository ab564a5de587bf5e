"""What a column means as colour: classes with codes, or numbers with a scale.

Built once for a bundle and shared by its sessions; nothing here depends on a visitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dashboard.bitmap import Bitmap
from dashboard.shared import shared
from dashboard.tally import chosen
from dashboard.theme import NO_LABEL, class_style, rgb
from latent_core import Bundle
from latent_core.catalog import Column

MOST_CLASSES = 120
Scale = Literal["linear", "log", "asinh", "rank"]
SCALES: tuple[Scale, ...] = ("linear", "log", "asinh", "rank")


@dataclass(frozen=True)
class Classes:
    """Classes of a column, most frequent first and `no label` last.

    `codes` (N,) small integers into `names` over catalog rows; `counts` (K,).
    """

    column: Column
    names: tuple[str, ...]
    codes: NDArray[np.integer]
    counts: NDArray[np.int64]

    @property
    def colours(self) -> NDArray[np.uint8]:
        """Colours of the classes, (K, 3)."""
        return np.asarray([rgb(class_style(name).colour) for name in self.names], np.uint8)

    def shown(self, hidden: tuple[str, ...]) -> Bitmap:
        """Return which catalog rows remain when some classes are hidden."""
        kept = np.asarray([name not in hidden for name in self.names], bool)
        return Bitmap.from_codes(self.codes, kept)


@dataclass(frozen=True)
class Numbers:
    """A number a source, (N,) float32 with NaN where it is missing."""

    column: Column
    values: NDArray[np.float32]

    def among(self, rows: Bitmap) -> Numbers:
        """Return the numbers of some rows, (M,)."""
        return Numbers(self.column, np.asarray(chosen(self.values, rows), np.float32))

    def percentiles(self, percents: ArrayLike) -> NDArray[np.float64]:
        """Return percentiles of the values that are there; NaN where there are none.

        Exact; the sorted copy that it takes is not kept, which for millions costs more memory
        than a session.
        """
        found = np.sort(self.values)  # NaN last
        count = len(found) - int(np.isnan(found).sum())
        if not count:
            return np.full(np.shape(percents), np.nan)
        place = np.asarray(percents, np.float64) / 100 * (count - 1)
        low = np.floor(place).astype(np.int64)
        below, above = (found[np.minimum(i, count - 1)].astype(np.float64) for i in (low, low + 1))
        return np.asarray(below + (place - low) * (above - below), np.float64)


@dataclass(frozen=True)
class Ramp:
    """How numbers become 0..1 along a colour map: clipped to low..high, then scaled."""

    low: float
    high: float
    scale: Scale
    knots: NDArray[np.float64]

    def place(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return places in 0..1; NaN stays NaN."""
        inside = np.clip(np.asarray(values, np.float64), self.low, self.high)
        if self.scale == "rank":
            return np.interp(inside, self.knots, np.linspace(0, 1, len(self.knots)))
        start, stop, here = (self._bend(v) for v in (self.low, self.high, inside))
        width = float(stop - start)
        return np.asarray((here - start) / (width if width > 0 else 1.0), np.float64)

    def _bend(self, values: NDArray[np.float64] | float) -> NDArray[np.float64]:
        if self.scale == "log":
            return np.log10(np.maximum(values, 1e-300))
        if self.scale == "asinh":
            unit = max(abs(self.low), abs(self.high), 1e-300) / 10
            return np.arcsinh(np.asarray(values) / unit)
        return np.asarray(values, np.float64)

    def back(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values that stand at places 0..1, for ticks."""
        grid = self.knots if self.scale == "rank" else np.linspace(self.low, self.high, 2001)
        if self.scale == "log" and self.low > 0:
            grid = np.geomspace(self.low, self.high, 2001)
        return np.interp(places, self.place(grid), grid)


def ramp(numbers: Numbers, scale: Scale, clip: tuple[float, float]) -> Ramp:
    """Return the ramp of a column; clip is in per cent of its sources.

    A logarithm needs positive values; the ramp falls back to linear where there are none.
    """
    knots = numbers.percentiles(np.linspace(*clip, 257))
    low, high = float(knots[0]), float(knots[-1])
    if scale == "log" and not low > 0:
        scale = "linear"
    return Ramp(low, high, scale, np.maximum.accumulate(knots))


def describe_column(bundle: Bundle, space: str, name: str) -> Column:
    """Describe a catalog column or a latent."""
    if name in bundle.space(space).latent_names:
        return Column(name, description="latent")
    return bundle.column(name)


@lru_cache(maxsize=256)
def colour_choices(bundle: Bundle, space: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what a map may be coloured by: titles of groups with names; ids never."""
    columns, table = bundle.columns, bundle.table
    classes = [c.name for c in columns if c.kind == "flag"]
    few = [
        c.name for c in columns if c.kind == "category" and table.distinct(c.name) <= MOST_CLASSES
    ]
    numbers = [c.name for c in columns if c.kind == "number"]
    latents = [n for n in bundle.space(space).latent_names if n not in numbers]
    groups = (("Classes", few + classes), ("Numbers", numbers), ("Latents", latents))
    return tuple((title, tuple(names)) for title, names in groups if names)


@shared
def colouring(bundle: Bundle, space: str, name: str) -> Classes | Numbers:
    """Return a catalog column or latent as classes or numbers, over all catalog rows."""
    column = describe_column(bundle, space, name)
    latents = bundle.space(space).latent_names
    if name in latents:
        values = bundle.space(space).latents[:, latents.index(name)]
        return Numbers(column, np.asarray(values, np.float32))
    series = bundle.table[name]
    if column.kind in ("category", "flag", "text"):
        return _classes(column, series)
    values = _as_float32(series)
    if np.isinf(values).any():
        values = np.where(np.isfinite(values), values, np.float32(np.nan))
    return Numbers(column, values)


def _as_float32(series: pd.Series) -> NDArray[np.float32]:
    """Return numbers as they lie in the bundle where they are float32 there, else a copy."""
    if series.dtype == np.float32:
        return np.asarray(series.array)
    return pd.to_numeric(series, errors="coerce").to_numpy(np.float32, na_value=np.nan)


def _classes(column: Column, series: pd.Series) -> Classes:
    found, names = _factorized(series)
    labels = [name if name.strip() else NO_LABEL for name in [*names, NO_LABEL]]
    # a missing value is code -1, so that the last label is its own
    each = np.roll(np.bincount(found + 1, minlength=len(labels)), -1)
    counts = {label: 0 for label in labels}
    for label, count in zip(labels, each.tolist(), strict=True):
        counts[label] += count
    ordered = sorted(
        (n for n in counts if counts[n]), key=lambda n: (n == NO_LABEL, -counts[n], n)
    )
    small: type[np.integer] = np.int8 if len(ordered) <= 125 else np.int16
    place = {name: i for i, name in enumerate(ordered)}
    table = np.asarray([place.get(label, 0) for label in labels], small)
    codes: NDArray[np.integer] = table[found]
    return Classes(
        column, tuple(ordered), codes, np.asarray([counts[n] for n in ordered], np.int64)
    )


def _factorized(series: pd.Series) -> tuple[NDArray[np.integer], list[str]]:
    """Return a code a row, -1 where the value is missing, and the names of the codes."""
    if isinstance(series.array, pd.Categorical):
        return np.asarray(series.array.codes), [str(name) for name in series.array.categories]
    if series.dtype == np.bool_:
        return series.to_numpy().view(np.int8), ["False", "True"]
    found, uniques = pd.factorize(series)
    return np.asarray(found), [str(name) for name in uniques]


@shared
def drawn_codes(bundle: Bundle, space: str, projection: str, name: str) -> NDArray[np.integer]:
    """Return the codes of a colouring in drawing order, (P,)."""
    order = bundle.space(space).projection(projection).drawing.order
    classes = colouring(bundle, space, name)
    if not isinstance(classes, Classes):
        raise TypeError(f"{name} holds numbers, not classes")
    return np.ascontiguousarray(classes.codes[order])


@shared
def drawn_values(bundle: Bundle, space: str, projection: str, name: str) -> NDArray[np.float32]:
    """Return the numbers of a colouring in drawing order, (P,)."""
    order = bundle.space(space).projection(projection).drawing.order
    numbers = colouring(bundle, space, name)
    if not isinstance(numbers, Numbers):
        raise TypeError(f"{name} holds classes, not numbers")
    return np.ascontiguousarray(numbers.values[order])


@shared
def drawn_missing(bundle: Bundle, space: str, projection: str, name: str) -> NDArray[np.int8]:
    """Return where the numbers of a colouring are missing, in drawing order, (P,): 1, else 0."""
    missing = np.isnan(drawn_values(bundle, space, projection, name))
    return np.asarray(missing.view(np.int8))


@lru_cache(maxsize=16)
def default_colour(bundle: Bundle, space: str) -> str:
    """Return the column a map opens with: classes of variability, else classes, else a number."""
    # what the program found itself is offered, but a map opens with what the survey says
    found = set(bundle.table) - set(bundle.folder.catalog.lazy)
    offered = [n for _, names in colour_choices(bundle, space) for n in names if n not in found]
    preferred = ("macro_class", "best_class_name", "class_label", *offered)
    return next((name for name in preferred if name in offered), "")
