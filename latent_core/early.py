"""Sources that are encoded while their input is made: with given weights one pass does both.

What it finds waits in a folder of its own inside the bundle, unknown to the manifest, until the
stage `encode/<name>` takes it up. Without it, after a kill, that stage encodes as it always can,
to the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latent_core.bundle import Folder, StageWriter
from latent_core.chunks import Chunk, FolderRef
from latent_core.passes import Encode, Joiner
from latent_core.training import one_thread

MARKER = "made_from.json"


@dataclass(frozen=True)
class Early:
    """Where a model's early latents grow, and how they are made."""

    grown: Joiner
    name: str
    draws: int
    seed: int

    def task(self, chunk: Chunk, folder: FolderRef) -> Encode:
        """Return what a worker encodes."""
        return Encode(str(self.grown.parts), chunk, folder, self.name, self.draws, self.seed)


def _waiting(folder: Folder, name: str) -> Path:
    return folder.path / f".encoded-{name}"


@contextmanager
def encoded_early(folder: Folder, name: str, draws: int, seed: int) -> Iterator[Early]:
    """Lend a place for what is encoded early."""
    place = _waiting(folder, name)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    grown = Joiner(StageWriter(place, f"encode/{name}"), f"models/{name}")
    try:
        with one_thread():
            yield Early(grown, name, draws, seed)
    finally:
        grown.close()


def mark(folder: Folder, name: str, record: Mapping[str, Any]) -> None:
    """Say what the waiting latents are: exactly what a stage of this record would make."""
    (_waiting(folder, name) / MARKER).write_text(json.dumps(record), encoding="utf-8")


def take(folder: Folder, writer: StageWriter, name: str, record: Mapping[str, Any]) -> bool:
    """Take up what was encoded early, if it is of this record; otherwise forget it."""
    place = _waiting(folder, name)
    marker = place / MARKER
    fits = marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == record
    marker.unlink(missing_ok=True)  # half of it moved is none of it
    for file in sorted(place.rglob("*.npy")) if fits else ():
        found = file.relative_to(place).as_posix()
        file.replace(writer.path(found))
        writer.add(found, np.load(writer.path(found), mmap_mode="r"))
    shutil.rmtree(place, ignore_errors=True)
    return fits


def forget_early(folder: Folder, names: Iterable[str]) -> None:
    """Remove what waits for models that the settings no longer name."""
    wanted = {_waiting(folder, name) for name in names}
    for place in folder.path.glob(_waiting(folder, "*").name):
        if place not in wanted:
            shutil.rmtree(place, ignore_errors=True)
