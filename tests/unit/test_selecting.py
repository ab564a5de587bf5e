"""Selecting agrees with an independent test on any polygon."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.bitmap import Bitmap
from dashboard.polygon import exact_turn
from dashboard.selecting import box_around, nearest_row, select_box, select_polygon
from latent_core.projection import sort_for_drawing

RNG = np.random.default_rng(5)
POINTS = np.concatenate(
    [RNG.normal(0, 1, (3000, 2)), RNG.normal((4, -2), (0.2, 2), (2000, 2))]
).astype(np.float32)
POINTS[::97] = np.nan
DRAWING = sort_for_drawing(POINTS)


SIZE = len(POINTS)
CLOSE = 3e-6  # of a polygon, where even the rounding of a plain test could matter
LATTICE = 1 << 20


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


def even_odd_exactly(points, corners):
    """Count the edges to the right of each point in whole numbers or fractions: no rounding."""
    inside = np.zeros(len(points), bool)
    x, y = points.T
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        (lx, ly), (ux, uy) = ((ax, ay), (bx, by)) if ay < by else ((bx, by), (ax, ay))
        spans = (ly <= y) & (y < uy)
        inside ^= spans & ((x - lx) * (uy - ly) < (ux - lx) * (y - ly))
    return inside


def fractions(values):
    return np.asarray([[Fraction(float(v)) for v in row] for row in values], object)


def mask_of(drawing, corners, size):
    return select_polygon(drawing, corners[:, 0], corners[:, 1], size).to_mask()


def checked_reference(points, corners):
    """Even-odd by a plain test, and in fractions for points next to the outline."""
    placed = np.flatnonzero(np.isfinite(points).all(1))
    exact = points[placed].astype(float)
    expected = np.zeros(len(points), bool)
    expected[placed] = even_odd(exact, corners)
    near = np.zeros(len(placed), bool)
    for start, way in zip(corners, np.roll(corners, -1, axis=0) - corners, strict=True):
        along = np.clip((exact - start) @ way / max(way @ way, 1e-300), 0, 1)
        near |= np.hypot(*(start + along[:, None] * way - exact).T) < CLOSE
    if near.any():
        expected[placed[near]] = even_odd_exactly(fractions(exact[near]), fractions(corners))
    return expected


corner = st.tuples(st.floats(-4, 7, width=32), st.floats(-9, 6, width=32))


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.floats(0.02, 12))
def test_random_polygons_equal_ray_casting(seed, corners, size):
    """Random corners in random order: nearly all of these polygons cross themselves."""
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(-0.5, 0.5, (corners, 2)) * size + rng.uniform(-3, 5, 2)
    assert np.array_equal(mask_of(DRAWING, polygon, SIZE), checked_reference(POINTS, polygon))


@settings(max_examples=500, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(3, 60),
    st.sampled_from([4, 16, 1000, LATTICE]),
    st.sampled_from([0, -7, LATTICE // 2]),
)
def test_polygons_and_points_of_a_lattice_are_decided_exactly(seed, corners, side, shift):
    """On a coarse lattice many points are corners or lie on edges; whole numbers round nowhere."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, side + 1, (800, 2)) + shift
    polygon = rng.integers(-side // 4, side + side // 4 + 1, (corners, 2)) + shift
    polygon[::5] = points[: len(polygon[::5])]
    drawing = sort_for_drawing(points.astype(np.float32))
    found = mask_of(drawing, polygon.astype(float), len(points))
    assert np.array_equal(found, even_odd_exactly(points, polygon))


@settings(max_examples=100, deadline=None)
@given(st.lists(corner, min_size=3, max_size=12))
def test_hypothesis_polygons_are_decided_exactly(corners):
    polygon = np.asarray(corners, float)
    assert np.array_equal(mask_of(DRAWING, polygon, SIZE), checked_reference(POINTS, polygon))


@pytest.mark.parametrize("corners", [200, 601, 2000])
def test_polygons_of_many_corners(corners):
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    reach = 2 * (1 + 0.4 * np.sin(9 * turn) + 0.02 * RNG.standard_normal(corners))
    polygon = np.column_stack([reach * np.cos(turn), reach * np.sin(turn)])
    expected = checked_reference(POINTS, polygon)
    assert np.array_equal(mask_of(DRAWING, polygon, SIZE), expected)
    assert expected.sum() > 1000


@pytest.mark.parametrize("far", [1e3, 1e9, 1e15, 1e200])
def test_corners_far_away_decide_as_exactly(far):
    rng = np.random.default_rng(int(np.log10(far)))
    for _ in range(20):
        polygon = rng.uniform(-3, 3, (7, 2))
        polygon[::3] *= far
        near = np.clip(polygon, -1e100, 1e100)
        expected = np.zeros(SIZE, bool)
        placed = np.flatnonzero(np.isfinite(POINTS).all(1))[::25]
        expected[placed] = even_odd_exactly(fractions(POINTS[placed]), fractions(near))
        found = mask_of(DRAWING, polygon, SIZE)
        assert np.array_equal(found[placed], expected[placed])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(1, 1e6), min_size=6, max_size=6), st.integers(-2, 2))
