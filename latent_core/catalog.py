"""The catalog: one row a source, Gaia's column names; units and labels travel with the file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.errors import InputError
from latent_core.frames import LazyFrame

Kind = Literal["identifier", "category", "number", "flag", "text"]
SOURCE_ID = "source_id"
LARGEST_ID = 2**63 - 1
GROUP_ROWS = 65_536
_METADATA_KEY = b"gaia_latent_columns"
_DESIGNATION = re.compile(r"^\s*(?:Gaia\s+[A-Za-z]*DR\d\s+)?(\S+)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """How one catalog column is named, measured and shown."""

    name: str
    unit: str = ""
    label: str = ""
    kind: Kind = "number"
    description: str = ""
    inverted: bool = False

    @property
    def title(self) -> str:
        """Label with its unit, as an axis carries it."""
        text = self.label or self.name
        return f"{text} [{self.unit}]" if self.unit else text


@dataclass(frozen=True)
class Catalog:
    """One row a source: a table with an int64 `source_id`, and what its columns mean.

    `table[name]` opens one column; `frame` opens all of them.
    """

    table: pd.DataFrame | LazyFrame
    columns: tuple[Column, ...] = ()
    simulated: bool = False
    _known: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = {column.name: column for column in self.columns}
        complete = tuple(known.get(n) or describe(n, self.lazy[n]) for n in self.lazy)
        object.__setattr__(self, "columns", complete)
        object.__setattr__(self, "_known", {column.name: column for column in complete})

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def lazy(self) -> LazyFrame:
        """The table as one whose columns are opened one by one."""
        return self.table if isinstance(self.table, LazyFrame) else LazyFrame.of(self.table)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The whole table as a data frame; it shares the memory of the columns."""
        return self.table.whole() if isinstance(self.table, LazyFrame) else self.table

    def column(self, name: str) -> Column:
        """Return the column's description; KeyError where the catalog has no such column."""
        return self._known[name]

    @property
    def source_id(self) -> NDArray[np.int64]:
        """Identifiers of all rows, (N,) int64."""
        return self.table[SOURCE_ID].to_numpy(np.int64)


def _archive_columns() -> dict[str, Column]:
    """Read what the archive's data model says of its columns."""
    file = resources.files("latent_core") / "archive_columns.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        name: Column(name, unit, label, "number", text)
        for table in tables.values()
        for name, (unit, label, text) in table.items()
    }


# What the columns we meet most often are called and measured in; any other column is described
# by its own dtype. Gaia names are the archive's; APOGEE names are DR17's in lower case.
KNOWN_COLUMNS: Mapping[str, Column] = _archive_columns() | {
    column.name: column
    for column in (
        Column(SOURCE_ID, "", "source_id", "identifier", "Gaia source identifier"),
        Column("ra", "deg", "RA", "number", "ICRS right ascension"),
        Column("dec", "deg", "Dec", "number", "ICRS declination"),
        Column("parallax", "mas", "parallax"),
        Column("phot_g_mean_mag", "mag", "G", "number", "mean G magnitude, Vega", True),
        Column("phot_bp_mean_mag", "mag", "BP", "number", "mean BP magnitude, Vega", True),
        Column("phot_rp_mean_mag", "mag", "RP", "number", "mean RP magnitude, Vega", True),
        Column("bp_rp", "mag", "BP-RP", "number", "colour"),
        Column("period_d", "d", "period"),
        Column("frequency", "1/d", "frequency"),
        Column(
            "frequency_log10_fap", "", "log10 false-alarm probability", "number", "Baluev 2008"
        ),
        Column(
            "frequency_spurious", "", "frequency of the scanning law", "flag", "may be spurious"
        ),
        Column("magnitude_mean", "mag", "mean G", "number", "mean of the G epochs", True),
        Column("magnitude_std", "mag", "sd of G", "number", "standard deviation of the G epochs"),
        Column("amplitude", "mag", "amplitude"),
        Column("best_class_name", "", "class", "category", "variability class"),
        Column("class_label", "", "class", "category", "class"),
        Column("teff", "K", "Teff", "number", "effective temperature"),
        Column("teff_err", "K", "Teff error"),
        Column("logg", "log10(cm s-2)", "log g", "number", "surface gravity"),
        Column("logg_err", "log10(cm s-2)", "log g error"),
        Column("fe_h", "dex", "[Fe/H]"),
        Column("fe_h_err", "dex", "[Fe/H] error"),
        Column("m_h", "dex", "[M/H]"),
        Column("alpha_m", "dex", "[alpha/M]"),
        Column("alpha_m_err", "dex", "[alpha/M] error"),
    )
}


