"""Labels of a table joined to a survey or bundle by source_id, and a report that counts it all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import LABELS, Folder, sha256_of, write_stage
from latent_core.catalog import SOURCE_ID, Catalog, Column, RowIndex
from latent_core.derived import with_derived
from latent_core.errors import InputError
from latent_core.labels.reading import Choice, LabelTable, read_labels
from latent_core.report.stage import STAGE as REPORT
from latent_core.report.stage import forget_stale_report
from latent_core.version import __version__


@dataclass(frozen=True)
class LabelReport:
    """What became of a label table: rows of it, and sources of the catalog.

    `rows` = `without_id` + `cut_rows` + `duplicates` + `matched` + `elsewhere` (ids that the
    catalog lacks). `counts` are values a column; `replaced` names columns that stood there before.
    """

    stage: str
    table: str
    title: str
    citation: str
    rows: int
    without_id: int
    cut: Mapping[str, int]
    cut_rows: int
    unused: tuple[str, ...]
    duplicates: int
    rule: str
    matched: int
    elsewhere: int
    sources: int
    counts: Mapping[str, int]
    values_cut: Mapping[str, Mapping[str, int]]
    made: Mapping[str, str]
    replaced: tuple[str, ...]
    forgot_report: bool

    def text(self) -> str:
        """Say it in lines."""
        cited = f" ({self.citation})" if self.citation else ""
        lines = [f"{self.table}, read as {self.title}{cited}: {self.rows:,} rows"]
        lines += [f"  {rows:,} rows cut: {said}" for said, rows in self.cut.items()]
        if self.cut:
            lines.append(f"  {self.cut_rows:,} rows cut in all (a row may fail several cuts)")
        lines += [f"  no cut on {name}: the table lacks the column" for name in self.unused]
        if self.without_id:
            lines.append(f"  {self.without_id:,} rows without a Gaia id")
        lines += [
            f"  {self.duplicates:,} rows of an id that has another: {self.rule} is kept",
            f"  {self.elsewhere:,} rows of sources that are not here",
            f"{self.matched:,} of {self.sources:,} sources matched, "
            f"{self.sources - self.matched:,} have no label",
        ]
        for name, count in self.counts.items():
            lost = [f"{n:,} cut by {said}" for said, n in self.values_cut.get(name, {}).items()]
            notes = [*lost, *([self.made[name]] if name in self.made else [])]
            lines.append(f"  {name}: {count:,} values" + "".join(f"; {note}" for note in notes))
        if self.replaced:
            lines.append(f"shown instead of the columns of before: {', '.join(self.replaced)}")
        return "\n".join(lines)


def join_labels(path: Path | str, table: Path | str, choice: Choice | None = None) -> LabelReport:
    """Join a label table to the catalog of a survey or bundle (stage `labels/NAME`), in place.

    One value a source and column, NaN or None where the table has none; errors ride along. The
    folder's own catalog and its trained models stay as they are: a bundle's report, which rests
    on labels, is forgotten where there is one. Flags and cuts of the known catalogs:
    gaia-archive.md, 7, and the TOML files in `labels/catalogs`.

    Raises InputError for a table that cannot be used, ids of Gaia DR2, columns that exist
    already (unless `choice.overwrite` or another `choice.prefix`), and where no source matches;
    the folder stays as it was then.
    """
    folder, table, choice = Folder.open(path), Path(table), choice or Choice()
    read = _prefixed(read_labels(table, choice), choice.prefix)
    stage = LABELS + _slug(read.recipe.name or table.stem, choice.prefix)
    _refuse_taken(folder, stage, read, choice)
    rows, picked, duplicates = _matched(folder, table, read)
    catalog = _spread(folder, read, rows, picked)
    before = set(with_derived(folder).frame)
    counts = {c.name: int(catalog.frame[c.name].notna().sum()) for c in read.columns}
    report = LabelReport(
        stage=stage,
        table=table.name,
        title=read.recipe.title,
        citation=read.recipe.citation,
        rows=read.rows,
        without_id=read.rows - len(read.ids),
        cut=read.cut,
        cut_rows=int((~read.kept).sum()),
        unused=read.unused,
        duplicates=duplicates,
        rule=f"the one of largest {read.recipe.best}" if read.recipe.best else "the first",
        matched=len(rows),
        elsewhere=int(read.kept.sum()) - duplicates - len(rows),
        sources=len(folder.catalog),
        counts=counts,
        values_cut=read.values_cut,
        made={choice.prefix + mean.name: mean.text() for mean in read.recipe.means},
        replaced=tuple(n for n in counts if n in before),
        forgot_report=folder.stage(REPORT) is not None,
    )
    with write_stage(folder, stage, _record(folder, table, read, report)) as writer:
        writer.save_catalog(catalog, f"{stage}.parquet")
    forget_stale_report(folder)
    return report


def _slug(name: str, prefix: str) -> str:
    parts = [name, prefix.strip("_- ")] if prefix else [name]
    words = "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", part) for part in parts)
    return words.strip("-.")[:90] or "table"


def _prefixed(read: LabelTable, prefix: str) -> LabelTable:
    """Put a prefix before the names of all labels, and behind what a person reads."""
    if not prefix:
        return read
    mark = f" ({prefix.strip('_- ')})"
    return replace(
        read,
        values={prefix + name: cells for name, cells in read.values.items()},
        columns=tuple(
            replace(c, name=prefix + c.name, label=c.label + mark if c.label else "")
            for c in read.columns
        ),
        values_cut={prefix + name: cut for name, cut in read.values_cut.items()},
    )


def _refuse_taken(folder: Folder, stage: str, read: LabelTable, choice: Choice) -> None:
    """Raise InputError where a label would silently take the place of a column."""
    if SOURCE_ID in read.values:
        raise InputError(f"a label cannot be called {SOURCE_ID}", remedy="add --prefix")
    if choice.overwrite:
        return
    if folder.stage(stage) is not None:
        raise InputError(
            f"{folder.path} has {stage} already",
            remedy="add --overwrite to join it anew, or --prefix to join it beside",
        )
    taken = [name for name in read.values if name in set(with_derived(folder).frame)]
    if taken:
        raise InputError(
            f"{folder.path} has these columns already: {', '.join(taken)}",
            remedy="add --prefix to join beside them, --overwrite to show these labels instead, "
            "or --columns to choose others",
        )


def _matched(
    folder: Folder, table: Path, read: LabelTable
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return matched catalog rows and the table's rows for them, (m,) each, and how many more
    rows had the same ids. Of several rows of one id the best stays, else the first.
    """
    kept = np.flatnonzero(read.kept)
    if not len(kept):
        raise InputError(
            f"none of {read.rows:,} rows has a Gaia id and passes the cuts",
            file=table,
            remedy="add --no-cuts to see what the cuts take",
        )
    order = kept[np.lexsort((-read.best[kept], read.ids[kept]))]
    first = np.ones(len(order), bool)
    first[1:] = np.diff(read.ids[order]) != 0
    single = order[first]
    rows = RowIndex(folder.catalog.source_id).find(read.ids[single])
    if not (rows >= 0).any():
        raise InputError(
            f"none of its {len(single):,} ids is among the {len(folder.catalog):,} sources of "
            f"{folder.path}",
            file=table,
            column=read.id_column,
            remedy="check that both are of Gaia DR3",
        )
    here = rows >= 0
    return rows[here], single[here], len(order) - len(single)


