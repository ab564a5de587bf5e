"""Planes and binned columns of the opened bundles: computed once and shared by all sessions.

A plane of four million sources takes half a second of CPU and 64 MB: it is made beside the event
loop when somebody first opens it, and kept on the shelf that bounds all such memory.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dashboard.colouring import Classes, colouring, describe_column
from dashboard.histogram import Binned, binned
from dashboard.shared import SHELF
from latent_core import Bundle
from latent_core.planes import Placed, Plane, placed

# one thread: a plane is wanted soon, pictures are wanted now; and nothing is made twice
POOL = ThreadPoolExecutor(max_workers=1, thread_name_prefix="planes")


def _reader(
    bundle: Bundle, space: str, rows: slice | NDArray[np.int64] = slice(None)
) -> Callable[[str], NDArray]:
    """Return a function that gives a column or latent over catalog rows, (N,), NaN if missing."""
    latents = bundle.space(space).latent_names

    def read(name: str) -> NDArray:
        if name in latents:
            return np.asarray(bundle.space(space).latents[rows, latents.index(name)])
        series = bundle.table[name].iloc[rows]
        if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iuf":
            return series.to_numpy()
        return series.to_numpy(np.float64, na_value=np.nan)

    return read


def read_values(bundle: Bundle, space: str, name: str) -> NDArray:
    """Return a column or latent over catalog rows, (N,), NaN where it is missing."""
    return _reader(bundle, space)(name)


def _plane_key(bundle: Bundle, space: str, plane: Plane) -> Hashable:
    own = any(name in bundle.space(space).latent_names for name in plane.needs)
    return ("plane", bundle, space if own else "", plane.name)


def has_plane(bundle: Bundle, space: str, plane: Plane) -> bool:
    """Return whether a plane is computed already."""
    return _plane_key(bundle, space, plane) in SHELF


def plane_of(bundle: Bundle, space: str, plane: Plane) -> Placed:
    """Return a plane with the sources of a bundle in it; the first call computes it."""
    read = _reader(bundle, space)
    found: Placed = SHELF.get(_plane_key(bundle, space, plane), lambda: placed(plane, read))
    return found


def places_of(
    bundle: Bundle, space: str, plane: Plane, rows: Sequence[int]
) -> list[tuple[float, float] | None]:
    """Return where some rows stand in a plane, None for one that has no place."""
    if not len(rows):
        return []
    found = plane.coordinates(_reader(bundle, space, np.asarray(rows, np.int64)))
    return [(float(x), float(y)) if np.isfinite(x + y) else None for x, y in found]


def drawn_colours(bundle: Bundle, space: str, plane: Plane, colour: str) -> NDArray:
    """Return the class codes or numbers of a colouring in a plane's drawing order, (P,)."""
    order = plane_of(bundle, space, plane).drawing.order

    def gather() -> NDArray:
        found = colouring(bundle, space, colour)
        values = found.codes if isinstance(found, Classes) else found.values
        return np.ascontiguousarray(values[order])

    key = ("colours", _plane_key(bundle, space, plane), space, colour)
    drawn: NDArray = SHELF.get(key, gather)
    return drawn


def _bins_key(bundle: Bundle, space: str, name: str, log: bool) -> Hashable:
    own = name in bundle.space(space).latent_names
    return ("bins", bundle, space if own else "", name, log)


def has_bins(bundle: Bundle, space: str, name: str, *, log: bool) -> bool:
    """Return whether a column is binned already."""
    return _bins_key(bundle, space, name, log) in SHELF


def bins_of(bundle: Bundle, space: str, name: str, *, log: bool) -> Binned:
    """Return a column or latent in bins; the first call computes them."""

    def make() -> Binned:
        values = read_values(bundle, space, name)
        return binned(describe_column(bundle, space, name), values, log=log)

    found: Binned = SHELF.get(_bins_key(bundle, space, name, log), make)
    return found
