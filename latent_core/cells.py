"""Latents sorted into small boxes, so that a search can prove which boxes it need not open.

A k-d tree of equal halves (Friedman, Bentley & Finkel 1977): rows are split at the median of the
latent that spreads most, until a cell holds about `CELL` rows, and each node knows the smallest
box around its rows. For any non-negative weights the distance from a query to a box is a lower
bound of the distance to every row in it, whatever filter there is. Cells are opened nearest
first; once that bound passes the k-th distance the search is over and its answer proven. Latents
of stars fill few dimensions: a few thousand of millions of rows are looked at. Where they fill
all, many boxes touch the neighborhood of a query, and a search may be told to stop earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import FolderError, LatentError

if TYPE_CHECKING:
    from latent_core.bundle import Folder, StageWriter

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
CELL = 64
NO_LIMIT = 1 << 62
TURNED_UP_TO = 262_144  # rows that are held twice; of more, one search would read many pages
# a budget for placing millions: where latents fill all dimensions the nearest are not proven
MOST_LOOKED_AT = 16_384
PARTS = ("z", "rows", "boxes")


@dataclass(frozen=True)
class Found:
    """Answers to many queries: row numbers (Q, k), nearest first, -1 where fewer are allowed.

    `distance` (Q, k); `seen` (Q,) rows looked at; `proven` (Q,) whether the answer is exact.
    """

    rows: NDArray[np.int64]
    distance: Floats
    seen: NDArray[np.int64]
    proven: NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """Rows of a space in the order of their cells, read-only, memory-mapped where saved.

    `z` (M, K) float32; `rows` (M,) int32, the number by which each is known outside; `boxes`
    (2 C, 2, K) float32, lower and upper corners of node n, whose halves are 2 n and 2 n + 1; node
    1 holds all rows and nodes C .. 2 C - 1 are the cells, C a power of two.
    """

    z: Singles
    rows: NDArray[np.int32]
    boxes: Singles

    def __post_init__(self) -> None:
        # compiled code knows one kind of array: plain and read-only
        for part in PARTS:
            view = np.asarray(getattr(self, part)).view()
            view.flags.writeable = False
            object.__setattr__(self, part, view)

    @classmethod
    def build(cls, z: NDArray[np.floating], rows: NDArray[np.integer] | None = None) -> Cells:
        """Sort z-scores (M, K) into cells; `rows` (M,) default to positions. 0.7 us a row."""
        from latent_core.cell_kernels import split

        ordered = np.array(z, np.float32, order="C")
        numbers = np.array(np.arange(len(z)) if rows is None else rows, np.int32)
        cells = 1 << max(0, (len(z) // CELL).bit_length() - 1)
        boxes = np.zeros((2 * cells, 2, ordered.shape[1]), np.float32)
        if len(ordered):
            split(ordered, numbers, boxes)
        return cls(ordered, numbers, boxes)

    @classmethod
    def read(cls, folder: Folder, base: str, count: int) -> Cells:
        """Map what `save` wrote for rows below `count`; raises FolderError where it is not whole.

        The hashes were compared, but compiled code trusts sizes and numbers, so they are, too.
        """
        cells = cls(*(folder.array(f"{base}/{part}.npy") for part in PARTS))
        if not (cells._fit() and cells.rows.min() >= 0 and cells.rows.max() < count):
            raise FolderError(
                f"{folder.path / base} does not fit its space; run gaia-latent index"
            )
        return cells

    def save(self, writer: StageWriter, base: str) -> None:
        """Write the arrays as `base`/z.npy, rows.npy and boxes.npy."""
        for part in PARTS:
            writer.save_array(f"{base}/{part}.npy", getattr(self, part))

    def _fit(self) -> bool:
        """Tell whether the arrays belong together."""
        if self.z.ndim != 2 or self.boxes.ndim != 3:
            return False
        (rows, latents), nodes = self.z.shape, len(self.boxes)
        return (
            self.z.dtype == self.boxes.dtype == np.float32
            and self.rows.dtype == np.int32
            and self.rows.shape == (rows,)
            and rows > 0
            and self.boxes.shape[1:] == (2, latents)
            and 2 <= nodes <= max(2, 2 * rows)
            and nodes & (nodes - 1) == 0
        )

    @cached_property
    def places(self) -> NDArray[np.int32]:
        """Where each row number stands in `z`, (N,), -1 for numbers that are not there."""
        places = np.full(self._numbers, -1, np.int32)
        places[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return places

    @cached_property
    def turned(self) -> Singles:
        """`z` latent by latent, (K, M), which is searched faster; (K, 0) where z is large."""
        held = self.z if len(self.z) <= TURNED_UP_TO else self.z[:0]
        turned = np.ascontiguousarray(held.T)
        turned.flags.writeable = False
        return turned

    @cached_property
    def _numbers(self) -> int:
        return int(self.rows.max(initial=-1)) + 1

    def _bits(self, where: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
        """Pack a filter: bits of millions of rows stay in the processor's own memory."""
        if where is not None and len(where) < self._numbers:
            raise LatentError(f"a filter of {len(where)} rows for rows up to {self._numbers}")
        return np.packbits(np.zeros(0, bool) if where is None else where, bitorder="little")

    def _asked(self, queries: NDArray[np.floating], k: int) -> Floats:
        if queries.shape[1:] != self.z.shape[1:] or k < 1:
            raise LatentError(
                f"{k} neighbors of points {queries.shape[1:]} among {self.z.shape[1]} latents"
            )
        return np.array(queries, np.float64, order="C")

    def candidates(
        self,
        query: Floats,
        weights: Floats,
        k: int,
        *,
        where: NDArray[np.bool_] | None = None,
        skip: int = -1,
        budget: int | None = None,
    ) -> tuple[NDArray[np.int64], int, bool]:
        """Return places in `z` that hold the k nearest rows to (K,), in no order.

        Also how many rows were looked at, and whether it is proven; it always is without a
        `budget`. `weights` (K,) not all 0; `where` (N,) allows row numbers.
        """
        from latent_core import cell_kernels

        asked = self._asked(np.asarray(query)[None], k)[0]
        places, seen, proven = cell_kernels.candidates(
            *(self.z, self.turned, self.rows, self.boxes),
            *(asked, weights / weights.max(), k),
            *(self._bits(where), skip, NO_LIMIT if budget is None else budget),
        )
        return places, seen, proven

    def nearest(
        self,
        queries: NDArray[np.floating],
        k: int,
        *,
        weights: Floats | None = None,
        where: NDArray[np.bool_] | None = None,
        skip: NDArray[np.integer] | None = None,
        budget: int | None = None,
    ) -> Found:
        """Return the k nearest rows of each query, (Q, K), ties by row number.

        `skip` (Q,) names a row that each query leaves out, itself as a rule.
        """
        from latent_core.cell_kernels import candidates_of_many

        w = np.ones(self.z.shape[1]) if weights is None else weights
        rows, squared, seen, proven = candidates_of_many(
            *(self.z, self.turned, self.rows, self.boxes),
            *(self._asked(queries, k), w / w.max(), k, self._bits(where)),
            np.full(len(queries), -1, np.int64) if skip is None else np.asarray(skip, np.int64),
            NO_LIMIT if budget is None else budget,
        )
        return Found(rows, np.sqrt(squared * w.max()), seen, proven)
