"""The picture shows exactly the points that it should."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes, Numbers, ramp
from dashboard.raster import View, class_layers, draw, number_layers
from dashboard.shading import UNSELECTED_RGB
from dashboard.theme import NO_LABEL, palette, rgb
from latent_core.catalog import Column
from latent_core.projection import sort_for_drawing

RNG = np.random.default_rng(1)
N = 30_000
COORDINATES = np.concatenate([RNG.normal(0, 1, (N // 2, 2)), RNG.normal(5, 2, (N // 2, 2))])
COORDINATES = COORDINATES.astype(np.float32)
DRAWING = sort_for_drawing(COORDINATES)
NAMES = ("RR", "ECL", "LPV", NO_LABEL)
CODES = RNG.integers(0, 4, N).astype(np.int8)
CLASSES = Classes(Column("class"), NAMES, CODES, np.bincount(CODES))
EVERYTHING = Bitmap.all(N)
WHOLE = View(-20, 20, -20, 20, 200, 160)


def bits(mask):
    return mask if mask is None or isinstance(mask, Bitmap) else Bitmap.from_mask(mask)


def layers(shown=EVERYTHING, selected=None):
    shown, selected = bits(shown), bits(selected)
    return class_layers(DRAWING, CLASSES, CODES[DRAWING.order], shown, selected)


def in_order(values):
    """Return numbers in drawing order, and which of them are missing."""
    return values[DRAWING.order], np.isnan(values[DRAWING.order]).view(np.int8)


def unpack(picture):
    return picture.rgba.view(np.uint8).reshape(*picture.rgba.shape, 4)


def colours_of(picture):
    rgba = unpack(picture)
    return {tuple(int(v) for v in c) for c in np.unique(rgba[rgba[..., 3] > 0][:, :3], axis=0)}


@settings(max_examples=40, deadline=None)
@given(st.floats(-4, 8), st.floats(-4, 8), st.floats(0.05, 20), st.floats(0.05, 20))
def test_in_view_equals_comparison(x0, y0, wide, high):
    view = View(x0, x0 + wide, y0, y0 + high, 97, 61)
    x, y = COORDINATES.T
    inside = (x >= view.x0) & (x <= view.x1) & (y >= view.y0) & (y <= view.y1)
    assert draw(DRAWING, layers(), view).in_view == inside.sum()


def test_every_colour_on_the_map_is_in_the_legend():
    assert colours_of(draw(DRAWING, layers(), WHOLE)) <= {rgb(c) for c in hex_colours()}


def hex_colours():
    return [f"#{r:02X}{g:02X}{b:02X}" for r, g, b in CLASSES.colours]


def test_a_pixel_takes_its_most_frequent_class():
    # Nine sources of class 1, four of class 0, all at one place; many elsewhere.
    place = np.concatenate([np.zeros((13, 2)), RNG.uniform(5, 20, (N - 13, 2))])
    codes = np.concatenate([[0] * 4, [1] * 9, [2] * (N - 13)]).astype(np.int8)
    drawing = sort_for_drawing(place.astype(np.float32))
    classes = Classes(Column("class"), NAMES, codes, np.bincount(codes, minlength=4))
    drawn = class_layers(drawing, classes, codes[drawing.order], EVERYTHING, None)
    picture = draw(drawing, drawn, View(-10, 21, -10, 21, 310, 310))
    assert tuple(unpack(picture)[100, 100, :3]) == tuple(classes.colours[1])


def test_a_single_source_is_visible():
    codes = CODES.copy()
    for zoom in (1.0, 0.01):
        lonely = COORDINATES.copy()
        lonely[7] = (15, -15)
        drawing = sort_for_drawing(lonely)
        drawn = class_layers(drawing, CLASSES, codes[drawing.order], EVERYTHING, None)
        half = 34 * zoom
        picture = draw(
            drawing, drawn, View(15 - half, 15 + half, -15 - half, -15 + half, 401, 401)
        )
        assert unpack(picture)[200, 200, 3] >= 40


def test_points_grow_where_the_map_is_sparse_and_stay_where_it_is_dense():
    sparse, dense = (draw(DRAWING, layers(), View(-20, 20, -20, 20, n, n)) for n in (900, 60))
    x, y = ((COORDINATES.T + 20) * (900 / 40)).astype(int)
    pixels = len(set(zip(x.tolist(), y.tolist(), strict=True)))
    assert (unpack(sparse)[..., 3] > 0).sum() > 2 * pixels
    x, y = ((COORDINATES.T + 20) * (60 / 40)).astype(int)
    pixels = len(set(zip(x.tolist(), y.tolist(), strict=True)))
    lonely = 40
    assert pixels <= (unpack(dense)[..., 3] > 0).sum() <= pixels + 12 * lonely


def test_points_are_as_large_on_a_fine_screen():
    shares = [
        (unpack(draw(DRAWING, layers(), View(-20, 20, -20, 20, n, n, ratio)))[..., 3] > 0).mean()
        for n, ratio in ((500, 1.0), (1000, 2.0))
    ]
    assert shares[1] == pytest.approx(shares[0], rel=0.25)


def test_sparse_selected_points_lie_above_dense_grey():
    selected = np.zeros(N, bool)
    selected[:40] = True
    rgba = unpack(draw(DRAWING, layers(selected=selected), View(-3, 3, -3, 3, 300, 300)))
    coloured = (rgba[..., 3] > 64) & (rgba[..., :3] != UNSELECTED_RGB).any(-1)
    assert coloured.sum() > 5 * 40


def test_hidden_classes_leave_the_picture():
    shown = CODES != 0
    picture = draw(DRAWING, layers(shown), WHOLE)
    assert tuple(CLASSES.colours[0]) not in colours_of(picture)
    assert picture.in_view == shown.sum()


def test_unselected_is_grey_beneath_and_selected_keeps_colour():
    selected = (COORDINATES[:, 0] > 4) & (CODES == 1)
    picture = draw(DRAWING, layers(selected=selected), WHOLE)
    assert colours_of(picture) == {UNSELECTED_RGB, rgb(hex_colours()[1])}
    rgba = unpack(picture)
    grey = (rgba[..., :3] == UNSELECTED_RGB).all(-1) & (rgba[..., 3] > 0)
    assert rgba[grey][:, 3].max() <= 64
    assert picture.in_view == N


@pytest.mark.parametrize("numbers", [False, True])
def test_sorted_points_and_counted_planes_give_one_picture(monkeypatch, numbers):
    selected = COORDINATES[:, 0] > 1
    drawn = layers(selected=selected)
    if numbers:
        values = np.where(CODES == 2, np.nan, COORDINATES[:, 1]).astype(np.float32)
        bar = ramp(Numbers(Column("v"), values), "linear", (1, 99))
        drawn = number_layers(
            DRAWING, *in_order(values), (EVERYTHING, bits(selected)), bar, palette("viridis")
        )
    sorted_points = draw(DRAWING, drawn, WHOLE)
    monkeypatch.setattr("dashboard.raster.MOST_SORTED", 0)
    planes = draw(DRAWING, drawn, WHOLE)
    assert sorted_points.in_view == planes.in_view
    assert np.array_equal(sorted_points.rgba, planes.rgba)


ON_EDGES = sort_for_drawing(np.float32(RNG.integers(0, 160, (N, 2)) / 16))


@pytest.mark.parametrize("drawing", [DRAWING, ON_EDGES])
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("view", [WHOLE, View(0, 10, 0, 10, 160, 160), View(-1, 2.3, 1, 6, 77, 3)])
def test_two_halves_drawn_side_by_side_are_one_picture(monkeypatch, drawing, numbers, view):
    monkeypatch.setattr("dashboard.raster._ALONE", False)
    monkeypatch.setattr("dashboard.raster.FEWEST_AS_IMAGE", 0)
    selected = Bitmap.from_mask(CODES != 3)
    codes = CODES[drawing.order]
    drawn = class_layers(drawing, CLASSES, codes, EVERYTHING, selected)
    if numbers:
        values = RNG.normal(0, 1, N).astype(np.float32)
        bar = ramp(Numbers(Column("v"), values), "linear", (1, 99))
        missing, masks = (codes == 2).view(np.int8), (EVERYTHING, selected)
        drawn = number_layers(drawing, values, missing, masks, bar, palette("viridis"))
    whole = draw(drawing, drawn, view)
    monkeypatch.setattr("dashboard.raster.LEAST_SHARED", 0)
    halves = draw(drawing, drawn, view)
    assert whole.in_view == halves.in_view
    assert np.array_equal(whole.rgba, halves.rgba)


def test_many_classes_draw_in_strips_as_one_picture(monkeypatch):
    monkeypatch.setattr("dashboard.raster.MOST_SORTED", 0)
    whole = draw(DRAWING, layers(), WHOLE)
    monkeypatch.setattr("dashboard.raster.LARGEST_STRIP", 200 * 6 * 4 * 30)
    strips = draw(DRAWING, layers(), WHOLE)
    assert np.array_equal(whole.rgba, strips.rgba)


@pytest.mark.parametrize("scale", ["linear", "log", "asinh", "rank"])
def test_numbers_follow_the_palette_and_missing_is_grey(scale):
    values = (np.abs(COORDINATES[:, 0]) + 1).astype(np.float32)
    values[COORDINATES[:, 1] < 0] = np.nan
    table = palette("viridis")
    numbers = Numbers(Column("v"), values)
    drawn = number_layers(
        DRAWING, *in_order(values), (EVERYTHING, None), ramp(numbers, scale, (1, 99)), table
    )
    picture = draw(DRAWING, drawn, WHOLE)
    assert picture.in_view == N
    known = {tuple(int(v) for v in c) for c in table} | {(196, 200, 206)}
    assert colours_of(picture) <= known
    assert (196, 200, 206) in colours_of(picture)
    assert len(colours_of(picture)) > 20


def test_few_points_are_drawn_as_discs():
    view = View(4.9, 5.1, 4.9, 5.1, 300, 300)
    picture = draw(DRAWING, layers(), view)
    assert 0 < picture.in_view < 500
    assert (unpack(picture)[..., 3] > 0).sum() > 20 * picture.in_view * 0.5


def test_an_empty_view_is_an_empty_picture():
    picture = draw(DRAWING, layers(), View(100, 101, 100, 101, 64, 48))
    assert picture.in_view == 0
    assert picture.rgba.shape == (48, 64)
    assert not picture.rgba.any()


@given(st.sampled_from(["linear", "log", "asinh", "rank"]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_ramps_rise_from_nought_to_one(scale, seed):
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0, 1, 500).astype(np.float32) - (1 if seed % 2 else 0)
    bar = ramp(Numbers(Column("v"), values), scale, (1, 99))
    places = bar.place(np.sort(values))
    assert places.min() == pytest.approx(0, abs=1e-9)
    assert places.max() == pytest.approx(1, abs=1e-9)
    assert (np.diff(places) >= -1e-12).all()
    assert bar.place(bar.back(np.array([0.3]))) == pytest.approx(0.3, abs=0.01)


def test_log_falls_back_where_values_are_negative():
    numbers = Numbers(Column("v"), np.array([-1, 2, 3], np.float32))
    assert ramp(numbers, "log", (0, 100)).scale == "linear"


def test_classes_of_a_series_count_missing_as_no_label():
    from dashboard.colouring import _classes

    classes = _classes(Column("c", kind="category"), pd.Series(["a", None, "b", "b", ""]))
    assert classes.names == ("b", "a", NO_LABEL)
    assert list(classes.counts) == [2, 1, 2]
    assert list(classes.codes) == [1, 2, 0, 0, 2]
