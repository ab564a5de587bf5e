"""One Gaia data release as data: every number and name that the next release may change."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import LatentError


@dataclass(frozen=True)
class XpFormat:
    """Shape of the low-resolution (XP) mean spectra of one release."""

    bands: tuple[str, ...]
    coefficients_per_band: int
    basis_function_ids: tuple[int, ...]
    sampled_start_nm: float
    sampled_stop_nm: float
    sampled_step_nm: float

    @property
    def n_coefficients(self) -> int:
        """Coefficients of a whole spectrum, all bands in order."""
        return self.coefficients_per_band * len(self.bands)

    @property
    def sampled_wavelength_nm(self) -> NDArray[np.float64]:
        """Wavelengths of `xp_sampled_mean_spectrum`, (W,) nm; the archive's rows omit them."""
        count = round((self.sampled_stop_nm - self.sampled_start_nm) / self.sampled_step_nm) + 1
        return np.linspace(self.sampled_start_nm, self.sampled_stop_nm, count)


@dataclass(frozen=True)
class ArchiveProduct:
    """How DataLink calls a product, and the catalog flag that says which sources have it."""

    retrieval_type: str
    flag: str


@dataclass(frozen=True)
class Archive:
    """Addresses, names and limits of the online archive of one release."""

    url: str
    tap: str
    data: str
    logins: tuple[str, ...]
    schema: str
    data_release: str
    row_limit: int
    ids_per_call: int
    ids_per_batch: int
    ids_per_upload: int
    products: dict[str, ArchiveProduct]
    columns: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Archive:
        """Read the table `[archive]` of a release file."""
        products = {name: ArchiveProduct(**entry) for name, entry in raw["products"].items()}
        columns = {table: tuple(names) for table, names in raw["columns"].items()}
        logins = tuple(raw["logins"])
        return cls(**{**raw, "products": products, "columns": columns, "logins": logins})


@dataclass(frozen=True)
class Release:
    """Names, units, zero points and formats of one Gaia data release."""

    name: str
    title: str
    xp: XpFormat
    time_zero_bjd: float
    time_scale: str
    g_zero_point: float
    source_id_aliases: tuple[str, ...]
    variability_classes: dict[str, str]
    archive: Archive

    def g_flux(self, g_mag: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """Return the G flux in e-/s of Vega magnitudes (gaia-archive.md, 1.6)."""
        return np.asarray(10.0 ** ((self.g_zero_point - np.asarray(g_mag, float)) / 2.5))


@lru_cache
def load_release(name: str = "gaia_dr3") -> Release:
    """Read a release by name; a new release is a new TOML file beside this module.

    Raises LatentError for a release that is not shipped.
    """
    folder = resources.files("latent_core.releases")
    file = folder / f"{name}.toml"
    if not file.is_file():
        known = sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))
        raise LatentError(f"release {name!r} is unknown; choose one of {', '.join(known)}")
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    xp = raw["xp"]
    return Release(
        name=raw["name"],
        title=raw["title"],
        xp=XpFormat(
            bands=tuple(xp["bands"]),
            coefficients_per_band=xp["coefficients_per_band"],
            basis_function_ids=tuple(xp["basis_function_ids"]),
            sampled_start_nm=xp["sampled_start_nm"],
            sampled_stop_nm=xp["sampled_stop_nm"],
            sampled_step_nm=xp["sampled_step_nm"],
        ),
        time_zero_bjd=raw["time"]["zero_bjd"],
        time_scale=raw["time"]["scale"],
        g_zero_point=raw["photometry"]["g_zero_point"],
        source_id_aliases=tuple(raw["source_id"]["aliases"]),
        variability_classes=dict(raw["variability_classes"]),
        archive=Archive.of(raw["archive"]),
    )
