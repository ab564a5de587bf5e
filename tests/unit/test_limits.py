"""What a browser sends is clipped or refused, and counted."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import limits
from dashboard.limits import LimitError

EXTENT = (-10.0, 10.0, 0.0, 4.0)
anything = st.one_of(st.floats(), st.integers(), st.none(), st.text(), st.booleans())


@given(anything, anything)
def test_plot_size_is_within_bounds_or_refused(width, height):
    try:
        size = limits.plot_size(width, height)
    except LimitError:
        return
    assert all(16 <= pixels <= 2048 and isinstance(pixels, int) for pixels in size)


@given(anything, st.integers(16, 2048), st.integers(16, 2048))
def test_pixel_ratio_keeps_the_picture_small_or_is_refused(ratio, width, height):
    try:
        taken = limits.pixel_ratio(ratio, width, height)
    except LimitError:
        return
    assert 1 <= taken <= 2
    assert taken == 1 or width * height * taken**2 <= 1.01 * limits.MOST_PIXELS


@given(st.one_of(anything, st.lists(anything, max_size=5)))
def test_triple_has_three_parts_or_is_refused(values):
    try:
        assert len(limits.triple(values, "pointer")) == 3
    except LimitError:
        return


@given(st.lists(anything, max_size=6))
def test_view_is_finite_ordered_and_near_the_data(box):
    try:
        x0, x1, y0, y1 = limits.view(box, EXTENT)
    except LimitError:
        return
    assert all(map(math.isfinite, (x0, x1, y0, y1)))
    assert x0 < x1
    assert y0 < y1
    assert abs(x0) <= 41
    assert abs(y1) <= 11


@given(st.one_of(anything, st.lists(anything)), st.one_of(anything, st.lists(anything)))
def test_polygon_is_finite_or_refused(xs, ys):
    try:
        x, y = limits.polygon(xs, ys)
    except LimitError:
        return
    assert len(x) == len(y) >= 3
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()


def test_long_polygon_is_thinned():
    angle = np.linspace(0, 6, 100_000)
    x, _ = limits.polygon(np.cos(angle), np.sin(angle))
    assert len(x) == limits.MOST_VERTICES


def test_refusals_are_counted():
    before = limits.refused["row"]
    with pytest.raises(LimitError, match="no such row"):
        limits.row(5, 5)
    assert limits.refused["row"] == before + 1
    assert limits.row(4.0, 5) == 4


@pytest.mark.parametrize("value", [-1, 0.5, float("nan"), None, "3", True])
def test_row_refuses(value):
    with pytest.raises(LimitError):
        limits.row(value, 10)


def test_choice_takes_only_what_was_offered():
    assert limits.choice("add", ["new", "add"]) == "add"
    for value in ("delete", None, 0, ["add"]):
        with pytest.raises(LimitError):
            limits.choice(value, ["new", "add"])


def test_id_text_is_short_and_printable():
    assert limits.id_text("  Gaia DR3 42 ") == "Gaia DR3 42"
    for value in ("9" * 500, "4\x0029", None, 42):
        with pytest.raises(LimitError):
            limits.id_text(value)


def test_safe_text_escapes():
    assert limits.safe_text('<img src=x onerror="a()">&') == (
        "&lt;img src=x onerror=&quot;a()&quot;&gt;&amp;"
    )