def _spread(
    folder: Folder, read: LabelTable, rows: NDArray[np.int64], picked: NDArray[np.int64]
) -> Catalog:
    """Return labels in the order of the catalog, one row a source."""
    frame: dict[str, Any] = {SOURCE_ID: folder.catalog.source_id}
    for name, cells in read.values.items():
        column = np.full(
            len(folder.catalog), None if cells.dtype == object else np.nan, cells.dtype
        )
        column[rows] = cells[picked]
        frame[name] = column
    columns: tuple[Column, ...] = read.columns
    return Catalog(pd.DataFrame(frame), columns, folder.manifest.simulated)


def _record(folder: Folder, table: Path, read: LabelTable, report: LabelReport) -> dict[str, Any]:
    """Return what the manifest says of the stage; a later join has a higher rank."""
    ranks = [
        int(s["rank"])
        for n, s in folder.manifest.stages.items()
        if n.startswith(LABELS) and n != report.stage
    ]
    said = ("title", "citation", "rows", "without_id", "cut_rows", "duplicates", "matched")
    return {
        "code": __version__,
        "table": table.name,
        "sha256": sha256_of(table),
        "catalog": read.recipe.name or None,
        "id_column": read.id_column,
        "cuts": dict(report.cut),
        "values_cut": {n: dict(c) for n, c in report.values_cut.items()},
        "columns": dict(report.counts),
        "rank": max(ranks, default=-1) + 1,
        **{name: getattr(report, name) for name in said},
    }
