"""Archive files into a survey: every row read is kept, or rejected with a reason.

`ingest` takes any mix of files (gaia-archive.md, 1.2 and 1.3), tells each table's product by its
columns, joins them by source_id and writes one survey folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import (
    REJECTED,
    Manifest,
    new_folder,
    refuse_existing,
    sha256_of,
)
from latent_core.catalog import Catalog
from latent_core.errors import InputError
from latent_core.products import (
    G_BAND,
    EpochPhotometry,
    LightCurve,
    Product,
    XpCoefficients,
    XpSampled,
    save_product,
)
from latent_core.release import Release, load_release
from latent_core.surveys.light_curves import is_epoch_photometry, read_epoch_photometry
from latent_core.surveys.merging import join_scalars, merge_product, without_duplicates
from latent_core.surveys.periods import Frequency, find_frequency
from latent_core.surveys.readings import Reading, Table, lower_names, open_table
from latent_core.surveys.rows import REJECTED_COLUMNS, rejected_rows
from latent_core.surveys.spectra import is_continuous, read_continuous, read_sampled
from latent_core.surveys.spurious import SPURIOUS, is_spurious
from latent_core.surveys.table_files import RawTable, read_tables
from latent_core.version import __version__

Progress = Callable[[str, int, int], None]
LABELS = "catalog"
# Archive products that we do not take yet, told by columns that only they have.
OTHER_PRODUCTS: Mapping[str, frozenset[str]] = {
    "MCMC samples": frozenset({"log_pos", "log_lik"}),
    "RVS mean spectrum": frozenset({"combined_transits", "combined_ccds"}),
    "epoch radial velocities": frozenset({"rv_obs_time", "radial_velocity"}),
}
FREQUENCY = "frequency"  # 1/d
ORIGIN = "frequency_origin"
FALSE_ALARM = "frequency_log10_fap"
NO_DATA = "no spectrum or light curve of this source in the files"


@dataclass(frozen=True)
class FileReport:
    """What became of the rows of one table: `rows_in` = `rows_kept` + `rows_rejected`."""

    table: str
    layout: str
    rows_in: int
    rows_kept: int
    rows_rejected: int
    points_dropped: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What `ingest` wrote, and what it did not take."""

    path: Path
    sources: int
    products: Mapping[str, int]
    tables: tuple[FileReport, ...]
    skipped: tuple[str, ...]

    @property
    def rows_in(self) -> int:
        """Rows of all tables that were taken."""
        return sum(table.rows_in for table in self.tables)

    @property
    def rows_kept(self) -> int:
        """Rows that stand in the survey."""
        return sum(table.rows_kept for table in self.tables)

    @property
    def rows_rejected(self) -> int:
        """Rows listed in rejected.parquet."""
        return sum(table.rows_rejected for table in self.tables)

    def text(self) -> str:
        """Say in a few lines what was taken, rejected and skipped."""
        lines = [
            f"{self.path}: {self.sources} sources; "
            + ", ".join(f"{name} of {count}" for name, count in self.products.items()),
            f"rows read {self.rows_in} = kept {self.rows_kept} + rejected {self.rows_rejected}"
            + (f" (see {REJECTED})" if self.rows_rejected else ""),
        ]
        dropped = sum(table.points_dropped for table in self.tables)
        if dropped:
            lines.append(f"points without a finite time, magnitude or error: {dropped}")
        return "\n".join([*lines, *(f"skipped {text}" for text in self.skipped)])


