"""Landmarks: the sources of which a large map is made; all others are placed among them.

Nine of ten are a uniform sample, by a hash of source_id, so that a star's part in it depends on
no other star and no order of rows. The rest are the sources that this sample covers worst (the
farthest from it): small and remote regions, of which a uniform sample would keep next to nothing,
have places of their own on the map.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from latent_core.cells import Cells
from latent_core.hashing import STEP, mixed

REMOTE_SHARE = 0.1
PILOTS = 20_000
QUICK_LOOK, CANDIDATES = 128, 5  # rows looked at first; so many times too many stay
ENOUGH_ROOM = 1.25  # sources per landmark below which all sources are on the map at no more cost
CHUNK = 262_144
SALT = 0x6C616E646D61726B  # so that being a landmark has nothing to do with the split

Latents = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def needs_landmarks(sources: int, landmarks: int, *, full: bool) -> bool:
    """Tell whether a map is made of landmarks: of sources well beyond their number."""
    return not full and sources > ENOUGH_ROOM * landmarks


def choose_landmarks(
    latents: Latents, source_id: NDArray[np.int64], count: int, *, seed: int = 0
) -> NDArray[np.int64]:
    """Choose `count` representative rows, ascending; `latents(rows)` gives z-scores (L, K).

    90 % by hash of source_id, 10 % the farthest from the first 20,000 of these.
    """
    by_hash = np.lexsort((source_id, mixed(source_id, SALT + seed * STEP)))
    uniform = by_hash[: round(count * (1 - REMOTE_SHARE))]
    pilots = Cells.build(latents(uniform[:PILOTS]))
    turn = np.empty(len(by_hash), np.int64)
    turn[by_hash] = np.arange(len(by_hash))
    others = np.flatnonzero(turn >= len(uniform))
    remote = _farthest(pilots, latents, others, turn, count - len(uniform))
    return np.sort(np.concatenate([uniform, remote]))


def _farthest(
    pilots: Cells,
    latents: Latents,
    rows: NDArray[np.int64],
    turn: NDArray[np.int64],
    count: int,
) -> NDArray[np.int64]:
    """Return the rows farthest from their nearest pilot; of equally far ones those whose turn is.

    A quick look never finds a pilot nearer than the nearest: it leaves out no remote source, and
    those that only look remote are sorted out by the exact distance.
    """
    for budget, wanted in ((QUICK_LOOK, CANDIDATES * count), (None, count)):
        away = np.empty(len(rows))
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            away[part] = pilots.nearest(latents(rows[part]), 1, budget=budget).distance[:, 0]
        rows = np.sort(rows[np.lexsort((turn[rows], -away))[:wanted]])
    return rows
