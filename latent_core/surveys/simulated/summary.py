"""The shipped summary figures of real stars, and drawing from them.

`simulation_summary.json` and `.npz` hold quantiles, mixtures and passbands only, and so does
`variability_summary.json`, all that concerns light curves; how they were measured is
`data/make_simulation_summary.py` and `data/make_variability_summary.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]


@lru_cache
def figures() -> dict[str, Any]:
    """Populations, light-curve shapes, cadence, transit errors, metallicities."""
    content: dict[str, Any] = {}
    for name in ("simulation_summary.json", "variability_summary.json"):
        file = resources.files("gaia_latent_data") / name
        content |= json.loads(file.read_text(encoding="utf-8"))
    return content


@lru_cache
def arrays() -> Mapping[str, Floats]:
    """Wavelengths and passbands."""
    with (resources.files("gaia_latent_data") / "simulation_summary.npz").open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        return {name: np.asarray(archive[name], float) for name in archive.files}


def from_quantiles(table: Mapping[str, Any], scores: Floats) -> Floats:
    """Turn normal scores (N,) into values of a quantile table.

    The whole normal falls between the table's ends: none is passed, and none heaps up values.
    """
    low, high = table["p"][0], table["p"][-1]
    part = low + (high - low) * ndtr(scores)
    return np.asarray(np.interp(part, table["p"], table["q"]))


def to_scores(table: Mapping[str, Any], values: Floats) -> Floats:
    """Turn values (N,) into normal scores: the inverse of `from_quantiles`, within 4 sigma."""
    # strictly rising values, because tables of rounded figures may repeat one
    rising = np.asarray(table["q"]) + 1e-9 * np.arange(len(table["q"]))
    low, high = table["p"][0], table["p"][-1]
    part = (np.interp(values, rising, table["p"]) - low) / (high - low)
    return np.asarray(np.clip(ndtri(part), -4.0, 4.0))


def reflect(values: Floats, low: float, high: float) -> Floats:
    """Fold values back at two limits, so that none heaps up there."""
    inside = np.where(values > high, 2 * high - values, values)
    return np.clip(np.where(inside < low, 2 * low - inside, inside), low, high)


def draw_mixture(table: Mapping[str, Any], n: int, rng: np.random.Generator) -> Floats:
    """Draw (n, K) rows of a Gaussian mixture."""
    means, covariances = np.array(table["means"]), np.array(table["covariances"])
    weights = np.array(table["weights"])
    chosen = rng.choice(len(weights), n, p=weights / weights.sum())
    noise = rng.standard_normal((n, means.shape[1]))
    factors = np.linalg.cholesky(covariances)
    return np.asarray(means[chosen] + np.einsum("nij,nj->ni", factors[chosen], noise))
