"""CSV, ECSV and Arrow tables as frames, and the sentence for bytes that no reader can take.

Identifiers stay integers or text; they never pass through a float.
"""

from __future__ import annotations

import csv
import struct
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from latent_core.errors import InputError
from latent_core.release import load_release

_NULLS = ["", "null", "NULL", "None", "nan", "NaN", "NAN", "--", "N/A"]
_DELIMITERS = ",\t;|"
_BLOCK = 2**24  # bytes; must hold the longest row, and an XP row is 37 kB of text


def _damage() -> tuple[type[BaseException], ...]:
    """What the readers below raise on damaged bytes; imported only when one of them failed."""
    import pyarrow as pa
    from astropy.io.fits.verify import VerifyError
    from astropy.table.meta import YamlParseError
    from astropy.utils.exceptions import AstropyWarning
    from fastavro.schema import SchemaParseException, UnknownType

    builtin = (OSError, ValueError, TypeError, LookupError, AttributeError, EOFError)
    unpacking = (ArithmeticError, AssertionError, MemoryError, RuntimeError, SyntaxError)
    astropys_own = (UnboundLocalError,)  # fits.Column, of a format that it cannot parse
    binary = (struct.error, zlib.error, zipfile.BadZipFile, csv.Error, pa.ArrowException)
    libraries = (
        VerifyError,
        AstropyWarning,
        SchemaParseException,
        UnknownType,
        YamlParseError,
    )
    return (*builtin, *unpacking, *astropys_own, *binary, *libraries)


@contextmanager
def reading(kind: str, name: str) -> Iterator[None]:
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


def frame_of_arrow(table: Any) -> pd.DataFrame:
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


def refuse_foreign_text(content: bytes, name: str, lines_before: int = 0) -> None:
    """Raise InputError with the line of the first byte that is not UTF-8."""
    if content.isascii():
        return
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1 + lines_before
        raise InputError(
            f"line {line} is not UTF-8 text", file=name, remedy="save the table as UTF-8"
        ) from error


def read_ecsv(
    content: bytes, name: str, text_columns: tuple[str, ...]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read ECSV: its header by astropy, its rows by the fast CSV reader."""
    header, meta, rows = open_text(content, name)
    return read_rows(rows, header, name, text_columns), meta


def read_csv(content: bytes, name: str, text_columns: tuple[str, ...]) -> pd.DataFrame:
    """Read CSV by the delimiter of its header; known id columns and `text_columns` stay text.

    Raises InputError with file, row or column for ragged rows and repeated or empty names.
    """
    header, rows = _csv_header(content, name, None)
    return read_rows(rows, header, name, text_columns)


@dataclass(frozen=True)
class Header:
    """The delimiter and column names of a text table; `wanted` are the columns to convert."""

    delimiter: str
    columns: tuple[str, ...]
    wanted: tuple[str, ...] = ()

    def without(self, unused: Collection[str]) -> Header:
        """Leave columns, named in lower case, unread."""
        wanted = tuple(c for c in self.columns if c.strip().lower() not in unused)
        return replace(self, wanted=wanted)


def open_text(content: bytes, name: str) -> tuple[Header, dict[str, Any], bytes]:
    """Read the head of CSV or ECSV text; returns header, constants of the ECSV, and the rows."""
    from astropy.table.meta import get_header_from_yaml

    if not content.lstrip().lower().startswith(b"# %ecsv"):
        header, rows = _csv_header(content, name, None)
        return header, {}, rows
    lines, place = [], 0
    while content.startswith(b"#", place):
        end = content.find(b"\n", place)
        end = len(content) if end < 0 else end
        lines.append(content[place + 1 : end].decode("utf-8", "replace").rstrip("\r"))
        place = end + 1
    with reading("ECSV header", name):
        lines = [line.removeprefix(" ") for line in lines if not line.startswith(" %ECSV")]
        described = get_header_from_yaml(lines)
        meta = dict(described.get("meta") or {})
        delimiter = str(described.get("delimiter", " "))
    header, rows = _csv_header(content[place:], name, delimiter)
    return header, meta, rows


def read_rows(
    content: bytes,
    header: Header,
    name: str,
    text_columns: tuple[str, ...],
    first_row: int = 0,
) -> pd.DataFrame:
    """Read rows of text below a header; `first_row` rows of the file stand before them."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    columns = list(header.columns)
    as_text = {alias.lower() for alias in load_release().source_id_aliases} | {*text_columns}
    ragged: list[tuple[int, int]] = []

    def refuse(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "error"

    if not content.strip():
        return pd.DataFrame({column: [] for column in columns})
    try:
        with reading("CSV file", name):
            table = arrow_csv.read_csv(
                pa.BufferReader(content),
                arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=columns),
                arrow_csv.ParseOptions(
                    delimiter=header.delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=refuse,
                ),
                arrow_csv.ConvertOptions(
                    null_values=_NULLS,
                    strings_can_be_null=True,
                    include_columns=list(header.wanted),
                    column_types={
                        c: pa.string() for c in columns if c in as_text or c.lower() in as_text
                    },
                ),
            )
            return frame_of_arrow(table)
    except InputError as error:
        if not ragged:
            raise
        row, cells = ragged[0]
        raise InputError(
            f"the row has {cells} cells, the header {len(columns)}",
            file=name,
            row=first_row + row,
            remedy="the file may be cut; download it again",
        ) from error


def _csv_header(content: bytes, name: str, delimiter: str | None) -> tuple[Header, bytes]:
    line, _, rows = content.lstrip(b"\r\n").partition(b"\n")
    first = line.decode("utf-8", "replace").strip()
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    with reading("CSV header", name):
        columns = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    repeated = [column for column, count in Counter(columns).items() if count > 1]
    if repeated:
        raise InputError("the column stands twice in the header", file=name, column=repeated[0])
    if not all(columns) or any("\ufffd" in column for column in columns):
        raise InputError("a column has no readable name; is this a table?", file=name)
    return Header(delimiter, tuple(columns)), rows
