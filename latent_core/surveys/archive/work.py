"""The work folder SURVEY.fetch: what came so far, kept so that a kill costs one batch.

`request.json` says what was asked. Every part is a Parquet file and, written after it, a note
NAME.json with its SHA-256: a part without a note, or with another hash, is asked for again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from latent_core.bundle import disk_errors, sha256_of
from latent_core.errors import FolderError
from latent_core.surveys.archive.replies import storable

REQUEST, PLACED, LOCK = "request.json", "placed", "lock"


def work_folder(out: Path) -> Path:
    """Return the work folder of a survey."""
    return out.with_name(out.name + ".fetch")


class Work:
    """An opened work folder; one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def opened(cls, path: Path, request: Mapping[str, Any]) -> Iterator[Work]:
        """Open or begin the work on a request; raises FolderError where it is another's."""
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            work = cls(path)
            with _locked(path):
                work._claim(request)
                yield work

    def _claim(self, request: Mapping[str, Any]) -> None:
        text = json.dumps(request, indent=1, sort_keys=True) + "\n"
        file = self.path / REQUEST
        if not file.exists():
            others = {entry.name for entry in self.path.iterdir()} - {LOCK, f"{REQUEST}.partial"}
            if others:
                raise FolderError(f"{self.path} was not written by gaia-latent fetch; move it")
            _write(file, text.encode())
        elif file.read_text(encoding="utf-8") != text:
            raise FolderError(
                f"{self.path} keeps the parts of another request ({_difference(file, request)}); "
                "give that command again, choose another --out, or remove that folder"
            )

    def note(self, name: str) -> dict[str, Any] | None:
        """Return the note of a part that is whole, None where it has to be fetched."""
        note, file = self.path / f"{name}.json", self.file(name)
        if not (note.is_file() and file.is_file()):
            return None
        try:
            content: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            return None
        return content if content.get("sha256") == sha256_of(file) else None

    def file(self, name: str) -> Path:
        """Return where a part lies."""
        return self.path / f"{name}.parquet"

    def keep(self, name: str, rows: pd.DataFrame, note: Mapping[str, Any]) -> dict[str, Any]:
        """Write a part and its note, each whole or not at all; returns the note."""
        file, temporary = self.file(name), self.path / f"{name}.partial"
        storable(rows).to_parquet(
            temporary, index=False, compression="zstd", write_page_checksum=True
        )
        _settle(temporary, file)
        full = {**note, "sha256": sha256_of(file), "rows": len(rows)}
        _write(self.path / f"{name}.json", json.dumps(full, sort_keys=True).encode())
        return full

    def rows(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Read a part, or some of its columns."""
        return pd.read_parquet(self.file(name), columns=columns)

    def mark_placed(self, version: str) -> None:
        """Say that the survey of this version is being moved to its place."""
        _write(self.path / PLACED, version.encode())

    def is_placed(self, version: str) -> bool:
        """Tell whether the work ended with a survey of this version; only its removal is left."""
        mark = self.path / PLACED
        if mark.is_file():
            return mark.read_text(encoding="utf-8") == version
        return not any(self.path.iterdir())

    def remove_if_bare(self) -> None:
        """Remove the folder where no part was kept yet."""
        if not any(self.path.glob("*.parquet")):
            self.remove()

    def remove(self) -> None:
        """Remove the folder, the mark last: a kill in between leaves one that is known as done."""
        for entry in sorted(self.path.iterdir()):
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != PLACED:
                entry.unlink()
        (self.path / PLACED).unlink(missing_ok=True)
        self.path.rmdir()


def _difference(file: Path, request: Mapping[str, Any]) -> str:
    try:
        kept: Any = json.loads(file.read_text(encoding="utf-8"))
        names = [key for key in request if kept.get(key) != request[key]]
    except (ValueError, AttributeError):
        return f"{REQUEST} is damaged"
    return f"another {' and '.join(names).replace('_', ' ')}" if names else "of another version"


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(file.name + ".partial")
    temporary.write_bytes(content)
    _settle(temporary, file)


def _settle(temporary: Path, file: Path) -> None:
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    temporary.replace(file)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of the lock when the process dies, however it dies."""
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        yield
        return
    with (path / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderError(f"{path} is in use: the same fetch runs already") from error
        yield
