"""Which data release a survey or bundle is of, kept inside it as the text of its release file.

A source_id is unique only inside one release, so folders of two releases never mix.
"""

from __future__ import annotations

from latent_core.bundle import Folder, StageWriter
from latent_core.errors import InputError
from latent_core.release import Release, load_release, read_release, shipped_releases

RELEASE = "release.toml"


def save_release(writer: StageWriter, release: Release) -> None:
    """Write the release file, so that the folder opens where it is not shipped."""
    writer.save_text(RELEASE, release.text)


def release_of(folder: Folder) -> Release:
    """Return the folder's release: the shipped one of that name, else the one kept inside.

    Raises LatentError where it is neither shipped nor inside.
    """
    name = folder.manifest.release
    if name not in shipped_releases() and RELEASE in folder:
        return read_release(folder.file(RELEASE).read_text(encoding="utf-8"), RELEASE)
    return load_release(name)


def refuse_mixing(folder: Folder, other: Folder) -> None:
    """Raise InputError where two folders are of different releases: their ids differ too."""
    ours, theirs = folder.manifest.release, other.manifest.release
    if ours != theirs:
        raise InputError(
            f"{other.path} is of release {theirs} and {folder.path} of {ours}: ids differ",
            remedy=f"give data of {ours}",
        )
