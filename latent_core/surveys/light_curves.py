"""Epoch photometry in the archive's layouts: a row a point, or a row a source with lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.products import BAND_NAMES, G_BAND
from latent_core.release import TIME_ZERO_BJD, Release
from latent_core.surveys.readings import Reading, Table
from latent_core.surveys.rows import Sieve, flags, is_array_column, numbers, vector

MAG_OF_RELATIVE_FLUX = 2.5 / np.log(10)  # d mag = 1.0857 d flux / flux
# Beyond these a number is damage, not a time in d, a magnitude or its error in mag.
LARGEST = {"time": 1e6, "mag": 100.0, "mag_error": 100.0}
POINT_ARRAYS = ("time", "mag", "mag_error", "band", "rejected")
_OF_A_POINT = {"time", "band", "mag", "mag_error", "flux", "flux_error", "flux_over_error"}


@dataclass(frozen=True)
class BandColumns:
    """Where one band's lists stand in a table with one row a source."""

    band: int
    time: str
    mag: str
    mag_error: str | None = None
    over_error: str | None = None
    flux: str | None = None
    flux_error: str | None = None
    flags: tuple[str, ...] = ()


# gaia-archive.md, 1.3: BP and RP have their own times and two more flags.
RAW_COLUMNS = (
    BandColumns(
        0,
        "g_transit_time",
        "g_transit_mag",
        over_error="g_transit_flux_over_error",
        flux="g_transit_flux",
        flux_error="g_transit_flux_error",
        flags=("variability_flag_g_reject",),
    ),
    *(
        BandColumns(
            number,
            f"{band}_obs_time",
            f"{band}_mag",
            over_error=f"{band}_flux_over_error",
            flux=f"{band}_flux",
            flux_error=f"{band}_flux_error",
            flags=(
                f"variability_flag_{band}_reject",
                f"photometry_flag_{band}_reject",
                f"photometry_flag_{band}_unavailable",
            ),
        )
        for number, band in ((1, "bp"), (2, "rp"))
    ),
)
LIST_COLUMNS = (
    BandColumns(0, "time", "mag", "mag_error", "flux_over_error", "flux", "flux_error"),
)


def is_epoch_photometry(names: set[str]) -> bool:
    """Tell whether lower-case column names are those of epoch photometry."""
    return "g_transit_time" in names or {"time", "mag"} <= names


def read_epoch_photometry(table: Table) -> Reading:
    """Read light curves; `arrays` are those of the points, with `item` naming their source.

    A row a point is rejected where time, magnitude or error is not finite, the error is not
    positive, or the band is unknown. In lists such points are dropped and counted.
    """
    if "g_transit_time" in table.frame:
        return _lists(table, RAW_COLUMNS, "epoch photometry, RAW")
    if is_array_column(table.frame["time"]):
        return _lists(table, LIST_COLUMNS, "epoch photometry, lists")
    return _points(table)


def days(time: NDArray[np.float64], release: Release) -> NDArray[np.float64]:
    """Turn times (n,) in the release's unit, since its zero point, into days since our own.

    All our light curves count from TIME_ZERO_BJD, so that those of two releases lie on one axis.
    """
    return np.asarray(time * release.time_unit_d + (release.time_zero_bjd - TIME_ZERO_BJD))


