"""What a user can fix: every refusal is one sentence that says what, where and what to do."""

from __future__ import annotations

from pathlib import Path


class LatentError(Exception):
    """A refusal that the user can act on; the command line prints it and exits `exit_code`."""

    exit_code = 2


class InputError(LatentError):
    """A file, row, column or value that cannot be taken as it is.

    The message reads `FILE, row R, column C: what is wrong; what to do`, leaving out
    the places that do not apply. Rows count data rows from 1, as a person would.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | str | None = None,
        row: int | None = None,
        column: str | None = None,
        remedy: str = "",
    ) -> None:
        self.file, self.row, self.column = file, row, column
        places = [
            str(file) if file is not None else "",
            f"row {row}" if row is not None else "",
            f"column {column}" if column is not None else "",
        ]
        where = ", ".join(place for place in places if place)
        super().__init__(
            ": ".join(x for x in (where, problem) if x) + (f"; {remedy}" if remedy else "")
        )


class FolderError(LatentError):
    """A survey or bundle on disk that is missing, incomplete, damaged or of another version."""


class UnknownSourceError(LatentError):
    """A source_id that is well formed but not in the opened bundle."""


class IncompleteError(LatentError):
    """Some parts did not come from the archive; what came is kept, the same command goes on."""

    exit_code = 3


class StorageError(LatentError):
    """The disk is full, read-only, or otherwise refuses to keep what we wrote."""

    exit_code = 74
