"""Inputs of a comparison in one shape: surveys, bundles, files of products, plain tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Folder, sha256_of
from latent_core.comparison.quantities import (
    POINT_COLUMNS,
    canonical,
    curve_statistics,
    fourier_statistics,
    points_of,
)
from latent_core.errors import InputError
from latent_core.modalities.xp_photometry import load_photometry
from latent_core.products import EpochPhotometry, XpCoefficients, load_product
from latent_core.surveys.gaia_files import ingest
from latent_core.surveys.light_curves import is_epoch_photometry
from latent_core.surveys.rows import scalar_columns
from latent_core.surveys.spectra import is_continuous
from latent_core.surveys.table_files import RawTable, read_tables

Floats = NDArray[np.float64]
Say = Callable[[str], None]
DERIVED = "derived"  # how the origin of coefficients begins that were not in the archive
GAIA_BANDS = ("g", "bp", "rp")
BAND_TITLES = {"g": "G", "bp_rp": "BP-RP"}


@dataclass(frozen=True)
class Spectra:
    """XP spectra of some sources: `values`, `errors` (M, 110), G and BP-RP of the spectra.

    `rows` (M,) are rows of `Sample.sources`. `photometry` (M, 2) are synthetic G and BP-RP in
    mag, made of the coefficients in the same way for every sample. `derived` coefficients were
    not in the archive: their errors say nothing of Gaia.
    """

    rows: NDArray[np.int64]
    values: Floats
    errors: Floats
    photometry: Floats
    origin: str

    @property
    def derived(self) -> bool:
        """Whether the coefficients were made of something else, and their errors estimated."""
        return self.origin.startswith(DERIVED)


@dataclass(frozen=True)
class Sample:
    """One input: quantities of its sources, of its points, and its spectra.

    `sources` has a row a source (columns: `quantities.QUANTITIES` and `group`, its class or None).
    `points` has a row a usable G point. `survey` is the folder, where there is one.
    """

    name: str
    simulated: bool
    version: str
    sources: pd.DataFrame
    points: pd.DataFrame
    spectra: Spectra | None = None
    notes: tuple[str, ...] = ()
    survey: Folder | None = field(default=None, repr=False)

    @property
    def mark(self) -> str:
        """`simulated` or `real`, which no figure may lose."""
        return "simulated" if self.simulated else "real"


@contextmanager
def opened(inputs: Sequence[Path], say: Say) -> Iterator[tuple[Sample, ...]]:
    """Read all inputs; files of products become surveys in a scratch folder that ends with this.

    Raises InputError for a table without any column that is known, or one input given twice.
    """
    names = [_name(path) for path in inputs]
    with tempfile.TemporaryDirectory(prefix="gaia-latent-") as scratch:
        samples = []
        for number, (path, name) in enumerate(zip(inputs, names, strict=True)):
            if name in names[:number]:
                raise InputError("is named like another input", file=path, remedy="rename one")
            say(f"read {name}")
            samples.append(read_sample(path, Path(scratch) / f"{number}.survey"))
        yield tuple(samples)


def _name(path: Path) -> str:
    """Name an input as its file, without its endings."""
    name = path.name or path.resolve().name
    return name.split(".")[0] or name


def read_sample(path: Path, scratch: Path) -> Sample:
    """Read one input: a survey or bundle, a file of XP or epoch photometry, or any table."""
    if path.is_dir():
        return of_folder(Folder.open(path), _name(path))
    if not path.is_file():
        raise InputError("there is no such file or folder", file=path)
    tables = read_tables(path)
    if any(_has_product(table) for table in tables):
        # frequencies are searched where models need them; marginals take what the file states
        ingest([path], scratch, periods=False)
        return of_folder(Folder.open(scratch), _name(path), sha256_of(path)[:12])
    return _of_table(path, tables)


def _has_product(table: RawTable) -> bool:
    names = {str(name).lower() for name in table.frame}
    return is_continuous(names) or is_epoch_photometry(names)


def _of_table(path: Path, tables: Sequence[RawTable]) -> Sample:
    frames = [scalar_columns(_lowered(table.frame).reset_index(drop=True)) for table in tables]
    frame = pd.concat(frames, ignore_index=True)
    sources = canonical(frame)
    if not sources.drop(columns="group").notna().any(axis=None):
        found = ", ".join(map(str, list(frame)[:12])) or "none"
        raise InputError(
            f"no quantity of Gaia is known here (columns: {found})",
            file=path,
            remedy="name columns as the archive does, e.g. phot_g_mean_mag, bp_rp, period",
        )
    return Sample(_name(path), _said_simulated(frame), sha256_of(path)[:12], sources, _no_points())


def _lowered(frame: pd.DataFrame) -> pd.DataFrame:
    lower = frame.set_axis([str(name).lower() for name in frame], axis=1)
    return lower.loc[:, ~lower.columns.duplicated()]


def _said_simulated(frame: pd.DataFrame) -> bool:
    return "simulated" in frame and bool(frame["simulated"].astype(str).eq("True").all())


def _no_points() -> pd.DataFrame:
    return pd.DataFrame({name: np.zeros(0) for name in POINT_COLUMNS})


def of_folder(folder: Folder, name: str, version: str = "") -> Sample:
    """Make a sample of a survey or bundle: its catalog, its light curves, its XP coefficients."""
    notes: list[str] = []
    sources = canonical(folder.catalog.frame)
    curves = load_product(folder, EpochPhotometry)
    points = _no_points()
    if isinstance(curves, EpochPhotometry):
        sources = sources.assign(**curve_statistics(curves, len(sources)))
        folded = fourier_statistics(curves, sources["log_period"].to_numpy(np.float64))
        sources = sources.assign(**{n: sources[n].fillna(pd.Series(v)) for n, v in folded.items()})
        points = points_of(curves)
    spectra = _spectra(folder)
    if spectra is not None:
        notes.append(f"XP coefficients: {spectra.origin}")
        sources = _with_photometry(sources, spectra, notes)
    return Sample(
        name,
        folder.manifest.simulated,
        version or folder.version,
        sources,
        points,
        spectra,
        tuple(notes),
        folder,
    )


def _spectra(folder: Folder) -> Spectra | None:
    product = load_product(folder, XpCoefficients)
    if not isinstance(product, XpCoefficients):
        return None
    values = np.asarray(product.values, np.float64)
    whole = np.isfinite(values).all(axis=1)
    photometry = load_photometry()
    mags = photometry.magnitudes(values[whole])
    g, bp, rp = (mags[:, photometry.bands.index(band)] for band in GAIA_BANDS)
    bright = np.isfinite(g) & np.isfinite(bp) & np.isfinite(rp)
    kept = np.flatnonzero(whole)[bright]
    return Spectra(
        np.asarray(product.rows, np.int64)[kept],
        values[kept],
        np.asarray(product.errors[kept], np.float64),
        np.column_stack([g, bp - rp])[bright],
        product.origin,
    )


def _with_photometry(sources: pd.DataFrame, spectra: Spectra, notes: list[str]) -> pd.DataFrame:
    """Fill G and BP-RP that the catalog lacks from the spectra, and say so."""
    given = sources.copy()
    for column, values in zip(("g", "bp_rp"), spectra.photometry.T, strict=True):
        if not given[column].notna().any():
            given.loc[spectra.rows, column] = values
            notes.append(f"{BAND_TITLES[column]} is synthetic photometry of the XP spectra")
    return given
