"""What one table of an archive file gave: items of one product, and the rows it lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID, source_ids
from latent_core.errors import InputError
from latent_core.release import Release
from latent_core.surveys.rows import Sieve, scalar_columns
from latent_core.surveys.table_files import RawTable

# Columns that say nothing of a source: identifiers of a processing run or a transit.
NOT_OF_THE_SOURCE = {"solution_id", "transit_id", "designation", "other_flags"}


@dataclass(frozen=True)
class Reading:
    """Items of one product from one table; an item is one source.

    `ids` (M,) int64 name the items. `kept_rows` (R,) are the table rows that were taken, counted
    from 1, and `kept_item` (R,) the item each belongs to: a sampled spectrum may stand in 343
    rows. `scalars` has one row an item, `source_id` first. `arrays` are the product's.
    `table` tells catalog tables apart: a name that the release knows, else the columns.
    `place` says where arrays that are spooled lie.
    """

    layout: str
    name: str
    rows_in: int
    ids: NDArray[np.int64]
    kept_rows: NDArray[np.int64]
    kept_item: NDArray[np.int64]
    scalars: pd.DataFrame
    rejected: pd.DataFrame
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    points_dropped: int = 0
    origin: str = "archive"
    table: str = ""
    place: Mapping[str, slice] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table with lower-case names, checked identifiers (n,) and the rows still kept."""

    name: str
    frame: pd.DataFrame
    ids: NDArray[np.int64]
    sieve: Sieve
    release: Release
    first_row: int = 0

    def by_row(self, layout: str, arrays: Mapping[str, NDArray[Any]], **more: Any) -> Reading:
        """Return a reading in which each kept row is one source; arrays have all rows."""
        kept = np.flatnonzero(self.sieve.kept)
        taken = {name: values[kept] for name, values in arrays.items()}
        items = np.arange(len(kept))
        return self._reading(layout, kept, items, self.scalars(kept), taken, **more)

    def by_source(self, layout: str, arrays: Mapping[str, NDArray[Any]], **more: Any) -> Reading:
        """Return a reading in which all kept rows of an id are one source.

        `arrays` are per row and stay so, in the table's order. Scalars are the columns that do
        not change within a source.
        """
        kept = np.flatnonzero(self.sieve.kept)
        taken = {name: values[kept] for name, values in arrays.items()}
        item, _ = pd.factorize(self.ids[kept])
        first = kept[np.unique(item, return_index=True)[1]]
        scalars = self.scalars(kept)
        same = [c for c in scalars if _constant(scalars[c], item)]
        scalars = self.scalars(first)[same]
        return self._reading(layout, first, item.astype(np.int64), scalars, taken, **more)

    def scalars(self, rows: NDArray[np.int64]) -> pd.DataFrame:
        """Return the plain columns of the given rows, counted from 0; `source_id` comes first."""
        frame = scalar_columns(self.frame.iloc[rows]).reset_index(drop=True)
        frame = frame.drop(columns=[c for c in frame if c in NOT_OF_THE_SOURCE])
        names = {str(c): self.release.prefixes.sub("", str(c)) for c in frame}
        taken = set(frame)
        frame = frame.rename(columns={c: n for c, n in names.items() if n == c or n not in taken})
        frame.insert(0, SOURCE_ID, self.ids[rows])
        return frame

    def _reading(
        self,
        layout: str,
        first: NDArray[np.int64],
        item: NDArray[np.int64],
        scalars: pd.DataFrame,
        arrays: Mapping[str, NDArray[Any]],
        **more: Any,
    ) -> Reading:
        return Reading(
            layout=layout,
            name=self.name,
            rows_in=len(self.frame),
            ids=self.ids[first],
            kept_rows=np.flatnonzero(self.sieve.kept) + self.first_row + 1,
            kept_item=item,
            scalars=scalars,
            rejected=self.sieve.rejected(),
            arrays=arrays,
            **more,
        )


