"""Similar sources: exact nearest neighbors in latent space, with a weight for every block.

Distances are Euclidean in z-scored latents: d^2 = sum over blocks of w_block |dz_block|^2. The
FAISS index holds [z, z^2] (2 K columns), so that for any weights the inner product with
[2 w q, -w] is w q^2 - d^2: one flat index answers every weighting and every filter. FAISS
proposes candidates in float32, we rank them in float64, and only a candidate list that provably
holds the k nearest is taken; otherwise all rows are scanned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import LatentError

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
_FLOAT32_STEP = 2.0**-23
FEW_DIMENSIONS = 8
FEW_ALLOWED = 64
# nearest_neighbors scans all pairs of up to so many; beyond, 10^10 pairs would take minutes
FEW_ROWS, MANY_PAIRS = 50_000, 4_000_000_000
RECALL, RECALL_ROWS = 0.995, 500
TRAINED_ON = 64  # rows for each cluster; more move the centres no more


@dataclass(frozen=True)
class Scaling:
    """Mean and spread of each latent, (K,), that define the z-scores of a space."""

    mean: Floats
    spread: Floats

    @classmethod
    def fit(cls, latents: NDArray[np.floating]) -> Scaling:
        """Measure on all rows, (M, K); a constant (dead) latent keeps spread 1."""
        spread = latents.std(axis=0, dtype=np.float64)
        return cls(latents.mean(axis=0, dtype=np.float64), np.where(spread > 0, spread, 1.0))

    def apply(self, latents: NDArray[np.floating]) -> Floats:
        """Return z-scores."""
        return np.asarray((latents - self.mean) / self.spread, np.float64)


@dataclass(frozen=True)
class Hits:
    """Neighbors, nearest first: item numbers, distances (k,), distance in each block (k,)."""

    items: NDArray[np.int64]
    distance: Floats
    by_block: Mapping[str, Floats]


def block_weights(
    blocks: Mapping[str, slice], weights: Mapping[str, float] | None, size: int
) -> Floats:
    """Spread one weight a block over its latents, (K,); blocks not named weigh 1.

    Raises LatentError for an unknown block, or a weight that is negative or not finite, or all 0.
    """
    spread = np.ones(size)
    for name, weight in (weights or {}).items():
        if name not in blocks:
            raise LatentError(f"block {name!r} is not in this space; it has {', '.join(blocks)}")
        if not (np.isfinite(weight) and weight >= 0):
            raise LatentError(f"the weight of {name} is {weight}; give a number of 0 or more")
        spread[blocks[name]] = weight
    if not spread.any():
        raise LatentError("all weights are 0; give at least one block a weight")
    return spread


class SimilarityIndex:
    """Exact search over z-scored latents; `items` are positions in the array it was made of."""

    def __init__(
        self,
        z: NDArray[np.floating],
        blocks: Mapping[str, slice],
        index: Any = None,
    ) -> None:
        self.z = np.asarray(z, np.float32)
        self.blocks = dict(blocks)
        self._index = index if index is not None else make_index(self.z)
        self._largest = float(np.abs(self.z).max(initial=0.0))

    def search(
        self,
        query: NDArray[np.floating],
        k: int = 10,
        *,
        where: NDArray[np.bool_] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Hits:
        """Return the k nearest items (fewer where the filter leaves fewer), ties by position.

        `query` is (K,) z-scores; `where` (M,) allows items; `weights` scale blocks.
        """
        w = block_weights(self.blocks, weights, self.z.shape[1])
        allowed = np.arange(len(self.z)) if where is None else np.flatnonzero(where)
        k = min(k, len(allowed))
        if k <= 0:
            return self._hits(query, np.empty(0, np.int64), w, 0)
        candidates = self._candidates(np.asarray(query, np.float64), k, where, len(allowed), w)
        return self._hits(query, allowed if candidates is None else candidates, w, k)

    def _candidates(
        self, query: Floats, k: int, where: NDArray[np.bool_] | None, allowed: int, w: Floats
    ) -> NDArray[np.int64] | None:
        """Return items that surely hold the k nearest, or None where that cannot be proven."""
        wanted = max(4 * k, 256)
        if allowed <= max(4 * wanted, len(self.z) // FEW_ALLOWED):
            return None  # a scan of so few is faster than the index, and exact as it is
        scores, items = _inner_products(self._index, query, w, wanted, where)
        nearest = np.sort(self._squared(query, items, w))[k - 1]
        beyond = float((w * query**2).sum() - scores[-1])
        terms = 2 * (2 * w * np.abs(query) * self._largest + w * self._largest**2).sum()
        rounding = 2 * len(query) * _FLOAT32_STEP * terms
        return items if nearest < beyond - rounding else None

    def _squared(self, query: NDArray[np.floating], items: NDArray[np.int64], w: Floats) -> Floats:
        return np.asarray(((self.z[items] - query) ** 2 * w).sum(axis=1), np.float64)

    def _hits(
        self, query: NDArray[np.floating], items: NDArray[np.int64], w: Floats, k: int
    ) -> Hits:
        query = np.asarray(query, np.float64)
        squared = self._squared(query, items, w)
        best = np.lexsort((items, squared))[:k]
        items = items[best]
        gaps = (self.z[items] - query) ** 2
        return Hits(
            items=items,
            distance=np.sqrt(squared[best]),
            by_block={n: np.sqrt(gaps[:, part].sum(axis=1)) for n, part in self.blocks.items()},
        )


def make_index(z: NDArray[np.floating]) -> Any:
    """Build the flat inner-product index of [z, z^2]."""
    import faiss

    z = np.ascontiguousarray(z, np.float32)
    index = faiss.IndexFlatIP(2 * z.shape[1])
    index.add(np.hstack([z, z**2]))
    return index


def write_index(index: Any, path: Path) -> None:
    """Write a FAISS index file."""
    import faiss

    faiss.write_index(index, str(path))


def read_index(path: Path, rows: int, latents: int) -> Any:
    """Read an index file whose hash was checked; raises LatentError where it does not fit.

    FAISS trusts what a file says of itself, so the sizes are compared before any search.
    """
    import faiss

    index = faiss.read_index(str(path))
    if index.ntotal != rows or index.d != 2 * latents:
        raise LatentError(f"{path} does not fit its space; run gaia-latent index")
    return index


def _inner_products(
    index: Any,
    query: Floats,
    w: Floats,
    wanted: int,
    where: NDArray[np.bool_] | None,
) -> tuple[Floats, NDArray[np.int64]]:
    import faiss

    asked = np.hstack([2 * w * query, -w]).astype(np.float32)[None]
    if where is None:
        scores, items = index.search(asked, wanted)
    else:
        # FAISS reads bitmaps lowest bit first; numpy's default order gives plausible wrong rows
        bits = np.packbits(where, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(where), faiss.swig_ptr(bits))
        scores, items = index.search(asked, wanted, params=faiss.SearchParameters(sel=selector))  # type: ignore[call-arg]
    found = items[0] >= 0
    return np.asarray(scores[0][found], np.float64), np.asarray(items[0][found], np.int64)


def nearest_neighbors(
    z: NDArray[np.floating], k: int, queries: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k nearest of each row (itself first where queries is None), true distances.

    Exact, except where many rows are asked of many (`MANY_PAIRS`): then clusters are searched,
    as many of them as find `RECALL` of the true neighbors of rows on which that was measured.
    """
    if z.shape[1] <= FEW_DIMENSIONS:
        return _nearest_in_few_dimensions(z, k, queries)
    z = np.ascontiguousarray(z, np.float32)
    asked = z if queries is None else np.ascontiguousarray(queries, np.float32)
    k = min(k, len(z))
    many = len(z) > FEW_ROWS and len(z) * len(asked) > MANY_PAIRS
    items, squared = (_nearest_in_clusters if many else _nearest_of_all)(z, k, asked)
    if queries is None:
        _put_self_first(items, squared)
    return items, np.sqrt(np.maximum(squared, 0))


