"""A label table read by its recipe: ids, values, and what was cut by which flag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID, Column, describe
from latent_core.errors import InputError
from latent_core.labels.cuts import Cut, parse_condition
from latent_core.labels.identifiers import id_column, read_ids
from latent_core.labels.recipes import LabelColumn, Recipe, load_recipe, recognise
from latent_core.labels.values import Values, as_values, expand_arrays, weighted_mean
from latent_core.surveys.readings import NOT_OF_THE_SOURCE
from latent_core.surveys.rows import is_array_column
from latent_core.surveys.table_files import RawTable, read_tables

_ERRORS = ("{}_err", "e_{}", "{}_error", "err_{}", "{}err", "sigma_{}")
OWN = Recipe("", "")


@dataclass(frozen=True)
class Choice:
    """What a person asked for: see `gaia-latent labels --help`.

    `columns` name labels, or columns of the table; `where` are further conditions, and `cuts`
    false leaves the recipe's own cuts out.
    """

    catalog: str | None = None
    id_column: str | None = None
    columns: tuple[str, ...] = ()
    prefix: str = ""
    where: tuple[str, ...] = ()
    cuts: bool = True
    overwrite: bool = False


@dataclass(frozen=True)
class LabelTable:
    """Rows of a label table with an id: `ids` (n,), `kept` (n,) which met every cut of rows.

    `values` (n,) each are numbers, or objects with None; `best` (n,) says which of several rows
    of one id stays. `cut` counts rows by condition, `values_cut` values by column and condition;
    `unused` are conditions whose column the table lacks.
    """

    recipe: Recipe
    id_column: str
    rows: int
    ids: NDArray[np.int64]
    kept: NDArray[np.bool_]
    values: Mapping[str, Values]
    columns: tuple[Column, ...]
    best: NDArray[np.float64]
    cut: Mapping[str, int]
    values_cut: Mapping[str, Mapping[str, int]]
    unused: tuple[str, ...]


def read_labels(file: Path, choice: Choice) -> LabelTable:
    """Read the labels of the first table of a file that has Gaia DR3 ids.

    Raises InputError for a file that cannot be read, ids of DR2 or floats, columns that are not
    there, and a table without any label.
    """
    given = (choice.id_column,) if choice.id_column else ()
    tables = read_tables(file, text_columns=given)
    raw, recipe, ids_name = _first_with_ids(tables, choice)
    if not recipe.name:
        recipe = replace(recipe, title=file.name)
    frame = raw.frame.reset_index(drop=True).set_axis([str(c) for c in raw.frame], axis=1)
    frame = expand_arrays(frame, recipe.arrays, raw.name)
    ids, has = read_ids(raw, ids_name)
    source = _Source(raw.name, frame, recipe)
    labels = _chosen(source, ids_name, choice)
    conditions, unused = _conditions(source, choice)
    kept, cut = has.copy(), {}
    for condition in (c for c in conditions if not c.values_of):
        met = source.met(condition)
        cut[_said(condition)] = int((has & ~met).sum())
        kept &= met
    values, columns, values_cut = _values(source, labels, conditions, kept)
    return LabelTable(
        recipe,
        ids_name,
        len(frame),
        ids[has],
        kept[has],
        {name: cells[has] for name, cells in values.items()},
        tuple(columns),
        source.best()[has],
        cut,
        values_cut,
        unused,
    )


def _first_with_ids(tables: Sequence[RawTable], choice: Choice) -> tuple[RawTable, Recipe, str]:
    """Return the first table that has ids: FITS files may hold others beside it."""
    known = load_recipe(choice.catalog) if choice.catalog else None
    for raw in tables:
        recipe = known or recognise(map(str, raw.frame)) or OWN
        missing = choice.id_column is not None and choice.id_column not in raw.frame
        if missing and len(tables) > 1:
            continue
        found = id_column(raw, choice.id_column, recipe.id)
        if found is not None:
            return raw, recipe, found
    names = ", ".join(map(str, list(tables[0].frame)[:12])) or "none"
    raise InputError(
        f"no column is known as a Gaia DR3 source_id among {names}",
        file=tables[0].name,
        remedy="name it with --id",
    )


@dataclass(frozen=True)
class _Source:
    """A table whose columns are found in any case."""

    name: str
    frame: pd.DataFrame
    recipe: Recipe

    def find(self, spellings: Iterable[str]) -> str | None:
        """Return the table's own spelling of the first that it has."""
        own = {str(c).lower(): str(c) for c in reversed(list(self.frame))}
        return next((own[s.lower()] for s in spellings if s.lower() in own), None)

    def met(self, cut: Cut) -> NDArray[np.bool_]:
        """Return which rows meet a condition, (n,)."""
        try:
            return cut.met(self.frame[self.find([cut.column])])
        except InputError as error:
            raise InputError(
                str(error).rsplit(": ", 1)[-1], file=self.name, row=error.row, column=cut.column
            ) from error

    def best(self) -> NDArray[np.float64]:
        """Return what is largest in the row that stays of several, (n,); zeros where unknown."""
        name = self.find([self.recipe.best]) if self.recipe.best else None
        if name is None:
            return np.zeros(len(self.frame))
        numbers, _ = as_values(self.frame[name], LabelColumn("", (name,)), None)
        return np.nan_to_num(numbers.astype(np.float64), nan=-np.inf)


