"""The source whose card is open before anybody chose one; found once for all sessions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dashboard.colouring import Classes, colouring
from dashboard.theme import class_key
from latent_core import Bundle
from latent_core.projection import GRID

COARSE = 16  # places a side of the map: a single cell would find a pile of misfits
TYPICAL_CLASS = "RR"


@lru_cache(maxsize=64)
def showcase_row(bundle: Bundle, space: str, projection: str, class_column: str) -> int:
    """Return the row of the RR Lyrae nearest its class median, else of the source nearest the
    densest place of the map, -1 where the map is empty.
    """
    row = _typical_member(bundle, space, class_column) if class_column else -1
    return _densest_row(bundle, space, projection) if row < 0 else row


def _typical_member(bundle: Bundle, name: str, class_column: str) -> int:
    classes, space = colouring(bundle, name, class_column), bundle.space(name)
    if not isinstance(classes, Classes) or not len(space.present):
        return -1
    wanted = np.asarray([class_key(n) == TYPICAL_CLASS for n in classes.names], bool)
    members = wanted[classes.codes[space.present]]
    if not members.any():
        return -1
    z = space.scaled(space.present[members])
    distance = np.linalg.norm(z - np.median(z, axis=0), axis=1)
    return int(space.present[members][np.argmin(distance)])


def _densest_row(bundle: Bundle, space: str, projection: str) -> int:
    drawing = bundle.space(space).projection(projection).drawing
    if not len(drawing.order):
        return -1
    side = GRID // COARSE
    counts = np.diff(drawing.offsets).reshape(COARSE, side, COARSE, side).sum(axis=(1, 3))
    down, across = np.unravel_index(int(np.argmax(counts)), counts.shape)
    first = (down * side + np.arange(side)) * GRID + across * side
    ends = zip(drawing.offsets[first], drawing.offsets[first + side], strict=True)
    inside = np.concatenate([np.arange(low, high) for low, high in ends])
    x, y = drawing.x[inside], drawing.y[inside]
    distance = np.hypot(x - np.median(x), y - np.median(y))
    return int(drawing.order[inside[np.argmin(distance)]])
