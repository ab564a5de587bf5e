"""Similar sources: exact nearest neighbors in latent space, with a weight for every block.

Distances are Euclidean in z-scored latents: d^2 = sum over blocks of w_block |dz_block|^2. `Cells`
propose candidates that provably hold the k nearest, for any weights and any filter, and we rank
them in float64. Where latents fill so many dimensions that the proof takes longer than a person
should wait, a plain search by source may stop earlier; how many of the true neighbors it then
finds is measured when the space is built (`SearchPlan`), and every answer says which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_core.cells import CELL, Cells
from latent_core.errors import LatentError

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
FEW_DIMENSIONS, SOME_DIMENSIONS = 8, 16
LEAF = 32  # rows: in six dimensions a quarter faster than scipy's own ten
FEW_ALLOWED = 512  # of so many rows one: going through those few beats searching the cells
# a plan looks at 3 M numbers before it gives up a proof, some 4 ms; it is measured on 500 sources
AFFORDED, PLAN_ROWS, PLAN_NEIGHBORS, PLAN_RECALL = 3_000_000, 500, 10, 0.999
# nearest_neighbors scans all pairs of up to so many; beyond, 10^10 pairs would take minutes
FEW_ROWS, MANY_PAIRS = 50_000, 4_000_000_000
CELLS_WORTH = 5_000  # of fewer rows a scan is over before the cells are built
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
    """Neighbors, nearest first: row numbers, distances (k,), distance in each block (k,).

    `exact` says whether they are proven to be the true ones.
    """

    items: NDArray[np.int64]
    distance: Floats
    by_block: Mapping[str, Floats]
    exact: bool = True


@dataclass(frozen=True)
class SearchPlan:
    """How far a plain search goes, and what that finds, measured on sources of the space.

    `budget` rows are looked at before a search stops unproven; None where every search is proven.
    `recall` is the share of the true `neighbors` nearest found for `asked` sources, `proven` the
    share of searches that were proven, `seen` the median and 99th percentile of rows looked at.
    """

    budget: int | None = None
    recall: float = 1.0
    neighbors: int = PLAN_NEIGHBORS
    asked: int = 0
    proven: float = 1.0
    seen: tuple[int, int] = (0, 0)

    @classmethod
    def measure(cls, cells: Cells) -> SearchPlan:
        """Ask random sources for their neighbors; raise the budget until enough are found."""
        count, latents = cells.z.shape
        rng = np.random.default_rng(0)
        asked = np.sort(rng.choice(count, min(count, PLAN_ROWS), replace=False))
        queries, skip, k = cells.z[asked], cells.rows[asked], min(PLAN_NEIGHBORS, count - 1)
        true = cells.nearest(queries, k, skip=skip)
        budget = max(1, AFFORDED // latents)
        if np.percentile(true.seen, 99) <= budget:
            return cls(None, 1.0, k, len(asked), 1.0, _middle_and_most(true.seen))
        while budget < count:
            found = cells.nearest(queries, k, skip=skip, budget=budget)
            recall = _recall(found.rows, true.rows)
            if recall >= PLAN_RECALL:
                share = float(found.proven.mean())
                return cls(budget, recall, k, len(asked), share, _middle_and_most(found.seen))
            budget += budget // 4
        return cls(None, 1.0, k, len(asked), 1.0, _middle_and_most(true.seen))


def _middle_and_most(seen: NDArray[np.int64]) -> tuple[int, int]:
    middle, most = np.percentile(seen, [50, 99])
    return int(middle), int(most)


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
    """Search over z-scored latents that lie in cells; items are the row numbers of the cells."""

    def __init__(
        self, cells: Cells, blocks: Mapping[str, slice], plan: SearchPlan | None = None
    ) -> None:
        self.cells, self.blocks = cells, dict(blocks)
        self.plan = plan or SearchPlan()

    def search(
        self,
        query: NDArray[np.floating],
        k: int = 10,
        *,
        where: NDArray[np.bool_] | None = None,
        weights: Mapping[str, float] | None = None,
        skip: int = -1,
        exact: bool = True,
    ) -> Hits:
        """Return the k nearest items (fewer where the filter leaves fewer), ties by number.

        `query` is (K,) z-scores; `where` (N,) allows items, `skip` leaves one out; `weights` scale
        blocks. Without `exact`, a search with neither filter nor weights keeps to the plan.
        """
        asked: Floats = np.asarray(query, np.float64)
        w = block_weights(self.blocks, weights, self.cells.z.shape[1])
        few = None if where is None else self._few_allowed(where, skip)
        proven = True
        if k < 1:
            few = np.empty(0, np.int64)
        if few is None:
            plain = not exact and where is None and not weights
            budget = self._budget(k) if plain else None
            few, _, proven = self.cells.candidates(
                asked, w, k, where=where, skip=skip, budget=budget
            )
        return self._hits(asked, few, w, k, proven)

    def _budget(self, k: int) -> int | None:
        """Return the plan's budget, more where more neighbors are wanted than it was made for."""
        if self.plan.budget is None:
            return None
        return self.plan.budget * max(1, -(-k // max(1, self.plan.neighbors)))

    def _few_allowed(self, where: NDArray[np.bool_], skip: int) -> NDArray[np.int64] | None:
        """Return the places of the allowed rows, None where they are too many to go through."""
        if np.count_nonzero(where) > max(CELL, len(self.cells.z) // FEW_ALLOWED):
            return None
        allowed = np.flatnonzero(where)
        known = self.cells.places
        places = known[allowed[(allowed < len(known)) & (allowed != skip)]]
        return np.asarray(places[places >= 0], np.int64)

    def _hits(
        self, query: Floats, places: NDArray[np.int64], w: Floats, k: int, proven: bool
    ) -> Hits:
        gaps = (self.cells.z[places] - query) ** 2
        items = self.cells.rows[places].astype(np.int64)
        squared = (gaps * w).sum(axis=1)
        best = np.lexsort((items, squared))[:k]
        gaps = gaps[best]
        return Hits(
            items=items[best],
            distance=np.sqrt(squared[best]),
            by_block={n: np.sqrt(gaps[:, part].sum(axis=1)) for n, part in self.blocks.items()},
            exact=proven,
        )


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
    search = _nearest_of_all
    if len(z) > FEW_ROWS and len(z) * len(asked) > MANY_PAIRS:
        search = _nearest_in_clusters
    elif len(z) > CELLS_WORTH and z.shape[1] <= SOME_DIMENSIONS:
        search = _nearest_in_cells
    items, squared = search(z, k, asked)
    if queries is None:
        _put_self_first(items, squared)
    return items, np.sqrt(np.maximum(squared, 0))


def _nearest_of_all(z: Singles, k: int, asked: Singles) -> tuple[NDArray[np.int64], Singles]:
    import faiss

    squared, items = faiss.knn(asked, z, k)  # without a copy of the rows, unlike an index
    return items, squared


def _nearest_in_cells(z: Singles, k: int, asked: Singles) -> tuple[NDArray[np.int64], Singles]:
    """Search on one core: a quarter of the scan's CPU for stars, about as much for other latents.

    Those of stars fill few dimensions. The scan spreads its CPU over the cores.
    """
    found = Cells.build(z).nearest(asked, k)
    return found.rows, (found.distance**2).astype(np.float32)


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

    tree = KDTree(z, leafsize=LEAF)
    distance, items = tree.query(z if queries is None else queries, k=min(k, len(z)))
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
