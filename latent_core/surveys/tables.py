"""A table of somebody's own latents: identifiers, latent columns, labels, perhaps a map."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID, Catalog, source_ids
from latent_core.errors import InputError
from latent_core.release import Release, load_release
from latent_core.surveys.readings import refuse_other_release
from latent_core.surveys.rows import numbers, scalar_columns
from latent_core.surveys.table_files import read_tables

FEWEST_ROWS = 2


@dataclass(frozen=True)
class LatentTable:
    """What `read_latent_table` found; `latents` and `xy` are in the catalog's row order.

    `latents` (N, K) float32, `xy` (N, 2) float32 or None; `label` names a catalog column.
    """

    catalog: Catalog
    latents: NDArray[np.float32]
    latent_names: tuple[str, ...]
    xy: NDArray[np.float32] | None
    label: str | None = None


def read_latent_table(
    file: Path | str,
    latents: str | Sequence[str],
    *,
    id_column: str | None = None,
    label: str | None = None,
    xy: Sequence[str] | None = None,
    release: Release | None = None,
) -> LatentTable:
    """Read latents that somebody else computed, from any table file.

    `latents` are column names or patterns such as `latent_mu_*`, sorted as a person would
    (`latent_2` before `latent_10`). The id column, recognised by the release's names unless
    given, becomes `source_id`; all other plain columns stay in the catalog. Raises InputError
    naming file, row and column for ids or latents that cannot be used.
    """
    file = Path(file)
    frame = _single_table(file, id_column)
    release = release or load_release()
    ids_name = _id_column(frame, id_column, file, release)
    refuse_other_release(frame, file, release)
    ids = source_ids(frame[ids_name], file=file)
    if len(ids) < FEWEST_ROWS:
        raise InputError(f"the table has {len(ids)} rows, {FEWEST_ROWS} are needed", file=file)
    names = _latent_columns(frame, latents, file, exclude=ids_name)
    values = _finite(frame, names, file)
    place = None if xy is None else _finite(frame, _two(frame, xy, file), file)
    if label is not None:
        _require(frame, label, file)
    catalog = scalar_columns(frame.drop(columns=[*names, ids_name]))
    if SOURCE_ID in catalog:
        catalog = catalog.rename(columns={SOURCE_ID: f"{SOURCE_ID}_of_table"})
    catalog.insert(0, SOURCE_ID, ids)
    if label is not None:
        catalog[label] = _categories(frame[label])
    return LatentTable(Catalog(catalog), values, tuple(names), place, label)


def _single_table(file: Path, id_column: str | None) -> pd.DataFrame:
    tables = read_tables(file, text_columns=(id_column,) if id_column else ())
    if len(tables) != 1:
        raise InputError(
            f"the file holds {len(tables)} tables", file=file, remedy="give one table of latents"
        )
    frame = tables[0].frame.reset_index(drop=True)
    return frame.set_axis([str(column) for column in frame], axis=1)


def _id_column(frame: pd.DataFrame, given: str | None, file: Path, release: Release) -> str:
    if given is not None:
        return _require(frame, given, file)
    aliases = [alias.lower() for alias in release.source_id_aliases]
    found = sorted(
        (str(column) for column in frame if str(column).lower() in aliases),
        key=lambda column: aliases.index(column.lower()),
    )
    if found:
        return found[0]
    raise InputError(
        f"no column is known as a source_id among {_some(frame)}",
        file=file,
        remedy="name it with --id-column",
    )


def _require(frame: pd.DataFrame, name: str, file: Path) -> str:
    if name not in frame:
        raise InputError(
            "there is no such column", file=file, column=name, remedy=f"choose of {_some(frame)}"
        )
    return name


def _some(frame: pd.DataFrame, limit: int = 12) -> str:
    names = [str(column) for column in frame]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _latent_columns(
    frame: pd.DataFrame, patterns: str | Sequence[str], file: Path, *, exclude: str
) -> list[str]:
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    candidates = [str(column) for column in frame if column != exclude]
    names: list[str] = []
    for pattern in wanted:
        found = [c for c in candidates if c == pattern or fnmatchcase(c, pattern)]
        if not found:
            numeric = frame[candidates].select_dtypes("number")
            raise InputError(
                f"no column matches {pattern!r}",
                file=file,
                remedy=f"numeric columns are {_some(numeric, 20) or 'none'}",
            )
        names += [c for c in sorted(found, key=_natural) if c not in names]
    return names


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts if p]


def _two(frame: pd.DataFrame, xy: Sequence[str], file: Path) -> list[str]:
    if len(xy) != 2 or xy[0] == xy[1]:
        raise InputError(f"a map needs two columns, {list(xy)} were given", file=file)
    return [_require(frame, name, file) for name in xy]


def _finite(frame: pd.DataFrame, names: Sequence[str], file: Path) -> NDArray[np.float32]:
    columns = []
    for name in names:
        if not pd.api.types.is_numeric_dtype(frame[name]) or frame[name].dtype.kind in "bc":
            _refuse_text(frame[name], file)
        columns.append(numbers(frame[name]))
    with np.errstate(over="ignore"):
        values = np.column_stack(columns).astype(np.float32)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{values[row, column]} is not a finite number ({len(bad)} such cells in all)",
            file=file,
            row=int(row) + 1,
            column=names[column],
            remedy="drop these rows",
        )
    return values


def _refuse_text(values: pd.Series, file: Path) -> None:
    """Raise InputError at the first cell that is no number; columns of numbers as text pass."""
    read = numbers(values) if values.dtype.kind not in "bc" else np.full(len(values), np.nan)
    wrong = np.flatnonzero(np.isnan(read) & values.notna().to_numpy())
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{str(values.iloc[row])[:40]!r} is not a number",
            file=file,
            row=row + 1,
            column=str(values.name),
        )


def _categories(values: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(values):
        return values
    return values.astype(object).map(
        lambda cell: None if cell is None or cell != cell else str(cell)
    )
