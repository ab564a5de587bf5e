"""Points of a made-up map: clusters with a class each."""

from __future__ import annotations

import numpy as np

CLASSES = 25


def clusters(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places (N, 2) about 25 centres, in random order, and the class of each point."""
    rng = np.random.default_rng(0)
    centres, widths = rng.uniform(-8, 8, (CLASSES, 2)), rng.uniform(0.2, 1.5, CLASSES)
    classes = rng.choice(CLASSES, count, p=rng.dirichlet(np.ones(CLASSES)))
    places = centres[classes] + widths[classes, None] * rng.standard_normal((count, 2))
    return places.astype(np.float32), classes.astype(np.int8)
