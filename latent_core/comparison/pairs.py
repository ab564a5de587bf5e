"""Pairs of stars, one of each sample, of equal magnitude and colour (and labels, if asked)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_core.comparison.samples import Sample

Floats = NDArray[np.float64]
# how alike the stars of a pair are: G and BP-RP in mag, both synthetic, of the spectra themselves
EQUAL = (0.15, 0.05)
# and, where both catalogs know them: K, dex, dex
EQUAL_LABELS = {"teff": 150.0, "logg": 0.3, "fe_h": 0.25}
MOST = 8000  # stars of a side that are offered
MOST_PAIRS = 2000


@dataclass(frozen=True)
class Pairs:
    """Items of two sets of spectra, (P,) each: `first[i]` and `other[i]` are alike."""

    first: NDArray[np.int64]
    other: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)


def pairs_of(first: Floats, other: Floats, *, seed: int = 0) -> Pairs:
    """Return disjoint pairs of rows of (n, D) and (m, D) that lie within 1 in every column.

    Each row of `other` takes the nearest free one of `first`; rows with NaN are left out.
    """
    rng = np.random.default_rng(seed)
    a, b = (_offered(x, rng) for x in (first, other))
    if not len(a) or not len(b):
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    rows = np.concatenate([a, b])
    is_other = np.arange(len(rows)) >= len(a)
    found = _partners(np.vstack([first[a], other[b]]), is_other)
    chosen = rng.permutation(len(found))[:MOST_PAIRS]
    return Pairs(rows[found[chosen, 0]], rows[found[chosen, 1]])


def _offered(x: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    rows = np.flatnonzero(np.isfinite(x).all(axis=1))
    return np.sort(rng.choice(rows, min(MOST, len(rows)), replace=False))


def _partners(scaled: Floats, is_other: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return rows (first, other) of each pair, (P, 2), in a seeded order."""
    from scipy.spatial import KDTree

    firsts, others = np.flatnonzero(~is_other), np.flatnonzero(is_other)
    tree, free = KDTree(scaled[firsts]), np.ones(len(firsts), bool)
    found = []
    for row in np.random.default_rng(0).permutation(others):
        near = np.asarray(tree.query_ball_point(scaled[row], 1.0, p=np.inf), np.int64)
        near = near[free[near]]
        if len(near):
            gap = ((scaled[firsts[near]] - scaled[row]) ** 2).sum(axis=1)
            chosen = near[int(np.argmin(gap))]
            free[chosen] = False
            found.append((firsts[chosen], row))
    return np.array(found, np.int64).reshape(-1, 2)


def coordinates(sample: Sample, *, labels: bool = False) -> Floats | None:
    """Return what pairs are equal in, in units of how equal, (M, 2 or 5); None where unknown."""
    if sample.spectra is None:
        return None
    scaled: Floats = sample.spectra.photometry / np.array(EQUAL)
    if not labels:
        return scaled
    frame = sample.sources
    if not set(EQUAL_LABELS) <= set(frame.columns[frame.notna().any()]):
        return None
    values = frame[list(EQUAL_LABELS)].to_numpy(np.float64)[sample.spectra.rows]
    return np.hstack([scaled, values / np.array(list(EQUAL_LABELS.values()))])
