"""Columns as colours: every kind of column gives the codes and numbers that it holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.colouring import Numbers, _classes, ramp
from dashboard.theme import NO_LABEL
from latent_core.catalog import Column

TEXTS = ["RR", None, "CEP", "RR", "", "RR", "CEP"]
KINDS = {
    "text": pd.Series(TEXTS),
    "category": pd.Series(pd.Categorical(TEXTS, ["unused", "CEP", "", "RR"])),
    "object": pd.Series(TEXTS, dtype=object),
}


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_ordered_by_size_with_the_unlabelled_last(kind):
    found = _classes(Column("kind", kind="category"), KINDS[kind])
    assert found.names == ("RR", "CEP", NO_LABEL)
    assert found.counts.tolist() == [3, 2, 2]
    assert found.codes.tolist() == [0, 2, 1, 0, 2, 0, 1]
    assert found.codes.dtype == np.int8


@pytest.mark.parametrize(
    "flags",
    [
        pd.Series([True, False, True]),
        pd.Series([True, False, True, None], dtype=object),
        pd.Series([True, False, True, None], dtype="boolean"),
    ],
)
def test_flags_are_classes(flags):
    found = _classes(Column("flag", kind="flag"), flags)
    assert found.names[:2] == ("True", "False")
    assert found.codes.tolist()[:3] == [0, 1, 0]
    assert found.counts.sum() == len(flags)
    assert (len(found.names) == 3) == bool(flags.isna().any())


def test_many_classes_keep_their_codes():
    names = pd.Series([f"c{i:03d}" for i in range(300)] * 2)
    found = _classes(Column("kind", kind="category"), names)
    assert found.codes.dtype == np.int16
    assert [found.names[c] for c in found.codes] == names.tolist()


def test_percentiles_are_numpys_and_leave_missing_values_out():
    values = np.random.default_rng(0).normal(size=1001).astype(np.float32)
    values[::7] = np.nan
    percents = np.linspace(0, 100, 333)
    there = values[np.isfinite(values)].astype(np.float64)
    found = Numbers(Column("v"), values).percentiles(percents)
    np.testing.assert_allclose(found, np.percentile(there, percents), rtol=0, atol=1e-12)


def test_a_column_without_a_value_has_no_scale():
    found = ramp(Numbers(Column("v"), np.full(5, np.nan, np.float32)), "log", (1, 99))
    assert np.isnan(found.low)
    assert np.isnan(found.high)
