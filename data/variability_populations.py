"""Measure periods, amplitudes, magnitudes, colours and shapes of the classes on real Gaia rows.

Called by `make_variability_summary.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.mixture import GaussianMixture

PROBABILITIES = [0.01, 0.03, 0.05, *np.linspace(0.1, 0.9, 17).round(2), 0.95, 0.97, 0.99]
COARSE = [0.05, 0.25, 0.5, 0.75, 0.95]  # for small classes: five figures cannot be a row
FEWEST = 20
# Mean XP spectra of DR3 end here (De Angeli et al. 2023, A&A 674, A2): so does the survey
FAINTEST_G = 17.65
# label in the released table of Huijse et al. 2025 -> (labels, allowed period range in days).
# The range drops one-day aliases of the published frequencies (huijse-2025.md, 1.6).
GROUPS: dict[str, tuple[tuple[str, ...], tuple[float, float]]] = {
    "RRAB": (("RRAB",), (0.4, 1.0)),
    "RRC": (("RRC",), (0.2, 0.45)),
    "DCEP": (("DCEP", "CEP"), (1.0, 100.0)),
    "T2CEP": (("CW", "BLHER"), (1.0, 30.0)),
    "DSCT": (("DSCT", "DSCT|SXPHE", "SXPHE"), (0.042, 0.3)),
    "GDOR": (("GDOR",), (0.3, 3.0)),
    "MIRA": (("M",), (80.0, 1000.0)),
    "SR": (("SR", "SRA", "SRB", "SRS", "SARG", "OSARG", "LSP", "M|SR"), (10.0, 1000.0)),
    "ECL": (("EA", "EB", "EW", "ECL"), (0.1, 50.0)),
    "SOLAR_LIKE": (("BY", "ROT", "SOLAR_LIKE", "BY|ROT"), (0.2, 60.0)),
    "RS": (("RS",), (0.3, 100.0)),
    "AGN": (("QSO", "BLAZAR", "BLLAC"), (0.04, 1000.0)),
    "YSO": (("YSO", "TTS", "CTTS", "WTTS", "UXOR"), (0.3, 60.0)),
    "ELL": (("ELL",), (0.1, 60.0)),
    "CP": (("ACV", "MCP", "CP"), (0.4, 30.0)),
    "BE": (("BE", "GCAS", "SDOR", "WR"), (0.2, 1000.0)),
    "CV": (("CV",), (0.05, 0.5)),
    "BCEP": (("BCEP",), (0.08, 0.35)),
    "SPB": (("SPB",), (0.4, 5.0)),
    "WD": (("ZZA", "GWVIR", "V777HER", "ZZ"), (0.04, 0.5)),
    "SYST": (("SYST", "ZAND"), (20.0, 1000.0)),
    "SDB": (("V1093HER", "V361HYA"), (0.04, 0.3)),
    "ACYG": (("ACYG",), (0.3, 30.0)),
    "EP": (("EP",), (0.04, 60.0)),
    "RCB": (("RCB",), (10.0, 1000.0)),
}
# label of the archive's own tables -> what the joint mixture describes, how many components
JOINT = {
    "RRAB": (
        "RRAB",
        ("log_period", "r21", "r31", "phi21", "phi31", "log_amplitude", "g", "bp_rp"),
        6,
    ),
    "RRC": (
        "RRC",
        ("log_period", "r21", "r31", "phi21", "phi31", "log_amplitude", "g", "bp_rp"),
        5,
    ),
    "DCEP": (
        "DCEP",
        ("log_period", "r21", "r31", "phi21", "phi31", "log_amplitude", "g", "bp_rp"),
        10,
    ),
    "DSCT": ("DSCT_SXPHE", ("log_period", "log_amplitude", "log_ratio", "g", "bp_rp"), 8),
    "MIRA": ("MIRA_SR", ("log_period", "log_amplitude", "log_ratio", "g", "bp_rp"), 6),
    "SR": ("MIRA_SR", ("log_period", "log_amplitude", "log_ratio", "g", "bp_rp"), 8),
}
MIRA_STD, MIRA_PERIOD_D = 0.4, 100.0


def quantiles(values: np.ndarray) -> dict[str, Any]:
    """Return the quantile table of one column; five figures where the sample is small."""
    values = values[np.isfinite(values)]
    probabilities = PROBABILITIES if len(values) >= 200 else COARSE
    table = np.quantile(values, probabilities).round(4)
    return {"n": len(values), "p": probabilities, "q": table.tolist()}


def rank_correlation(columns: np.ndarray) -> list[list[float]]:
    """Correlation of the normal scores of columns (N, K): the Gaussian copula."""
    scores = norm.ppf(np.apply_along_axis(rankdata, 0, columns) / (len(columns) + 1))
    return np.corrcoef(scores.T).round(3).tolist()


def populations(shared: Path) -> dict[str, Any]:
    """Quantiles of log period, log amplitude, G, log amplitude / scatter of every group."""
    released = next((shared / "published/huijse-2025-release").glob("*.parquet"))
    table = pd.read_parquet(released)
    archive = archive_rows(shared)
    archive["ratio"] = ratios(archive.mag_std, released_columns(
        table[table.label.isin(GROUPS["DSCT"][0])]))  # fmt: skip
    sample = pd.read_parquet(shared / "vari_classifier_sample_real.parquet")
    out: dict[str, Any] = {}
    for name, (labels, (low, high)) in GROUPS.items():
        rows = table[table.label.isin(labels)]
        period = 1.0 / rows.frequency
        inside = rows[(period >= low) & (period <= high)]
        columns = released_columns(rows if len(inside) < FEWEST else inside)
        out[name] = {"labels": list(labels), "period_range_d": [low, high]} | described(columns)
    for name, (label, wanted, components) in JOINT.items():
        rows = archive_columns(archive[archive.label_name == label], name)[list(wanted)].dropna()
        low, high = np.quantile(rows, [0.005, 0.995], axis=0)
        rows = rows[((rows >= low) & (rows <= high)).all(axis=1)]
        joint = mixture(rows.to_numpy(float), components)
        joint |= {"columns": list(wanted), "low": low.round(4).tolist(),
                  "high": high.round(4).tolist()}  # fmt: skip
        single = rows[[c for c in ("log_period", "log_amplitude", "g", "bp_rp") if c in rows]]
        out[name] = out[name] | described(single) | {"joint": joint, "archive_label": label}
    eclipsing = archive_columns(archive[archive.label_name == "ECL"], "ECL")
    names = ["log_period", "log_amplitude", "g", "bp_rp"]
    out["ECL"] = out["ECL"] | described(eclipsing[names].dropna()) | {"archive_label": "ECL"}
    for name, label in (("T2CEP", "CEP"), ("GDOR", "DSCT|GDOR|SXPHE")):
        pair = sample.loc[sample.best_class_name == label, ["phot_g_mean_mag", "bp_rp"]].dropna()
        out[name]["bp_rp"] = quantiles(pair.bp_rp.to_numpy(float))
        out[name]["g_bp_rp"] = rank_correlation(pair.to_numpy(float))[0][1]
    return out


def archive_rows(shared: Path) -> pd.DataFrame:
    """Archive rows of variables bright enough for a mean XP spectrum."""
    table = pd.read_parquet(shared / "gaia_dr3_variables_fourier_real.parquet")
    return table[(table.mean_mag < FAINTEST_G) & (table.mag_std > 0)].copy()


def released_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns of literature classes from the released table.

    The best frequency of ellipsoidal variables is twice that of the orbit.
    """
    return pd.DataFrame({
        "log_period": np.where(rows.label == "ELL", np.log10(2.0), 0.0) - np.log10(rows.frequency),
        "log_amplitude": np.log10(rows.amplitude),
        "g": rows.magnitude_mean,
        "log_ratio": np.log10(rows.amplitude / rows.magnitude_std),
    })  # fmt: skip