def _nearest_of_all(z: Singles, k: int, asked: Singles) -> tuple[NDArray[np.int64], Singles]:
    import faiss

    squared, items = faiss.knn(asked, z, k)  # without a copy of the rows, unlike an index
    return items, squared


def _nearest_in_clusters(z: Singles, k: int, asked: Singles) -> tuple[NDArray[np.int64], Singles]:
    import faiss

    clusters = int(4 * np.sqrt(len(z)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(z.shape[1]), z.shape[1], clusters)
    index.cp.niter, index.cp.max_points_per_centroid = 8, TRAINED_ON
    rng = np.random.default_rng(0)
    index.train(z[np.sort(rng.choice(len(z), min(len(z), TRAINED_ON * clusters), replace=False))])
    index.add(z)
    sample = asked[rng.choice(len(asked), min(len(asked), RECALL_ROWS), replace=False)]
    true, _ = _nearest_of_all(z, k, sample)
    index.nprobe = 4
    while index.nprobe < clusters and _recall(index.search(sample, k)[1], true) < RECALL:
        index.nprobe = min(index.nprobe + index.nprobe // 2, clusters)
    squared, items = index.search(asked, k)
    short = np.flatnonzero((items < 0).any(axis=1))  # fewer than k rows in those clusters
    if len(short):
        items[short], squared[short] = _nearest_of_all(z, k, asked[short])
    return items, squared


def _recall(found: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """Return the share of the true neighbors, (Q, k), that were found."""
    hits = [np.isin(t, f).mean() for f, t in zip(found, true, strict=True)]
    return float(np.mean(hits))


def _nearest_in_few_dimensions(
    z: NDArray[np.floating], k: int, queries: NDArray[np.floating] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """On a map, or in a handful of latents, a tree answers exactly and faster than a scan."""
    from scipy.spatial import KDTree

    distance, items = KDTree(z).query(z if queries is None else queries, k=min(k, len(z)))
    items = np.asarray(items, np.int64).reshape(-1, min(k, len(z)))
    squared = np.asarray(distance, np.float32).reshape(items.shape) ** 2
    if queries is None:
        _put_self_first(items, squared)
    return items, np.sqrt(squared)


def _put_self_first(items: NDArray[np.int64], squared: NDArray[np.float32]) -> None:
    """Rows with exact duplicates may list a twin before themselves; UMAP wants self in front."""
    own = np.arange(len(items))
    for row in np.flatnonzero(items[:, 0] != own):
        place = np.flatnonzero(items[row] == row)
        last = int(place[0]) if len(place) else items.shape[1] - 1
        items[row, 1 : last + 1] = items[row, :last].copy()
        squared[row, 1 : last + 1] = squared[row, :last].copy()
        items[row, 0], squared[row, 0] = row, 0.0