def test_the_side_of_a_line_is_exact(values, steps):
    ax, ay, bx, by, px, py = values
    ax, ay = -ax, ay - 1000
    px = 0.75 * ax + 0.25 * bx if steps else px  # next to the line, few roundings beside it
    py = 0.75 * ay + 0.25 * by if steps else py
    for _ in range(abs(steps) if abs(px) > 1e-9 else 0):
        px = np.nextafter(px, np.inf * steps)
    a, b, c, d, e, f = (Fraction(float(v)) for v in (ax, ay, bx, by, px, py))
    side = (c - a) * (f - b) - (d - b) * (e - a)
    assert exact_turn(ax, ay, bx, by, px, py) == (side > 0) - (side < 0)


def test_corners_a_rounding_beside_a_row_of_points_decide_exactly():
    """An edge along a diagonal of points, its end moved by 2^-53: plain arithmetic errs here."""
    points = np.repeat([[1.0], [2], [6], [12], [18]], 2, axis=1).astype(np.float32)
    drawing, exact = sort_for_drawing(points), fractions(points)
    steps = np.arange(12)
    wrong = 0
    for i, j in itertools.product(steps, steps):
        polygon = np.array([[0.5 + i * 2.0**-53, 0.5 + j * 2.0**-53], [24, 24], [30, -10]])
        expected = even_odd_exactly(exact, fractions(polygon))
        assert np.array_equal(mask_of(drawing, polygon, len(points)), expected)
        wrong += np.count_nonzero(even_odd(points.astype(float), polygon) != expected)
    assert wrong > 0


def test_star_polygon_leaves_its_middle_out():
    angle = np.pi / 2 + np.arange(5) * 4 * np.pi / 5
    x, y = 2 * np.cos(angle), 2 * np.sin(angle)
    rows = select_polygon(DRAWING, x, y, SIZE).to_rows()
    assert len(rows) > 50
    assert np.hypot(*POINTS[rows].T).min() > 0.5


def test_polygon_far_outside_selects_nothing_and_around_everything():
    square = np.array([-1.0, 1, 1, -1]), np.array([-1.0, -1, 1, 1])
    assert not select_polygon(DRAWING, square[0] + 1e6, square[1], SIZE).any()
    everything = select_polygon(DRAWING, square[0] * 1e4, square[1] * 1e4, SIZE)
    assert np.array_equal(everything.to_mask(), np.isfinite(POINTS).all(1))


@settings(max_examples=100, deadline=None)
@given(corner, corner)
def test_box_equals_comparison(a, b):
    x0, x1 = sorted((a[0], b[0]))
    y0, y1 = sorted((a[1], b[1]))
    x, y = POINTS.T
    expected = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    assert np.array_equal(select_box(DRAWING, x0, x1, y0, y1, SIZE).to_mask(), expected)


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
    everything = Bitmap.all(SIZE)
    first = nearest_row(DRAWING, 0, 0, (1, 1), everything)
    shown = everything - Bitmap.from_rows(np.array([first]), SIZE)
    assert nearest_row(DRAWING, 0, 0, (1, 1), shown) not in (first, -1)


def test_box_around_holds_about_the_asked_number():
    x0, x1, y0, y1 = box_around(DRAWING, 0.0, 0.0, 1000)
    assert 990 <= select_box(DRAWING, x0, x1, y0, y1, SIZE).count <= 1010
