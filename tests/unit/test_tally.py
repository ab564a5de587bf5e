"""One pass over a set of rows gives what numpy gives on a copy of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.bitmap import Bitmap
from dashboard.colouring import Numbers, ramp
from dashboard.tally import chosen, class_counts, histogram, numbers_of, percentiles
from dashboard.views.colour import BINS, bar_edges
from latent_core.catalog import Column

BAND = (0, 16, 50, 84, 100)


def column_of(seed, count, dtype):
    """Numbers of many sizes and signs, with ties, zeros of both signs, and some missing."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(count) * 10.0 ** rng.integers(-30, 30, count)
    values[rng.random(count) < 0.3] = rng.integers(-3, 4)
    values[rng.random(count) < 0.1] = np.nan
    values[rng.random(count) < 0.05] = -0.0
    values[rng.random(count) < 0.02] = np.inf
    values[rng.random(count) < 0.02] = -np.inf
    return values.astype(dtype), rng.random(count) < rng.random()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.sampled_from([np.float32, np.float64]))
def test_percentiles_are_those_of_numpy(seed, count, dtype):
    values, mask = column_of(seed, count, dtype)
    found = percentiles(values, Bitmap.from_mask(mask), BAND)
    inside = values[mask].astype(np.float64)
    good = inside[np.isfinite(inside)]
    assert (found.finite, found.missing) == (len(good), len(inside) - len(good))
    if len(good):
        assert found.values == tuple(np.percentile(good, BAND))
    else:
        assert np.isnan(found.values).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.integers(1, 30))
def test_bins_are_those_of_numpy(seed, count, bins):
    values, mask = column_of(seed, count, np.float32)
    edges = np.sort(np.random.default_rng(seed).normal(0, 10, bins + 1))
    found = histogram(values, Bitmap.from_mask(mask), edges)
    assert found.tolist() == np.histogram(values[mask], edges)[0].tolist()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.integers(1, 120))
def test_classes_are_counted(seed, count, classes):
    rng = np.random.default_rng(seed)
    codes, mask = rng.integers(0, classes, count).astype(np.int8), rng.random(count) < 0.4
    found = class_counts(codes, Bitmap.from_mask(mask), classes)
    assert found.tolist() == np.bincount(codes[mask], minlength=classes).tolist()
    values = rng.standard_normal(count)
    assert np.array_equal(chosen(values, Bitmap.from_mask(mask)), values[mask])


@pytest.mark.parametrize("scale", ["linear", "log", "asinh", "rank"])
@pytest.mark.parametrize("kind", ["wide", "one value", "few values"])
def test_the_bar_counts_values_as_it_would_count_their_places(scale, kind):
    rng = np.random.default_rng(1)
    values = {
        "wide": np.exp(rng.normal(0, 2, 20_000)),
        "one value": np.full(50, 3.5),
        "few values": rng.integers(1, 5, 500),
    }[kind].astype(np.float32)
    values[::17] = np.nan
    bar = ramp(Numbers(Column("v"), values), scale, (1, 99))
    expected = np.histogram(bar.place(values[np.isfinite(values)]), bins=BINS, range=(0, 1))[0]
    found = histogram(values, Bitmap.all(len(values)), bar_edges(bar))
    assert found.tolist() == expected.tolist()


def test_columns_of_numbers_are_not_copied_without_need():
    values = np.arange(5, dtype=np.float32)
    frame = pd.DataFrame({"a": values}, copy=False)
    assert np.shares_memory(numbers_of(frame["a"]), values)
    assert numbers_of(pd.Series([1, None], dtype="Int64")).tolist()[0] == 1.0
    assert np.isnan(numbers_of(pd.Series([1, None], dtype="Int64"))[1])
    assert numbers_of(pd.Series([1, 2])).dtype == np.float64
