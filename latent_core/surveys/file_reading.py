"""Files read into joined tables: each told by its columns, big ones part by part.

Sources come from spectra and light curves; a big catalog file is read last, when they are known,
so that only the rows of those sources stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.errors import InputError
from latent_core.products import EpochPhotometry, XpCoefficients, XpSampled
from latent_core.release import Release
from latent_core.surveys.catalog_columns import with_stated_frequency
from latent_core.surveys.ingest_report import Progress
from latent_core.surveys.light_curves import is_epoch_photometry, read_epoch_photometry
from latent_core.surveys.readings import Reading, Table, lower_names, open_table
from latent_core.surveys.rows import NoRowKeptError, is_array_column, rejected_rows
from latent_core.surveys.spectra import is_continuous, read_continuous, read_sampled
from latent_core.surveys.spool import Spool, SpooledTable, with_arrays
from latent_core.surveys.table_files import RawTable
from latent_core.surveys.table_streams import TableStream, open_streams

LABELS = "catalog"
NO_DATA = "no spectrum or light curve of this source in the files"
# Rows of one big catalog file that are not of our sources, listed one by one; further ones are
# one line of rejected.parquet with their number.
MOST_LISTED = 100_000


def product_of(names: set[str]) -> str:
    """Tell by its lower-case column names which product a table holds, LABELS for none."""
    if is_continuous(names):
        return XpCoefficients.name
    if is_epoch_photometry(names):
        return EpochPhotometry.name
    return XpSampled.name if "flux" in names and "time" not in names else LABELS


def _read_labels(table: Table) -> Reading:
    """Read catalog columns, one row a source; InputError where there is none."""
    table.sieve.refuse_if_empty()
    reading = table.by_row("catalog columns", {})
    if len(reading.scalars.columns) < 2:
        found = ", ".join(map(str, list(table.frame)[:12])) or "none"
        raise InputError(
            f"no product and no catalog column is known here (columns: {found})",
            file=table.name,
        )
    return reading


_READERS: Mapping[str, Callable[[Table], Reading]] = {
    XpCoefficients.name: read_continuous,
    EpochPhotometry.name: read_epoch_photometry,
    XpSampled.name: read_sampled,
    LABELS: _read_labels,
}


@dataclass
class FileReader:
    """Reads files of one release; what they gave is in `taken`, what not in `skipped`."""

    release: Release
    spool: Spool
    taken: list[tuple[str, Reading]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def read(self, files: Sequence[Path], tell: Progress) -> list[tuple[str, Reading]]:
        """Read all files; returns product names and readings, arrays mapped from the spool.

        Raises InputError for a file that is damaged, or of which nothing can be used.
        """
        catalogs: list[Path] = []
        for number, file in enumerate(files):
            tell("read", number, len(files))
            if not self._read_file(file):
                catalogs.append(file)
        ids = self._ids() if catalogs else None
        for file in catalogs:
            self._read_file(file, ids)
        tell("read", len(files), len(files))
        products = dict.fromkeys(product for product, _ in self.taken)
        return [
            (product, reading)
            for product in products
            for reading in with_arrays(
                [r for p, r in self.taken if p == product], self.spool.mapped(product)
            )
        ]

    def _ids(self) -> NDArray[np.int64]:
        with_data = [reading.ids for product, reading in self.taken if product != LABELS]
        return np.unique(np.concatenate(with_data)) if with_data else np.empty(0, np.int64)

    def _read_file(self, file: Path, ids: NDArray[np.int64] | None = None) -> bool:
        """Read the tables of a file; False for a big catalog while `ids` are not known."""
        before = len(self.taken)
        for stream in open_streams(file, self.release.unused_columns):
            try:
                if not self._read_table(stream, ids):
                    return False
            finally:
                stream.close()
        if len(self.taken) == before:
            other = self.skipped[-1].rsplit(": ", 1)[-1]
            raise InputError(
                f"the file holds only {other}, which we do not take",
                file=file,
                remedy="give XP spectra, epoch photometry or catalog columns",
            )
        return True

    def _read_table(self, stream: TableStream, ids: NDArray[np.int64] | None) -> bool:
        given = [name.strip().lower() for name in stream.columns]
        names = {self.release.columns.get(name, name) for name in given}
        for other, marks in self.release.other_products.items():
            if marks <= names:
                self.skipped.append(f"{stream.name}: {other}")
                return True
        product = product_of(names)
        if product == LABELS and stream.is_big and ids is None:
            return False
        table = SpooledTable(self.spool, product)
        outside = _Outside(ids) if product == LABELS and stream.is_big else None
        refusal: NoRowKeptError | None = None
        for raw in self._parts(stream, product):
            try:
                self._read_part(raw, product, table, outside)
            except NoRowKeptError as error:
                refusal = refusal or error
                table.add(_refused(error))
        if not len(table) and refusal:
            raise refusal
        known = self.release.table_of(names, stream.name)
        reading = table.joined()
        called = known.name if known else ", ".join(sorted(names))
        scalars = with_stated_frequency(reading.scalars, known)
        self.taken.append((product, replace(reading, scalars=scalars, table=called)))
        return True

    def _read_part(
        self, raw: RawTable, product: str, table: SpooledTable, outside: _Outside | None
    ) -> None:
        opened = open_table(raw, self.release)
        lines = outside.take(opened) if outside else None
        if lines is not None and not opened.sieve.kept.any():
            reading = opened.by_row("catalog columns", {})
        else:
            reading = _READERS[product](opened)
        if lines is not None:
            rejected = pd.concat([reading.rejected, lines], ignore_index=True)
            reading = replace(reading, rejected=rejected)
        table.add(reading)

    def _parts(self, stream: TableStream, product: str) -> Iterator[RawTable]:
        """Yield the parts of a table with our names; one with a row a point is one part."""
        parts = (lower_names(raw, self.release) for raw in stream.parts)
        first = next(parts)
        if not stream.is_big or not _is_by_point(product, first.frame):
            yield first
            yield from parts
            return
        frames = [first.frame, *(part.frame for part in parts)]
        yield replace(first, frame=pd.concat(frames, ignore_index=True))


def _is_by_point(product: str, frame: pd.DataFrame) -> bool:
    """Tell whether points of one source stand in several rows, which may cross parts."""
    if product == EpochPhotometry.name:
        return "g_transit_time" not in frame and not is_array_column(frame["time"])
    return product == XpSampled.name and not is_array_column(frame["flux"])


def _refused(error: NoRowKeptError) -> Reading:
    """A part of which no row can be used: its rows are listed, and that is all."""
    sieve, none = error.sieve, np.empty(0, np.int64)
    return Reading(
        layout="",
        name=sieve.file,
        rows_in=len(sieve.ids),
        ids=none,
        kept_rows=none,
        kept_item=none,
        scalars=pd.DataFrame(),
        rejected=sieve.rejected(),
    )


class _Outside:
    """Rows of a big catalog file that are not of our sources: taken out, listed or counted."""

    def __init__(self, ids: NDArray[np.int64] | None) -> None:
        self._ids = np.empty(0, np.int64) if ids is None else ids
        self._listed = 0

    def take(self, table: Table) -> pd.DataFrame:
        """Take the rows of other sources out of a part; returns their lines of the rejected."""
        other = np.flatnonzero(~np.isin(table.ids, self._ids) & table.sieve.kept)
        table.sieve.kept[other] = False
        listed = other[: max(0, MOST_LISTED - self._listed)]
        self._listed += len(listed)
        lines = rejected_rows(
            table.name, listed + table.first_row + 1, table.ids[listed], NO_DATA
        ).assign(rows=1)
        rest = other[len(listed) :]
        if len(rest):
            said = f"{NO_DATA}: {len(rest)} rows from this one on"
            one = rejected_rows(table.name, rest[:1] + table.first_row + 1, rest[:1], said)
            lines = pd.concat([lines, one.assign(rows=len(rest), source_id="")])
        return lines
