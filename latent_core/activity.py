"""Which latents of a model carry something, and which are dead.

A dead latent's posterior equals its prior for every source: it says nothing of the source, and
the decoder does not answer to it. Two of the six latents of the released scatter VAE are dead
(scatter-vae-2024.md, 4.4); a report of 6-D latents that does not say so misleads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latent_core.encoding import decode

if TYPE_CHECKING:
    from latent_core.models.vae import VAE

# A latent that tells nothing apart has a divergence of zero. At this many nats its mean would
# spread by 0.14 of its own posterior sigma; living latents of our models carry 1 to 6.
DEAD_NATS = 0.01
STEP = 1.0
# An average over more of them moves by less than a thousandth
MOST_MEASURED = 200_000
# Coordinates that are given (period, amplitude) have no sigma; infinite nats are not JSON
SMALLEST_VARIANCE = 1e-12


def divergence_by_latent(
    means: NDArray[np.floating], sigmas: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return KL(posterior, N(0, 1)) of each latent in nats, averaged over sources, (K,).

    Both are (M, K); rows with a value that is not finite are left out.
    """
    known = np.isfinite(means).all(axis=1) & np.isfinite(sigmas).all(axis=1)
    mean = np.float64(means[known])
    variance = np.maximum(np.float64(sigmas[known]) ** 2, SMALLEST_VARIANCE)
    return np.asarray(0.5 * (mean**2 + variance - 1 - np.log(variance)).mean(axis=0))


def response_by_latent(
    network: VAE, means: NDArray[np.floating], points: NDArray[np.float32] | None = None
) -> NDArray[np.float64]:
    """Return how far the decoded mean moves, in model units, as each latent moves, (K,).

    The rms change over the decoded points from STEP prior sigmas below the median source to STEP
    above it, halved. `points` (P,) are phases, where the network is decoded at phases.
    """
    middle = np.median(means, axis=0)
    steps = STEP * np.eye(means.shape[1])
    high, _ = decode(network, middle + steps, points)
    low, _ = decode(network, middle - steps, points)
    return np.asarray(np.sqrt((((np.float64(high) - low) / 2) ** 2).mean(axis=1)))


def activity(
    network: VAE,
    means: NDArray[np.floating],
    sigmas: NDArray[np.floating],
    points: NDArray[np.float32] | None = None,
) -> dict[str, Any]:
    """Return what `activity.json` holds: nats and response of each latent, and the dead ones.

    Of more than MOST_MEASURED sources a sample drawn by a fixed seed is measured; `sources` says
    of how many.
    """
    count = len(means)
    if count > MOST_MEASURED:
        drawn = np.random.default_rng(0).choice(count, MOST_MEASURED, replace=False)
        means, sigmas = means[np.sort(drawn)], sigmas[np.sort(drawn)]
    nats = divergence_by_latent(means, sigmas)
    return {
        "divergence_nats": nats.tolist(),
        "response": response_by_latent(network, means, points).tolist(),
        "dead_below_nats": DEAD_NATS,
        "dead": np.flatnonzero(nats < DEAD_NATS).tolist(),
        "sources": len(means),
    }
