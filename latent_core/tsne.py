"""t-SNE (van der Maaten & Hinton 2008) of z-scored latents by openTSNE.

It keeps some three times as many true neighbors as UMAP at the same cost, and less of the global
order (speed.md, 5). Affinities are Gaussian weights of each row's nearest neighbors at a given
perplexity, made symmetric; the start is PCA, so that maps of the same space look alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_core.config import MapSettings
from latent_core.similarity import nearest_neighbors

EXAGGERATION, EXAGGERATED_FOR, THEN_FOR = 12, 125, 375
START_SPREAD = 1e-4
NEIGHBORS_PER_PERPLEXITY = 3
FFT_FROM = 10_000  # below, Barnes-Hut is faster than a grid that has to cover the whole map


def tsne_coordinates(
    z: NDArray[np.floating], start: NDArray[np.float32], settings: MapSettings
) -> NDArray[np.float32]:
    """Return the t-SNE of z-scored latents, (M, K) -> (M, 2) float32, from a start (M, 2).

    One thread, so that a seed gives the same map again.
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PrecomputedAffinities, joint_probabilities_nn

    perplexity = min(settings.perplexity, (len(z) - 1) / NEIGHBORS_PER_PERPLEXITY)
    neighbors = min(len(z) - 1, round(NEIGHBORS_PER_PERPLEXITY * perplexity))
    items, distance = nearest_neighbors(z, neighbors + 1)
    weights = joint_probabilities_nn(
        items[:, 1:], distance[:, 1:].astype(np.float64), [perplexity], symmetrize=True, n_jobs=1
    )
    spread = max(float(start[:, 0].std()), 1e-12)
    layout = TSNEEmbedding(
        np.asarray(start, np.float64) * (START_SPREAD / spread),
        PrecomputedAffinities(weights),
        negative_gradient_method="fft" if len(z) >= FFT_FROM else "bh",
        random_state=settings.seed,
        n_jobs=1,
    )
    layout = layout.optimize(EXAGGERATED_FOR, exaggeration=EXAGGERATION, momentum=0.5)
    return np.asarray(layout.optimize(THEN_FOR, exaggeration=1, momentum=0.8), np.float32)
