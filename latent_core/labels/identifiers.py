"""The Gaia DR3 ids of a label table; ids of DR2 and ids that have lost digits are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import source_ids
from latent_core.errors import InputError
from latent_core.release import load_release
from latent_core.surveys.rows import numbers
from latent_core.surveys.table_files import RawTable

# Column names of ids of earlier releases: dr2_source_id, gaiadr2_source_id, gaia_dr2_id, ...
_OTHER_COLUMN = re.compile(
    r"(?:^|_)(?:gaia_?|g)?(dr[12])(?:_?(?:source)?_?id)?(?:_|$)", re.IGNORECASE
)
_OTHER_TEXT = re.compile(r"\b(?:gaia[ _]*)?(dr[12])\b", re.IGNORECASE)
_DR16 = {"gaia_source_id", "apogee_id"}  # APOGEE DR16 names its DR2 ids without their release
_EPOCHS = {"dr1": 2015.0, "dr2": 2015.5}  # reference epoch of positions, Julian years
_WHY = "Gaia DR2 and DR3 number their sources differently, so they cannot be joined by id"


def id_column(raw: RawTable, given: str | None, wanted: Sequence[str]) -> str | None:
    """Find the column of Gaia DR3 ids: the one given, a recipe's, or one the release knows.

    None where the table has none. Raises InputError for ids of an earlier release, and where the
    given column is not there.
    """
    names = [str(name) for name in raw.frame]
    if given is not None:
        if given not in names:
            raise InputError(
                "there is no such column",
                file=raw.name,
                column=given,
                remedy=f"choose of {', '.join(names[:12])}",
            )
        found: str | None = given
    else:
        found = _first([*wanted, *load_release().source_id_aliases], names)
    older = _older_column(found, names)
    if found is None and older is None:
        return None
    if older is not None:
        raise InputError(
            f"these are ids of Gaia {older[1].upper()}, and {_WHY}",
            file=raw.name,
            column=older[0],
            remedy="match the table to DR3 first, e.g. by gaiadr3.dr2_neighbourhood",
        )
    _refuse_older_epoch(raw, names)
    return found


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(names)}
    return next((by_lower[name.lower()] for name in wanted if name.lower() in by_lower), None)


def _older_column(found: str | None, names: Sequence[str]) -> tuple[str, str] | None:
    """Return a column of DR1 or DR2 ids and its release, where it is what would be joined by."""
    lower = {name.lower() for name in names}
    if found is not None and found.lower() == "gaia_source_id" and lower >= _DR16:
        return found, "dr2"
    for name in [found] if found is not None else names:
        match = _OTHER_COLUMN.search(name)
        if match:
            return name, match.group(1).lower()
    return None


def _refuse_older_epoch(raw: RawTable, names: Sequence[str]) -> None:
    """Raise InputError for a plain extract of DR2, which says so by its reference epoch."""
    name = _first(["ref_epoch"], names)
    if name is None:
        return
    epochs = numbers(raw.frame[name])
    for release, epoch in _EPOCHS.items():
        if len(epochs) and np.allclose(epochs, epoch):
            raise InputError(
                f"the reference epoch {epoch} is that of Gaia {release.upper()}, and {_WHY}",
                file=raw.name,
                column=name,
                remedy="give a table of DR3, whose epoch is 2016.0",
            )


def read_ids(raw: RawTable, column: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the ids (n,) int64 and which rows have one; 0, negative and missing is none.

    Raises InputError for floats, letters, numbers above 2^63 - 1, and designations or a
    `data_release` of DR1 or DR2.
    """
    values = raw.frame[column].reset_index(drop=True)
    _refuse_older_text(raw, column)
    for other in raw.frame:
        if str(other).lower() in ("designation", "data_release"):
            _refuse_older_text(raw, str(other))
    if pd.api.types.is_float_dtype(values) or pd.api.types.is_bool_dtype(values):
        source_ids(values, file=raw.name)  # refuses them
    has = values.notna().to_numpy(bool, copy=True)
    if pd.api.types.is_integer_dtype(values):
        has &= (values.fillna(0) > 0).to_numpy(bool)
    else:
        text = values.astype(object).map(lambda cell: str(cell).strip())
        has &= ~text.str.fullmatch(r"|0+|-\d+|nan|none|null|<na>", case=False).to_numpy(bool)
    ids = source_ids(values.where(has, 0), file=Path(raw.name), unique=False)
    return ids, has


def _refuse_older_text(raw: RawTable, column: str) -> None:
    values = raw.frame[column]
    if pd.api.types.is_numeric_dtype(values):
        return
    for row, cell in enumerate(values):
        match = _OTHER_TEXT.search(cell) if isinstance(cell, str) else None
        if match:
            raise InputError(
                f"{cell[:40]!r} is of Gaia {match.group(1).upper()}, and {_WHY}",
                file=raw.name,
                row=row + 1,
                column=column,
                remedy="match the table to DR3 first, e.g. by gaiadr3.dr2_neighbourhood",
            )
