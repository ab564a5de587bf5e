"""The manifest: what lies in a folder, byte by byte, and how it was made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from latent_core.errors import FolderError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
FolderKind = Literal["survey", "bundle"]
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


@dataclass(frozen=True)
class FileRecord:
    """What the manifest promises of one file."""

    size: int
    sha256: str
    stage: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Manifest:
    """What lies in the folder and how it was made."""

    kind: FolderKind
    name: str
    release: str
    simulated: bool
    code_version: str
    description: str = ""
    format_version: int = FORMAT_VERSION
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical text: same content, same bytes, so its hash names the folder's version."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def version(self) -> str:
        """Short hash of it, which names every byte of the folder."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def from_json(cls, text: str, file: Path) -> Manifest:
        """Read and check a manifest; raises FolderError where it is not one of ours."""
        try:
            raw = json.loads(text)
            files = {
                check_name(name): FileRecord(**{**r, "shape": r["shape"] and tuple(r["shape"])})
                for name, r in raw.pop("files").items()
            }
            manifest = cls(files=files, **raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FolderError(
                f"{file}: the manifest is damaged ({error}); rebuild the folder"
            ) from error
        if manifest.format_version != FORMAT_VERSION:
            raise FolderError(
                f"{file}: format version {manifest.format_version}, this program reads "
                f"{FORMAT_VERSION}; rebuild the folder with this version"
            )
        return manifest


def check_name(name: str) -> str:
    """Return a relative file name whose every part is plain; raises FolderError otherwise."""
    if not all(_NAME.match(part) for part in name.split("/")):
        raise FolderError(f"{name[:120]!r} is not a file name that a bundle may hold")
    return name
