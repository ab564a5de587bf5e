"""What is compared: numbers of sources and of points, each under one name in every table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.products import G_BAND, EpochPhotometry

Floats = NDArray[np.float64]
FEWEST_POINTS = 5  # of a light curve with statistics of its own
FEWEST_FOLDED = 20
OUTLIER = 5.0  # robust standard deviations from the median
MAD_TO_SIGMA = 1.4826
LONGEST_PAIR_GAP = 1.0  # d; longer ones tell of the season, not of the scanning spin
POINT_COLUMNS = ("item", "mag", "log_error", "log_gap", "row")


@dataclass(frozen=True)
class Quantity:
    """One number of a source: `title` with its unit, and the names that tables give it.

    `logarithm` says that a table's own column holds the number and its log10 is compared.
    """

    key: str
    title: str
    names: tuple[str, ...] = ()
    logarithm: bool = False


# The first name that a table has counts; Gaia's own names come first.
QUANTITIES: tuple[Quantity, ...] = (
    Quantity("g", "G [mag]", ("phot_g_mean_mag", "magnitude_mean", "mean_mag",
                              "gaiaedr3_phot_g_mean_mag")),
    Quantity("bp_rp", "BP-RP [mag]", ("bp_rp",)),
    Quantity("log_period", "log10 period [d]", ("period_d", "period", "pf", "p1_o"), True),
    Quantity("log_amplitude", "log10 amplitude [mag]", ("amplitude",), True),
    Quantity("log_std", "log10 sd of G [mag]",
             ("std_dev_mag_g_fov", "magnitude_std", "mag_std"), True),
    Quantity("log_iqr", "log10 IQR of G [mag]", ("iqr_mag_g_fov", "iqr"), True),
    Quantity("skewness", "skewness of G", ("skewness_mag_g_fov", "skewness")),
    Quantity("abbe", "Abbe value of G", ("abbe_mag_g_fov", "abbe_value")),
    Quantity("transits", "transits in G", ("num_selected_g_fov", "num_clean_epochs_g")),
    Quantity("span", "time span [d]", ("time_duration_g_fov",)),
    Quantity("outliers", "points beyond 5 robust sd [%]"),
    Quantity("r21", "R21 of G", ("r21_g", "r21")),
    Quantity("phi21", "phi21 of G [rad]", ("phi21_g", "phi21")),
    Quantity("r31", "R31 of G", ("r31_g", "r31")),
    Quantity("phi31", "phi31 of G [rad]", ("phi31_g", "phi31")),
)  # fmt: skip
STELLAR = ("teff", "logg", "fe_h")  # K, dex, dex: kept where a catalog has them
REDSHIFT = "redshift"  # above 0: no star, and its Teff means nothing
LABELS = ("best_class_name", "label_name", "class_label", "label")
COLOUR = ("phot_bp_mean_mag", "phot_rp_mean_mag")


def titles() -> Mapping[str, str]:
    """Return the title of each quantity of a source."""
    return {quantity.key: quantity.title for quantity in QUANTITIES}


def canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row a row of `frame`: every quantity (NaN where unknown), `group`, `finer`.

    `group` is the class, `finer` the simulator's kind where there is one. A period may be stated
    as a frequency in 1/d.
    """
    found: dict[str, object] = {q.key: _of_columns(frame, q) for q in QUANTITIES}
    period = np.asarray(found["log_period"], float)
    if "frequency" in frame:
        turned = -_log10(_numbers(frame["frequency"]))
        found["log_period"] = np.where(np.isfinite(period), period, turned)
    colour = np.asarray(found["bp_rp"], float)
    if set(COLOUR) <= set(frame):
        bp, rp = (_numbers(frame[name]) for name in COLOUR)
        found["bp_rp"] = np.where(np.isfinite(colour), colour, bp - rp)
    for name in (*STELLAR, REDSHIFT):
        found[name] = _numbers(frame[name]) if name in frame else np.full(len(frame), np.nan)
    for key, names in (("group", LABELS), ("finer", ("kind",))):
        held = [name for name in names if name in frame and _is_text(frame[name])]
        found[key] = _texts(frame[held[0]]) if held else np.full(len(frame), None, object)
    return pd.DataFrame(found, index=range(len(frame)))


def _is_text(values: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(values)


def _texts(values: pd.Series) -> NDArray[np.object_]:
    given = values.astype(object).to_numpy()
    return np.array([v if isinstance(v, str) and v else None for v in given], object)


def _of_columns(frame: pd.DataFrame, quantity: Quantity) -> Floats:
    values = np.full(len(frame), np.nan)
    for name in quantity.names:
        if name in frame:
            given = _numbers(frame[name])
            values = np.where(np.isfinite(values), values, given)
    return _log10(values) if quantity.logarithm else values


def _numbers(values: pd.Series) -> Floats:
    return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan))


def _log10(values: Floats) -> Floats:
    return np.log10(np.where(values > 0, values, np.nan))


