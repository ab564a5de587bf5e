"""Table files as the archive and its users keep them, read into frames with array cells.

CSV, ECSV, VOTable (plain or binary, any number of tables), FITS, Parquet, Avro, each also inside
gzip or zip. The first bytes decide what a file is, never its name. Identifiers stay integers or
text; they never pass through a float.
"""

from __future__ import annotations

import csv
import gzip
import io
import struct
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latent_core.errors import InputError
from latent_core.release import load_release

LARGEST_UNPACKED = 16 * 2**30  # bytes; a bulk file of the archive unpacks to about 2.5 GB
_NULLS = ["", "null", "NULL", "None", "nan", "NaN", "NAN", "--", "N/A"]
_DELIMITERS = ",\t;|"
_BLOCK = 2**24  # bytes; must hold the longest row, and an XP row is 37 kB of text


@dataclass(frozen=True)
class RawTable:
    """One table of a file: its display name, rows, and the constants stated above the rows."""

    name: str
    frame: pd.DataFrame
    meta: Mapping[str, Any] = field(default_factory=dict)


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


def _damage() -> tuple[type[BaseException], ...]:
    """What the readers below raise on damaged bytes; imported only when one of them failed."""
    import pyarrow as pa
    from astropy.io.fits.verify import VerifyError
    from astropy.table.meta import YamlParseError
    from astropy.utils.exceptions import AstropyWarning
    from fastavro.schema import SchemaParseException, UnknownType

    builtin = (OSError, ValueError, TypeError, LookupError, AttributeError, EOFError)
    unpacking = (ArithmeticError, AssertionError, MemoryError, RuntimeError, SyntaxError)
    binary = (struct.error, zlib.error, zipfile.BadZipFile, csv.Error, pa.ArrowException)
    libraries = (
        VerifyError,
        AstropyWarning,
        SchemaParseException,
        UnknownType,
        YamlParseError,
    )
    return (*builtin, *unpacking, *binary, *libraries)


@contextmanager
def _reading(kind: str, name: str) -> Iterator[None]:
    """Turn whatever a reader raises on damaged bytes into one sentence that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # astropy reads a cut FITS file and only warns, leaving zeros in the missing rows
            warnings.filterwarnings("error", message=".*truncated.*")
            yield
    except _damage() as error:
        detail = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(
            f"the {kind} is cut or damaged ({detail})", file=name, remedy="download it again"
        ) from error


def _gzip(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    with _reading("gzip file", name), gzip.open(io.BytesIO(content)) as stream:
        unpacked = stream.read(LARGEST_UNPACKED + 1)
    if len(unpacked) > LARGEST_UNPACKED:
        raise InputError("the file unpacks to more than 16 GiB", file=name, remedy="split it")
    return _tables(unpacked, name, text_columns)


def _zip(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    with _reading("zip file", name), zipfile.ZipFile(io.BytesIO(content)) as archive:
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

    with _reading("Parquet file", name):
        table = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
        table.validate(full=True)
        return [RawTable(name, _frame_of_arrow(table))]


def _frame_of_arrow(table: Any) -> pd.DataFrame:
    """Turn an Arrow table into a frame; integers with nulls stay exact integers."""
    import pyarrow as pa

    nullable = {
        pa.int8(): pd.Int8Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.uint64(): pd.UInt64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    index = [c for c in table.column_names if c.startswith("__index_level_")]
    frame: pd.DataFrame = table.drop_columns(index).to_pandas(
        types_mapper=nullable.get, ignore_metadata=True
    )
    return frame.apply(_without_mask) if len(frame.columns) else frame


def _without_mask(values: pd.Series) -> pd.Series:
    plain = getattr(values.dtype, "numpy_dtype", None)
    return values if plain is None or values.isna().any() else values.astype(plain)


def _avro(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    import fastavro

    with _reading("Avro file", name):
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

    with _reading("FITS file", name), fits.open(io.BytesIO(content), memmap=False) as units:
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

    with _reading("VOTable", name):
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
    _refuse_foreign_text(content, name)
    if start.startswith(b"# %ecsv"):
        return _ecsv(content, name, text_columns)
    return [RawTable(name, _csv(content, name, text_columns))]


def _refuse_foreign_text(content: bytes, name: str) -> None:
    if content.isascii():
        return
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"line {line} is not UTF-8 text", file=name, remedy="save the table as UTF-8"
        ) from error


def _ecsv(content: bytes, name: str, text_columns: tuple[str, ...]) -> list[RawTable]:
    """Read ECSV: its header by astropy, its rows by the fast CSV reader."""
    from astropy.table.meta import get_header_from_yaml

    header, place = [], 0
    while content.startswith(b"#", place):
        end = content.find(b"\n", place)
        end = len(content) if end < 0 else end
        header.append(content[place + 1 : end].decode("utf-8", "replace").rstrip("\r"))
        place = end + 1
    with _reading("ECSV header", name):
        lines = [line.removeprefix(" ") for line in header if not line.startswith(" %ECSV")]
        described = get_header_from_yaml(lines)
        meta = dict(described.get("meta") or {})
        delimiter = str(described.get("delimiter", " "))
    return [RawTable(name, _csv(content[place:], name, text_columns, delimiter), meta)]


def _csv(
    content: bytes, name: str, text_columns: tuple[str, ...], delimiter: str | None = None
) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    content = content.lstrip(b"\r\n")
    delimiter, columns = _csv_header(content, name, delimiter)
    as_text = {alias.lower() for alias in load_release().source_id_aliases} | {*text_columns}
    ragged: list[tuple[int, int]] = []

    def refuse(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "error"

    try:
        with _reading("CSV file", name):
            table = arrow_csv.read_csv(
                io.BytesIO(content),
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK, skip_rows=1, column_names=columns
                ),
                arrow_csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
                ),
                arrow_csv.ConvertOptions(
                    null_values=_NULLS,
                    strings_can_be_null=True,
                    column_types={
                        c: pa.string() for c in columns if c in as_text or c.lower() in as_text
                    },
                ),
            )
            return _frame_of_arrow(table)
    except InputError as error:
        if not ragged:
            raise
        row, cells = ragged[0]
        raise InputError(
            f"the row has {cells} cells, the header {len(columns)}",
            file=name,
            row=row - 1,  # the header is row 1 of the reader
            remedy="the file may be cut; download it again",
        ) from error


def _csv_header(content: bytes, name: str, delimiter: str | None) -> tuple[str, list[str]]:
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    with _reading("CSV header", name):
        columns = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if repeated:
        raise InputError("the column stands twice in the header", file=name, column=repeated[0])
    if not all(columns) or any("\ufffd" in column for column in columns):
        raise InputError("a column has no readable name; is this a table?", file=name)
    return delimiter, columns


_MAGIC: dict[bytes, Reader] = {
    b"PAR1": _parquet,
    b"SIMPLE  =": _fits,
    b"Obj\x01": _avro,
    b"PK\x03\x04": _zip,
    b"PK\x05\x06": _zip,
    b"\x1f\x8b": _gzip,
}
