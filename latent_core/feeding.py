"""Batches for training, straight from memory-mapped arrays: no copy of the data, no DataLoader.

An epoch's order is a permutation of all rows. Above SHUFFLED_WHOLE rows, blocks of neighboring
rows are permuted, and rows within MIXED blocks together: what is read at one time then lies in
some hundred places of the file and not in all of it. Light curves are sorted by length within a
pool of batches, so that a batch is cut where its longest curve ends and is little but points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

SHUFFLED_WHOLE = 2**20
BLOCK_ROWS = 1024
MIXED = 256
POOL = 32  # batches whose curves are sorted together
CHECKED, CURVES_CHECKED = 4096, 512  # rows a batch of validation holds at most
LENGTH_ROWS = 65_536


class Feed:
    """Model inputs (M, ...) by name, kept where they are, and cut into batches of tensors."""

    def __init__(self, arrays: Mapping[str, NDArray], names: Iterable[str]) -> None:
        self._arrays = {n: _plain(arrays[n]) for n in names}
        self._length = _lengths(arrays["mask"]) if "phase" in self._arrays else None

    def batch(self, rows: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Return rows (B,) as tensors, curves cut after the longest of them."""
        import torch

        if self._length is None:
            return {n: torch.from_numpy(a[rows]) for n, a in self._arrays.items()}
        longest = max(1, int(self._length[rows].max()))
        return {n: torch.from_numpy(a[rows, :longest]) for n, a in self._arrays.items()}

    def epoch(self, rows: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
        """Shuffle rows (R,) by torch's generator and cut them into whole batches."""
        order = rows[shuffled(len(rows))]
        count = len(order) // batch
        batches = [order[i * batch : (i + 1) * batch] for i in range(count)]
        return batches if self._length is None else self._by_length(batches)

    def _by_length(self, batches: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        import torch

        found: list[NDArray[np.int64]] = []
        assert self._length is not None  # noqa: S101 - the caller asked
        for start in range(0, len(batches), POOL):
            pool = batches[start : start + POOL]
            rows = np.concatenate(pool)
            rows = rows[np.argsort(self._length[rows], kind="stable")]
            parts = np.split(rows, len(pool))
            found += [parts[i] for i in torch.randperm(len(parts)).tolist()]
        return found

    def checks(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Cut rows into batches for validation, curves of one length together."""
        size = CHECKED
        if self._length is not None:
            rows, size = rows[np.argsort(self._length[rows], kind="stable")], CURVES_CHECKED
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def shuffled(count: int) -> NDArray[np.int64]:
    """Return a permutation of 0 .. count - 1 by torch's generator, local above SHUFFLED_WHOLE."""
    import torch

    if count <= SHUFFLED_WHOLE:
        return np.asarray(torch.randperm(count).numpy())
    blocks = torch.randperm(-(-count // BLOCK_ROWS)).numpy()
    parts = []
    for start in range(0, len(blocks), MIXED):
        chosen = np.sort(blocks[start : start + MIXED])
        rows = (chosen[:, None] * BLOCK_ROWS + np.arange(BLOCK_ROWS)).ravel()
        rows = rows[rows < count]
        parts.append(rows[torch.randperm(len(rows)).numpy()])
    return np.concatenate(parts)


def _plain(array: NDArray) -> NDArray:
    """Return an array without numpy's own class of maps, whose every slice costs microseconds."""
    return np.asarray(array).view(np.ndarray)


def _lengths(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the valid points of every row, a part of the file at a time."""
    parts = [
        np.asarray(mask[start : start + LENGTH_ROWS]).sum(axis=1)
        for start in range(0, len(mask), LENGTH_ROWS)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
