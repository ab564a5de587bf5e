"""One Gaia data release as data: every number and name that the next release may change."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import InputError, LatentError

DEFAULT = "gaia_dr3"
TIME_ZERO_BJD = 2455197.5  # J2010.0: light curves of every release are kept in days since then
# Days in the units in which a release may count time.
TIME_UNITS = {"d": 1.0, "h": 1 / 24, "s": 1 / 86400, "ms": 1 / 86400e3, "ns": 1 / 86400e9}


@dataclass(frozen=True)
class XpFormat:
    """Shape of the low-resolution (XP) mean spectra of one release."""

    bands: tuple[str, ...]
    coefficients: tuple[int, ...]
    basis_function_ids: tuple[int, ...]
    sampled_start_nm: float
    sampled_stop_nm: float
    sampled_step_nm: float

    @property
    def n_coefficients(self) -> int:
        """Coefficients of a whole spectrum, all bands in order."""
        return sum(self.coefficients)

    @property
    def coefficients_per_band(self) -> int:
        """Coefficients of a band where all bands have alike; LatentError where they have not."""
        if len(set(self.coefficients)) > 1:
            raise LatentError(f"the bands have {self.coefficients} coefficients, not one number")
        return self.coefficients[0]

    def part(self, number: int) -> slice:
        """Where the coefficients of a band, counted from 0, stand in a whole spectrum."""
        start = sum(self.coefficients[:number])
        return slice(start, start + self.coefficients[number])

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
class CatalogTable:
    """A catalog table of the archive, known by columns that only it has (lower case).

    `frequencies` (1/d) and `periods` (d) are its columns of those, the best first.
    """

    name: str
    marks: frozenset[str]
    frequencies: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()


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
    also_called: tuple[str, ...]
    time_unit_d: float
    columns: Mapping[str, str]
    unused_columns: frozenset[str]
    other_products: Mapping[str, frozenset[str]]
    tables: tuple[CatalogTable, ...]
    text: str
    variability_classes: dict[str, str]
    online: Archive | None

    @property
    def archive(self) -> Archive:
        """Where the release can be fetched; LatentError where its file names no archive."""
        if self.online is None:
            raise LatentError(f"the release file of {self.title} names no archive to fetch from")
        return self.online

    def g_flux(self, g_mag: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """Return the G flux in e-/s of Vega magnitudes (gaia-archive.md, 1.6)."""
        return np.asarray(10.0 ** ((self.g_zero_point - np.asarray(g_mag, float)) / 2.5))

    @cached_property
    def prefixes(self) -> re.Pattern[str]:
        """What other tables put before this release's photometry, `gaiadr3_phot_g_mean_mag`."""
        names = "|".join(re.escape(name.lower()) for name in self.also_called)
        return re.compile(rf"^gaia(?:{names})_(?=phot_|bp_rp$)")

    def is_called(self, text: str) -> bool:
        """Tell whether a text such as `Gaia DR3`, `gaiadr3`, `EDR3` names this release."""
        short = re.sub(r"[\s_]", "", text).lower().removeprefix("gaia")
        return short in {name.lower() for name in self.also_called}

    def table_of(self, names: set[str], file: str = "") -> CatalogTable | None:
        """Return the catalog table that has these lower-case columns, None for an unknown one.

        A file that is named after a table, `VariRrlyrae_...` or `vari_rrlyrae...`, needs no more.
        """
        stem = re.sub("[^a-z]", "", re.split(r"[/\\]", file)[-1].lower())
        for table in self.tables:
            if table.marks <= names or (stem and table.name.replace("_", "") in stem):
                return table
        return None


def shipped_releases() -> tuple[str, ...]:
    """Names of the releases that come with the program."""
    folder = resources.files("latent_core.releases")
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml")))


def find_release(name_or_file: str | Path) -> Release:
    """Return a shipped release by name, or the one that a TOML file describes.

    Raises LatentError for an unknown name, InputError naming file and entry for a bad file.
    """
    if Path(name_or_file).suffix != ".toml":
        return load_release(str(name_or_file))
    file = Path(name_or_file)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the release cannot be read ({error})", file=file) from error
    release = read_release(text, str(file))
    if release.name in shipped_releases() and text != load_release(release.name).text:
        raise InputError(
            f"the release calls itself {release.name}, as one that comes with the program does",
            file=file,
            remedy="give it a name of its own",
        )
    return release


@lru_cache
def load_release(name: str = DEFAULT) -> Release:
    """Read a release by name; a new release is a new TOML file beside this module.

    Raises LatentError for a release that is not shipped.
    """
    if name not in shipped_releases():
        known = ", ".join(shipped_releases())
        raise LatentError(
            f"release {name!r} is unknown; choose one of {known}, or give a .toml file"
        )
    file = resources.files("latent_core.releases") / f"{name}.toml"
    return read_release(file.read_text(encoding="utf-8"), f"{name}.toml")


def read_release(text: str, file: str) -> Release:
    """Read the text of a release file; InputError says which entry is missing or wrong."""
    try:
        release = _read(text)
    except KeyError as error:
        raise InputError(f"the release has no entry {error}", file=file) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"the release cannot be used ({error})", file=file) from error
    xp = release.xp
    if not len(xp.bands) == len(xp.coefficients) == len(xp.basis_function_ids):
        raise InputError("coefficients or basis_function_ids are not one a band", file=file)
    return release


def _read(text: str) -> Release:
    raw = tomllib.loads(text)
    xp, columns = raw["xp"], raw.get("columns", {})
    return Release(
        name=raw["name"],
        title=raw["title"],
        xp=XpFormat(
            bands=tuple(xp["bands"]),
            coefficients=tuple(xp["coefficients"]),
            basis_function_ids=tuple(xp["basis_function_ids"]),
            sampled_start_nm=xp["sampled_start_nm"],
            sampled_stop_nm=xp["sampled_stop_nm"],
            sampled_step_nm=xp["sampled_step_nm"],
        ),
        time_zero_bjd=raw["time"]["zero_bjd"],
        time_scale=raw["time"]["scale"],
        time_unit_d=TIME_UNITS[raw["time"]["unit"]],
        g_zero_point=raw["photometry"]["g_zero_point"],
        also_called=tuple(raw["also_called"]),
        columns={theirs.lower(): ours.lower() for theirs, ours in columns.items()},
        unused_columns=frozenset(raw.get("unused", {}).get("columns", ())),
        other_products={
            name: frozenset(marks) for name, marks in raw.get("other_products", {}).items()
        },
        tables=tuple(_table(name, entry) for name, entry in raw.get("tables", {}).items()),
        text=text,
        source_id_aliases=tuple(raw["source_id"]["aliases"]),
        variability_classes=dict(raw["variability_classes"]),
        online=Archive.of(raw["archive"]) if "archive" in raw else None,
    )


def _table(name: str, raw: Mapping[str, list[str]]) -> CatalogTable:
    frequencies, periods = (tuple(raw.get(key, ())) for key in ("frequencies", "periods"))
    return CatalogTable(name, frozenset(raw["marks"]), frequencies, periods)
