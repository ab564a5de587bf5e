"""Files that somebody brings: sources with data, sources named by their id alone, refused rows.

Tables with spectra or light curves go through `ingest`; any other table, and a plain list, is
read for its identifiers and for what else it says of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import REJECTED, Folder
from latent_core.catalog import SOURCE_ID, source_ids
from latent_core.errors import InputError
from latent_core.identifiers import RefusedEntry, read_id, read_ids
from latent_core.release import Release, load_release
from latent_core.surveys.gaia_files import LABELS, NO_DATA, Progress, ingest, product_of
from latent_core.surveys.readings import lower_names
from latent_core.surveys.rows import REJECTED_COLUMNS, scalar_columns
from latent_core.surveys.table_files import RawTable, read_tables

SURVEY = "new.survey"
_TOLD, _REJECTED = "told.parquet", "rejected.parquet"
MOST_IDS = 1_000_000
MOST_COLUMNS = 12  # that are shown of a table of somebody else's
_LOOKED_AT = 4096  # bytes that tell a list of ids from a table


@dataclass(frozen=True)
class Brought:
    """What files bring, before a bundle is asked what it knows of them.

    `survey` holds the sources with data, None where there are none. `told` has one row a source,
    `source_id` (int64, unique) first: what the files say beside the data; its rows that are not
    in the survey are sources without data. `rejected` lists file, row, source_id, reason.
    """

    survey: Folder | None
    told: pd.DataFrame
    rejected: pd.DataFrame

    @property
    def without_data(self) -> NDArray[np.int64]:
        """Identifiers that come with no spectrum and no light curve, in the order given."""
        ids = self.told[SOURCE_ID].to_numpy(np.int64)
        return ids if self.survey is None else ids[~np.isin(ids, self.survey.catalog.source_id)]


def brought_ids(text: str, most: int, release: str = "") -> Brought:
    """Return a pasted list as what it brings: identifiers alone."""
    found = read_ids(text, most, release)
    rejected = _refused_lines("the list", found.refused)
    if found.unread:
        why = f"{found.unread:,} more entries were not read: at most {most:,} are taken"
        rejected = pd.concat([rejected, _rejected([("the list", 0, "", why)])])
    return Brought(None, pd.DataFrame({SOURCE_ID: found.ids}), rejected.reset_index(drop=True))


def bring(
    files: Sequence[Path],
    folder: Path,
    *,
    release: Release | None = None,
    most: int = MOST_IDS,
    progress: Progress | None = None,
) -> Brought:
    """Read files of any kind; the sources with data become the survey `folder/new.survey`.

    Raises InputError for a file that is damaged or holds neither data nor identifiers.
    """
    release = release or load_release()
    with_data: list[Path] = []
    labels: list[Path] = []
    listed: list[Brought] = []
    for file in map(Path, files):
        if (list_text := _plain_list(file)) is not None:
            listed.append(_of_text(file, list_text, release.name, most))
            continue
        tables = [lower_names(raw, release) for raw in read_tables(file)]
        if any(product_of(set(map(str, raw.frame))) != LABELS for raw in tables):
            with_data.append(file)
            continue
        found = [_of_table(raw, release, most) for raw in tables]
        listed += found
        if any(len(table.told.columns) > 1 for table in found):
            labels.append(file)
    if not with_data:
        return _joined(None, listed)
    out = Path(folder) / SURVEY
    report = ingest([*with_data, *labels], out, release=release, progress=progress)
    return _joined(Folder.open(report.path, "survey"), listed)


def _joined(survey: Folder | None, listed: Sequence[Brought]) -> Brought:
    told = [one.told for one in listed]
    rejected = [one.rejected for one in listed]
    if survey is not None:
        told.insert(0, survey.catalog.frame)
        if REJECTED in survey:
            lost = pd.read_parquet(survey.file(REJECTED))
            rejected.insert(0, lost[~lost["reason"].str.startswith(NO_DATA)])
    told = [frame.astype({SOURCE_ID: np.int64}) for frame in told if len(frame)]
    lines = [frame for frame in rejected if len(frame)]
    whole = pd.concat(told, ignore_index=True) if told else pd.DataFrame({SOURCE_ID: []})
    return Brought(
        survey,
        whole.astype({SOURCE_ID: np.int64}).drop_duplicates(SOURCE_ID, ignore_index=True),
        pd.concat(lines, ignore_index=True) if lines else _rejected([]),
    )


def _rejected(rows: Sequence[tuple[str, int, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=REJECTED_COLUMNS)


def _refused_lines(file: str, refused: Sequence[RefusedEntry]) -> pd.DataFrame:
    return _rejected([(file, entry.line, entry.text, entry.reason) for entry in refused])


def _plain_list(file: Path) -> str | None:
    """Return the text of a file whose first line that is no comment holds an identifier."""
    try:
        with file.open("rb") as stream:
            start = stream.read(_LOOKED_AT)
            lines = [x for x in start.decode("utf-8").splitlines() if x.strip()[:1] not in "#"]
            if not lines or not len(read_ids(lines[0], 1).ids):
                return None
            return (start + stream.read()).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # a table, or nothing: `read_tables` says which


def _of_text(file: Path, text: str, release: str, most: int) -> Brought:
    found = brought_ids(text, most, release)
    return Brought(None, found.told, found.rejected.assign(file=str(file)))


def _of_table(raw: RawTable, release: Release, most: int) -> Brought:
    """Read the identifiers of a table without data, row by row; a wrong one is refused alone."""
    column = _id_column(raw, release)
    if pd.api.types.is_float_dtype(raw.frame[column]):
        source_ids(raw.frame[column], file=raw.name)  # says that its digits are lost
    ids = np.zeros(len(raw.frame), np.int64)
    lost: list[tuple[str, int, str, str]] = []
    for row, cell in enumerate(raw.frame[column].tolist()):
        try:
            if row >= most:
                raise InputError(f"only {most:,} rows are read")
            ids[row] = _of_cell(cell, release.name)
        except InputError as error:
            lost.append((raw.name, row + 1, str(cell)[:40], str(error)))
    kept = np.ones(len(ids), bool)
    kept[[row - 1 for _, row, _, _ in lost]] = False
    told = scalar_columns(raw.frame.drop(columns=column)).iloc[:, :MOST_COLUMNS][kept]
    told.insert(0, SOURCE_ID, ids[kept])
    return Brought(None, told.drop_duplicates(SOURCE_ID, ignore_index=True), _rejected(lost))


def _of_cell(cell: Any, release: str) -> int:
    if cell is None or cell is pd.NA or cell != cell:
        raise InputError("a source_id is missing")
    found = read_ids(str(cell), 2, release)
    if found.refused:
        raise InputError(found.refused[0].reason)
    if len(found.ids) != 1 or found.unread or found.repeated:
        return read_id(str(cell))
    return int(found.ids[0])


def _id_column(raw: RawTable, release: Release) -> str:
    names = [*(alias.lower() for alias in release.source_id_aliases), "designation"]
    column = next((name for name in names if name in raw.frame), None)
    if column is None:
        found = ", ".join(map(str, list(raw.frame)[:12])) or "none"
        raise InputError(
            f"there is no spectrum, no light curve and no source_id (columns: {found})",
            file=raw.name,
            remedy=f"name the column of identifiers {SOURCE_ID}",
        )
    return column


def save_brought(brought: Brought, folder: Path) -> None:
    """Write what was read beside its survey, for `open_brought` in another process."""
    texts = brought.told.copy()
    for name in texts.columns:
        if texts[name].dtype == object:
            texts[name] = texts[name].map(lambda cell: None if cell is None else str(cell))
    texts.to_parquet(folder / _TOLD, index=False)
    brought.rejected.to_parquet(folder / _REJECTED, index=False)


def open_brought(folder: Path) -> Brought:
    """Open what `save_brought` wrote."""
    survey = folder / SURVEY
    return Brought(
        Folder.open(survey, "survey") if survey.exists() else None,
        pd.read_parquet(folder / _TOLD),
        pd.read_parquet(folder / _REJECTED),
    )
