"""Every marginal of a survey beside those of other rows, by class and by magnitude."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.comparison.distances import FEWEST, Distance, distance, same_mix
from latent_core.comparison.quantities import titles
from latent_core.comparison.samples import Sample

Floats = NDArray[np.float64]
MIXED = "all, same mix"
WHOLE = "all, classes unknown"
NEARLY_ALL = 0.9  # of a mix of classes that must know a quantity
ERROR_STEP = 1.0  # mag, a bin of transit errors
# the ratio of the medians of amplitude / standard deviation beyond which two amplitudes are not
# the same quantity: a peak to peak amplitude is twice a semi-amplitude
SAME_AMPLITUDE = 1.45
_WORDS = re.compile(r"[|_+]")


@dataclass(frozen=True)
class Marginal:
    """One quantity of one group in two samples, with its distance; None where too few are known.

    `fair` tells whether both sides are the same kind of sources. `bin` is a range of G, if any.
    `parent` is the first sample's class of a finer group, `share` how much of it the group is.
    `selection` is the distance between real inputs in the same quantity of the same class, None
    where only one knows it.
    """

    quantity: str
    title: str
    other: str
    group: str
    found: Distance
    fair: bool = True
    bin: str = ""
    parent: str = ""
    share: float = 1.0
    selection: float | None = None
    first_values: Floats = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    other_values: Floats = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)

    @property
    def name(self) -> str:
        """Quantity, group and bin in words."""
        where = f" at G {self.bin}" if self.bin else ""
        return f"{self.title} of {self.group}{where}"

    @property
    def excess(self) -> float:
        """How far the distance passes its floor, and what the choice of real rows explains."""
        return self.found.ks - max(self.found.floor, self.selection or 0.0)

    def record(self) -> dict[str, Any]:
        """Return all numbers for the JSON file."""
        return {
            "quantity": self.quantity,
            "title": self.title,
            "other": self.other,
            "group": self.group,
            "g_mag": self.bin,
            "same_kind_of_sources": self.fair,
            "between_real_inputs": self.selection,
            "excess": self.excess,
            **asdict(self.found),
        }


@dataclass(frozen=True)
class Group:
    """Rows of two samples that are compared: (n,) of the first, (m,) of the other."""

    name: str
    first: NDArray[np.int64]
    other: NDArray[np.int64]
    fair: bool = True
    parent: str = ""
    share: float = 1.0


def groups_of(first: Sample, other: Sample) -> list[Group]:
    """Return the classes that both have, each with its rows, and all of them in the same mix.

    A class of the other sample is the first one's class of that name, or its finer kinds of that
    name (`MIRA_SR` are the kinds MIRA and SR). Where no class is common, all rows are compared,
    and marked as not the same kind of sources.
    """
    labels = _labels(first.sources, other.sources)
    named = [
        _group(first, other, labels, str(name))
        for name in sorted(set(labels[labels != None]))  # noqa: E711
    ]
    named = [g for g in named if min(len(g.first), len(g.other)) >= FEWEST]
    if not named:
        ours, theirs = (np.arange(len(s.sources)) for s in (first, other))
        return [Group(WHOLE, ours, theirs, fair=False)]
    labels[~np.isin(labels.astype(str), [g.name for g in named])] = None
    theirs = np.concatenate([g.other for g in named])
    ours = same_mix(
        labels,
        other.sources["group"].to_numpy(object)[theirs],
    )
    return [Group(MIXED, ours, theirs), *named] if len(named) > 1 else named


def _group(first: Sample, other: Sample, labels: NDArray[np.object_], name: str) -> Group:
    ours = np.flatnonzero(labels == name)
    classes = first.sources["group"]
    parent = str(next(iter(classes.iloc[ours].mode()), name))
    share = len(ours) / max(1, int((classes == parent).sum()))
    return Group(name, ours, np.flatnonzero(_is(other, name)), parent=parent, share=share)


def _is(sample: Sample, name: str) -> NDArray[np.bool_]:
    return np.asarray(sample.sources["group"].to_numpy(object) == name, bool)


def _labels(first: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.object_]:
    """Return for each row of the first frame which class of the other it is, (N,), or None."""
    names = [name for name in other["group"].dropna().unique() if name]
    group, finer = (first[key].to_numpy(object) for key in ("group", "finer"))
    known = set(first["group"].dropna())
    found = np.full(len(first), None, object)
    for name in names:
        words = [word for word in _WORDS.split(name) if word]
        rows = group == name if name in known else np.isin(finer.astype(str), words)
        found[rows] = name
    return found


def marginals(first: Sample, other: Sample) -> list[Marginal]:
    """Compare every quantity that both samples know, of every group that both have."""
    found: list[Marginal] = []
    for group in groups_of(first, other):
        found += _of_sources(first, other, group)
        if len(first.points) and len(other.points):
            found += _of_points(first, other, group)
    return found


def _of_sources(first: Sample, other: Sample, group: Group) -> Iterator[Marginal]:
    ours, theirs = first.sources.iloc[group.first], other.sources.iloc[group.other]
    for key, title in titles().items():
        if key == "log_amplitude" and not same_amplitude(ours, theirs):
            continue
        if group.name == MIXED and theirs[key].notna().mean() < NEARLY_ALL:
            continue  # known of some classes only: the mix would not be the same
        pair = _marginal(key, title, other, group, (ours[key], theirs[key]))
        if pair is not None:
            yield pair


def same_amplitude(first: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Tell whether two columns of amplitudes mean the same, by their ratio to the sd of G.

    Tables call semi-amplitudes, peak-to-peak amplitudes and ranges alike `amplitude`. A survey
    whose amplitude column has no standard deviation beside it is taken at its word.
    """
    ratios = [float((f["log_amplitude"] - f["log_std"]).median()) for f in (first, other)]
    if not np.isfinite(ratios).all():
        return True
    return bool(abs(ratios[0] - ratios[1]) < np.log10(SAME_AMPLITUDE))


