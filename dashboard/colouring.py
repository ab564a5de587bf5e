"""What a column means as colour: classes with codes, or numbers with a scale.

Built once for a bundle and shared by its sessions; nothing here depends on a visitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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

    def shown(self, hidden: tuple[str, ...]) -> NDArray[np.bool_]:
        """Return which catalog rows remain when some classes are hidden, (N,)."""
        kept = np.asarray([name not in hidden for name in self.names], bool)
        return np.asarray(kept[self.codes], bool)


@dataclass(frozen=True)
class Numbers:
    """A number a source, (N,) float32 with NaN where it is missing."""

    column: Column
    values: NDArray[np.float32]

    @cached_property
    def finite(self) -> NDArray[np.float32]:
        """The values that are there, ascending."""
        return np.sort(self.values[np.isfinite(self.values)])

    def among(self, rows: NDArray[np.bool_]) -> Numbers:
        """Return the numbers of some rows, (M,)."""
        return Numbers(self.column, self.values[rows])

    def percentile(self, percent: float) -> float:
        """Return a percentile of the values that are there; NaN where there are none."""
        if not len(self.finite):
            return float("nan")
        place = percent / 100 * (len(self.finite) - 1)
        return float(np.interp(place, np.arange(len(self.finite)), self.finite))


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
    low, high = (numbers.percentile(p) for p in clip)
    if scale == "log" and not low > 0:
        scale = "linear"
    knots = np.array([numbers.percentile(p) for p in np.linspace(*clip, 257)])
    return Ramp(low, high, scale, np.maximum.accumulate(knots))


def describe_column(bundle: Bundle, space: str, name: str) -> Column:
    """Describe a catalog column or a latent."""
    if name in bundle.space(space).latent_names:
        return Column(name, description="latent")
    return bundle.column(name)


@lru_cache(maxsize=256)
def colour_choices(bundle: Bundle, space: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what a map may be coloured by: titles of groups with names; ids never."""
    columns, frame = bundle.columns, bundle.catalog
    classes = [c.name for c in columns if c.kind == "flag"]
    few = [
        c.name for c in columns if c.kind == "category" and frame[c.name].nunique() <= MOST_CLASSES
    ]
    numbers = [c.name for c in columns if c.kind == "number"]
    latents = [n for n in bundle.space(space).latent_names if n not in numbers]
    groups = (("Classes", few + classes), ("Numbers", numbers), ("Latents", latents))
    return tuple((title, tuple(names)) for title, names in groups if names)


@lru_cache(maxsize=32)
def colouring(bundle: Bundle, space: str, name: str) -> Classes | Numbers:
    """Return a catalog column or latent as classes or numbers, over all catalog rows."""
    column = describe_column(bundle, space, name)
    latents = bundle.space(space).latent_names
    if name in latents:
        values = bundle.space(space).latents[:, latents.index(name)]
        return Numbers(column, np.asarray(values, np.float32))
    series = bundle.catalog[name]
    if column.kind in ("category", "flag", "text"):
        return _classes(column, series)
    values = pd.to_numeric(series, errors="coerce").to_numpy(np.float32, na_value=np.nan)
    return Numbers(column, np.where(np.isfinite(values), values, np.nan).astype(np.float32))


def _classes(column: Column, series: pd.Series) -> Classes:
    texts = series.astype("object").where(series.notna(), None)
    found, uniques = pd.factorize(texts)
    names = [str(u) for u in uniques]
    found = np.where(found < 0, len(names), found)
    labels = [name if name.strip() else NO_LABEL for name in [*names, NO_LABEL]]
    counts = pd.Series(np.bincount(found, minlength=len(labels))).groupby(labels).sum()
    ordered = sorted(
        (str(n) for n in counts.index if counts[n]), key=lambda n: (n == NO_LABEL, -counts[n], n)
    )
    small: type[np.integer] = np.int8 if len(ordered) <= 125 else np.int16
    place = {name: i for i, name in enumerate(ordered)}
    table = np.asarray([place.get(label, 0) for label in labels], small)
    codes: NDArray[np.integer] = table[found]
    return Classes(
        column, tuple(ordered), codes, np.asarray([counts[n] for n in ordered], np.int64)
    )


@lru_cache(maxsize=16)
def drawn_codes(bundle: Bundle, space: str, projection: str, name: str) -> NDArray[np.integer]:
    """Return the codes of a colouring in drawing order, (P,)."""
    order = bundle.space(space).projection(projection).drawing.order
    classes = colouring(bundle, space, name)
    if not isinstance(classes, Classes):
        raise TypeError(f"{name} holds numbers, not classes")
    return np.ascontiguousarray(classes.codes[order])


@lru_cache(maxsize=16)
def drawn_values(bundle: Bundle, space: str, projection: str, name: str) -> NDArray[np.float32]:
    """Return the numbers of a colouring in drawing order, (P,)."""
    order = bundle.space(space).projection(projection).drawing.order
    numbers = colouring(bundle, space, name)
    if not isinstance(numbers, Numbers):
        raise TypeError(f"{name} holds classes, not numbers")
    return np.ascontiguousarray(numbers.values[order])


@lru_cache(maxsize=16)
def drawn_missing(bundle: Bundle, space: str, projection: str, name: str) -> NDArray[np.int8]:
    """Return where the numbers of a colouring are missing, in drawing order, (P,): 1, else 0."""
    return np.isnan(drawn_values(bundle, space, projection, name)).view(np.int8)


@lru_cache(maxsize=16)
def default_colour(bundle: Bundle, space: str) -> str:
    """Return the column a map opens with: classes of variability, else classes, else a number."""
    # what the program found itself is offered, but a map opens with what the survey says
    found = set(bundle.catalog) - set(bundle.folder.catalog.frame)
    offered = [n for _, names in colour_choices(bundle, space) for n in names if n not in found]
    preferred = ("macro_class", "best_class_name", "class_label", *offered)
    return next((name for name in preferred if name in offered), "")
