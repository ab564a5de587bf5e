"""The folder on disk that surveys and bundles share: names, manifest, hashes, atomic writing.

`manifest.json` is written last and rules: readers trust nothing that it does not name, and no
native reader (numpy, faiss, safetensors, parquet) opens a file before its SHA-256 was compared,
because most of them accept a flipped byte in silence (reliability.md, 1.3).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID, Catalog, joined, write_catalog
from latent_core.columns import base_of, open_catalog, write_columns
from latent_core.errors import FolderError, StorageError
from latent_core.manifest import MANIFEST as MANIFEST
from latent_core.manifest import FileRecord as FileRecord
from latent_core.manifest import FolderKind as FolderKind
from latent_core.manifest import Manifest as Manifest
from latent_core.manifest import check_name

CATALOG = "catalog.parquet"
REJECTED = "rejected.parquet"
LABELS = "labels/"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EPERM}


def sha256_of(path: Path) -> str:
    """Hash a file in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one sentence (exit code 74)."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StorageError(
                f"{path}: cannot write ({error.strerror}); free space or choose another folder"
            ) from error
        raise


class Folder:
    """An opened survey or bundle; every file is verified once, before it is read."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest
        self._verified: set[str] = set()
        self._locks: dict[str, Lock] = {}

    @classmethod
    def open(cls, path: Path | str, kind: FolderKind | None = None) -> Folder:
        """Open a folder by its manifest; raises FolderError where it is none, or of other kind."""
        path = Path(path)
        file = path / MANIFEST
        if not file.is_file():
            hint = "no such folder" if not path.exists() else f"there is no {MANIFEST} in it"
            raise FolderError(f"{path}: {hint}; name a folder that gaia-latent has written")
        folder = cls(path, Manifest.from_json(file.read_text(encoding="utf-8"), file))
        if kind and folder.manifest.kind != kind:
            raise FolderError(f"{path} is a {folder.manifest.kind}, a {kind} is needed here")
        return folder

    @property
    def name(self) -> str:
        """The folder's name in its manifest."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Short hash of the manifest, which names every byte of the folder."""
        return self.manifest.version

    def __contains__(self, name: str) -> bool:
        return name in self.manifest.files

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Files below a prefix, sorted."""
        return tuple(sorted(n for n in self.manifest.files if n.startswith(prefix)))

    def file(self, name: str) -> Path:
        """Return the path of a file whose size and SHA-256 equal the manifest's.

        A thread that asks for a file which another one is hashing waits for it.
        Raises FolderError where it is not named, missing, or changed.
        """
        record = self.manifest.files.get(name)
        if record is None:
            raise FolderError(f"{self.path}: {name} is not in this {self.manifest.kind}")
        path = self.path / name
        if name not in self._verified:
            with self._locks.setdefault(name, Lock()):
                if name not in self._verified:
                    self._verify(name, path, record)
                    self._verified.add(name)
        return path

    @property
    def verified(self) -> frozenset[str]:
        """Names of files whose hashes were compared already."""
        return frozenset(self._verified)

    def trust(self, names: Iterable[str]) -> None:
        """Take files as verified that another process has just compared."""
        self._verified.update(name for name in names if name in self)

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process by path and manifest, without what was opened here."""
        return {"path": self.path, "manifest": self.manifest, "_verified": self._verified}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _locks={})

    def _verify(self, name: str, path: Path, record: FileRecord) -> None:
        remedy = f"copy it again or rebuild the {self.manifest.kind}"
        if path.is_symlink() or not path.is_file():
            raise FolderError(f"{path}: the file is missing or not a plain file; {remedy}")
        if path.stat().st_size != record.size or sha256_of(path) != record.sha256:
            raise FolderError(f"{path}: the file was changed after it was written; {remedy}")

    def verify(self) -> int:
        """Check every file of the manifest; returns how many. Raises FolderError at the first."""
        for name in self.manifest.files:
            self.file(name)
        return len(self.manifest.files)

    def array(self, name: str) -> NDArray[Any]:
        """Open an array as a read-only memory map; its shape and dtype are the manifest's."""
        array = np.load(self.file(name), mmap_mode="r", allow_pickle=False)
        record = self.manifest.files[name]
        if record.shape != array.shape or record.dtype != str(array.dtype):
            raise FolderError(f"{self.path / name}: shape or dtype is not the manifest's")
        return np.asarray(array) if array.size == 0 else array

    def json(self, name: str) -> Any:
        """Read a JSON file."""
        return json.loads(self.file(name).read_text(encoding="utf-8"))

    @cached_property
    def own_catalog(self) -> Catalog:
        """The catalog that the folder was made with, one row a source: what models rest on."""
        return open_catalog(self, CATALOG)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog with the labels that were joined to it since; the last joined are shown.

        Raises FolderError where labels belong to other sources.
        """
        own, tables = self.own_catalog, []
        for stage in self.label_stages():
            table = open_catalog(self, f"{stage}.parquet")
            if not self.same_sources(f"{stage}.parquet", table):
                raise FolderError(
                    f"{self.path}: {stage} belongs to other sources; join the table again"
                )
            tables.append(table)
        return joined(own, tables) if tables else own

    def same_sources(self, name: str, table: Catalog) -> bool:
        """Tell whether a table of the folder has the catalog's sources, row by row."""
        ids = [f"{base_of(n)}{SOURCE_ID}.npy" for n in (CATALOG, name)]
        known = [self.manifest.files[n].sha256 for n in ids if n in self.manifest.files]
        if len(known) == len(ids):  # the same bytes: nothing need be read
            return known[0] == known[1]
        return bool(np.array_equal(table.source_id, self.own_catalog.source_id))

    def label_stages(self) -> tuple[str, ...]:
        """Stages of labels that were joined, in the order in which they were."""
        stages = self.manifest.stages
        found = [name for name in stages if name.startswith(LABELS)]
        return tuple(sorted(found, key=lambda name: (stages[name].get("rank", 0), name)))

    def stage(self, name: str) -> Mapping[str, Any] | None:
        """Return what the manifest says of a finished stage, None where it was not run."""
        return self.manifest.stages.get(name)