def describe(name: str, values: pd.Series) -> Column:
    """Describe a column by what is known of its name, else by its dtype."""
    known = KNOWN_COLUMNS.get(name)
    # somebody's own `b` may be text: a number's unit and label would be wrong on it
    if known and (known.kind != "number" or pd.api.types.is_numeric_dtype(values)):
        return known
    return Column(name, kind=_kind(values))


def _kind(values: pd.Series) -> Kind:
    if pd.api.types.is_bool_dtype(values):
        return "flag"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    return "category" if values.nunique() <= 1000 else "text"


def parse_source_id(text: str) -> int:
    """Read a source_id as a person types it: digits, or a designation such as `Gaia DR3 42`.

    Raises InputError naming the first wrong character, or the limit that is passed.
    """
    match = _DESIGNATION.match(text)
    digits = match.group(1) if match else text.strip()
    if not digits:
        raise InputError("the source_id is empty", remedy="type digits, e.g. 4295806720")
    wrong = next((c for c in digits if not ("0" <= c <= "9")), None)
    if wrong is not None:
        raise InputError(
            f"{digits[:40]!r} is not a source_id: {wrong!r} is not a digit",
            remedy="type digits, e.g. 4295806720 or Gaia DR3 4295806720",
        )
    if len(digits) > 19 or int(digits) > LARGEST_ID:
        raise InputError(
            f"{digits[:40]} is above 2^63 - 1, the largest source_id",
            remedy="check for a pasted digit too many",
        )
    return int(digits)


def source_ids(
    values: pd.Series,
    *,
    file: Path | str | None = None,
    unique: bool = True,
    first_row: int = 0,
) -> NDArray[np.int64]:
    """Return identifiers as int64, (N,), or refuse them.

    Raises InputError for floats (they have lost digits), text with letters, negative numbers,
    values above 2^63 - 1, missing ones, and, where `unique`, duplicates. `first_row` rows of the
    file stand before these.
    """
    column = str(values.name)
    if pd.api.types.is_float_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise InputError(
            f"identifiers are stored as {values.dtype}, which cannot hold 19 digits",
            file=file,
            column=column,
            remedy="export the table again with 64-bit integer ids",
        )
    ids = _integers(values, file, column, first_row)
    if len(ids) and ids.min() < 0:
        row = int(np.argmin(ids)) + first_row
        raise InputError("a source_id is negative", file=file, row=row + 1, column=column)
    if unique:
        refuse_duplicates(ids, file=file, column=column)
    return ids


def _integers(
    values: pd.Series, file: Path | str | None, column: str, first_row: int
) -> NDArray[np.int64]:
    if pd.api.types.is_integer_dtype(values) and not values.isna().any():
        if len(values) and int(values.max()) > LARGEST_ID:
            row = int(np.argmax(values.to_numpy()))
            raise InputError(
                f"{values.iloc[row]} is above 2^63 - 1",
                file=file,
                row=first_row + row + 1,
                column=column,
            )
        return np.asarray(values.to_numpy(np.int64))
    ids = np.empty(len(values), np.int64)
    for row, value in enumerate(values):
        place = first_row + row + 1
        if value is None or value is pd.NA or value != value:
            raise InputError("a source_id is missing", file=file, row=place, column=column)
        try:
            ids[row] = parse_source_id(str(value))
        except InputError as error:
            raise InputError(str(error), file=file, row=place, column=column) from error
    return ids


def refuse_duplicates(
    ids: NDArray[np.int64], *, file: Path | str | None, column: str = SOURCE_ID
) -> None:
    """Raise InputError that names the first repeated identifier and both of its rows."""
    order = np.argsort(ids, kind="stable")
    repeated = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(repeated):
        first, second = order[repeated[0]], order[repeated[0] + 1]
        raise InputError(
            f"source_id {ids[first]} stands in rows {first + 1} and {second + 1}",
            file=file,
            column=column,
            remedy="keep one row a source",
        )


def joined(catalog: Catalog, tables: Sequence[Catalog]) -> Catalog:
    """Return a catalog with the columns of tables of the same rows.

    A column that exists already is replaced where it stands; the others follow behind.
    """
    found, known = catalog.lazy, {column.name: column for column in catalog.columns}
    for table in tables:
        fresh = {column.name: column for column in table.columns if column.name != SOURCE_ID}
        found = found.with_columns(table.lazy, fresh)
        known |= fresh
    return Catalog(found, tuple(known.values()), catalog.simulated)


