"""Archive files into a survey: every row read is kept, or rejected with a reason.

`ingest` takes any mix of files (gaia-archive.md, 1.2 and 1.3), tells each table's product by its
columns, joins them by source_id and writes one survey folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import (
    REJECTED,
    Manifest,
    StageWriter,
    new_folder,
    refuse_existing,
    sha256_of,
)
from latent_core.catalog import Catalog
from latent_core.errors import InputError
from latent_core.products import EpochPhotometry, Product, product_file, save_product
from latent_core.provenance import save_release
from latent_core.release import Release, load_release
from latent_core.surveys.catalog_columns import with_frequency, with_statistics
from latent_core.surveys.file_reading import LABELS as LABELS
from latent_core.surveys.file_reading import NO_DATA as NO_DATA
from latent_core.surveys.file_reading import FileReader
from latent_core.surveys.file_reading import product_of as product_of
from latent_core.surveys.hats import with_partitions
from latent_core.surveys.ingest_report import FileReport
from latent_core.surveys.ingest_report import IngestReport as IngestReport
from latent_core.surveys.ingest_report import Progress as Progress
from latent_core.surveys.merging import join_scalars, merge_product, without_duplicates
from latent_core.surveys.readings import Reading
from latent_core.surveys.rows import REJECTED_COLUMNS, rejected_rows
from latent_core.surveys.spool import Spool
from latent_core.version import __version__


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

    A folder among them is a HATS catalog. The files are of `release`, Gaia DR3 unless given.
    Light curves without a frequency get one by `find_frequency`, unless `periods` is false.
    Of big files only the catalog, the order of points and one part stay in memory.

    Raises InputError for a file that is damaged or of which no row can be used, FolderError
    where `out` exists; nothing is written then.
    """
    refuse_existing(Path(out), overwrite=overwrite)
    tell = progress or _silent
    files = with_partitions([Path(file) for file in files])
    release = release or load_release()
    manifest = Manifest(
        kind="survey",
        name=name or Path(out).stem,
        release=release.name,
        simulated=False,
        code_version=__version__,
        description=f"ingested from {len(files)} files of the {release.title} archive",
    )
    with new_folder(out, manifest, overwrite=overwrite) as writer, _spool(writer) as spool:
        reader = FileReader(release, spool)
        taken = reader.read(files, tell)
        survey = _Survey.of(taken, release, writer)
        frame = _catalog_frame(survey, tell if periods else None)
        report = _report(Path(out), survey, reader.skipped)
        save_release(writer, release)
        writer.save_catalog(Catalog(frame))
        for product in survey.products.values():
            save_product(writer, product)
        if len(survey.rejected):
            survey.rejected.to_parquet(writer.path(REJECTED), index=False, compression="zstd")
            writer.add(REJECTED)
        writer.made_from["ingest"] = _provenance(files, report)
    return report


@contextmanager
def _spool(writer: StageWriter) -> Iterator[Spool]:
    spool = Spool(writer.root)
    try:
        yield spool
    finally:
        spool.close()


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


@dataclass(frozen=True)
class _Survey:
    """Readings without duplicates, and the products made of them."""

    readings: tuple[Reading, ...]
    ids: NDArray[np.int64]
    products: Mapping[str, Product]

    @classmethod
    def of(
        cls, taken: Sequence[tuple[str, Reading]], release: Release, writer: StageWriter
    ) -> _Survey:
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
        products = {
            kind: merge_product(kind, found, ids, writer.path(product_file(kind, "rows")).parent)
            for kind, found in left.items()
        }
        matched = [_matched(reading, ids) for reading in _labels_in_order(labels, release)]
        readings = [r for found in left.values() for r in found]
        return cls((*readings, *matched), ids, products)

    @property
    def rejected(self) -> pd.DataFrame:
        """Rows that were not taken; a line stands for `rows` of them, 1 but in huge catalogs."""
        frames = [r.rejected for r in self.readings if len(r.rejected)]
        lines = pd.concat(frames, ignore_index=True) if frames else _NOTHING
        return lines.assign(rows=_rows_of(lines))


_NOTHING = pd.DataFrame({column: [] for column in REJECTED_COLUMNS})


def _rows_of(rejected: pd.DataFrame) -> pd.Series:
    """How many rows each line of a rejected list stands for."""
    if "rows" not in rejected:
        return pd.Series(1, index=rejected.index, dtype=np.int64)
    return rejected["rows"].fillna(1).astype(np.int64)


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
            rows_rejected=int(_rows_of(reading.rejected).sum()),
            points_dropped=reading.points_dropped,
        )
        for reading in survey.readings
    )
    products = {name: len(product.rows) for name, product in survey.products.items()}
    return IngestReport(out, len(survey.ids), products, tables, tuple(skipped))
