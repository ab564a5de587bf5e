"""What all sessions share and can make again: kept while it fits, by bytes and not by entries.

One colouring of four million sources costs 4 to 32 MB; how many fit depends on the bundle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar

import numpy as np

MOST_BYTES = 256 * 2**20
P = ParamSpec("P")
R = TypeVar("R")


class Shelf:
    """Results by key, least recently used first; the oldest are dropped above `most` bytes."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self.held = 0
        self._results: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._results)

    def __contains__(self, key: Any) -> bool:
        with self._lock:
            return key in self._results

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what lies under the key, or make it; two sessions at once may both make it."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key][0]
        result = make()
        size = bytes_of(result)
        with self._lock:
            self.held += size - self._results.pop(key, (None, 0))[1]
            self._results[key] = (result, size)
            while self.held > self.most and len(self._results) > 1:
                self.held -= self._results.popitem(last=False)[1][1]
        return result

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._results.clear()
            self.held = 0


SHELF = Shelf()


def shared(function: Callable[P, R]) -> Callable[P, R]:
    """Keep the results of a function of hashable arguments on the one shelf."""

    @wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        key = (function.__qualname__, args, tuple(sorted(kwargs.items())))
        result: R = SHELF.get(key, lambda: function(*args, **kwargs))
        return result

    return kept


def bytes_of(result: Any) -> int:
    """Return the private memory of arrays, or of an object's arrays; a file's map has none."""
    if isinstance(result, np.ndarray):
        return 0 if _is_map(result) else result.nbytes
    return sum(bytes_of(a) for a in vars(result).values()) if hasattr(result, "__dict__") else 0


def _is_map(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False
