"""Selecting agrees with an independent test on any polygon."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.selecting import box_around, nearest_row, select_box, select_polygon
from latent_core.projection import sort_for_drawing

RNG = np.random.default_rng(5)
POINTS = np.concatenate(
    [RNG.normal(0, 1, (3000, 2)), RNG.normal((4, -2), (0.2, 2), (2000, 2))]
).astype(np.float32)
POINTS[::97] = np.nan
DRAWING = sort_for_drawing(POINTS)


def even_odd(points, corners):
    """Cast a ray to the left of each point (ours casts to the right)."""
    inside = np.zeros(len(points), bool)
    following = np.roll(corners, -1, axis=0)
    for (ax, ay), (bx, by) in zip(corners, following, strict=True):
        if ay == by:
            continue
        spans = (ay <= points[:, 1]) != (by <= points[:, 1])
        crossing = ax + (points[:, 1] - ay) * (bx - ax) / (by - ay)
        inside ^= spans & (crossing < points[:, 0])
    return inside


corner = st.tuples(st.floats(-4, 7, width=32), st.floats(-9, 6, width=32))


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.floats(0.02, 12))
def test_random_polygons_equal_ray_casting(seed, corners, size):
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(-0.5, 0.5, (corners, 2)) * size + rng.uniform(-3, 5, 2)
    expected = np.flatnonzero(even_odd(POINTS.astype(float), polygon))
    found = select_polygon(DRAWING, polygon[:, 0], polygon[:, 1])
    assert np.array_equal(np.sort(found), expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(corner, min_size=3, max_size=12))
def test_hypothesis_polygons_differ_at_most_on_the_outline(corners):
    polygon = np.asarray(corners, float)
    expected = even_odd(POINTS.astype(float), polygon)
    found = np.zeros(len(POINTS), bool)
    found[select_polygon(DRAWING, polygon[:, 0], polygon[:, 1])] = True
    different = POINTS[found != expected].astype(float)
    assert all(outline_distance(point, polygon) < 1e-6 for point in different)


def outline_distance(point, polygon):
    ends = np.roll(polygon, -1, axis=0) - polygon
    length = np.maximum((ends**2).sum(1), 1e-300)
    along = np.clip(((point - polygon) * ends).sum(1) / length, 0, 1)
    return np.hypot(*(polygon + along[:, None] * ends - point).T).min()


def test_star_polygon_leaves_its_middle_out():
    angle = np.pi / 2 + np.arange(5) * 4 * np.pi / 5
    x, y = 2 * np.cos(angle), 2 * np.sin(angle)
    rows = select_polygon(DRAWING, x, y)
    assert len(rows) > 50
    assert np.hypot(*POINTS[rows].T).min() > 0.5


def test_polygon_far_outside_selects_nothing_and_around_everything():
    square = np.array([-1.0, 1, 1, -1]), np.array([-1.0, -1, 1, 1])
    assert len(select_polygon(DRAWING, square[0] + 1e6, square[1])) == 0
    everything = select_polygon(DRAWING, square[0] * 1e4, square[1] * 1e4)
    assert len(everything) == np.isfinite(POINTS).all(1).sum()


@settings(max_examples=100, deadline=None)
@given(corner, corner)
def test_box_equals_comparison(a, b):
    x0, x1 = sorted((a[0], b[0]))
    y0, y1 = sorted((a[1], b[1]))
    x, y = POINTS.T
    expected = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
    assert np.array_equal(np.sort(select_box(DRAWING, x0, x1, y0, y1)), expected)


@settings(max_examples=100, deadline=None)
@given(corner, st.floats(0.01, 2), st.floats(0.01, 2))
def test_nearest_equals_brute_force(place, rx, ry):
    distance = np.hypot((POINTS[:, 0] - place[0]) / rx, (POINTS[:, 1] - place[1]) / ry)
    row = nearest_row(DRAWING, *place, (rx, ry))
    if row < 0:
        assert np.nanmin(distance) > 1 - 1e-6
    else:
        assert distance[row] == pytest.approx(np.nanmin(distance), abs=1e-6)


def test_nearest_skips_what_is_hidden():
    shown = np.ones(len(POINTS), bool)
    first = nearest_row(DRAWING, 0, 0, (1, 1), shown)
    shown[first] = False
    assert nearest_row(DRAWING, 0, 0, (1, 1), shown) not in (first, -1)


def test_box_around_holds_about_the_asked_number():
    x0, x1, y0, y1 = box_around(DRAWING, 0.0, 0.0, 1000)
    assert 990 <= len(select_box(DRAWING, x0, x1, y0, y1)) <= 1010
