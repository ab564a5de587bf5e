"""The class labels that a report asks for: category columns, and the published groups of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.display_groups import display_groups
from latent_core.evaluation import common_classes
from latent_core.figures import label_columns
from latent_core.report.content import Features, sample

FEWEST_GROUPS = 5
LEAST_GROUPED = 0.5


@dataclass(frozen=True)
class Labels:
    """One set of labels of all sources, (N,) of str or None."""

    name: str
    title: str
    values: NDArray[np.object_]


def label_sets(catalog: Catalog) -> tuple[Labels, ...]:
    """Return every category column, and the display groups of one whose labels they merge."""
    found: list[Labels] = []
    for column in label_columns(catalog):
        values = catalog.frame[column.name].to_numpy(object)
        found += _groups_of(column.name, values)
        found.append(Labels(column.name, column.label or column.name, values))
    return tuple(found)


def _groups_of(name: str, values: NDArray[np.object_]) -> Iterator[Labels]:
    groups = display_groups(values)
    grouped = np.array([group is not None for group in groups])
    known = np.array([isinstance(value, str) and value != "" for value in values])
    if grouped.sum() < LEAST_GROUPED * known.sum():
        return
    if len(set(groups[grouped])) >= FEWEST_GROUPS:
        yield Labels(f"{name}_group", f"{name}: display groups of Huijse et al. 2025", groups)


def labelled(features: Features, labels: Labels, largest: int | None = None) -> NDArray[np.int64]:
    """Return positions in `features` whose source has a label of a class that is not tiny.

    At most `largest` of them, a seeded sample, where every class is still not tiny.
    """
    known = _common(features, labels, np.arange(len(features.rows)))
    if largest is None or len(known) <= largest:
        return known
    return _common(features, labels, known[sample(len(known), largest)])


def _common(features: Features, labels: Labels, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    return positions[common_classes(labels.values[features.rows[positions]])]
