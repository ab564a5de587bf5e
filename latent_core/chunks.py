"""Chunks of a survey: contiguous catalog rows that one worker reads, works on and forgets.

Where a catalog is sorted by source_id a chunk ends where a HEALPix pixel ends: source_id // 2^35
is the nested level-12 pixel, and each coarser level is two bits less (gaia-archive.md). The cuts
depend on the catalog alone, never on who works: results are the same whoever does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import CATALOG, Folder
from latent_core.catalog import SOURCE_ID, Catalog
from latent_core.errors import FolderError
from latent_core.products import EpochPhotometry, Product

MOST_ROWS = 50_000
PIXEL_BITS = 35  # source_id holds its level-12 pixel above these
AnyProduct = TypeVar("AnyProduct", bound=Product)


@dataclass(frozen=True)
class Chunk:
    """Catalog rows `start` to `stop`, which is not its own."""

    number: int
    start: int
    stop: int

    def items(self, rows: NDArray[np.int64]) -> slice:
        """Return which of ascending catalog rows (M,) lie in it."""
        first, last = np.searchsorted(rows, (self.start, self.stop))
        return slice(int(first), int(last))


def cut(source_id: NDArray[np.int64], most: int = MOST_ROWS) -> tuple[Chunk, ...]:
    """Cut a catalog (N,) into chunks of at most `most` rows, in its order.

    In a sorted catalog each ends at the border of the coarsest pixel that ends in the second half
    of its reach, so that chunks are whole pixels and never tiny; in any other they are equal.
    """
    count, ends = len(source_id), [0]
    steps = source_id[1:] ^ source_id[:-1]  # highest differing bit: the pixel that ends here
    in_order = bool((source_id[1:] > source_id[:-1]).all())
    while ends[-1] < count:
        end = min(ends[-1] + most, count)
        if in_order and end < count:
            first = ends[-1] + max(1, most // 2)
            levels = _levels(steps[first - 1 : end])
            end = first + len(levels) - 1 - int(np.argmax(levels[::-1]))
        ends.append(end)
    return tuple(Chunk(n, *pair) for n, pair in enumerate(pairwise(ends)))


def even(count: int, most: int = MOST_ROWS) -> tuple[Chunk, ...]:
    """Cut numbers 0 to `count` into chunks of `most`."""
    starts = range(0, count, most)
    return tuple(Chunk(n, s, min(s + most, count)) for n, s in enumerate(starts))


def _levels(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank borders between two ids by the size of the pixels that they part; 0: the same one."""
    pixels = np.asarray(steps >> PIXEL_BITS, np.float64)
    return np.where(pixels > 0, np.frexp(pixels)[1] + 1, 0) // 2


@dataclass(frozen=True)
class FolderRef:
    """A folder as it travels to a worker: where it is, and which files were verified already.

    The worker opens it by its path: on a cluster all machines see the folder there.
    """

    path: str
    version: str
    verified: frozenset[str]


def refer(folder: Folder, names: Sequence[str] = ()) -> FolderRef:
    """Name a folder for workers, with `names` verified here, once for all of them."""
    for name in names:
        folder.file(name)
    return FolderRef(str(folder.path.resolve()), folder.version, frozenset(folder.verified))


@lru_cache(maxsize=2)
def opened(ref: FolderRef) -> Folder:
    """Open a folder in a worker; raises FolderError where it is another one than was named."""
    folder = Folder.open(ref.path)
    if folder.version != ref.version:
        raise FolderError(
            f"{ref.path} is not the same folder for this worker; all workers must see one file "
            "system, and nobody may change the folder meanwhile"
        )
    folder.trust(ref.verified)
    return folder


def source_count(folder: Folder) -> int:
    """Return how many rows the catalog has, which its file says in its footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(folder.file(CATALOG)).num_rows)


def source_ids_of(folder: Folder) -> NDArray[np.int64]:
    """Read the identifiers alone, (N,): the other columns of millions of rows stay on the disk."""
    import pyarrow.parquet as pq

    file = folder.file(CATALOG)
    table = pq.read_table(file, columns=[SOURCE_ID], page_checksum_verification=True)
    return np.asarray(table.column(SOURCE_ID).to_numpy(), np.int64)


def identifiers_only(folder: Folder) -> Catalog:
    """Return the catalog without any column but the identifiers."""
    import pandas as pd

    frame = pd.DataFrame({SOURCE_ID: source_ids_of(folder)})
    return Catalog(frame, simulated=folder.manifest.simulated)


def catalog_rows(
    folder: Folder, rows: slice | NDArray[np.int64], columns: Sequence[str]
) -> Catalog:
    """Read some rows of a folder's own catalog, and of its columns those that it has.

    `rows` is a slice, or ascending numbers (M,). Only row groups that hold some of them are read.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(folder.file(CATALOG), page_checksum_verification=True)
    sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    ends = np.cumsum([0, *sizes])
    chosen = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    groups = np.unique(np.searchsorted(ends, chosen, side="right") - 1)
    wanted = [n for n in file.schema_arrow.names if n == SOURCE_ID or n in columns]
    frame = file.read_row_groups(groups.tolist(), columns=wanted).to_pandas()
    # where each group's first row stands among those that were read
    before = np.cumsum([0, *(sizes[g] for g in groups)])
    group = np.searchsorted(ends, chosen, side="right") - 1
    at = chosen - ends[group] + before[np.searchsorted(groups, group)]
    taken = frame.iloc[at].reset_index(drop=True)
    return Catalog(taken, simulated=folder.manifest.simulated)


def product_in(product: AnyProduct, chunk: Chunk) -> AnyProduct:
    """Return the sources of a product in a chunk; their `rows` count from the chunk's first."""
    items = chunk.items(product.rows)
    moved = np.asarray(product.rows[items]) - chunk.start
    return _part(product, items, moved)


def product_of(product: AnyProduct, rows: NDArray[np.int64]) -> AnyProduct:
    """Return a product of ascending catalog rows (M,) only; its `rows` are places among them."""
    own = product.rows
    place = np.minimum(np.searchsorted(own, rows), max(len(own) - 1, 0))
    into = np.flatnonzero(own[place] == rows) if len(own) else np.empty(0, np.int64)
    return _part(product, place[into], into)


def _part(
    product: AnyProduct, items: slice | NDArray[np.int64], rows: NDArray[np.int64]
) -> AnyProduct:
    parts: dict[str, Any] = {"rows": rows}
    names = [f.name for f in fields(product) if f.name not in ("rows", "origin")]
    if isinstance(product, EpochPhotometry):
        points, offsets = _points(product.offsets, items)
        parts |= {"offsets": offsets}
        parts |= {n: np.asarray(getattr(product, n)[points]) for n in names if n != "offsets"}
    else:
        parts |= {n: np.asarray(getattr(product, n)[items]) for n in names}
    return replace(product, **parts)


def _points(
    offsets: NDArray[np.int64], items: slice | NDArray[np.int64]
) -> tuple[slice | NDArray[np.int64], NDArray[np.int64]]:
    """Return which points ragged curves of some items have, and their own offsets."""
    if isinstance(items, slice):
        own = np.asarray(offsets[items.start : items.stop + 1])
        return slice(int(own[0]), int(own[-1])), own - own[0]
    first = np.asarray(offsets[items])
    length = np.asarray(offsets[items + 1]) - first
    own = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return np.repeat(first - own[:-1], length) + np.arange(own[-1]), own