def _constant(values: pd.Series, item: NDArray[np.int64]) -> bool:
    codes, _ = pd.factorize(values, use_na_sentinel=True)
    groups = int(item.max()) + 1 if len(item) else 0
    low = np.full(groups, np.iinfo(np.int64).max)
    high = np.full(groups, -2)
    np.minimum.at(low, item, codes)
    np.maximum.at(high, item, codes)
    return bool((low == high).all())


def lower_names(raw: RawTable, release: Release | None = None) -> RawTable:
    """Return the table with lower-case column and meta names, as we read them by.

    The release's own spellings become those of our readers. InputError where two collide.
    """
    given = [str(column).strip().lower() for column in raw.frame]
    renamed = release.columns if release else {}
    names = [renamed.get(name, name) for name in given]
    for name in names:
        if names.count(name) > 1:
            raise InputError("two columns have this name", file=raw.name, column=name)
    meta = {str(key).lower(): value for key, value in raw.meta.items()}
    return RawTable(raw.name, raw.frame.set_axis(names, axis=1), meta, raw.first_row)


def open_table(raw: RawTable, release: Release) -> Table:
    """Find and check the identifiers of a table with lower-case names.

    Raises InputError where there is no row, no id column, or an id that is none.
    """
    frame = raw.frame.reset_index(drop=True)
    if not len(frame):
        raise InputError("the table has no rows", file=raw.name)
    aliases = {alias.lower(): None for alias in release.source_id_aliases}
    column = next((alias for alias in aliases if alias in frame), None)
    if column is not None:
        values = frame[column]
        frame = frame.drop(columns=column)
    elif SOURCE_ID in raw.meta:
        values = pd.Series([str(raw.meta[SOURCE_ID])] * len(frame), name=SOURCE_ID, dtype=object)
    else:
        known = ", ".join(map(str, list(frame)[:12]))
        raise InputError(
            f"there is no source_id column among {known}",
            file=raw.name,
            remedy=f"name it {SOURCE_ID}",
        )
    ids = source_ids(values, file=raw.name, unique=False, first_row=raw.first_row)
    sieve = Sieve(raw.name, ids, raw.first_row)
    _refuse_other_releases(frame, sieve, release)
    return Table(raw.name, frame, ids, sieve, release, raw.first_row)


def _refuse_other_releases(frame: pd.DataFrame, sieve: Sieve, release: Release) -> None:
    """Reject rows that say themselves that they are of another release."""
    for column, given, name in _other_releases(frame, release):
        reason = f"data release {name}, this survey is {release.name}"
        sieve.reject((given == name).to_numpy(bool), reason, column)


def refuse_other_release(frame: pd.DataFrame, file: Path, release: Release) -> None:
    """Raise InputError at the first row that says itself that it is of another release."""
    for column, given, name in _other_releases(frame, release):
        row = int(np.argmax((given == name).to_numpy(bool)))
        raise InputError(
            f"data release {name}, but {release.name} is wanted: ids of two releases differ",
            file=file,
            row=row + 1,
            column=column,
            remedy="say of which release the table is (--release)",
        )


def _other_releases(frame: pd.DataFrame, release: Release) -> Iterator[tuple[str, pd.Series, str]]:
    """Find columns that name releases, what each row says, and each name that is not ours."""
    for column in ("data_release", "designation"):
        if column not in frame:
            continue
        given = frame[column].astype(object).map(lambda text: str(text).strip())
        if column == "designation":
            given = given.map(_release_of_designation)
        for name in sorted(set(given) - _UNSAID):
            if not release.is_called(name):
                yield column, given, name


_UNSAID = {"None", "nan", "NaN", "<NA>", ""}


def _release_of_designation(text: str) -> str:
    """Return `Gaia DR3` of `Gaia DR3 4295806720`, "" of what is no designation."""
    parts = text.rsplit(" ", 1)
    return parts[0] if len(parts) == 2 and parts[0].lower().startswith("gaia") else ""
