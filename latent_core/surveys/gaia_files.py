"""Archive files into a survey: every row read is kept, or rejected with a reason.

`ingest` takes any mix of files (gaia-archive.md, 1.2 and 1.3), tells each table's product by its
columns, joins them by source_id and writes one survey folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import REJECTED, Manifest, new_folder, refuse_existing, sha256_of
from latent_core.catalog import Catalog
from latent_core.errors import InputError
from latent_core.products import EpochPhotometry, Product, XpCoefficients, XpSampled, save_product
from latent_core.provenance import save_release
from latent_core.release import Release, load_release
from latent_core.surveys.catalog_columns import (
    with_frequency,
    with_stated_frequency,
    with_statistics,
)
from latent_core.surveys.ingest_report import FileReport
from latent_core.surveys.ingest_report import IngestReport as IngestReport
from latent_core.surveys.ingest_report import Progress as Progress
from latent_core.surveys.light_curves import is_epoch_photometry, read_epoch_photometry
from latent_core.surveys.merging import join_scalars, merge_product, without_duplicates
from latent_core.surveys.readings import Reading, Table, lower_names, open_table
from latent_core.surveys.rows import REJECTED_COLUMNS, rejected_rows
from latent_core.surveys.spectra import is_continuous, read_continuous, read_sampled
from latent_core.surveys.table_files import RawTable, read_tables
from latent_core.version import __version__

LABELS = "catalog"
NO_DATA = "no spectrum or light curve of this source in the files"


def ingest(
    files: Sequence[Path],
    out: Path,
    *,
    name: str | None = None,
    overwrite: bool = False,
    release: Release | None = None,
    periods: bool = True,
    progress: Progress | None = None,
) -> IngestReport:
    """Read archive files of any kind and write the survey folder `out`.

    The files are of `release`, Gaia DR3 unless given. Light curves without a frequency get one
    by `find_frequency`, unless `periods` is false.
    Raises InputError for a file that is damaged or of which no row can be used, FolderError
    where `out` exists; nothing is written then.
    """
    refuse_existing(Path(out), overwrite=overwrite)
    tell = progress or _silent
    release = release or load_release()
    taken, skipped = _read_all([Path(file) for file in files], release, tell)
    survey = _Survey.of(taken, release)
    frame = _catalog_frame(survey, tell if periods else None)
    report = _report(Path(out), survey, skipped)
    manifest = Manifest(
        kind="survey",
        name=name or Path(out).stem,
        release=release.name,
        simulated=False,
        code_version=__version__,
        description=f"ingested from {len(files)} files of the {release.title} archive",
        stages={"ingest": _provenance(files, report)},
    )
    with new_folder(out, manifest, overwrite=overwrite) as writer:
        save_release(writer, release)
        writer.save_catalog(Catalog(frame))
        for product in survey.products.values():
            save_product(writer, product)
        if len(survey.rejected):
            survey.rejected.to_parquet(writer.path(REJECTED), index=False, compression="zstd")
            writer.add(REJECTED)
    return report


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def _provenance(files: Sequence[Path], report: IngestReport) -> dict[str, Any]:
    return {
        "files": [{"name": Path(f).name, "sha256": sha256_of(Path(f))} for f in files],
        "rows_in": report.rows_in,
        "rows_kept": report.rows_kept,
        "rows_rejected": report.rows_rejected,
        "tables": [{**asdict(t), "table": _base_name(t.table, files)} for t in report.tables],
        "skipped": [_base_name(text, files) for text in report.skipped],
    }


def _base_name(text: str, files: Sequence[Path]) -> str:
    """Take folders out of a table's name: a manifest tells nobody where files once lay."""
    file = next((Path(f) for f in files if text.startswith(str(f))), None)
    return text if file is None else file.name + text[len(str(file)) :]


def _read_all(
    files: Sequence[Path], release: Release, tell: Progress
) -> tuple[list[tuple[str, Reading]], list[str]]:
    taken: list[tuple[str, Reading]] = []
    skipped: list[str] = []
    for number, file in enumerate(files):
        tell("read", number, len(files))
        before = len(taken)
        for raw in read_tables(file):
            found = _read(lower_names(raw, release), release)
            if isinstance(found, str):
                skipped.append(f"{raw.name}: {found}")
            else:
                taken.append(found)
        if len(taken) == before:
            raise InputError(
                f"the file holds only {skipped[-1].rsplit(': ', 1)[-1]}, which we do not take",
                file=file,
                remedy="give XP spectra, epoch photometry or catalog columns",
            )
    tell("read", len(files), len(files))
    return taken, skipped


