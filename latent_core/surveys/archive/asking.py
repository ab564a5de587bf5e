"""What a user asks for: sources by list, query, class or place, and which products of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import parse_source_id, source_ids
from latent_core.errors import InputError
from latent_core.release import Archive, Release
from latent_core.surveys.archive import adql


@dataclass(frozen=True)
class Request:
    """One request: `ids` (N,) int64, sorted and unique, or the ADQL that selects them."""

    release: str
    archive: Archive
    products: tuple[str, ...]
    query: str | None
    ids: NDArray[np.int64] | None = None

    def identity(self) -> dict[str, Any]:
        """Return what tells this request from another, in values that JSON keeps."""
        ids = None if self.ids is None else self.ids.astype("<i8").tobytes()
        return {
            "release": self.release,
            "archive": self.archive.url,
            "products": list(self.products),
            "query": self.query,
            "list_of_ids": None if ids is None else hashlib.sha256(ids).hexdigest(),
            "catalog_query": adql.catalog_query(self.archive),
            "ids_per_batch": self.archive.ids_per_batch,
            "ids_per_upload": self.archive.ids_per_upload,
        }

    def queries(self) -> dict[str, str]:
        """Return the ADQL that anybody can repeat: of the sources and of their columns."""
        ids = [] if self.ids is None else self.ids.tolist()
        return {
            "sources": self.query or adql.ids_query(ids, self.archive),
            "columns": adql.catalog_query(self.archive),
        }


def checked_products(names: Sequence[str], archive: Archive) -> tuple[str, ...]:
    """Return the products in the release's order; raises InputError for one it does not have."""
    wrong = [name for name in names if name not in archive.products]
    if wrong or not names:
        raise InputError(
            f"{wrong[0] if wrong else 'nothing'!r} is not a product of the archive",
            remedy=f"give --products {','.join(archive.products)} or one of them",
        )
    return tuple(name for name in archive.products if name in names)


def read_ids(file: Path, release: Release) -> NDArray[np.int64]:
    """Read source_ids from a text file, one a line, or from the id column of any table.

    Repeated ids count once; the result is sorted. Raises InputError for a file without ids and
    for an id that is not one, naming its row.
    """
    from latent_core.surveys.table_files import read_tables

    ids = _plain_list(file)
    if ids is None:
        frame = read_tables(file)[0].frame
        known = {alias.lower() for alias in release.source_id_aliases}
        column = next((name for name in frame if str(name).strip().lower() in known), None)
        if column is None:
            raise InputError(
                f"there is no column source_id (columns: {', '.join(map(str, frame))[:200]})",
                file=file,
                remedy="give one id a line, or a table with a column source_id",
            )
        ids = source_ids(frame[column], file=file, unique=False)
    if not len(ids):
        raise InputError("there is no source_id in the file", file=file)
    return np.unique(ids)


def _plain_list(file: Path) -> NDArray[np.int64] | None:
    """Return the ids of a text file with one a line; None where the first line is none."""
    try:
        with file.open("rb") as stream:
            if b"\0" in stream.read(4096):
                return None
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=file) from error
    rows = [(row, line.strip()) for row, line in enumerate(lines, start=1)]
    rows = [(row, line) for row, line in rows if line and not line.startswith("#")]
    if not rows or not rows[0][1].split()[-1].isdigit() or "," in rows[0][1]:
        return None
    return np.array([_id_of(line, file, row) for row, line in rows], np.int64)


def _id_of(line: str, file: Path, row: int) -> int:
    try:
        return parse_source_id(line)
    except InputError as error:
        raise InputError(str(error), file=file, row=row) from error
