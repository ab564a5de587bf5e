"""The figures of the released table come out of our probes (huijse-2025.md, 6.1 and 6.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from latent_core.display_groups import display_groups
from latent_core.report.probes import knn_classes, linear_classes

pytestmark = pytest.mark.real
TABLE = "published/huijse-2025-release/latent_vars_plus_metadata_pumap.parquet"
PUBLISHED_RECALL = {
    "Active galactic nuclei": 95.5,
    "Cepheid (classical)": 77.9,
    "Cepheid (type II)": 63.1,
    "Chemically peculiar": 92.6,
    "Eclipsing, Algol": 80.7,
    "Eclipsing, W UMa": 70.9,
    "Eclipsing, beta Lyrae": 53.5,
    "Ellipsoidal": 54.5,
    "Mira": 90.5,
    "RR Lyrae ab": 91.3,
    "RR Lyrae c": 89.3,
    "Rotational variable": 77.0,
    "Semi regular": 81.1,
    "Young stellar object": 68.8,
    "delta Scuti": 80.7,
}


@dataclass(frozen=True)
class Released:
    latents: np.ndarray
    cycle: np.ndarray
    groups: np.ndarray


@pytest.fixture(scope="module")
def released(shared) -> Released:
    table = pd.read_parquet(shared / TABLE)
    groups = display_groups(table["label"].to_numpy(object))
    known = np.array([group is not None for group in groups])
    names = [f"latent_mu_{i}" for i in range(15)]
    cycle = np.log10(table[["frequency", "magnitude_std"]].to_numpy(float))
    return Released(table[names].to_numpy(float)[known], cycle[known], groups[known])


def test_the_groups_hold_as_many_sources_as_published(released):
    assert len(released.groups) == 29_930
    assert set(released.groups) == set(PUBLISHED_RECALL)
    assert (released.groups == "Rotational variable").sum() == 5741
    assert (released.groups == "Cepheid (type II)").sum() == 333


@pytest.mark.parametrize(
    ("with_cycle", "accuracy", "macro_f1"), [(False, 83.83, 78.68), (True, 85.35, 80.79)]
)
def test_nearest_neighbors_classify_as_published(released, with_cycle, accuracy, macro_f1):
    x = np.hstack([released.latents, released.cycle]) if with_cycle else released.latents
    found = knn_classes(x, released.groups)
    assert 100 * found.accuracy == pytest.approx(accuracy, abs=0.5)
    assert 100 * found.macro_f1 == pytest.approx(macro_f1, abs=0.5)


def test_the_released_confusion_matrix_comes_out_of_the_linear_probe(released):
    found = linear_classes(released.latents, released.groups)
    recall = dict(zip(found.names, 100 * found.per_class()["recall"], strict=True))
    differences = [abs(recall[name] - value) for name, value in PUBLISHED_RECALL.items()]
    assert np.mean(differences) <= 1.0
    assert 100 * found.balanced_accuracy == pytest.approx(78.1, abs=1.0)
