"""Tables too big for memory, read part by part: text in blocks of rows, Parquet in batches.

Small files, and formats that have to be read whole, are one part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from latent_core.surveys import byte_streams
from latent_core.surveys.byte_streams import line_blocks
from latent_core.surveys.table_files import RawTable, read_tables
from latent_core.surveys.text_tables import (
    frame_of_arrow,
    open_text,
    read_rows,
    reading,
    refuse_foreign_text,
)

BATCH = 4096  # rows of Parquet
_BINARY = (b"SIMPLE  =", b"Obj\x01", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TableStream:
    """A table in parts: its name, column names as they are written, and the parts, once.

    `is_big` tells one that does not come in one part.
    """

    name: str
    columns: tuple[str, ...]
    parts: Iterator[RawTable]
    is_big: bool = False
    close: Callable[[], None] = lambda: None


def open_streams(path: Path, unused: Collection[str]) -> list[TableStream]:
    """Open every table of a file; columns that are `unused` (lower case) may be left out.

    Raises InputError as `read_tables` does, in a big file when the part is reached.
    """
    path = Path(path)
    if _is_big_parquet(path):
        return [_parquet(path, unused)]
    big = _big_text(path)
    if big is not None:
        return [_text(path, *big, unused)]
    return [_whole(table) for table in read_tables(path)]


def _whole(table: RawTable) -> TableStream:
    return TableStream(table.name, tuple(map(str, table.frame)), iter((table,)))


def _big_text(path: Path) -> tuple[bytes, Generator[bytes]] | None:
    """Return the first block of a big text file, and the others; None for any other file."""
    blocks = line_blocks(path, byte_streams.BLOCK)
    try:
        first = next(blocks, b"")
    except OSError:
        return None  # `read_tables` says why
    start = first.removeprefix(_BOM)[:65536]
    small = len(first) < byte_streams.BLOCK // 2
    if small or first.startswith(_BINARY) or b"\0" in start or start.lstrip()[:1] == b"<":
        blocks.close()
        return None
    return first.removeprefix(_BOM), blocks


def _text(
    path: Path, first: bytes, blocks: Generator[bytes], unused: Collection[str]
) -> TableStream:
    name = str(path)
    refuse_foreign_text(first, name)
    found, meta, rows = open_text(first, name)
    header = found.without(unused)

    def parts() -> Iterator[RawTable]:
        frame, lines = read_rows(rows, header, name, ()), first.count(b"\n")
        yield RawTable(name, frame, meta)
        done = len(frame)
        for block in blocks:
            refuse_foreign_text(block, name, lines)
            frame = read_rows(block, header, name, (), done)
            if len(frame):  # blank lines may end a file
                yield RawTable(name, frame, meta, done)
            done, lines = done + len(frame), lines + block.count(b"\n")

    return TableStream(name, header.wanted, parts(), True, blocks.close)


def _is_big_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"PAR1" and path.stat().st_size >= byte_streams.BLOCK
    except OSError:
        return False


def _parquet(path: Path, unused: Collection[str]) -> TableStream:
    import pyarrow.parquet as pq

    name = str(path)
    with reading("Parquet file", name):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        wanted = tuple(c for c in file.schema_arrow.names if c.lower() not in unused)

    def parts() -> Iterator[RawTable]:
        done = 0
        batches = file.iter_batches(BATCH, columns=list(wanted))
        while (frame := _next_batch(batches, name)) is not None:
            yield RawTable(name, frame, {}, done)
            done += len(frame)

    return TableStream(name, wanted, parts(), True)


def _next_batch(batches: Iterator[object], name: str) -> pd.DataFrame | None:
    import pyarrow as pa

    with reading("Parquet file", name):
        batch = next(batches, None)
        if batch is None:
            return None
        table = pa.Table.from_batches([batch])
        table.validate(full=True)
        return frame_of_arrow(table)
