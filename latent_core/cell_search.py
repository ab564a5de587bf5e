"""Nearest known rows of many others: the search that places sources on a map of landmarks.

Cells come from k-means; what is looked up in them is exact unless a query would need more than
MOST_CELLS of them (in many dimensions), and never depends on the other rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from latent_core.cell_kernels import Cells

ROWS_PER_CELL, MOST_TRAINED = 200, 4096
MOST_CELLS = 64
CHUNK = 65_536
Found = tuple[NDArray[np.int64], NDArray[np.float32]]


def assign_cells(z: NDArray[np.float32], seed: int = 0) -> NDArray[np.int32]:
    """Return a cell number for each row, (M, K) -> (M,): k-means, some 200 rows to a cell."""
    import faiss

    count = min(len(z) // ROWS_PER_CELL, MOST_TRAINED)
    if count < 2:
        return np.zeros(len(z), np.int32)
    z = np.ascontiguousarray(z, np.float32)
    means = faiss.Kmeans(z.shape[1], count, niter=8, seed=seed + 1, max_points_per_centroid=64)
    means.train(z)
    return np.asarray(means.index.search(z, 1)[1][:, 0], np.int32)


class CellSearch:
    """The k nearest of known rows `z` (M, K), finite, by Euclidean distance in float32."""

    def __init__(self, z: NDArray[np.floating], cells: NDArray[np.int32]) -> None:
        self.size = len(z)
        self._cells = _sorted_cells(np.ascontiguousarray(z, np.float32), cells)

    def nearest(
        self, queries: NDArray[np.floating], k: int, *, own: NDArray[np.int64] | None = None
    ) -> Found:
        """Return row numbers (L, k) and distances (L, k), nearest first, ties by number.

        `own` (L,) leaves a row out of its own neighbors. Fewer than k where fewer are known.
        """
        left = self.size - (own is not None)
        shape = (len(queries), min(k, left))
        numbers, squared = np.empty(shape, np.int64), np.empty(shape, np.float32)
        skip = np.full(len(queries), -1) if own is None else np.asarray(own, np.int64)
        if shape[1] > 0:
            fill = partial(self._fill, queries, skip, (numbers, squared))
            _spread(fill, list(_chunks(len(queries))))
        return numbers, np.sqrt(squared)

    def _fill(
        self, queries: NDArray[np.floating], skip: NDArray[np.int64], found: Found, part: slice
    ) -> None:
        from latent_core.cell_kernels import search

        asked = np.ascontiguousarray(queries[part], np.float32)
        search(asked, self._cells, MOST_CELLS, skip[part], (found[0][part], found[1][part]))


def neighbors_of_all(z: NDArray[np.floating], k: int, *, seed: int = 0) -> Found:
    """Return each row's k nearest rows, itself first, and their true distances, both (M, k)."""
    z = np.ascontiguousarray(z, np.float32)
    own = np.arange(len(z))
    numbers, distance = CellSearch(z, assign_cells(z, seed)).nearest(z, k - 1, own=own)
    zero = np.zeros((len(z), 1), np.float32)
    return np.hstack([own[:, None], numbers]), np.hstack([zero, distance])


def _sorted_cells(z: NDArray[np.float32], cells: NDArray[np.int32]) -> Cells:
    from latent_core.cell_kernels import Cells

    _, cell = np.unique(cells, return_inverse=True)
    count = int(cell.max()) + 1
    size = np.bincount(cell, minlength=count)
    sums = [np.bincount(cell, column, count) for column in z.T]
    centres = (np.stack(sums, axis=1) / size[:, None]).astype(np.float32)
    away = np.empty(len(z), np.float32)
    for part in _chunks(len(z)):
        away[part] = np.linalg.norm(z[part] - centres[cell[part]], axis=1)
    order = np.lexsort((away, cell))
    offsets = np.concatenate([[0], np.cumsum(size)])
    rows, away = z[order], away[order]
    return Cells(
        rows=rows,
        numbers=order.astype(np.int64),
        away=away,
        offsets=offsets.astype(np.int64),
        centres=np.ascontiguousarray(centres.T),
        radii=np.maximum.reduceat(away, offsets[:-1]),
        low=np.minimum.reduceat(rows, offsets[:-1]),
        high=np.maximum.reduceat(rows, offsets[:-1]),
    )


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


def _spread(work: Callable[[slice], None], parts: Sequence[slice]) -> None:
    """Work on parts in as many threads as FAISS takes: OMP_NUM_THREADS, or one a core."""
    if len(parts) < 2:
        for part in parts:
            work(part)
        return
    import faiss

    with ThreadPoolExecutor(faiss.omp_get_max_threads()) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()