def relative_error(columns: Mapping[str, Any]) -> NDArray[np.float64]:
    """Magnitude error from the flux error: 2.5 / ln 10 times error over flux, (n,) mag."""
    if columns.get("over_error") is not None:
        ratio = np.asarray(columns["over_error"], float)
    elif columns.get("flux") is not None and columns.get("flux_error") is not None:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.asarray(columns["flux"], float) / np.asarray(columns["flux_error"], float)
    else:
        ratio = np.full(len(columns["mag"]), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(MAG_OF_RELATIVE_FLUX / ratio)


def _points(table: Table) -> Reading:
    frame, sieve = table.frame, table.sieve
    given = {name: numbers(frame[name]) for name in _OF_A_POINT - {"band"} if name in frame}
    given["time"] = days(given["time"], table.release)
    derived = relative_error({**given, "over_error": given.get("flux_over_error")})
    error = np.where(
        np.isfinite(given.get("mag_error", derived * np.nan)),
        given.get("mag_error", derived),
        derived,
    )
    for name, values in (("time", given["time"]), ("mag", given["mag"]), ("mag_error", error)):
        bad = ~(np.abs(values) <= LARGEST[name])
        sieve.reject(bad, f"not a number within {LARGEST[name]:g}", name)
    sieve.reject(~(error > 0), "the magnitude error is not positive", "mag_error")
    arrays = {
        "time": given["time"],
        "mag": given["mag"],
        "mag_error": error,
        "band": _bands(frame, sieve),
        "rejected": _rejected(frame),
    }
    sieve.refuse_if_empty()
    reading = table.by_source("epoch photometry, a row a point", arrays)
    of_points = _OF_A_POINT | {"rejected_by_photometry", "rejected_by_variability"}
    scalars = reading.scalars.drop(columns=[c for c in reading.scalars if c in of_points])
    arrays = {**reading.arrays, "item": reading.kept_item}
    return Reading(**{**vars(reading), "arrays": arrays, "scalars": scalars})


def _bands(frame: pd.DataFrame, sieve: Sieve) -> NDArray[np.uint8]:
    if "band" not in frame:
        return np.full(len(frame), G_BAND, np.uint8)
    text = frame["band"].astype(object).map(lambda cell: str(cell).strip().upper())
    codes = pd.Categorical(text, categories=list(BAND_NAMES)).codes
    for name in sorted(set(text[codes < 0])):
        bad = (text == name).to_numpy(bool)
        sieve.reject(bad, f"band {name[:20]!r} is none of {', '.join(BAND_NAMES)}", "band")
    return np.asarray(np.maximum(codes, 0), np.uint8)


def _rejected(frame: pd.DataFrame) -> NDArray[np.bool_]:
    out = np.zeros(len(frame), bool)
    for name in ("rejected_by_photometry", "rejected_by_variability"):
        if name in frame:
            out |= flags(frame[name])
    return out


def _lists(table: Table, bands: tuple[BandColumns, ...], layout: str) -> Reading:
    frame, sieve = table.frame, table.sieve
    present = [columns for columns in bands if {columns.time, columns.mag} <= set(frame)]
    curves = [_curves_of_row(table, row, present) for row in range(len(frame))]
    counts = np.array([sum(len(part["time"]) for part in curve) for curve in curves])
    sieve.reject(counts == 0, "no point has a finite time, magnitude and error", bands[0].time)
    sieve.refuse_if_empty()
    dropped = sum(part["dropped"] for curve in curves for part in curve)
    reading = table.by_row(layout, {}, points_dropped=int(dropped))
    kept = [curves[row] for row in np.flatnonzero(sieve.kept)]
    arrays = {
        name: np.concatenate([part[name] for curve in kept for part in curve])
        for name in POINT_ARRAYS
    }
    arrays["item"] = np.repeat(np.arange(len(kept)), counts[sieve.kept])
    lists = [c for c in reading.scalars if c in _OF_A_POINT]
    scalars = reading.scalars.drop(columns=lists)
    return Reading(**{**vars(reading), "arrays": arrays, "scalars": scalars})


def _curves_of_row(table: Table, row: int, bands: list[BandColumns]) -> list[dict[str, Any]]:
    parts = []
    for columns in bands:
        try:
            parts.append(_band_of_row(table, row, columns))
        except ValueError as error:
            table.sieve.reject_row(row, str(error), columns.time)
    return parts


def _band_of_row(table: Table, row: int, columns: BandColumns) -> dict[str, Any]:
    """Return the good points of one band of one source; ValueError where lengths differ."""
    frame = table.frame
    named = {
        key: name for key, name in vars(columns).items() if isinstance(name, str) and name in frame
    }
    given = {key: vector(frame[name].iat[row]) for key, name in named.items()}
    time = given["time"] if given["time"] is not None else np.empty(0)
    lists = {key: time * np.nan if value is None else value for key, value in given.items()}
    marks = [vector(frame[name].iat[row]) for name in columns.flags if name in frame]
    for key, value in [*lists.items(), *(("flags", mark) for mark in marks)]:
        if value is not None and len(value) != len(time):
            raise ValueError(f"{named.get(key, key)} has {len(value)} points, time {len(time)}")
    derived = relative_error(lists)
    error = lists.get("mag_error", derived)
    error = np.where(np.isfinite(error), error, derived)
    time = days(time, table.release)
    points = {"time": time, "mag": lists["mag"], "mag_error": error}
    good = error > 0
    for key, values in points.items():
        good &= np.abs(values) <= LARGEST[key]
    rejected = np.zeros(len(time), bool)
    for mark in marks:
        rejected |= (mark == 1) if mark is not None else False
    return {
        **{key: values[good] for key, values in points.items()},
        "band": np.full(int(good.sum()), columns.band, np.uint8),
        "rejected": rejected[good],
        "dropped": int((~good).sum()),
    }