def _read(raw: RawTable, release: Release) -> tuple[str, Reading] | str:
    """Read one table, or return the name of its product where we do not take it."""
    names = {str(name) for name in raw.frame}
    for other, marks in release.other_products.items():
        if marks <= names:
            return other
    product, table = product_of(names), open_table(raw, release)
    reading = _READERS[product](table)
    known = release.table_of(names)
    return product, replace(
        reading,
        scalars=with_stated_frequency(reading.scalars, known),
        table=known.name if known else ", ".join(sorted(names)),
    )


def product_of(names: set[str]) -> str:
    """Tell by its lower-case column names which product a table holds, LABELS for none."""
    if is_continuous(names):
        return XpCoefficients.name
    if is_epoch_photometry(names):
        return EpochPhotometry.name
    return XpSampled.name if "flux" in names and "time" not in names else LABELS


def _read_labels(table: Table) -> Reading:
    """Read catalog columns, one row a source; InputError where there is none."""
    table.sieve.refuse_if_empty()
    reading = table.by_row("catalog columns", {})
    if len(reading.scalars.columns) < 2:
        found = ", ".join(map(str, list(table.frame)[:12])) or "none"
        raise InputError(
            f"no product and no catalog column is known here (columns: {found})",
            file=table.name,
        )
    return reading


_READERS: Mapping[str, Callable[[Table], Reading]] = {
    XpCoefficients.name: read_continuous,
    EpochPhotometry.name: read_epoch_photometry,
    XpSampled.name: read_sampled,
    LABELS: _read_labels,
}


@dataclass(frozen=True)
class _Survey:
    """Readings without duplicates, and the products made of them."""

    readings: tuple[Reading, ...]
    ids: NDArray[np.int64]
    products: Mapping[str, Product]

    @classmethod
    def of(cls, taken: Sequence[tuple[str, Reading]], release: Release) -> _Survey:
        kinds = {kind: [r for k, r in taken if k == kind] for kind, _ in taken}
        labels = kinds.pop(LABELS, [])
        left = {kind: without_duplicates(readings) for kind, readings in kinds.items()}
        if not left:
            raise InputError(
                "there are catalog columns, but no spectra and no light curves",
                file=taken[0][1].name if taken else None,
                remedy="add the files of XP spectra or epoch photometry",
            )
        # an XP source may be in two products; ids of all of them make the catalog
        ids = np.unique(np.concatenate([r.ids for readings in left.values() for r in readings]))
        products = {kind: merge_product(kind, found, ids) for kind, found in left.items()}
        matched = [_matched(reading, ids) for reading in _labels_in_order(labels, release)]
        readings = [r for found in left.values() for r in found]
        return cls((*readings, *matched), ids, products)

    @property
    def rejected(self) -> pd.DataFrame:
        frames = [r.rejected for r in self.readings if len(r.rejected)]
        return pd.concat(frames, ignore_index=True) if frames else _NOTHING


_NOTHING = pd.DataFrame({column: [] for column in REJECTED_COLUMNS})


def _labels_in_order(labels: Sequence[Reading], release: Release) -> list[Reading]:
    """Drop second rows of a source within each table; tables come as the release ranks them."""
    kinds = dict.fromkeys(reading.table for reading in labels)
    rank = {table.name: place for place, table in enumerate(release.tables)}
    return [
        reading
        for kind in sorted(kinds, key=lambda kind: rank.get(kind, -1))
        for reading in without_duplicates([r for r in labels if r.table == kind])
    ]


def _matched(labels: Reading, ids: NDArray[np.int64]) -> Reading:
    """Keep the catalog rows of sources that have a product."""
    known = np.isin(labels.ids, ids)
    rejected = rejected_rows(
        labels.name,
        labels.kept_rows[~known],
        labels.ids[~known],
        NO_DATA,
    )
    return Reading(
        **{
            **vars(labels),
            "ids": labels.ids[known],
            "kept_rows": labels.kept_rows[known],
            "kept_item": np.arange(int(known.sum())),
            "scalars": labels.scalars[known].reset_index(drop=True),
            "rejected": pd.concat([labels.rejected, rejected], ignore_index=True),
        }
    )


def _catalog_frame(survey: _Survey, tell: Progress | None) -> pd.DataFrame:
    frame = join_scalars(survey.readings, survey.ids)
    curves = survey.products.get(EpochPhotometry.name)
    if isinstance(curves, EpochPhotometry):
        frame = with_statistics(frame, curves)
        frame = with_frequency(frame, curves, tell)
    return frame


def _report(out: Path, survey: _Survey, skipped: Sequence[str]) -> IngestReport:
    tables = tuple(
        FileReport(
            table=reading.name,
            layout=reading.layout,
            rows_in=reading.rows_in,
            rows_kept=len(reading.kept_rows),
            rows_rejected=len(reading.rejected),
            points_dropped=reading.points_dropped,
        )
        for reading in survey.readings
    )
    products = {name: len(product.rows) for name, product in survey.products.items()}
    return IngestReport(out, len(survey.ids), products, tables, tuple(skipped))