def _conditions(source: _Source, choice: Choice) -> tuple[list[Cut], tuple[str, ...]]:
    """Return the conditions that the table can answer, and what others say."""
    own = source.recipe.cuts if choice.cuts else ()
    usable = [cut for cut in own if source.find([cut.column])]
    unused = dict.fromkeys(cut.column for cut in own if not source.find([cut.column]))
    for text in choice.where:
        for cut in parse_condition(text):
            if source.find([cut.column]) is None:
                raise InputError(
                    "--where names a column that the table lacks",
                    file=source.name,
                    column=cut.column,
                    remedy=f"choose of {', '.join(map(str, list(source.frame)[:12]))}",
                )
            usable.append(cut)
    return usable, tuple(unused)


def _said(cut: Cut) -> str:
    return cut.text() + (f": {cut.why}" if cut.why else "")


def _chosen(source: _Source, ids_name: str, choice: Choice) -> list[LabelColumn]:
    """Return the labels to take: those asked for, else the recipe's, else every plain column."""
    known = {c.name: c for c in source.recipe.columns if source.find(c.of)}
    if not choice.columns:
        found = list(known.values()) or _all_plain(source, ids_name)
        if source.recipe.columns and not known:
            wanted = ", ".join(c.of[0] for c in source.recipe.columns)
            raise InputError(
                f"the table has no column of {source.recipe.title} ({wanted})",
                file=source.name,
                remedy="name what to take with --columns",
            )
        return found
    made = {mean.name for mean in source.recipe.means}
    asked = [name for name in choice.columns if name not in made]
    needed = [p for m in source.recipe.means if m.name in choice.columns for p in m.of]
    return list(
        {c.name: c for c in (_asked(source, n, known) for n in [*asked, *needed])}.values()
    )


def _asked(source: _Source, name: str, known: Mapping[str, LabelColumn]) -> LabelColumn:
    lower = name.lower()
    for column in known.values():
        if lower == column.name.lower() or lower in (s.lower() for s in column.of):
            return column
    found = source.find([name])
    if found is None:
        raise InputError(
            "there is no such column",
            file=source.name,
            column=name,
            remedy=f"choose of {', '.join([*known, *map(str, list(source.frame)[:12])])}",
        )
    errors = tuple(pattern.format(found) for pattern in _ERRORS)
    return LabelColumn(found, (found,), errors, kind=None)


def _all_plain(source: _Source, ids_name: str) -> list[LabelColumn]:
    """Return every column that holds one plain value a row, but those of a run or an id."""
    left_out = {ids_name.lower(), SOURCE_ID, *NOT_OF_THE_SOURCE}
    names = [str(c) for c in source.frame if str(c).lower() not in left_out]
    plain = [n for n in names if source.frame[n].notna().any()]
    return [LabelColumn(n, (n,), kind=None) for n in plain if not is_array_column(source.frame[n])]


def _values(
    source: _Source, labels: Sequence[LabelColumn], conditions: Sequence[Cut], kept: NDArray
) -> tuple[dict[str, Values], list[Column], dict[str, dict[str, int]]]:
    """Read labels and their errors; a value whose flag is set is missing, and is counted."""
    values: dict[str, Values] = {}
    columns: dict[str, Column] = {}
    cut: dict[str, dict[str, int]] = {}
    for label in labels:
        name = source.find(label.of) or label.name
        cells, columns[label.name] = _described(source, label, name)
        for condition in (c for c in conditions if label.name in c.values_of):
            lost = ~source.met(condition)
            count = int((lost & kept & pd.notna(cells)).sum())
            cut.setdefault(label.name, {})[condition.text()] = count
            cells = _without(cells, lost)
        values[label.name] = cells
        error = source.find(label.error)
        if error is not None and error != name:
            found, column = _error(source, label, error)
            values[column.name], columns[column.name] = _without(found, pd.isna(cells)), column
    for mean in source.recipe.means:
        if set(mean.of) <= set(values):
            values[mean.name], values[f"{mean.name}_err"] = weighted_mean(values, mean)
            columns |= {c.name: c for c in mean.described(source.recipe.title)}
    return values, list(columns.values()), cut


def _described(source: _Source, label: LabelColumn, name: str) -> tuple[Values, Column]:
    """Read one label, and say what it is; of a column that no recipe knows its cells tell that."""
    cells, kind = as_values(source.frame[name], label, source.recipe.missing_below)
    if label.kind is not None:
        return cells, label.described(source.recipe.title, name)
    known = describe(label.name, pd.Series(cells))
    said = known.description or f"{source.recipe.title}, {name}"
    return cells, replace(known, kind=kind, description=said)


def _error(source: _Source, label: LabelColumn, name: str) -> tuple[Values, Column]:
    """Read the error of a label: a number in the label's unit."""
    number = replace(label, kind="number")
    cells, _ = as_values(source.frame[name], number, source.recipe.missing_below)
    column = number.error_described(source.recipe.title, name)
    return cells, column if label.kind is not None else replace(column, name=name)


def _without(cells: Values, lost: NDArray[np.bool_]) -> Values:
    out = cells.copy()
    out[lost] = None if cells.dtype == object else np.nan
    return out
