"""Wherever a search says that it is exact, it equals brute force in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_core.cells import CELL, Cells
from latent_core.errors import LatentError
from latent_core.similarity import Scaling, SearchPlan, SimilarityIndex, block_weights

BLOCKS = {"xp": slice(0, 3), "folded": slice(3, 5), "dmdt": slice(5, 9)}
SIZE = 9
SHAPES = ("normal", "curved", "twins", "lattice", "far", "one point", "flat")


def latents(kind: str, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (M, 9) of kinds that are hard to tell apart, or to round."""
    z = rng.normal(size=(rows, SIZE))
    if kind == "curved":
        z = np.sin(rng.normal(size=(rows, 2)) @ rng.normal(size=(2, SIZE)))
    elif kind == "twins":
        z[rows // 2 :] = z[: rows - rows // 2]
    elif kind == "lattice":
        z = np.round(z)  # hundreds of rows at equal distances
    elif kind == "far":
        z = 1e4 + 1e-3 * z  # neighbors differ by a few steps of float32
    elif kind == "one point":
        z[:] = z[0]
    elif kind == "flat":
        z[:, 2:] = 0.25
    return z.astype(np.float32)


def brute_force(z, numbers, query, k, w, where, skip):
    squared = ((z - query) ** 2 * w).sum(axis=1)
    allowed = np.flatnonzero(where[numbers] & (numbers != skip))
    order = allowed[np.lexsort((numbers[allowed], squared[allowed]))[:k]]
    return numbers[order], np.sqrt(squared[order])


@given(
    kind=st.sampled_from(SHAPES),
    rows=st.sampled_from([1, 2, CELL, 2 * CELL + 1, 1500, 4000]),
    seed=st.integers(0, 10_000),
    k=st.sampled_from([1, 2, 10, 50, 5000]),
    weights=st.tuples(*[st.sampled_from([0.0, 1e-40, 1e-3, 1.0, 7.0, 1e30])] * 3),
    region=st.sampled_from(["all", "half", "few", "side", "none"]),
    shift=st.sampled_from([0.0, 1e-9, 0.3, 1e3, 1e22]),
)
@settings(max_examples=300, deadline=None)
def test_exact_means_equal_to_brute_force(kind, rows, seed, k, weights, region, shift):
    rng = np.random.default_rng(seed)
    z = latents(kind, rows, rng)
    numbers = np.sort(rng.choice(2 * rows, rows, replace=False))
    where = {
        "all": np.ones(2 * rows, bool),
        "half": rng.random(2 * rows) < 0.5,
        "few": rng.random(2 * rows) < 0.01,
        "none": np.zeros(2 * rows, bool),
        "side": np.zeros(2 * rows, bool),
    }[region]
    if region == "side":
        where[numbers[z[:, 0] > np.median(z[:, 0])]] = True
    own = int(rng.integers(rows))
    query, skip = z[own] + shift * rng.normal(size=SIZE), int(numbers[own])
    given_weights = dict(zip(BLOCKS, weights, strict=True))
    if not any(weights):
        given_weights["xp"] = 1.0
    w = block_weights(BLOCKS, given_weights, SIZE)
    index = SimilarityIndex(Cells.build(z, numbers), BLOCKS)
    hits = index.search(
        query, k, where=None if region == "all" else where, weights=given_weights, skip=skip
    )
    items, distance = brute_force(z, numbers, query, k, w, where, skip)
    assert hits.exact
    np.testing.assert_array_equal(hits.items, items)
    np.testing.assert_array_equal(hits.distance, distance)
    for name, part in BLOCKS.items():
        gaps = (z[np.searchsorted(numbers, items)] - query)[:, part]
        np.testing.assert_allclose(hits.by_block[name], np.linalg.norm(gaps, axis=1), rtol=1e-12)


@given(seed=st.integers(0, 1000), kind=st.sampled_from(SHAPES), filtered=st.booleans())
@settings(max_examples=40, deadline=None)
def test_many_queries_at_once_answer_as_one_by_one(seed, kind, filtered):
    rng = np.random.default_rng(seed)
    z = latents(kind, 1000, rng)
    cells = Cells.build(z)
    where = rng.random(1000) < 0.3 if filtered else None
    asked = rng.integers(0, 1000, 20)
    w = np.repeat([1.0, 0.0, 0.5], [3, 2, 4])  # halves, so that equal sums round alike
    found = cells.nearest(z[asked], 7, weights=w, where=where, skip=asked)
    index = SimilarityIndex(cells, BLOCKS)
    weights = {"folded": 0.0, "dmdt": 0.5}
    for i, row in enumerate(asked):
        hits = index.search(z[row], 7, where=where, weights=weights, skip=int(row))
        np.testing.assert_array_equal(found.rows[i], hits.items)
        np.testing.assert_allclose(found.distance[i], hits.distance, rtol=1e-12, atol=1e-30)
    assert found.proven.all()


@pytest.mark.parametrize("kind", SHAPES)
def test_every_row_lies_in_its_cell_and_every_cell_in_its_boxes(kind):
    rng = np.random.default_rng(0)
    z = latents(kind, 3000, rng)
    cells = Cells.build(z)
    np.testing.assert_array_equal(cells.z, z[cells.rows])
    np.testing.assert_array_equal(np.sort(cells.rows), np.arange(3000))
    np.testing.assert_array_equal(cells.rows[cells.places], np.arange(3000))
    count = len(cells.boxes) // 2
    for cell in range(count):
        inside = cells.z[cell * 3000 // count : (cell + 1) * 3000 // count]
        np.testing.assert_array_equal(
            cells.boxes[count + cell], [inside.min(axis=0), inside.max(axis=0)]
        )
    for node in range(1, count):
        halves = cells.boxes[2 * node : 2 * node + 2]
        np.testing.assert_array_equal(
            cells.boxes[node], [halves[:, 0].min(axis=0), halves[:, 1].max(axis=0)]
        )


def test_few_rows_are_looked_at_where_latents_fill_few_dimensions():
    rng = np.random.default_rng(1)
    z = np.sin(rng.normal(size=(50_000, 3)) @ rng.normal(size=(3, SIZE)))
    cells = Cells.build(Scaling.fit(z).apply(z))
    found = cells.nearest(cells.z[::500], 10, skip=cells.rows[::500])
    assert found.proven.all()
    assert np.median(found.seen) < 0.05 * len(z)


def test_a_search_that_stops_early_says_so_and_its_recall_is_as_measured():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(20_000, SIZE)).astype(np.float32)
    cells = Cells.build(z)
    queries, own = cells.z[::40], cells.rows[::40]
    true = cells.nearest(queries, 10, skip=own)
    early = cells.nearest(queries, 10, skip=own, budget=1000)
    assert true.proven.all()
    assert (true.seen > 1000).any()
    assert not early.proven[true.seen > 1100].any()
    np.testing.assert_array_equal(early.rows[early.proven], true.rows[early.proven])


def test_the_plan_is_exact_where_that_is_quick_and_measured_where_it_is_not(monkeypatch):
    rng = np.random.default_rng(3)
    cells = Cells.build(rng.normal(size=(20_000, SIZE)).astype(np.float32))
    plan = SearchPlan.measure(cells)
    assert (plan.budget, plan.recall, plan.proven, plan.asked) == (None, 1.0, 1.0, 500)
    monkeypatch.setattr("latent_core.similarity.AFFORDED", 500 * SIZE)
    plan = SearchPlan.measure(cells)
    assert plan.budget is not None
    assert 500 < plan.budget < 20_000
    assert 0.999 <= plan.recall < 1
    assert plan.proven < 1
    # other sources than it was measured on
    own = rng.choice(20_000, 400, replace=False)
    index = SimilarityIndex(cells, BLOCKS, plan)
    found, exact = [], []
    for place in own:
        query, skip = cells.z[place].astype(float), int(cells.rows[place])
        true = index.search(query, 10, skip=skip)
        hits = index.search(query, 10, skip=skip, exact=False)
        found.append(np.isin(true.items, hits.items).mean())
        exact.append(hits.exact)
        if hits.exact:
            np.testing.assert_array_equal(hits.items, true.items)
        assert index.search(query, 10, skip=skip, exact=False, weights={"xp": 0.5}).exact
        assert index.search(query, 10, exact=False, where=np.ones(20_000, bool)).exact
    assert np.mean(found) > 0.997
    assert 0 < np.mean(exact) < 1


def test_filters_and_points_of_a_wrong_size_never_reach_compiled_code():
    cells = Cells.build(np.random.default_rng(0).normal(size=(1000, SIZE)))
    with pytest.raises(LatentError, match="filter of 999 rows"):
        cells.nearest(cells.z[:1], 3, where=np.ones(999, bool))
    for points, k in ((cells.z[:1, :-1], 3), (np.ones((1, SIZE + 1)), 3), (cells.z[:1], 0)):
        with pytest.raises(LatentError, match="neighbors of points"):
            cells.nearest(points, k)
