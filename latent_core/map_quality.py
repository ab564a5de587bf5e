"""What a map keeps of the neighborhoods in latent space: of landmarks and of placed sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.cells import Cells

NEIGHBORS = 15
SAMPLE = 2000
CHUNK = 262_144

Latents = Callable[[NDArray[np.int64]], NDArray[np.floating]]
Nearest = Callable[[NDArray[np.int64], int], NDArray[np.int64]]


def measure_map(
    latents: Latents,
    coordinates: NDArray[np.floating],
    is_landmark: NDArray[np.bool_] | None = None,
    *,
    nearest: Nearest | None = None,
    neighbors: int = NEIGHBORS,
    seed: int = 0,
) -> dict[str, Any]:
    """Return how many true neighbors a map (M, 2) keeps: of the 15 nearest in z, the share on it.

    Measured for up to SAMPLE random sources against all, `latents(rows)` being their z-scores;
    a random map scores about k / M. Trustworthiness (Venna & Kaski 2001) is measured within the
    sample. Where a map has landmarks and placed sources, each kind is measured by a sample of its
    own, under "landmarks" and "placed"; what the placed ones lose against the landmarks is the
    price of not mapping all. `nearest(rows, k)` gives the k nearest other rows of each (A, k), if
    there is an index for it; otherwise all are gone through, chunk by chunk.
    """
    count = len(coordinates)
    k = min(neighbors, max(1, count // 2 - 1))
    groups = _groups(count, is_landmark, np.random.default_rng(seed))
    asked = np.unique(np.concatenate([sample for sample, _ in groups.values()]))
    z = np.asarray(latents(asked), np.float32)
    true = nearest(asked, k) if nearest else _nearest_in_z(latents, count, (asked, z), k)
    kept = _kept(true, _nearest_on_map(coordinates, asked, k))
    figures = {}
    for name, (sample, size) in groups.items():
        part = np.searchsorted(asked, sample)
        figures[name] = {
            "neighbors_kept": float(kept[part].mean()),
            "neighbors": k,
            "asked": len(sample),
            "sources": size,
            **_trustworthiness(z[part], coordinates[sample], k),
        }
    return {**figures.pop("all"), **figures}


def map_quality(
    z: NDArray[np.floating],
    coordinates: NDArray[np.floating],
    *,
    neighbors: int = NEIGHBORS,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure a map (M, 2) of z-scores that are at hand, (M, K), as `measure_map` does."""
    return measure_map(lambda rows: z[rows], coordinates, neighbors=neighbors, seed=seed)


def _groups(
    count: int, is_landmark: NDArray[np.bool_] | None, rng: np.random.Generator
) -> Mapping[str, tuple[NDArray[np.int64], int]]:
    """Sample all and, where there are both, landmarks and placed; with the size of each."""
    members = {"all": np.arange(count)}
    if is_landmark is not None and not is_landmark.all():
        members |= {
            "landmarks": np.flatnonzero(is_landmark),
            "placed": np.flatnonzero(~is_landmark),
        }
    return {
        name: (np.sort(rng.choice(rows, min(SAMPLE, len(rows)), replace=False)), len(rows))
        for name, rows in members.items()
    }


def _nearest_in_z(
    latents: Latents, count: int, asked: tuple[NDArray[np.int64], NDArray[np.float32]], k: int
) -> NDArray[np.int64]:
    """Return the k nearest others of a few rows and their z, (A, k), going through all once."""
    import faiss

    own, queries = asked
    best = np.full((len(own), k + 1), np.inf, np.float32)
    items = np.full((len(own), k + 1), -1)
    for start in range(0, count, CHUNK):
        rows = np.arange(start, min(start + CHUNK, count))
        z = np.ascontiguousarray(latents(rows), np.float32)
        squared, found = faiss.knn(queries, z, min(k + 1, len(rows)))
        both = np.hstack([best, squared])
        order = np.argsort(both, axis=1, kind="stable")[:, : k + 1]
        best = np.take_along_axis(both, order, axis=1)
        items = np.take_along_axis(np.hstack([items, rows[found]]), order, axis=1)
    return _others(own, items, k)


def _nearest_on_map(
    coordinates: NDArray[np.floating], asked: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    cells = Cells.build(coordinates)
    return cells.nearest(np.asarray(coordinates[asked], np.float32), k, skip=asked).rows


def _others(asked: NDArray[np.int64], items: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Leave each row out of its own neighbors; among twins it may not be in front, or in them."""
    last = np.argsort(items == asked[:, None], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(items, np.sort(last, axis=1), axis=1)


def _kept(true: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each row of `true` (A, k) that is in the same row of `drawn`, (A,)."""
    return np.asarray((true[:, :, None] == drawn[:, None, :]).any(axis=2).mean(axis=1))


def _trustworthiness(
    z: NDArray[np.floating], coordinates: NDArray[np.floating], k: int
) -> dict[str, float]:
    from sklearn.manifold import trustworthiness

    if len(z) <= 2 * k + 2:
        return {}
    return {"trustworthiness_in_sample": float(trustworthiness(z, coordinates, n_neighbors=k))}