def curve_statistics(curves: EpochPhotometry, count: int) -> dict[str, Floats]:
    """Return statistics of the G points that nothing rejected, (N,) each; NaN for short curves.

    Standard deviation, skewness and Abbe value are those of the archive's `vari_summary`
    (moments about the mean with n - 1; half the mean squared step over the variance).
    """
    names = ("log_std", "log_iqr", "skewness", "abbe", "transits", "span", "outliers")
    table = np.full((count, len(names)), np.nan)
    for item, row in enumerate(curves.rows):
        curve = curves.light_curve(item, G_BAND)
        if len(curve) >= FEWEST_POINTS:
            table[row] = statistics(curve.time, curve.mag)
    return dict(zip(names, table.T, strict=True))


def statistics(time: Floats, mag: Floats) -> tuple[float, ...]:
    """Return what `curve_statistics` names, of one curve of times in d and magnitudes, (n,)."""
    order = np.argsort(time, kind="stable")
    ordered = mag[order]
    n = len(mag)
    deviation = ordered - ordered.mean()
    variance = float(deviation @ deviation) / (n - 1)
    low, middle, high = np.percentile(mag, [25, 50, 75])
    robust = MAD_TO_SIGMA * float(np.median(np.abs(mag - middle)))
    if variance <= 0 or robust <= 0 or high <= low:
        return (*[np.nan] * 4, float(n), float(np.ptp(time)), np.nan)
    steps = np.diff(ordered)
    third = float((deviation**3).mean()) / variance**1.5
    return (
        0.5 * float(np.log10(variance)),
        float(np.log10(high - low)),
        third * n**2 / ((n - 1) * (n - 2)),
        float(steps @ steps) / (2 * (n - 1) * variance),
        float(n),
        float(np.ptp(time)),
        100 * float((np.abs(mag - middle) > OUTLIER * robust).mean()),
    )


def fourier_statistics(curves: EpochPhotometry, log_period: Floats) -> dict[str, Floats]:
    """Return R21, phi21, R31, phi31 of G curves with a period, (N,) each; NaN for the others.

    `log_period` (N,) is log10 of periods in d. Curves of fewer than 20 points are left out, as
    in the archive's Fourier parameters of RR Lyrae and Cepheids.
    """
    table = np.full((len(log_period), 4), np.nan)
    for item, row in enumerate(curves.rows):
        if np.isfinite(log_period[row]):
            curve = curves.light_curve(item, G_BAND)
            if len(curve) >= FEWEST_FOLDED:
                table[row] = fourier_terms(curve.time, curve.mag, 10.0 ** log_period[row])
    return dict(zip(("r21", "phi21", "r31", "phi31"), table.T, strict=True))


def fourier_terms(time: Floats, mag: Floats, period: float) -> tuple[float, ...]:
    """Return R21, phi21, R31, phi31 of three cosines of a period in d (phases in 0..2 pi).

    mag = c + sum A_i cos(2 pi i t / period + phi_i), R_i1 = A_i / A_1, phi_i1 = phi_i - i phi_1:
    the terms of the archive's `vari_rrlyrae` and `vari_cepheid`.
    """
    angle = 2 * np.pi * np.outer(time - time.mean(), np.arange(1, 4)) / period
    design = np.hstack([np.ones((len(time), 1)), np.cos(angle), np.sin(angle)])
    fitted = np.linalg.lstsq(design, mag, rcond=None)[0]
    waves = fitted[1:4] - 1j * fitted[4:7]
    if not abs(waves[0]) > 0:
        return (np.nan,) * 4
    ratio = waves[1:] / abs(waves[0])
    turned = np.angle(ratio * np.exp(-1j * np.array([2, 3]) * np.angle(waves[0]))) % (2 * np.pi)
    return (float(abs(ratio[0])), float(turned[0]), float(abs(ratio[1])), float(turned[1]))


def points_of(curves: EpochPhotometry) -> pd.DataFrame:
    """Return all usable G points: magnitude, log10 error, log10 gap in d to the one before.

    `row` is the source's row; a gap of more than a day, or before the first point, is NaN.
    """
    usable = (np.asarray(curves.band) == G_BAND) & ~np.asarray(curves.rejected)
    item = np.repeat(np.arange(len(curves.rows)), np.diff(curves.offsets))[usable]
    time, mag, error = (np.asarray(x)[usable] for x in (curves.time, curves.mag, curves.mag_error))
    order = np.lexsort((time, item))
    item, time, mag, error = (x[order] for x in (item, time, mag, error))
    gap = np.full(len(time), np.nan)
    gap[1:] = np.where(np.diff(item) == 0, np.diff(time), np.nan)
    gap[~(gap < LONGEST_PAIR_GAP)] = np.nan
    return pd.DataFrame({
        "item": item,
        "mag": mag,
        "log_error": _log10(error),
        "log_gap": _log10(gap),
        "row": np.asarray(curves.rows)[item],
    })  # fmt: skip
