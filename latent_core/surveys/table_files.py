"""Table files as the archive and its users keep them, read into frames with array cells.

CSV, ECSV, VOTable (plain or binary, any number of tables), FITS, Parquet, Avro, each also inside
gzip or zip. The first bytes decide what a file is, never its name. Identifiers stay integers or
text; they never pass through a float.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latent_core.errors import InputError
from latent_core.surveys.text_tables import (
    frame_of_arrow,
    read_csv,
    read_ecsv,
    reading,
    refuse_foreign_text,
)

LARGEST_UNPACKED = 16 * 2**30  # bytes; a bulk file of the archive unpacks to about 2.5 GB


@dataclass(frozen=True)
class RawTable:
    """One table of a file: its display name, rows, and the constants stated above the rows.

    `first_row` rows of the table stand before these, where it is read part by part.
    """

    name: str
    frame: pd.DataFrame
    meta: Mapping[str, Any] = field(default_factory=dict)
    first_row: int = 0


def read_tables(path: Path, *, text_columns: Sequence[str] = ()) -> list[RawTable]:
    """Read every table of a file; array cells are arrays, or text in the text formats.

    `text_columns` are kept as text in CSV, like the known names of source_id: a column of
    identifiers that is not known as one. Raises InputError, naming the file, where it is
    missing, empty, cut, damaged, a web page, or nothing we know.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or error})",
            file=path,
            remedy="check the name and the permissions",
        ) from error
    return _tables(content, str(path), tuple(text_columns))


Reader = Callable[[bytes, str, tuple[str, ...]], list[RawTable]]


