"""Two-sample distances of one number, beside what two halves of the same real rows show.

No threshold is chosen: a distance means something where it exceeds the distance of two halves of
the real rows, which differ by chance alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 60  # bootstrap samples of an interval, and halvings of a floor
LARGEST = 10_000  # values of one side; more do not change a distance that is printed
LEVEL = 95.0
FEWEST = 20  # values of either side


@dataclass(frozen=True)
class Distance:
    """How far `first` lies from `other`, for one quantity.

    `ks` is the largest gap between the two cumulative distributions (0..1), `interval` its 95 %
    bootstrap spread, `p` the two-sample Kolmogorov-Smirnov probability that they are one.
    `wasserstein` is the mean distance that values must be moved, in the quantity's unit, and
    `wasserstein_scaled` the same in half widths of `other`. Widths are 16-84 %. `floor` is
    the 95 % point of `ks` between two halves of `other`.
    """

    ks: float
    interval: tuple[float, float]
    p: float
    wasserstein: float
    wasserstein_scaled: float
    floor: float
    first_median: float
    other_median: float
    first_width: float
    other_width: float
    first_sources: int
    other_sources: int


def kolmogorov(first: Floats, other: Floats) -> float:
    """Return the largest gap of the two cumulative distributions of (n,) and (m,) values."""
    a, b = np.sort(first), np.sort(other)
    both = np.concatenate([a, b])
    below_a = np.searchsorted(a, both, side="right") / len(a)
    below_b = np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())


def distance(first: Floats, other: Floats, *, seed: int = 0) -> Distance | None:
    """Compare two sets of values, NaN left out; None where a side has fewer than 20."""
    from scipy.stats import kstwobign, wasserstein_distance

    rng = np.random.default_rng(seed)
    a, b = _finite(first, rng), _finite(other, rng)
    if min(len(a), len(b)) < FEWEST:
        return None
    ks = kolmogorov(a, b)
    draws = np.array([kolmogorov(_again(a, rng), _again(b, rng)) for _ in range(DRAWS)])
    # a resampled distance is too large by the sampling noise: only its spread is taken
    low, high = np.percentile(draws - draws.mean(), [2.5, 97.5]) + ks
    size = np.sqrt(len(a) * len(b) / (len(a) + len(b)))
    moved = float(wasserstein_distance(a, b))
    widths = [float(np.subtract(*np.percentile(values, [84, 16]))) for values in (a, b)]
    return Distance(
        ks=ks,
        interval=(max(0.0, float(low)), min(1.0, float(high))),
        p=float(kstwobign.sf(size * ks)),
        wasserstein=moved,
        wasserstein_scaled=2 * moved / widths[1] if widths[1] > 0 else float("nan"),
        floor=floor(b, rng),
        first_median=float(np.median(a)),
        other_median=float(np.median(b)),
        first_width=widths[0],
        other_width=widths[1],
        first_sources=len(a),
        other_sources=len(b),
    )


def floor(values: Floats, rng: np.random.Generator) -> float:
    """Return the 95 % point of the distance between two random halves of values, (n,)."""
    half = len(values) // 2
    found = []
    for _ in range(DRAWS):
        mixed = rng.permutation(values)
        found.append(kolmogorov(mixed[:half], mixed[half:]))
    return float(np.percentile(found, LEVEL))


def _finite(values: Floats, rng: np.random.Generator) -> Floats:
    kept = np.asarray(values, np.float64)
    kept = kept[np.isfinite(kept)]
    return kept if len(kept) <= LARGEST else rng.choice(kept, LARGEST, replace=False)


def _again(values: Floats, rng: np.random.Generator) -> Floats:
    return values[rng.integers(0, len(values), len(values))]


def same_mix(
    groups: NDArray[np.object_], wanted: NDArray[np.object_], *, seed: int = 0
) -> NDArray[np.int64]:
    """Return rows of `groups` (N,) whose shares of classes are those of `wanted` (M,).

    Classes that either lacks are left out of the rows; as many rows are returned as the scarcest
    class allows. The order is random.
    """
    rng = np.random.default_rng(seed)
    common = sorted(set(groups[groups != None]) & set(wanted[wanted != None]))  # noqa: E711
    if not common:
        return np.zeros(0, np.int64)
    here = {name: np.flatnonzero(groups == name) for name in common}
    shares = {name: int((wanted == name).sum()) for name in common}
    scale = min(len(here[name]) / shares[name] for name in common)
    rows = [
        rng.choice(here[name], max(1, int(scale * shares[name])), replace=False) for name in common
    ]
    return rng.permutation(np.concatenate(rows))