class StageWriter:
    """Collects the files of one stage in a private folder.

    `made_from` are stages of a new folder that are known only when its files are written. A
    bundle's catalogs are `mapped` column by column, a survey's are read as a whole by a build.
    """

    def __init__(self, root: Path, stage: str, *, mapped: bool = True) -> None:
        self.root, self.stage, self.mapped = root, stage, mapped
        self.records: dict[str, FileRecord] = {}
        self.made_from: dict[str, Mapping[str, Any]] = {}

    def path(self, name: str) -> Path:
        """Return where to write a file, by its name in the finished folder."""
        path = self.root / check_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save_array(self, name: str, array: NDArray[Any]) -> None:
        """Write an array; object dtypes are refused by numpy."""
        np.save(self.path(name), array, allow_pickle=False)
        self.add(name, array)

    def save_json(self, name: str, content: object) -> None:
        """Write JSON; NaN is not JSON and must be given as null."""
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        self.save_text(name, text + "\n")

    def save_text(self, name: str, text: str) -> None:
        """Write a text file in UTF-8."""
        self.path(name).write_text(text, encoding="utf-8")
        self.add(name)

    def save_catalog(self, catalog: Catalog, name: str = CATALOG) -> None:
        """Write a catalog, and its columns as memory maps where it is a bundle's."""
        write_catalog(self.path(name), catalog)
        self.add_catalog(name)

    def add_catalog(self, name: str = CATALOG) -> None:
        """Record a catalog that was written at `path(name)`, as `save_catalog` does."""
        self.add(name)
        if self.mapped:
            write_columns(self, name)

    def take(self, source: Folder, name: str) -> None:
        """Take over a file of another folder once its hash was compared: linked, else copied."""
        path = source.file(name)
        try:
            self.path(name).hardlink_to(path)
        except OSError:  # another file system, or one without links
            shutil.copyfile(path, self.path(name))
        self.records[name] = replace(source.manifest.files[name], stage=self.stage)

    def add(self, name: str, array: NDArray[Any] | None = None) -> None:
        """Record a file that was written at `path(name)`."""
        path = self.root / check_name(name)
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
        shape = None if array is None else tuple(int(n) for n in array.shape)
        dtype = None if array is None else str(array.dtype)
        self.records[name] = FileRecord(
            path.stat().st_size, sha256_of(path), self.stage, shape, dtype
        )