def ratios(scatter: pd.Series, known: pd.DataFrame) -> np.ndarray:
    """Amplitude / scatter of sources that have no amplitude: one of 50 known ones alike."""
    known = known.assign(log_std=known.log_amplitude - known.log_ratio).sort_values("log_std")
    place = np.searchsorted(known.log_std, np.log10(scatter))
    beside = np.random.default_rng(1).integers(-25, 25, len(scatter))
    return 10.0 ** known.log_ratio.to_numpy()[np.clip(place + beside, 0, len(known) - 1)]


def archive_columns(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Columns of archive classes; the amplitude is that of the first harmonic, as the catalog's.

    The archive gives peak-to-peak amplitudes: the standard deviation, the Fourier terms say what
    the first harmonic has (its semi-amplitude for long-period variables).
    """
    if name in ("MIRA", "SR"):
        mira = (rows.mag_std > MIRA_STD) & (rows.period > MIRA_PERIOD_D)
        rows = rows[mira if name == "MIRA" else ~mira]
    if name in ("RRAB", "RRC", "DCEP"):
        rows = _third_harmonic(rows)
    # 1.4: the harmonics beyond the third fall off as the third does from the second
    higher = rows.r21_g.fillna(0.0) ** 2 + 1.4 * rows.r31_g.fillna(0.0) ** 2
    harmonic = np.log10(rows.mag_std.to_numpy(float) * np.sqrt(2.0 / (1.0 + higher)))
    if name == "DSCT":
        harmonic = np.log10(rows.mag_std.to_numpy(float) * rows.ratio.to_numpy(float))
    if name in ("MIRA", "SR"):
        harmonic = np.log10(rows.amplitude.to_numpy(float))
    return pd.DataFrame({
        "log_period": np.log10(rows.period),
        "r21": rows.r21_g,
        "r31": rows.r31_g,
        "phi21": middle(rows.phi21_g),
        "phi31": middle(rows.phi31_g),
        "log_amplitude": harmonic,
        "log_ratio": harmonic - np.log10(rows.mag_std.to_numpy(float)),
        "g": rows.mean_mag,
        "bp_rp": rows.bp_rp,
    })  # fmt: skip


def _third_harmonic(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill third harmonics too small for the archive: half of another star's, of like period."""
    missing = rows.r31_g.isna().to_numpy()
    given = rows[~missing].sort_values("period")
    place = np.searchsorted(given.period, rows.period[missing])
    beside = np.random.default_rng(1).integers(-25, 25, missing.sum())
    other = given.iloc[np.clip(place + beside, 0, len(given) - 1)]
    rows = rows.copy()
    rows.loc[missing, "r31_g"] = 0.5 * other.r31_g.to_numpy()
    rows.loc[missing, "phi31_g"] = other.phi31_g.to_numpy()
    return rows


def middle(angle: pd.Series) -> pd.Series:
    """Angles within pi of their circular mean, so that a mixture sees no edge."""
    if angle.isna().all():
        return angle
    turned = np.exp(1j * angle.dropna().to_numpy(float))
    centre = np.angle(turned.mean()) % (2 * np.pi)
    return centre + (angle - centre + np.pi) % (2 * np.pi) - np.pi


def described(columns: pd.DataFrame) -> dict[str, Any]:
    """Quantiles of each column, and the Gaussian copula of all."""
    entry: dict[str, Any] = {str(c): quantiles(columns[c].to_numpy(float)) for c in columns}
    full = columns.to_numpy(float)
    entry["columns"] = [str(c) for c in columns]
    entry["correlation"] = rank_correlation(full[np.isfinite(full).all(axis=1)])
    return entry


def mixture(columns: np.ndarray, components: int) -> dict[str, Any]:
    """Describe columns (N, K) by a Gaussian mixture of at least 20 stars a component."""
    fit = GaussianMixture(components, random_state=1, reg_covar=1e-5).fit(columns)
    if (np.bincount(fit.predict(columns), minlength=components) < FEWEST).any():
        return mixture(columns, components - 1)
    return {
        "n": len(columns),
        "weights": fit.weights_.round(5).tolist(),
        "means": fit.means_.round(5).tolist(),
        "covariances": fit.covariances_.round(7).tolist(),
    }


def eclipses(shared: Path) -> dict[str, Any]:
    """Mixture of the two-Gaussian and ellipsoidal model of 2,106 eclipsing binaries.

    Columns: log period [d], log depth 1 [mag], log depth ratio, log sigma 1 [phase],
    log sigma ratio, separation - 0.5 [phase], log ellipsoidal amplitude [mag] (-3 where none).
    """
    rows = pd.read_parquet(shared / "vari_eclipsing_binary_2106.parquet")
    stem = "geom_model_gaussian{}_{}"
    number = {
        (i, key): pd.to_numeric(rows[stem.format(i, key)], errors="coerce").to_numpy(float)
        for i in (1, 2)
        for key in ("phase", "sigma", "depth")
    }
    ell = pd.to_numeric(rows["geom_model_cosine_half_period_amplitude"], errors="coerce")
    swap = number[2, "depth"] > number[1, "depth"]
    deep = {k: np.where(swap, number[2, k], number[1, k]) for k in ("sigma", "depth")}
    weak = {k: np.where(swap, number[1, k], number[2, k]) for k in ("sigma", "depth")}
    apart = np.abs(number[1, "phase"] - number[2, "phase"]) - 0.5
    columns = np.column_stack([
        -np.log10(rows.frequency), np.log10(deep["depth"]),
        np.log10(weak["depth"] / deep["depth"]), np.log10(deep["sigma"]),
        np.log10(weak["sigma"] / deep["sigma"]), apart,
        np.log10(np.maximum(np.abs(ell.fillna(0.001)), 0.001)),
    ])  # fmt: skip
    good = np.isfinite(columns).all(axis=1)
    low, high = np.quantile(columns[good], [0.01, 0.99], axis=0)
    good[good] = ((columns[good] >= low) & (columns[good] <= high)).all(axis=1)
    return mixture(columns[good] + 1e-6, 8)
