"""Histograms count what numpy counts, and a range selects what lies in it."""

import numpy as np
import pytest

from dashboard.bitmap import Bitmap
from dashboard.histogram import BINS, binned, count, rows_between
from dashboard.histogram_plot import LOG_FOOT, MOST_TICKS, bars, count_ticks, heights
from latent_core.catalog import Column

RNG = np.random.default_rng(4)
SIZE = 20_000
VALUES = RNG.normal(5, 2, SIZE)
VALUES[::11] = np.nan
SHOWN, SELECTED = RNG.random(SIZE) < 0.8, RNG.random(SIZE) < 0.3
COLUMN = Column("teff", "K", "Teff")


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("log", [False, True])
def test_counts_equal_numpy(kind, log):
    values = VALUES.astype(kind)
    bins = binned(COLUMN, values, log=log)
    found = count(bins, Bitmap.from_mask(SHOWN), Bitmap.from_mask(SELECTED))
    with np.errstate(invalid="ignore"):
        axis = np.log10(np.where(values > 0, values, np.nan)) if log else values
    for mask, counts in ((SHOWN, found.shown), (SHOWN & SELECTED, found.selected)):
        edges = bins.edges
        expected = np.histogram(axis[mask & np.isfinite(axis)], edges)[0]
        # a value on an edge may be rounded to either side
        assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 1
    there = np.isfinite(values) & SHOWN
    assert found.missing == (SHOWN & np.isnan(values)).sum()
    assert found.shown.sum() + found.outside == there.sum()


def test_a_few_values_far_out_do_not_flatten_the_rest_and_are_counted():
    values = VALUES.copy()
    values[1:6] = 1e9
    bins = binned(COLUMN, values)
    assert bins.high < 20
    found = count(bins, Bitmap.all(SIZE), Bitmap.none(SIZE))
    assert 5 <= found.outside < 60
    assert not found.selected.any()


def test_every_value_of_a_plain_column_is_inside():
    whole = np.linspace(3, 7, 501)
    found = count(binned(COLUMN, whole), Bitmap.all(501), Bitmap.all(501))
    assert found.outside == found.missing == 0
    assert found.shown.sum() == 501


@pytest.mark.parametrize("values", [np.full(5, np.nan), np.empty(0), np.full(4, 2.5), -np.ones(3)])
@pytest.mark.parametrize("log", [False, True])
def test_columns_without_numbers_or_of_one_number_have_an_axis(values, log):
    bins = binned(COLUMN, values, log=log)
    found = count(bins, Bitmap.all(len(values)), Bitmap.none(len(values)))
    assert bins.high > bins.low
    assert found.shown.sum() + found.outside + found.missing == len(values)


def test_a_logarithmic_axis_says_so_and_gives_back_the_columns_values():
    bins = binned(COLUMN, 10 ** RNG.uniform(3, 4, 1000), log=True)
    assert bins.title == "log₁₀ Teff [K]"
    assert bins.values_of(3.5, 3.2) == pytest.approx((10**3.2, 10**3.5))
    assert binned(COLUMN, VALUES).title == "Teff [K]"


def test_a_range_selects_its_shown_rows_both_ends_included():
    values = np.array([1, 2, 3, np.nan, 4, 2.5], np.float32)
    shown = np.array([True, True, True, True, True, False])
    assert rows_between(values, 2, 3, Bitmap.from_mask(shown)).to_rows().tolist() == [1, 2]


def test_bars_on_a_logarithmic_scale_show_one_source():
    counts = np.array([0, 1, 10, 1000])
    assert heights(counts, log_counts=False).tolist() == [0, 1, 10, 1000]
    assert heights(counts, log_counts=True) == pytest.approx(
        [0, LOG_FOOT, 1 + LOG_FOOT, 3 + LOG_FOOT]
    )
    bins = binned(COLUMN, VALUES)
    found = bars(bins, np.r_[0, np.ones(BINS - 1, int)], log_counts=False)
    assert len(found["left"]) == BINS - 1
    assert found["left"] == pytest.approx(bins.edges[1:-1])


@pytest.mark.parametrize("most", [0, 1, 3, 7, 99, 12_345, 4_000_000])
def test_ticks_are_few_and_reach_the_top(most):
    linear = count_ticks(most, log_counts=False)
    assert 1 <= len(linear) <= MOST_TICKS + 1
    assert max(linear) <= most
    assert most < 2 or max(linear) >= most / 2
    decades = count_ticks(most, log_counts=True)
    assert next(iter(decades.values())) == "1"