def write_catalog(path: Path, catalog: Catalog) -> None:
    """Write the catalog as Parquet with page checksums; column descriptions ride in its schema."""
    with catalog_stream(path, catalog.columns, simulated=catalog.simulated) as stream:
        stream.append(catalog.frame)


class CatalogStream:
    """A catalog that is written part by part: row groups of GROUP_ROWS, whatever the parts."""

    def __init__(self, path: Path, columns: Sequence[Column], *, simulated: bool) -> None:
        self.path, self.columns, self.simulated = path, tuple(columns), simulated
        self._waiting: list[pd.DataFrame] = []
        self._rows = 0
        self._file: Any = None

    def append(self, frame: pd.DataFrame) -> None:
        """Take rows; every part has the columns of the first, of the same dtypes."""
        self._waiting.append(frame)
        self._rows += len(frame)
        if self._rows >= GROUP_ROWS:
            self._write(self._rows - self._rows % GROUP_ROWS)

    def finish(self) -> None:
        """Write what waits, and the file's end."""
        if self._rows or self._file is None:
            self._write(self._rows)
        self.close()

    def close(self) -> None:
        """Close the file; a second call is nothing."""
        if self._file is not None:
            self._file.close()

    def _write(self, rows: int) -> None:
        import pyarrow as pa

        frame = self._waiting[0]
        if len(self._waiting) > 1:
            frame = pd.concat(self._waiting, ignore_index=True)
        schema = None if self._file is None else self._file.schema
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._file is None:
            self._open(table.schema, frame)
        table = table.replace_schema_metadata(self._file.schema.metadata).slice(0, rows)
        self._file.write_table(table, row_group_size=GROUP_ROWS)
        self._rows -= rows
        self._waiting = [frame.iloc[rows:]]

    def _open(self, schema: Any, frame: pd.DataFrame) -> None:
        import pyarrow.parquet as pq

        described = {
            "columns": [asdict(c) for c in Catalog(frame, self.columns).columns],
            "simulated": self.simulated,
        }
        metadata = {**(schema.metadata or {}), _METADATA_KEY: json.dumps(described).encode()}
        self._file = pq.ParquetWriter(
            self.path, schema.with_metadata(metadata), write_page_checksum=True, compression="zstd"
        )


@contextmanager
def catalog_stream(
    path: Path, columns: Sequence[Column], *, simulated: bool
) -> Iterator[CatalogStream]:
    """Write a catalog part by part: `with catalog_stream(...) as s: s.append(frame)`.

    The file is the same whatever the parts. A column that `columns` does not describe is
    described by what is known of its name, else by the rows that are written first.
    """
    stream = CatalogStream(path, columns, simulated=simulated)
    try:
        yield stream
        stream.finish()
    finally:
        stream.close()


def read_catalog(path: Path, names: Sequence[str] | None = None, *, rows: bool = True) -> Catalog:
    """Read what `write_catalog` wrote, or some of its columns; page checksums are verified.

    Without `rows` the columns are empty: what they are and mean, at no cost.
    """
    import pyarrow.parquet as pq

    if rows:
        chosen = None if names is None else list(names)
        table = pq.read_table(path, columns=chosen, page_checksum_verification=True)
    else:
        table = pq.read_schema(path).empty_table()
    described: dict[str, Any] = json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    columns = [Column(**column) for column in described.get("columns", [])]
    kept = tuple(c for c in columns if names is None or c.name in names)
    return Catalog(table.to_pandas(), kept, bool(described.get("simulated", False)))


class RowIndex:
    """Find catalog rows by source_id, in memory proportional to the catalog.

    Ids that ascend already, as the archive delivers them, are searched where they lie.
    """

    def __init__(self, ids: NDArray[np.int64]) -> None:
        ascending = bool((ids[1:] >= ids[:-1]).all())
        self._order = None if ascending else np.argsort(ids, kind="stable")
        self._sorted = ids if self._order is None else ids[self._order]

    def find(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the catalog row of each id, (M,) int64, and -1 for an id that is not there."""
        if not len(self._sorted):
            return np.full(len(ids), -1, np.int64)
        place = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
        rows = place if self._order is None else self._order[place]
        return np.asarray(np.where(self._sorted[place] == ids, rows, -1), np.int64)