def ingest(
    files: Sequence[Path],
    out: Path,
    *,
    name: str | None = None,
    overwrite: bool = False,
    periods: bool = True,
    progress: Progress | None = None,
) -> IngestReport:
    """Read archive files of any kind and write the survey folder `out`.

    Light curves without a frequency get one by `find_frequency`, unless `periods` is false.
    Raises InputError for a file that is damaged or of which no row can be used, FolderError
    where `out` exists; nothing is written then.
    """
    refuse_existing(Path(out), overwrite=overwrite)
    tell = progress or _silent
    release = load_release()
    taken, skipped = _read_all([Path(file) for file in files], release, tell)
    survey = _Survey.of(taken)
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
            found = _read(lower_names(raw), release)
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
    for other, columns in OTHER_PRODUCTS.items():
        if columns <= names:
            return other
    product, table = product_of(names), open_table(raw, release)
    return product, _READERS[product](table)


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
    def of(cls, taken: Sequence[tuple[str, Reading]]) -> _Survey:
        kinds = {kind: [r for k, r in taken if k == kind] for kind, _ in taken}
        left = {kind: without_duplicates(readings) for kind, readings in kinds.items()}
        labels = left.pop(LABELS, [])
        if not left:
            raise InputError(
                "there are catalog columns, but no spectra and no light curves",
                file=taken[0][1].name if taken else None,
                remedy="add the files of XP spectra or epoch photometry",
            )
        # an XP source may be in two products; ids of all of them make the catalog
        ids = np.unique(np.concatenate([r.ids for readings in left.values() for r in readings]))
        products = {kind: merge_product(kind, found, ids) for kind, found in left.items()}
        matched = [_matched(reading, ids) for reading in labels]
        readings = [r for found in left.values() for r in found]
        return cls((*readings, *matched), ids, products)

    @property
    def rejected(self) -> pd.DataFrame:
        frames = [r.rejected for r in self.readings if len(r.rejected)]
        return pd.concat(frames, ignore_index=True) if frames else _NOTHING


_NOTHING = pd.DataFrame({column: [] for column in REJECTED_COLUMNS})


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
        frame = _with_statistics(frame, curves)
        frame = _with_frequency(frame, curves, tell)
    return frame


def _with_statistics(frame: pd.DataFrame, curves: EpochPhotometry) -> pd.DataFrame:
    """Add G statistics of light curves where the files state none: mean, std, mean magnitude."""
    good = (curves.band == G_BAND) & ~curves.rejected
    row = np.repeat(curves.rows, np.diff(curves.offsets))[good]
    mag = curves.mag[good]
    count = np.bincount(row, minlength=len(frame)).astype(float)
    count[count == 0] = np.nan
    mean = np.bincount(row, mag, len(frame)) / count
    square = np.bincount(row, (mag - mean[row]) ** 2, len(frame)) / count
    derived = {
        "phot_g_mean_mag": mean,
        "magnitude_mean": mean,
        "magnitude_std": np.sqrt(square),
    }
    for name, values in derived.items():
        given = _numeric(frame, name)
        frame = frame.assign(**{name: np.where(np.isfinite(given), given, values)})
    return frame


def _numeric(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64))


def _with_frequency(
    frame: pd.DataFrame, curves: EpochPhotometry, tell: Progress | None
) -> pd.DataFrame:
    """Complete `frequency` in 1/d: the file's, else 1 / period in d, else searched.

    A frequency of ours comes with log10 of its false-alarm probability; every one is flagged
    where it lies in a window of the scanning law.
    """
    frequency, period = _numeric(frame, FREQUENCY), _numeric(frame, "period")
    origin = np.full(len(frame), None, dtype=object)
    origin[frequency > 0] = "archive"
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = ~(frequency > 0) & (period > 0)
        frequency = np.where(turned, 1 / period, frequency)
    origin[turned] = "archive: 1 / period"
    frequency = np.where(frequency > 0, frequency, np.nan)
    false_alarm = np.full(len(frame), np.nan)
    wanted = [item for item, row in enumerate(curves.rows) if not frequency[row] > 0]
    for number, item in enumerate(wanted if tell else []):
        if tell and number % 100 == 0:
            tell("periods", number, len(wanted))
        row = curves.rows[item]
        frequency[row], _, false_alarm[row] = _frequency_of(curves.light_curve(item))
        origin[row] = "lomb-scargle" if np.isfinite(frequency[row]) else None
    found: dict[str, NDArray[Any]] = {
        FREQUENCY: frequency,
        ORIGIN: origin,
        SPURIOUS: is_spurious(frequency, _numeric(frame, "phot_g_mean_mag")),
    }
    if np.isfinite(false_alarm).any():
        found[FALSE_ALARM] = false_alarm
    return frame.assign(**found)


def _frequency_of(curve: LightCurve) -> Frequency:
    return find_frequency(curve.time, curve.mag, curve.mag_error)


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