@contextmanager
def new_folder(
    path: Path | str, manifest: Manifest, *, overwrite: bool = False, checkpoint: str = ""
) -> Iterator[StageWriter]:
    """Write a whole new folder, all or nothing: into PATH.partial, renamed at the end.

    The single stage is named `create`. On any error the partial folder is removed, and an
    existing folder stays as it was. A caller that can go on after an interruption names the file
    `checkpoint`: a partial folder in which it lies is kept, and found again by the next call; the
    caller removes the file when all is written.
    Raises FolderError where `path` exists, unless `overwrite` and it is one of ours.
    """
    path = Path(path)
    refuse_existing(path, overwrite=overwrite)
    partial = partial_of(path)
    _remove_unless(partial, checkpoint)
    with disk_errors(path):
        partial.mkdir(parents=True, exist_ok=True)
        try:
            writer = StageWriter(partial, "create", mapped=manifest.kind == "bundle")
            yield writer
            stages = {**manifest.stages, **writer.made_from}
            write_manifest(partial, replace(manifest, files=writer.records, stages=stages))
            replace_folder(partial, path)
        finally:
            _remove_unless(partial, checkpoint)


def partial_of(path: Path) -> Path:
    """Where a folder grows until it is whole."""
    return path.with_name(path.name + ".partial")


def _remove_unless(partial: Path, checkpoint: str) -> None:
    if not checkpoint or not (partial / checkpoint).is_file():
        shutil.rmtree(partial, ignore_errors=True)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise FolderError unless `path` is free, or one of our folders that may be overwritten."""
    if not path.exists():
        return
    if not overwrite:
        raise FolderError(f"{path} exists already; choose another --out or add --overwrite")
    if not (path / MANIFEST).is_file():
        raise FolderError(f"{path} was not written by gaia-latent and is not overwritten")


def replace_folder(partial: Path, path: Path) -> None:
    """Rename a finished partial folder to its place; an old one is moved away first."""
    old = path.with_name(path.name + ".old")
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
    partial.rename(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def write_stage(folder: Folder, stage: str, made_from: Mapping[str, Any]) -> Iterator[StageWriter]:
    """Write or renew the files of one stage of an existing folder.

    Files go to a private folder first. Then the manifest forgets the stage, the files move into
    place, and the manifest names them: a kill at any moment leaves a folder that opens, in which
    the stage is either whole or missing.
    """
    partial = folder.path / f".partial-{stage.replace('/', '-')}"
    shutil.rmtree(partial, ignore_errors=True)
    with disk_errors(folder.path):
        partial.mkdir()
        try:
            writer = StageWriter(partial, stage, mapped=folder.manifest.kind == "bundle")
            yield writer
            _swap_in(folder, writer, made_from)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _swap_in(folder: Folder, writer: StageWriter, made_from: Mapping[str, Any]) -> None:
    forget_stages(folder, {writer.stage})
    for name in writer.records:
        target = folder.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (writer.root / name).replace(target)
        folder._verified.discard(name)
    manifest = folder.manifest
    folder.manifest = replace(
        manifest,
        files={**manifest.files, **writer.records},
        stages={**manifest.stages, writer.stage: dict(made_from)},
    )
    write_manifest(folder.path, folder.manifest)


def forget_stages(folder: Folder, stages: set[str]) -> None:
    """Take stages and their files out of the manifest, then off the disk."""
    gone = {n for n, record in folder.manifest.files.items() if record.stage in stages}
    if not gone and not stages & set(folder.manifest.stages):
        return
    manifest = folder.manifest
    folder.manifest = replace(
        manifest,
        files={n: r for n, r in manifest.files.items() if n not in gone},
        stages={n: s for n, s in manifest.stages.items() if n not in stages},
    )
    write_manifest(folder.path, folder.manifest)
    for name in gone:
        (folder.path / name).unlink(missing_ok=True)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically: temporary file, fsync, rename."""
    temporary = folder / f"{MANIFEST}.partial"
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(manifest.to_json())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(folder / MANIFEST)
