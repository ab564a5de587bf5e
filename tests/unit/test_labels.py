"""Labels stand where their class is densest in what is in view."""

import numpy as np

from dashboard.labels import labels_in_view
from dashboard.marks import _apart
from dashboard.raster import View
from dashboard.theme import NO_LABEL
from latent_core.projection import sort_for_drawing

RNG = np.random.default_rng(5)
NAMES = ("RR", "ECL", NO_LABEL)
PLACES = np.concatenate(
    [RNG.normal(0, 0.1, (900, 2)), RNG.normal(4, 0.1, (500, 2)), RNG.normal(2, 2, (2000, 2))]
).astype(np.float32)
DRAWING = sort_for_drawing(PLACES)
CODES = np.repeat(np.array([0, 1, 2], np.int8), [900, 500, 2000])[DRAWING.order]


def test_each_class_is_named_at_its_densest_place():
    labels = {label.name: label for label in labels_in_view(DRAWING, NAMES, CODES, (-6, 8, -6, 8))}
    assert set(labels) == {"RR", "ECL"}
    for name, place in (("RR", 0), ("ECL", 4)):
        assert abs(labels[name].x - place) < 0.3
        assert abs(labels[name].y - place) < 0.3


def test_labels_stay_where_they_are_while_the_hand_pans():
    many = sort_for_drawing(np.tile(PLACES, (200, 1)) + RNG.normal(0, 0.02, (680_000, 2)))
    codes = np.tile(np.repeat(np.array([0, 1, 2], np.int8), [900, 500, 2000]), 200)[many.order]
    seen = [
        sorted(labels_in_view(many, NAMES, codes, (-6 + s, 8 + s, -6 - s, 8 - s)), key=str)
        for s in (0.0, 0.013, 0.14, -0.21)
    ]
    assert len(seen[0]) == 2
    assert all(labels == seen[0] for labels in seen)


def test_a_class_out_of_view_is_not_named():
    labels = labels_in_view(DRAWING, NAMES, CODES, (-1, 1, -1, 1))
    assert [label.name for label in labels] == ["RR"]
    assert -1 <= labels[0].x <= 1


def test_unselected_and_hidden_points_have_no_label():
    codes = np.where(CODES == 1, 3, CODES)
    names = [label.name for label in labels_in_view(DRAWING, NAMES, codes, (-6, 8, -6, 8))]
    assert names == ["RR"]


def test_a_class_that_is_rare_at_its_own_peak_is_not_named():
    codes = np.where(np.arange(3400) % 9 == 0, 1, 0).astype(np.int8)
    assert [
        label.name for label in labels_in_view(DRAWING, ("a", "b"), codes, (-6, 8, -6, 8))
    ] == ["a"]


def test_no_label_lies_upon_another():
    codes = (np.arange(3400) % 2).astype(np.int8)
    assert len(labels_in_view(DRAWING, ("a", "b"), codes, (-1, 1, -1, 1))) <= 2
    same = labels_in_view(DRAWING, ("a", "b"), codes, (-200, 200, -200, 200))
    assert len(same) == 1


def test_a_mark_too_near_to_a_better_one_is_not_apart():
    view = View(0, 100, 0, 100, 200, 200, 2.0)  # 100 CSS pixels: one a unit
    assert _apart([(10, 10), (20, 10), (30, 10)], view) == [True, False, True]


def test_names_at_the_ends_of_a_view_read_inwards():
    for x0, x1, align in ((-6, 8, "center"), (-0.2, 3, "left"), (-3, 0.2, "right")):
        labels = labels_in_view(DRAWING, NAMES, CODES, (x0, x1, -1, 1))
        assert {label.name: label.align for label in labels}["RR"] == align
