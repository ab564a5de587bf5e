"""Derived catalog columns: statistics of light curves, and a frequency with its origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.products import G_BAND, EpochPhotometry, LightCurve
from latent_core.release import CatalogTable
from latent_core.surveys.ingest_report import Progress
from latent_core.surveys.periods import Frequency, find_frequency
from latent_core.surveys.spurious import SPURIOUS, is_spurious

FREQUENCY = "frequency"  # 1/d
ORIGIN = "frequency_origin"
FALSE_ALARM = "frequency_log10_fap"
# A table that no release knows, such as somebody's own: its columns are taken by their names.
ANY_TABLE = CatalogTable("archive", frozenset(), (FREQUENCY,), ("period",))


def with_stated_frequency(scalars: pd.DataFrame, known: CatalogTable | None) -> pd.DataFrame:
    """Complete `frequency` (1/d) from what a table states, and say from which of its columns.

    The archive's own columns stay as they are, but for a gap in one that is called `frequency`.
    """
    table = known or ANY_TABLE
    frequency = np.full(len(scalars), np.nan)
    origin = np.full(len(scalars), None, dtype=object)
    found = False
    for values, said in _stated(scalars, table):
        found = True
        new = ~(frequency > 0) & np.isfinite(values) & (values > 0)
        frequency[new], origin[new] = values[new], said
    return scalars.assign(**{FREQUENCY: frequency, ORIGIN: origin}) if found else scalars


def _stated(
    scalars: pd.DataFrame, table: CatalogTable
) -> Iterator[tuple[NDArray[np.float64], str]]:
    for name in table.frequencies:
        if name in scalars:
            said = table.name if name == FREQUENCY else f"{table.name}: {name}"
            yield numeric(scalars, name), said
    for name in table.periods:
        if name in scalars:
            with np.errstate(divide="ignore"):
                yield 1 / numeric(scalars, name), f"{table.name}: 1 / {name}"


def with_statistics(frame: pd.DataFrame, curves: EpochPhotometry) -> pd.DataFrame:
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
        given = numeric(frame, name)
        frame = frame.assign(**{name: np.where(np.isfinite(given), given, values)})
    return frame


def numeric(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a column as (N,) float64, NaN where there is none or no number."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64))


def with_frequency(
    frame: pd.DataFrame, curves: EpochPhotometry, tell: Progress | None
) -> pd.DataFrame:
    """Complete `frequency` in 1/d: the files', else searched where `tell` is given.

    A frequency of ours comes with log10 of its false-alarm probability; every one is flagged
    where it lies in a window of the scanning law.
    """
    frequency = numeric(frame, FREQUENCY)
    frequency = np.where(frequency > 0, frequency, np.nan)
    origin = np.full(len(frame), None, dtype=object)
    if ORIGIN in frame:
        stated = frame[ORIGIN].astype(object)
        origin[:] = stated.where(stated.notna(), None)
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
        SPURIOUS: is_spurious(frequency, numeric(frame, "phot_g_mean_mag")),
    }
    if np.isfinite(false_alarm).any():
        found[FALSE_ALARM] = false_alarm
    return frame.assign(**found)


def _frequency_of(curve: LightCurve) -> Frequency:
    return find_frequency(curve.time, curve.mag, curve.mag_error)
