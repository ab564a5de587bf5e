"""SimilarityIndex.search against scanning with numpy and against scikit-learn's KDTree.

Two kinds of latents: `random` are normal in all 15 dimensions, where no tree can help; `curved`
fill 4 dimensions bent into 15, as the latents of stars do, where a tree is at its best.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from measuring import Figure, cpu_times, report
from sklearn.neighbors import KDTree

from latent_core.similarity import SimilarityIndex

LATENTS, NEIGHBORS, QUERIES, LIMIT = 15, 10, 100, 10.0
BLOCKS = {"xp": slice(0, 5), "folded": slice(5, 10), "dmdt": slice(10, 15)}
SHARE_ALLOWED = 0.01


def random_latents(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, LATENTS)).astype(np.float32)


def curved_latents(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    inner = rng.standard_normal((count, 4))
    bent = np.sin(inner @ rng.standard_normal((4, LATENTS))) + inner @ rng.standard_normal(
        (4, LATENTS)
    )
    bent += 0.05 * rng.standard_normal(bent.shape)
    return ((bent - bent.mean(axis=0)) / bent.std(axis=0)).astype(np.float32)


def by_scanning(z: np.ndarray, query: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the nearest rows by plain numpy in float32, nearest first."""
    gaps = (z - query) ** 2
    squared = gaps.sum(axis=1) if weights is None else gaps @ weights
    best = np.argpartition(squared, NEIGHBORS)[:NEIGHBORS]
    return best[np.argsort(squared[best])]


def by_scanning_some(z: np.ndarray, query: np.ndarray, where: np.ndarray) -> np.ndarray:
    few = np.flatnonzero(where)
    return few[by_scanning(z[few], query, None)]


def recall(found: Callable[[int], np.ndarray], wanted: Callable[[int], np.ndarray]) -> float:
    """Return the share of the true neighbors that were found, over twenty queries."""
    shares = [np.isin(wanted(i), found(i)).mean() for i in range(20)]
    return float(np.mean(shares))


def compare(
    what: str,
    ours: Callable[[int], np.ndarray],
    others: dict[str, Callable[[int], np.ndarray]],
    large: bool,
) -> list[Figure]:
    """Return p50 beside each other way, p99, and the recall against the first, the scan."""
    mine = 1e3 * cpu_times(ours, QUERIES)
    figures = []
    for name, other in others.items():
        theirs = 1e3 * np.median(cpu_times(other, 10 if large else QUERIES))
        figures.append(Figure(f"{what}, p50", np.median(mine), "ms", theirs, name, LIMIT))
    scan = next(iter(others.values()))
    figures.append(Figure(f"{what}, p99", np.percentile(mine, 99), "ms"))
    figures.append(Figure(f"{what}, recall", recall(ours, scan), "of 1"))
    return figures


def measure(kind: str, z: np.ndarray) -> list[Figure]:
    rng = np.random.default_rng(1)
    index, tree = SimilarityIndex(z, BLOCKS), KDTree(z)
    rows = rng.integers(0, len(z), QUERIES)
    where = rng.random(len(z)) < SHARE_ALLOWED
    weights = np.ones(LATENTS, np.float32)
    weights[BLOCKS["dmdt"]] = 0
    large = len(z) > 100_000
    name = f"{len(z):,} x {LATENTS} {kind}"
    plain = compare(
        name,
        lambda i: index.search(z[rows[i]], NEIGHBORS).items,
        {
            "numpy scan": lambda i: by_scanning(z, z[rows[i]], None),
            "KDTree": lambda i: tree.query(z[rows[i]][None], NEIGHBORS)[1][0],
        },
        large,
    )
    filtered = compare(
        f"{name}, 1 % allowed",
        lambda i: index.search(z[rows[i]], NEIGHBORS, where=where).items,
        {"numpy scan of the allowed": lambda i: by_scanning_some(z, z[rows[i]], where)},
        large,
    )
    weighted = compare(
        f"{name}, a block of weight 0",
        lambda i: index.search(z[rows[i]], NEIGHBORS, weights={"dmdt": 0}).items,
        {"numpy scan": lambda i: by_scanning(z, z[rows[i]], weights)},
        large,
    )
    return plain + filtered + weighted


if __name__ == "__main__":
    report(
        "similarity",
        [
            *measure("random", random_latents(42_735)),
            *measure("random", random_latents(1_000_000)),
            *measure("curved", curved_latents(1_000_000)),
        ],
    )
