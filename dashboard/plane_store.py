"""Planes and binned columns of the opened bundles: computed once, shared, bounded in bytes.

Nothing here belongs to a visitor. A plane of four million sources takes half a second of CPU and
64 MB, so only the last used ones are kept; two visitors who ask at once wait for the same work.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from dashboard.colouring import Classes, colouring, describe_column
from dashboard.histogram import Binned, binned
from latent_core import Bundle
from latent_core.planes import Placed, Plane, placed

MOST_BYTES = 320 * 2**20  # of all that is kept: four planes of four million sources and colours
# one thread: a plane is wanted soon, pictures are wanted now
POOL = ThreadPoolExecutor(max_workers=1, thread_name_prefix="planes")


class Sized(Protocol):
    """Anything that knows the bytes of its arrays."""

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""


T = TypeVar("T", bound=Sized)


class Store:
    """Keeps what was made last, up to a number of bytes; each thing is made once at a time."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._lock = Lock()
        self._made: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept."""
        with self._lock:
            return sum(_bytes(kept) for kept in self._made.values())

    def has(self, key: Hashable) -> bool:
        """Return whether a thing is there, so that `get` answers at once."""
        with self._lock:
            return key in self._made and self._made[key].done()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return a thing, made now unless it is kept; who asks meanwhile waits for it."""
        with self._lock:
            known = self._made.get(key)
            mine = known is None
            future: Future[Any] = Future() if known is None else known
            self._made[key] = future
            self._made.move_to_end(key)
        if not mine:
            found: T = future.result()
            return found
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                self._made.pop(key, None)
            future.set_exception(error)
            raise
        future.set_result(made)
        self._forget_oldest()
        return made

    def _forget_oldest(self) -> None:
        with self._lock:
            total = sum(_bytes(kept) for kept in self._made.values())
            for key in list(self._made)[:-1]:
                if total <= self.most_bytes:
                    return
                if self._made[key].done():
                    total -= _bytes(self._made.pop(key))


def _bytes(kept: Future[Any]) -> int:
    return int(kept.result().nbytes) if kept.done() and not kept.exception() else 0


STORE = Store()


def _reader(
    bundle: Bundle, space: str, rows: slice | NDArray[np.int64] = slice(None)
) -> Callable[[str], NDArray]:
    """Return a function that gives a column or latent over catalog rows, (N,), NaN if missing."""
    latents = bundle.space(space).latent_names

    def read(name: str) -> NDArray:
        if name in latents:
            return np.asarray(bundle.space(space).latents[rows, latents.index(name)])
        series = bundle.catalog[name].iloc[rows]
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
    return STORE.has(_plane_key(bundle, space, plane))


def plane_of(bundle: Bundle, space: str, plane: Plane) -> Placed:
    """Return a plane with the sources of a bundle in it; the first call computes it."""
    read = _reader(bundle, space)
    return STORE.get(_plane_key(bundle, space, plane), lambda: placed(plane, read))


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
    return STORE.get(key, gather)


def _bins_key(bundle: Bundle, space: str, name: str, log: bool) -> Hashable:
    own = name in bundle.space(space).latent_names
    return ("bins", bundle, space if own else "", name, log)


def has_bins(bundle: Bundle, space: str, name: str, *, log: bool) -> bool:
    """Return whether a column is binned already."""
    return STORE.has(_bins_key(bundle, space, name, log))


def bins_of(bundle: Bundle, space: str, name: str, *, log: bool) -> Binned:
    """Return a column or latent in bins; the first call computes them."""

    def make() -> Binned:
        values = read_values(bundle, space, name)
        return binned(describe_column(bundle, space, name), values, log=log)

    return STORE.get(_bins_key(bundle, space, name, log), make)
