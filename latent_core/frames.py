"""A table whose columns are opened one by one, when they are first asked for.

It answers what is asked of a data frame most (`table["teff"]`, `table.columns`, `"teff" in table`,
`len(table)`), so that a catalog of millions costs only the columns that somebody looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Opener:
    """How a column is opened, and how many different values it has where that is known."""

    open: Callable[[], pd.Series]
    distinct: int | None = None


class LazyFrame:
    """Columns of `rows` values each; a column is opened once and kept."""

    def __init__(self, rows: int, openers: Mapping[str, Opener]) -> None:
        self._rows, self._openers = rows, dict(openers)
        self._opened: dict[str, pd.Series] = {}

    @classmethod
    def of(cls, frame: pd.DataFrame) -> LazyFrame:
        """Wrap a frame that is in memory."""
        return cls(len(frame), {str(n): Opener(partial(_column, frame, n)) for n in frame.columns})

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._openers)

    def __contains__(self, name: object) -> bool:
        return name in self._openers

    def __getitem__(self, name: str) -> pd.Series:
        """Return a column, (N,); KeyError where the table has none of that name."""
        if name not in self._opened:
            self._opened[name] = self._openers[name].open()
        return self._opened[name]

    @property
    def columns(self) -> pd.Index:
        """Names of the columns, in their order."""
        return pd.Index(list(self._openers))

    def distinct(self, name: str) -> int:
        """Return how many different values a column has; a missing one is none of them."""
        known = self._openers[name].distinct
        return int(self[name].nunique()) if known is None else known

    def with_columns(self, other: LazyFrame, names: Iterable[str]) -> LazyFrame:
        """Return a table with columns of another one of the same rows.

        A column that exists already is replaced where it stands; the others follow behind.
        """
        added = LazyFrame(self._rows, self._openers | {n: other._openers[n] for n in names})
        kept = {n: s for n, s in self._opened.items() if added._openers[n] is self._openers[n]}
        added._opened.update(kept)
        return added

    def whole(self) -> pd.DataFrame:
        """Open all columns as one data frame, which shares their memory."""
        return pd.DataFrame({name: self[name] for name in self}, copy=False)


def _column(frame: pd.DataFrame, name: Any) -> pd.Series:
    column: pd.Series = frame[name]
    return column
