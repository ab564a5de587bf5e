"""Sets of catalog rows as packed bits: what is selected and what is shown.

Four million rows take 500 kB; combining and counting them takes tens of microseconds. The bits
lie as FAISS's IDSelectorBitmap reads them: row r is bit r % 8, the lowest first, of byte r // 8.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from latent_core.errors import LatentError

WORD = 64  # bits that are combined and counted at a time
Words = NDArray[np.uint64]
Rows = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def set_bits(words: Any, rows: Any) -> None:
    """Set the bits of rows (M,) in uint64 words, which must hold them all."""
    for row in rows:
        words[row >> 6] |= np.uint64(1) << np.uint64(row & 63)


@numba.njit(cache=True, nogil=True)
def _words_of_codes(words: Any, codes: Any, kept: Any) -> None:
    for w in range(len(words)):
        word = np.uint64(0)
        first = w * 64
        for i in range(first, min(first + 64, len(codes))):
            word |= np.uint64(kept[codes[i]]) << np.uint64(i - first)
        words[w] = word


@dataclass(frozen=True, eq=False)
class Bitmap:
    """Some of the rows 0..size - 1; never changed, so that it may be shared and watched.

    `words` (W,) uint64 are read-only, W = `size` / 64 rounded up; bits beyond `size` are 0.
    """

    words: Words
    size: int

    def __post_init__(self) -> None:
        self.words.flags.writeable = False

    @classmethod
    def none(cls, size: int) -> Bitmap:
        """Return the empty set of `size` rows, shared by all who ask."""
        return _none(size)

    @classmethod
    def all(cls, size: int) -> Bitmap:
        """Return the set of all `size` rows, shared by all who ask."""
        return _all(size)

    @classmethod
    def from_rows(cls, rows: NDArray[np.integer], size: int) -> Bitmap:
        """Return the set of some rows (M,), in any order; raises IndexError beyond `size`."""
        rows = np.asarray(rows, np.int64)
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < size:
            raise IndexError(f"rows {rows.min()} to {rows.max()} are not all among {size}")
        words = empty_words(size)
        set_bits(words, rows)
        return cls(words, size)

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_]) -> Bitmap:
        """Return the rows where a mask (N,) is true."""
        words = empty_words(len(mask))
        packed = np.packbits(np.asarray(mask, bool), bitorder="little")
        words.view(np.uint8)[: len(packed)] = packed
        return cls(words, len(mask))

    @classmethod
    def from_codes(cls, codes: NDArray[np.integer], kept: NDArray[np.bool_]) -> Bitmap:
        """Return the rows whose code (N,), 0..K - 1, is kept (K,)."""
        words = empty_words(len(codes))
        _words_of_codes(words, codes, np.asarray(kept, bool))
        return cls(words, len(codes))

    @cached_property
    def count(self) -> int:
        """How many rows it holds."""
        return int(np.bitwise_count(self.words).sum(dtype=np.int64))

    def any(self) -> bool:
        """Return whether it holds a row at all."""
        return self.count > 0

    def is_full(self) -> bool:
        """Return whether it holds every row."""
        return self.count == self.size

    @property
    def packed(self) -> NDArray[np.uint8]:
        """The bits as bytes, (size / 8 rounded up,), lowest first; a view, not a copy."""
        return self.words.view(np.uint8)[: -(-self.size // 8)]

    def to_mask(self) -> NDArray[np.bool_]:
        """Return a mask (N,) of the rows."""
        bits = np.unpackbits(self.packed, count=self.size, bitorder="little")
        return bits.view(np.bool_)

    def to_rows(self) -> Rows:
        """Return the rows, ascending, (M,)."""
        return np.flatnonzero(self.to_mask())

    def rows_at(self, places: NDArray[np.integer]) -> Rows:
        """Return the rows that stand at some places of `to_rows()`, without writing all down."""
        places = np.asarray(places, np.int64)
        ends = np.cumsum(np.bitwise_count(self.words), dtype=np.int64)
        word = np.searchsorted(ends, places, side="right")
        bits = np.unpackbits(self.words[word, None].view(np.uint8), axis=1, bitorder="little")
        passed = np.cumsum(bits, axis=1, dtype=np.int64) + (ends[word] - bits.sum(1))[:, None]
        return np.asarray(word * WORD + np.argmax(passed > places[:, None], axis=1), np.int64)

    def first(self, most: int) -> Rows:
        """Return the lowest rows, at most `most` of them."""
        return self.rows_at(np.arange(min(most, self.count)))

    def contains(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which of some rows (M,) it holds, (M,)."""
        rows = np.asarray(rows, np.int64)
        bits = (self.packed[rows >> 3] >> (rows & 7).astype(np.uint8)) & 1
        return np.asarray(bits, np.bool_)

    def __and__(self, other: Bitmap) -> Bitmap:
        if isinstance(other, Bitmap) and self.size == other.size:
            if self.is_full():
                return other
            if other.is_full():
                return self
        return self._with(other, np.bitwise_and)

    def __or__(self, other: Bitmap) -> Bitmap:
        return self._with(other, np.bitwise_or)

    def __xor__(self, other: Bitmap) -> Bitmap:
        return self._with(other, np.bitwise_xor)

    def __sub__(self, other: Bitmap) -> Bitmap:
        return self._with(other, lambda mine, theirs: mine & ~theirs)

    def _with(self, other: Bitmap, combine: Callable[[Words, Words], Words]) -> Bitmap:
        if not isinstance(other, Bitmap):
            return NotImplemented
        if self.size != other.size:
            raise ValueError(f"bitmaps of {self.size} and {other.size} rows do not combine")
        return Bitmap(combine(self.words, other.words), self.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitmap):
            return NotImplemented
        return self.size == other.size and np.array_equal(self.words, other.words)

    __hash__ = None  # type: ignore[assignment]  # equal by content, which is costly to hash

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        """Be a mask wherever numpy is given one."""
        if copy is False:
            raise ValueError("packed bits become a mask only by copying")
        mask = self.to_mask()
        return mask if dtype is None else mask.astype(dtype)

    def __repr__(self) -> str:
        return f"Bitmap({self.count:,} of {self.size:,} rows)"


def empty_words(size: int) -> Words:
    """Return writable words of `size` bits, all 0."""
    if sys.byteorder != "little":
        raise LatentError("selections are packed for little-endian machines; this is none")
    return np.zeros(-(-size // WORD), np.uint64)


@lru_cache(maxsize=16)
def _none(size: int) -> Bitmap:
    return Bitmap(empty_words(size), size)


@lru_cache(maxsize=16)
def _all(size: int) -> Bitmap:
    words = empty_words(size)
    words[:] = ~np.uint64(0)
    if size % WORD:
        words[-1] >>= np.uint64(WORD - size % WORD)
    return Bitmap(words, size)
