"""The column registry of the masked autoencoder: one table drives input, output and masking.

Columns as in McKay & Fabbro 2025 (masked-stellar-autoencoder.md, 1.1 and 2.1): photometry of six
surveys, then the 110 XP coefficients, then parallax and dust. A catalog may hold any of them; one
that it lacks is missing for every source. Bands come first, so that what is said of bands only
(synthetic photometry, imputed magnitudes) is the first part of every row. Positions and proper
motions are left out: the published fine-tuning leaves the former out, and neither tells labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import LatentError
from latent_core.release import load_release

Role = Literal["band", "xp", "extra"]
XP = "xp"


@dataclass(frozen=True)
class StarColumn:
    """One number of a star that the network reads and gives back.

    `columns` are the catalog names it is accepted under, the first found is taken; the error of a
    column stands beside it, at the same place of `error_columns`. XP coefficients have none: they
    come from the product. `wavelength_nm` is a band's effective wavelength.
    """

    name: str
    unit: str
    survey: str
    role: Role
    title: str
    columns: tuple[str, ...] = ()
    error_columns: tuple[str, ...] = ()
    wavelength_nm: float = np.nan


def _gaia(name: str, title: str, wavelength_nm: float) -> StarColumn:
    column = f"phot_{name}_mean_mag"
    return StarColumn(
        name, "mag", "gaia", "band", title, (column,), (f"{column}_error",), wavelength_nm
    )


def _bands(survey: str, title: str, wavelengths_nm: dict[str, float]) -> tuple[StarColumn, ...]:
    """Bands of a survey, accepted as `survey_band` and, as archives write, `band_survey`."""
    return tuple(
        StarColumn(
            f"{survey}_{band}",
            "mag",
            survey,
            "band",
            f"{title} {band}",
            (f"{survey}_{band}", f"{band}_{survey}"),
            (f"{survey}_{band}_err", f"{band}_{survey}_err"),
            nm,
        )
        for band, nm in wavelengths_nm.items()
    )


def _two_mass(band: str, column: str, wavelength_nm: float) -> StarColumn:
    names = (column, f"{band.lower()}_m", f"tmass_{band.lower()}")
    errors = (f"{column}_err", f"{band.lower()}_msigcom", f"tmass_{band.lower()}_err")
    return StarColumn(
        f"2mass_{column}", "mag", "2mass", "band", f"2MASS {band}", names, errors, wavelength_nm
    )


# Effective wavelengths from the surveys' papers, to 1 nm: they place points on an axis.
BANDS: tuple[StarColumn, ...] = (
    _gaia("g", "G", 622.0),
    _gaia("bp", "BP", 511.0),
    _gaia("rp", "RP", 777.0),
    _two_mass("J", "j", 1235.0),
    _two_mass("H", "h", 1662.0),
    _two_mass("Ks", "k", 2159.0),
    *_bands("sdss", "SDSS", {"u": 356.0, "g": 470.0, "r": 617.0, "i": 749.0, "z": 895.0}),
    *_bands(
        "skymapper",
        "SkyMapper",
        {"u": 350.0, "v": 384.0, "g": 510.0, "r": 617.0, "i": 779.0, "z": 916.0},
    ),
    *_bands("ps1", "Pan-STARRS1", {"g": 487.0, "r": 621.0, "i": 754.0, "z": 868.0, "y": 963.0}),
    *_bands("catwise", "CatWISE", {"w1": 3353.0, "w2": 4603.0}),
)
# G is the anchor: every row has it, other bands are fed as band - G and XP over its flux.
ANCHOR = "g"
EXTRAS: tuple[StarColumn, ...] = (
    StarColumn("parallax", "mas", "gaia", "extra", "parallax", ("parallax",), ("parallax_error",)),
    StarColumn("ebv", "mag", "dust", "extra", "E(B-V)", ("ebv", "e_bv", "sfd_ebv")),
)


@dataclass(frozen=True)
class Label:
    """What the prediction heads learn, as its logarithm where `log`; never an input."""

    name: str
    error_column: str
    unit: str
    title: str
    log: bool = False


LABELS: tuple[Label, ...] = (
    Label("teff", "teff_err", "K", "Teff", log=True),
    Label("logg", "logg_err", "log10(cm s-2)", "log g"),
    Label("fe_h", "fe_h_err", "dex", "[Fe/H]"),
    Label("alpha_m", "alpha_m_err", "dex", "[alpha/M]"),
)
# Parallax is the sixth published target; where it is predicted it may not be read (an identity
# leak of the original). Ours does not predict it.
TARGET_COLUMNS = tuple(label.name for label in LABELS)


def _coefficients() -> tuple[StarColumn, ...]:
    xp = load_release().xp
    return tuple(
        StarColumn(f"{band}_{i + 1}", "", XP, "xp", f"{band.upper()} coefficient {i + 1}")
        for band in xp.bands
        for i in range(xp.coefficients_per_band)
    )


COLUMNS: tuple[StarColumn, ...] = (*BANDS, *_coefficients(), *EXTRAS)
NAMES = tuple(column.name for column in COLUMNS)
SURVEYS = tuple(dict.fromkeys(column.survey for column in COLUMNS))
# All that a star table reads of a catalog, under any accepted name
CATALOG_COLUMNS = (
    *(name for column in COLUMNS for name in (*column.columns, *column.error_columns)),
    *TARGET_COLUMNS,
)
BAND_PART = slice(0, len(BANDS))
XP_PART = slice(len(BANDS), len(COLUMNS) - len(EXTRAS))


def chosen(names: Iterable[str]) -> NDArray[np.bool_]:
    """Mark the columns (C,) of surveys (`xp`, `2mass`, ...) or of single columns (`2mass_j`).

    Raises LatentError for a name that is neither.
    """
    marked = np.zeros(len(COLUMNS), bool)
    for name in names:
        own = np.array([name in (column.name, column.survey) for column in COLUMNS])
        if not own.any():
            raise LatentError(
                f"{name!r} is neither a survey nor a column; surveys: {', '.join(SURVEYS)}"
            )
        marked |= own
    return marked
