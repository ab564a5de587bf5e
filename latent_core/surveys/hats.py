"""HATS catalogs: Parquet files in HEALPix partitions below one folder, as LSDB makes them.

A partition is plain Parquet, so pyarrow reads it; LSDB is needed to make, cut or cross-match a
catalog, not to read one. Layout: a file of properties, and `Norder=k/Dir=d/Npix=n.parquet`
(or a folder of that name) below `dataset`, in early versions below the catalog itself.
"""

from __future__ import annotations

from pathlib import Path

from latent_core.errors import InputError

PROPERTIES = ("hats.properties", "properties", "catalog_info.json", "collection.properties")


def partitions(folder: Path) -> list[Path]:
    """Return the partition files of a HATS catalog, in the order of its HEALPix pixels.

    Raises InputError for a folder that is none, or a catalog without partitions.
    """
    if not any((folder / name).is_file() for name in PROPERTIES):
        raise InputError(
            "the folder is no HATS catalog: it has no file of properties",
            file=folder,
            remedy="name the files in it, or the folder of a HATS catalog",
        )
    found = [path for path in folder.rglob("Npix=*.parquet") if path.is_file()]
    found += [path for path in folder.rglob("Npix=*/*.parquet") if path.is_file()]
    if not found:
        raise InputError("the HATS catalog has no partition Npix=*.parquet", file=folder)
    return sorted(found, key=_pixel)


def with_partitions(files: list[Path]) -> list[Path]:
    """Replace every folder among files by the partitions of the HATS catalog that it is."""
    return [one for file in files for one in (partitions(file) if file.is_dir() else [file])]


def _pixel(path: Path) -> tuple[int, int, str]:
    """Return order, pixel and name of a partition."""
    numbers = dict.fromkeys(("Norder", "Npix"), 0)
    for part in path.parts:
        name, _, value = part.removesuffix(".parquet").partition("=")
        if name in numbers and value.isdecimal():
            numbers[name] = int(value)
    return numbers["Norder"], numbers["Npix"], path.name
