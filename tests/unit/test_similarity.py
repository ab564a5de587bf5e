"""Similarity equals brute force, whatever the weights and filters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_core import similarity
from latent_core.cells import Cells
from latent_core.errors import LatentError
from latent_core.similarity import Scaling, SimilarityIndex, block_weights, nearest_neighbors

BLOCKS = {"xp": slice(0, 3), "folded": slice(3, 5)}


class LargeCells(Cells):
    """Searched row by row, as one that is too large to hold twice."""

    turned = np.empty((5, 0), np.float32)


def index_of(z, cells=Cells):
    return SimilarityIndex(cells.build(z), BLOCKS)


def brute_force(z, query, k, where, w):
    squared = ((z.astype(np.float64) - query) ** 2 * w).sum(axis=1)
    squared[~where] = np.inf
    order = np.lexsort((np.arange(len(z)), squared))[: min(k, int(where.sum()))]
    return order, np.sqrt(squared[order])


@given(
    seed=st.integers(0, 10_000),
    k=st.integers(1, 40),
    share=st.sampled_from([0.001, 0.02, 0.5, 1.0]),
    weights=st.tuples(st.sampled_from([0.0, 0.3, 1.0, 5.0]), st.sampled_from([0.2, 1.0])),
    duplicates=st.booleans(),
    cells=st.sampled_from([Cells, LargeCells]),
)
@settings(max_examples=120, deadline=None)
def test_search_equals_brute_force(seed, k, share, weights, duplicates, cells):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(3000, 5)).astype(np.float32)
    if duplicates:
        z[1000:2000] = z[:1000]
    where = rng.random(3000) < share
    query = z[7].astype(np.float64)
    given_weights = dict(zip(BLOCKS, weights, strict=True))
    hits = index_of(z, cells).search(query, k, where=where, weights=given_weights)
    items, distance = brute_force(z, query, k, where, block_weights(BLOCKS, given_weights, 5))
    np.testing.assert_array_equal(hits.items, items)
    np.testing.assert_allclose(hits.distance, distance, rtol=0, atol=1e-12)


def test_many_queries_are_answered_alike_in_both_ways():
    rng = np.random.default_rng(3)
    z, queries = rng.normal(size=(4000, 5)), rng.normal(size=(300, 5))
    small, large = (kind.build(z).nearest(queries, 6) for kind in (Cells, LargeCells))
    np.testing.assert_array_equal(small.rows, large.rows)
    np.testing.assert_array_equal(small.distance, large.distance)


def test_a_block_of_weight_zero_does_not_matter():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(5000, 5)).astype(np.float32)
    shuffled = z.copy()
    rng.shuffle(shuffled[:, 3:])
    weights = {"folded": 0.0}
    query = z[0].astype(np.float64)
    first = index_of(z).search(query, 10, weights=weights)
    second = index_of(shuffled).search(query, 10, weights=weights)
    np.testing.assert_array_equal(first.items, second.items)


def test_fewer_candidates_than_asked_are_not_padded():
    z = np.random.default_rng(0).normal(size=(4000, 5)).astype(np.float32)
    where = np.zeros(4000, bool)
    where[[5, 77, 3999]] = True
    hits = index_of(z).search(z[5], 10, where=where)
    assert sorted(hits.items) == [5, 77, 3999]
    assert not len(index_of(z).search(z[5], 10, where=np.zeros(4000, bool)).items)


@pytest.mark.parametrize(
    "weights", [{"nope": 1.0}, {"xp": -1.0}, {"xp": float("nan")}, {"xp": 0.0, "folded": 0.0}]
)
def test_bad_weights_are_refused(weights):
    with pytest.raises(LatentError):
        block_weights(BLOCKS, weights, 5)


def test_a_dead_latent_does_not_divide_by_zero():
    latents = np.column_stack([np.arange(5.0), np.full(5, 3.0)])
    z = Scaling.fit(latents).apply(latents)
    assert np.isfinite(z).all()
    assert not z[:, 1].any()


def test_nearest_neighbors_put_self_first_even_among_twins():
    z = np.repeat(np.random.default_rng(0).normal(size=(50, 4)), 4, axis=0)
    items, distance = nearest_neighbors(z, 3)
    np.testing.assert_array_equal(items[:, 0], np.arange(200))
    assert not distance[:, 0].any()
    assert (np.diff(np.sort(items, axis=1), axis=1) > 0).all()


@pytest.mark.parametrize("own", [True, False])
def test_many_rows_find_nearly_all_their_true_neighbors_in_clusters(monkeypatch, own):
    rng = np.random.default_rng(3)
    inner = rng.normal(size=(8000, 4))
    z = np.sin(inner @ rng.normal(size=(4, 12))).astype(np.float32)
    asked = None if own else z[:1500] + np.float32(0.01)
    exact, _ = nearest_neighbors(z, 15, asked)
    monkeypatch.setattr(similarity, "FEW_ROWS", 1000)
    monkeypatch.setattr(similarity, "MANY_PAIRS", 1000)
    items, distance = nearest_neighbors(z, 15, asked)
    given = z if asked is None else asked
    true = np.linalg.norm(z[items].astype(float) - given[:, None], axis=2)
    np.testing.assert_allclose(distance, true, atol=1e-3)
    if own:
        np.testing.assert_array_equal(items[:, 0], np.arange(8000))
    shared = [np.isin(a, b).mean() for a, b in zip(exact, items, strict=True)]
    assert np.mean(shared) > 0.98
