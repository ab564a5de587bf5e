"""Answers of the archive: whole or not, and their rows in one order of ours.

The archive may send rows in any order, in any of its formats. What is kept is one Parquet file a
batch, sorted by source_id, so that two runs that got the same rows keep the same bytes.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from latent_core.catalog import SOURCE_ID, source_ids
from latent_core.errors import InputError
from latent_core.surveys.archive.connection import PassingError, plain_words, refuse_web_page

_GZIP, _ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_STATUS = re.compile(rb"""<INFO[^>]*name=["']QUERY_STATUS["'][^>]*>""", re.IGNORECASE)
_VALUE = re.compile(rb"""value=["'](\w+)["']""")
_END = re.compile(rb"</(?:\w+:)?VOTABLE>\s*$")


class OverflowedError(Exception):
    """The answer was cut by the server at its row limit."""


def rows_of(content: bytes, aliases: tuple[str, ...] = (SOURCE_ID,)) -> pd.DataFrame:
    """Return the rows of an answer, `source_id` int64 first and sorted; (0, 0) where it is empty.

    Raises PassingError for an answer that is cut, damaged or a web page, OverflowedError for one
    that the server cut at its row limit, InputError where the server refuses the query or the
    rows carry no source_id.
    """
    parts = [part for part in _unpacked(content) if part.strip()]
    for part in parts:
        _check_whole(part)
    frames = [_frame(part, aliases) for part in parts]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame({SOURCE_ID: np.empty(0, np.int64)})
    rows = pd.concat(frames, ignore_index=True)
    return rows.sort_values(SOURCE_ID, kind="stable", ignore_index=True)


def _unpacked(content: bytes) -> list[bytes]:
    """Return the plain files of an answer: gzip and zip are opened, their checksums verified."""
    if content.startswith(_GZIP):
        return _unpacked(_gunzip(content))
    if not content.startswith(_ZIP):
        return [content]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [item for item in archive.infolist() if not item.is_dir()]
            return [part for item in names for part in _unpacked(archive.read(item))]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise PassingError("a cut zip file came") from error


def _gunzip(content: bytes) -> bytes:
    import gzip

    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise PassingError("a cut gzip file came") from error


def _check_whole(part: bytes) -> None:
    refuse_web_page(part)
    if b"<VOTABLE" not in part[:4096].upper():
        return
    if not _END.search(part[-200:]):
        raise PassingError("a cut VOTable came")
    for info in _STATUS.finditer(part):
        value = _VALUE.search(info.group())
        status = value.group(1).upper() if value else b""
        if status == b"OVERFLOW":
            raise OverflowedError
        if status == b"ERROR":
            words = part[info.end() : part.find(b"</", info.end())]
            raise InputError(
                f"the archive refuses the query: {plain_words(words.decode('utf-8', 'replace'))}"
            )


def _frame(part: bytes, aliases: tuple[str, ...]) -> pd.DataFrame:
    from latent_core.surveys.table_files import read_tables

    with tempfile.TemporaryDirectory(prefix="gaia-latent-") as folder:
        file = Path(folder) / "answer"
        file.write_bytes(part)
        try:
            frames = [table.frame for table in read_tables(file)]
        except InputError as error:
            said = str(error).replace(f"{file}: ", "")
            raise PassingError(f"an answer came that cannot be read ({said})") from error
    return pd.concat([_with_id(frame, aliases) for frame in frames], ignore_index=True)


def _with_id(frame: pd.DataFrame, aliases: tuple[str, ...]) -> pd.DataFrame:
    frame = frame.set_axis([str(name).lower() for name in frame], axis=1)
    known = [alias.lower() for alias in aliases]
    column = next((name for name in known if name in frame), None)
    if column is None:
        raise InputError(
            f"the archive's rows have no source_id (columns: {', '.join(map(str, list(frame)[:12]))})",
            remedy="select source_id in the query",
        )
    ids = source_ids(frame[column], file="the archive's answer", unique=False)
    frame = frame.drop(columns=[column])
    frame.insert(0, SOURCE_ID, ids)
    return frame


def one_row_a_source(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the first row of every source."""
    return rows.drop_duplicates(SOURCE_ID, ignore_index=True)


def storable(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the lists of a column one dimension and one number type, which Parquet asks for.

    Lists with masked values come as floats with NaN, those without keep their own type; a
    VOTable's list of one value comes without a dimension.
    """
    changed = {}
    for name in rows.select_dtypes(object):
        cells = [cell for cell in rows[name] if isinstance(cell, np.ndarray)]
        if cells:
            dtype = np.result_type(*{cell.dtype for cell in cells})
            lists = [None if cell is None else np.atleast_1d(cell) for cell in rows[name]]
            changed[name] = pd.Series(
                [None if cell is None else cell.astype(dtype) for cell in lists], dtype=object
            )
    return rows.assign(**changed)