def _tables(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    if not content.strip():
        raise InputError("the file is empty", file=name, remedy="download it again")
    for magic, reader in _MAGIC.items():
        if content.startswith(magic):
            return reader(content, name, text_columns)
    return _text(content, name, text_columns)


def _gzip(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    with reading("gzip file", name), gzip.open(io.BytesIO(content)) as stream:
        # in blocks: to ask for all at once reserves the largest size, however small the file
        unpacked = bytearray()
        while len(unpacked) <= LARGEST_UNPACKED and (block := stream.read(2**24)):
            unpacked += block
    if len(unpacked) > LARGEST_UNPACKED:
        raise InputError("the file unpacks to more than 16 GiB", file=name, remedy="split it")
    return _tables(bytes(unpacked), name, text_columns)


def _zip(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    with reading("zip file", name), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [item for item in archive.infolist() if not item.is_dir()]
        if sum(item.file_size for item in members) > LARGEST_UNPACKED:
            raise InputError("the file unpacks to more than 16 GiB", file=name, remedy="split it")
        unpacked = [(item.filename, archive.read(item)) for item in members]
    if not unpacked:
        raise InputError("the zip file holds no file", file=name, remedy="download it again")
    return [
        table
        for member, data in unpacked
        for table in _tables(data, f"{name}: {member}", text_columns)
    ]


def _parquet(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    import pyarrow.parquet as pq

    with reading("Parquet file", name):
        table = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
        table.validate(full=True)
        return [RawTable(name, frame_of_arrow(table))]


def _avro(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    import fastavro

    with reading("Avro file", name):
        records = [_flat(record) for record in fastavro.reader(io.BytesIO(content))]
        # object columns: a record without a band would otherwise turn integers into floats
        return [RawTable(name, pd.DataFrame(records, dtype=object).apply(_tightened))]


def _flat(record: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested records: `bpSpec` -> `solution` becomes `bpSpec.solution`."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _tightened(values: pd.Series) -> pd.Series:
    return values.infer_objects() if not values.isna().any() else values


def _fits(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    from astropy.io import fits
    from astropy.table import Table

    with reading("FITS file", name), fits.open(io.BytesIO(content), memmap=False) as units:
        found = [unit for unit in units if isinstance(unit, fits.BinTableHDU | fits.TableHDU)]
        tables = [
            RawTable(name, _frame_of_astropy(Table.read(unit)), _header(unit.header))
            for unit in found
        ]
    if not tables:
        raise InputError("the FITS file holds no table", file=name)
    return tables if len(tables) == 1 else _numbered(tables)


def _header(header: Any) -> dict[str, Any]:
    # STIL cuts the archive's `source_id` to the eight letters that a FITS keyword may have
    return {"source_id" if key == "SOURCEID" else key.lower(): header[key] for key in set(header)}


def _votable(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    from astropy.io import votable

    with reading("VOTable", name):
        document = votable.parse(io.BytesIO(content), verify="ignore")
        tables = [
            RawTable(
                name,
                _frame_of_astropy(table.to_table(use_names_over_ids=True)),
                {str(param.name): param.value for param in table.params},
            )
            for table in document.iter_tables()
        ]
    if not tables:
        raise InputError("the VOTable holds no table", file=name, remedy="repeat the query")
    return tables if len(tables) == 1 else _numbered(tables)


def _numbered(tables: list[RawTable]) -> list[RawTable]:
    return [
        RawTable(f"{table.name}: table {number}", table.frame, table.meta)
        for number, table in enumerate(tables, start=1)
    ]


def _frame_of_astropy(table: Any) -> pd.DataFrame:
    return pd.DataFrame({str(name): _column(table[name]) for name in table.colnames})


def _column(column: Any) -> Any:
    """Return one astropy column for pandas: native bytes, text as str, masked values missing."""
    values = np.asarray(getattr(column, "filled", lambda: column)())
    mask = np.asarray(getattr(column, "mask", np.zeros(len(values), bool)))
    if values.dtype.byteorder not in "=|":
        values = values.astype(values.dtype.newbyteorder("="))
    if values.ndim > 1 or values.dtype.kind == "O":
        return _object_column(column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind in "fc":
        return np.where(mask, np.nan, values)
    series = pd.Series(values)
    if not mask.any():
        return series
    wide: Any = {"i": "Int64", "u": "UInt64", "b": "boolean"}.get(series.dtype.kind, object)
    return series.astype(wide).mask(mask)


def _object_column(column: Any) -> pd.Series:
    cells = [_cell(value) for value in column]
    series = pd.Series([None] * len(cells), dtype=object)
    for row, cell in enumerate(cells):
        series.iat[row] = cell
    return series


def _cell(value: Any) -> Any:
    if value is None or value is np.ma.masked:
        return None
    if isinstance(value, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(value)
        if value.dtype.kind in "fiub" and mask.any():
            return np.where(mask, np.nan, np.asarray(value.data, float))
        value = value.data
    if isinstance(value, np.ndarray) and value.dtype.byteorder not in "=|":
        return value.astype(value.dtype.newbyteorder("="))
    return value


def _text(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    content = content.removeprefix(b"\xef\xbb\xbf")
    start = content[:8192].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start[:1024]:
        raise InputError(
            "this is a web page, not a table", file=name, remedy="the archive may have been down"
        )
    if start.startswith(b"<"):
        if b"<votable" in start:
            return _votable(content.lstrip(), name, text_columns)
        raise InputError("this XML file is not a VOTable", file=name)
    if b"\0" in content[:65536]:
        raise InputError(
            "this is neither text nor a table format we know",
            file=name,
            remedy="give CSV, ECSV, VOTable, FITS, Parquet, Avro, or these in gzip or zip",
        )
    refuse_foreign_text(content, name)
    if start.startswith(b"# %ecsv"):
        return [RawTable(name, *read_ecsv(content, name, text_columns))]
    return [RawTable(name, read_csv(content, name, text_columns))]


_MAGIC: dict[bytes, Reader] = {
    b"PAR1": _parquet,
    b"SIMPLE  =": _fits,
    b"Obj\x01": _avro,
    b"PK\x03\x04": _zip,
    b"PK\x05\x06": _zip,
    b"\x1f\x8b": _gzip,
}
