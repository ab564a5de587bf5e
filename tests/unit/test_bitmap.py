"""Packed rows behave as sets of rows do, and lie in memory as FAISS reads them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.bitmap import Bitmap

masks = st.lists(st.booleans(), max_size=200).map(lambda bits: np.asarray(bits, bool))


@st.composite
def pairs(draw):
    size = draw(st.integers(0, 200))
    some = st.lists(st.booleans(), min_size=size, max_size=size)
    return np.asarray(draw(some), bool), np.asarray(draw(some), bool)


@given(masks)
def test_a_mask_comes_back_as_it_was(mask):
    bitmap = Bitmap.from_mask(mask)
    assert np.array_equal(bitmap.to_mask(), mask)
    assert np.array_equal(np.asarray(bitmap), mask)
    assert bitmap.to_rows().tolist() == np.flatnonzero(mask).tolist()
    assert bitmap.count == mask.sum()
    assert bitmap.any() == mask.any()
    assert bitmap.is_full() == mask.all()


@given(pairs())
def test_algebra_is_that_of_sets(pair):
    a, b = pair
    left, right = set(np.flatnonzero(a)), set(np.flatnonzero(b))
    x, y = Bitmap.from_mask(a), Bitmap.from_mask(b)
    for found, expected in (
        (x & y, left & right),
        (x | y, left | right),
        (x - y, left - right),
        (x ^ y, left ^ right),
    ):
        assert found.to_rows().tolist() == sorted(expected)
        assert found.count == len(expected)
    assert (x == y) == (left == right)


@settings(deadline=None)  # the first call compiles
@given(st.integers(1, 300), st.data())
def test_rows_in_any_order_make_the_set(size, data):
    rows = np.asarray(data.draw(st.lists(st.integers(0, size - 1), max_size=400)), np.int64)
    bitmap = Bitmap.from_rows(rows, size)
    assert bitmap.to_rows().tolist() == sorted(set(rows.tolist()))
    asked = np.arange(size)
    assert bitmap.contains(asked).tolist() == np.isin(asked, rows).tolist()


@given(masks, st.integers(0, 300))
def test_single_places_are_found_without_writing_all_rows(mask, most):
    bitmap, rows = Bitmap.from_mask(mask), np.flatnonzero(mask)
    assert bitmap.first(most).tolist() == rows[:most].tolist()
    places = np.arange(len(rows))[::3]
    assert bitmap.rows_at(places).tolist() == rows[places].tolist()


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(0, 6), max_size=200), st.lists(st.booleans(), min_size=7, max_size=7))
def test_rows_of_some_codes(codes, kept):
    codes, kept = np.asarray(codes, np.int8), np.asarray(kept)
    assert np.array_equal(Bitmap.from_codes(codes, kept).to_mask(), kept[codes])


@pytest.mark.parametrize("size", [0, 1, 7, 8, 63, 64, 65, 1000])
def test_none_and_all(size):
    assert Bitmap.none(size).count == 0
    assert Bitmap.all(size).count == size
    assert Bitmap.all(size).is_full()
    assert np.array_equal(Bitmap.all(size).to_rows(), np.arange(size))
    assert (Bitmap.all(size) - Bitmap.all(size)) == Bitmap.none(size)
    assert Bitmap.all(size) is Bitmap.all(size)


def test_faiss_reads_the_same_rows():
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(3)
    mask = rng.random(1003) < 0.1
    packed = Bitmap.from_mask(mask).packed
    assert packed.shape == (126,)
    assert np.array_equal(packed, np.packbits(mask, bitorder="little"))
    selector = faiss.IDSelectorBitmap(1003, faiss.swig_ptr(packed))
    members = [bool(selector.is_member(i)) for i in range(1003)]
    assert members == mask.tolist()


def test_it_is_never_changed():
    rows = Bitmap.from_rows(np.array([1, 2]), 10)
    with pytest.raises(ValueError, match="read-only"):
        rows.words[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        rows.packed[0] = 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(IndexError, match="among 10"):
        Bitmap.from_rows(np.array([3, 10]), 10)
    with pytest.raises(IndexError, match="among 10"):
        Bitmap.from_rows(np.array([-1]), 10)
    with pytest.raises(ValueError, match="do not combine"):
        Bitmap.none(10) | Bitmap.none(11)


def test_it_is_a_mask_where_numpy_wants_one():
    mask = np.arange(100) % 3 == 0
    values = np.arange(100)
    bitmap = Bitmap.from_mask(mask)
    assert np.array_equal(values[np.asarray(bitmap)], values[mask])
    assert np.array_equal(~mask | bitmap, np.ones(100, bool))
    assert np.array_equal(bitmap & mask, mask)
