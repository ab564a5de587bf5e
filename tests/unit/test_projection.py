"""Maps and their drawing copies."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latent_core.map_quality import map_quality
from latent_core.projection import GRID, cell_of, place, sort_for_drawing

PLACES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 300), st.just(2)),
    elements=st.floats(-1e6, 1e6, width=32) | st.just(np.float32("nan")),
)


@given(PLACES)
@settings(max_examples=80, deadline=None)
def test_drawing_copy_holds_every_finite_row_once_in_its_cell(coordinates):
    drawing = sort_for_drawing(coordinates)
    finite = np.flatnonzero(np.isfinite(coordinates).all(axis=1))
    assert sorted(drawing.order) == list(finite)
    np.testing.assert_array_equal(drawing.x, coordinates[drawing.order, 0])
    np.testing.assert_array_equal(drawing.y, coordinates[drawing.order, 1])
    x0, x1, y0, y1 = drawing.extent
    cell = cell_of(drawing.y, y0, y1) * GRID + cell_of(drawing.x, x0, x1)
    assert (np.diff(cell) >= 0).all()
    np.testing.assert_array_equal(np.bincount(cell, minlength=GRID**2), np.diff(drawing.offsets))


def test_placing_a_known_row_with_its_neighbors_is_close_and_batch_free():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(500, 4))
    xy = z[:, :2].astype(np.float32)
    new = z[:20] + 1e-4
    together = place(z, xy, new)
    alone = np.vstack([place(z, xy, row[None]) for row in new])
    np.testing.assert_array_equal(together, alone)
    assert np.median(np.hypot(*(together - xy[:20]).T)) < 0.5


def test_a_perfect_map_keeps_all_neighbors_and_a_random_map_about_k_over_n():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 2))
    perfect = map_quality(z, z.copy())
    random = map_quality(z, rng.normal(size=(3000, 2)))
    assert perfect["neighbors_kept"] == 1.0
    assert abs(random["neighbors_kept"] - 15 / 3000) < 0.003