def _marginal(
    key: str,
    title: str,
    other: Sample,
    group: Group,
    values: tuple[pd.Series, pd.Series],
    where: str = "",
) -> Marginal | None:
    a, b = (np.asarray(v.to_numpy(np.float64), np.float64) for v in values)
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    found = distance(a, b)
    if found is None:
        return None
    return Marginal(
        key, title, other.name, group.name, found, group.fair, where, group.parent, group.share,
        first_values=a, other_values=b,
    )  # fmt: skip


def _of_points(first: Sample, other: Sample, group: Group) -> Iterator[Marginal]:
    """Compare gaps of each group, and errors of all sources by magnitude, one point a source.

    Points of one source are alike; one of each keeps the values independent.
    """
    ours, theirs = (
        one_a_source(s.points[s.points["row"].isin(rows)], "log_gap")
        for s, rows in ((first, group.first), (other, group.other))
    )
    gaps = (ours["log_gap"], theirs["log_gap"])
    pair = _marginal("log_gap", "log10 gap of transits [d]", other, group, gaps)
    if pair is not None:
        yield pair
    if group.name in (MIXED, WHOLE):
        yield from _errors(first, other, Group("all", group.first, group.other, group.fair))


def one_a_source(points: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return one random point of each source that has a value in the column."""
    given = points[points[column].notna()]
    return given.sample(frac=1.0, random_state=0).drop_duplicates("item")


def _errors(first: Sample, other: Sample, group: Group) -> Iterator[Marginal]:
    """Compare errors of transits in bins of G; an error depends on magnitude, not on class."""
    low, high = np.floor(other.points["mag"].quantile([0.001, 0.999])).astype(int)
    for g in range(int(low), int(high) + 1):
        ours, theirs = (
            one_a_source(
                s.points[(s.points["mag"] >= g) & (s.points["mag"] < g + ERROR_STEP)], "log_error"
            )
            for s in (first, other)
        )
        pair = _marginal(
            "log_error", "log10 transit error [mag]", other, group,
            (ours["log_error"], theirs["log_error"]), f"{g} to {g + ERROR_STEP:.0f}",
        )  # fmt: skip
        if pair is not None:
            yield pair


def worst(found: list[Marginal]) -> list[Marginal]:
    """Return what is wrong, worst first: fair marginals whose distance passes its floor."""
    wrong = [m for m in found if m.fair and m.excess > 0]
    return sorted(wrong, key=lambda m: -m.excess)
