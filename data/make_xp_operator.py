"""Make xp_operator.npz from GaiaXPy, and, given real coefficients, xp_coefficient_prior.npz.

    python data/make_xp_operator.py [--coefficients FILE.parquet]

GaiaXPy is linear in the coefficients, so feeding it unit vectors gives its matrices exactly. The
prior is the mean and covariance of real coefficients over their spectrum's median flux: figures
of a sample, no star's own values.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gaiaxpy import PhotometricSystem, calibrate, convert, generate, pwl_to_wl

from latent_core.release import load_release

HERE = Path(__file__).parent
PSEUDO_WAVELENGTHS = np.linspace(0, 60, 55)  # Huijse et al. 2025: huijse-2025.md, 3


def unit_rows() -> pd.DataFrame:
    """One made-up source a coefficient: that coefficient 1, all others 0."""
    xp = load_release().xp
    n = xp.coefficients_per_band
    rows = []
    for j in range(xp.n_coefficients):
        row: dict[str, Any] = {"source_id": j + 1}
        for i, (band, basis) in enumerate(zip(xp.bands, xp.basis_function_ids, strict=True)):
            row[f"{band}_coefficients"] = np.eye(n)[j % n] * (j // n == i)
            row[f"{band}_coefficient_errors"] = np.ones(n)
            row[f"{band}_coefficient_correlations"] = np.zeros(n * (n - 1) // 2)
            row[f"{band}_standard_deviation"] = 1.0
            row[f"{band}_n_parameters"] = n
            row[f"{band}_basis_function_id"] = basis
            row[f"{band}_n_relevant_bases"] = n
            row[f"{band}_relative_shrinking"] = 1.0
        rows.append(row)
    return pd.DataFrame(rows)


def make_operator() -> dict[str, np.ndarray]:
    """Return GaiaXPy's matrices as arrays."""
    xp = load_release().xp
    rows = unit_rows()
    spectra, wavelength = calibrate(rows, save_file=False)
    sampled, _ = convert(rows, sampling=PSEUDO_WAVELENGTHS, save_file=False)
    n = xp.coefficients_per_band
    arrays = {
        "g_flux": synthetic_g_flux(rows),
        "calibrate": np.stack(list(spectra["flux"])).T.astype(np.float64),
        "wavelength_nm": np.asarray(wavelength, np.float64),
        "pseudo_wavelength": PSEUDO_WAVELENGTHS,
        "gaiaxpy_version": np.array(version("gaiaxpy")),
        "basis_function_ids": np.array(xp.basis_function_ids),
    }
    for i, band in enumerate(xp.bands):
        own = sampled[sampled["xp"] == band.upper()].sort_values("source_id")
        matrix = np.stack(list(own["flux"]))[i * n : (i + 1) * n].T
        arrays[f"convert_{band}"] = matrix.astype(np.float64)
        arrays[f"sample_nm_{band}"] = np.asarray(pwl_to_wl(band, PSEUDO_WAVELENGTHS), np.float64)
    return arrays


def synthetic_g_flux(rows: pd.DataFrame) -> np.ndarray:
    """Return the G flux in e-/s of each unit coefficient: GaiaXPy's synthetic photometry."""
    made = generate(rows, photometric_system=PhotometricSystem.Gaia_DR3_Vega, save_file=False)
    flux = made["GaiaDr3Vega_flux_G"].to_numpy(np.float64)
    bright = int(np.argmax(flux))
    magnitude = float(made["GaiaDr3Vega_mag_G"].iloc[bright])
    return flux * float(load_release().g_flux(magnitude)) / flux[bright]


def make_prior(file: Path, calibrate_matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Return mean and covariance of coefficients over median flux, and their errors' pattern."""
    table = pd.read_parquet(file)
    whole = table[table["has_bp"] & table["has_rp"]]
    values = np.hstack([np.stack(list(whole[f"{b}_coefficients"])) for b in ("bp", "rp")])
    median = np.median(values @ calibrate_matrix.T, axis=1)
    normed = values[median > 0] / median[median > 0, None]
    # a few dozen spectra are too faint for a median: their ratios would make the prior useless
    size = np.abs(normed).max(axis=1)
    normed = normed[size < np.percentile(size, 98)]
    measured = whole["has_errors"].to_numpy()
    pattern = []
    for band in ("bp", "rp"):
        errors = np.stack(list(whole.loc[measured, f"{band}_coefficient_errors"]))
        size = np.sqrt((errors**2).mean(axis=1, keepdims=True))
        pattern.append(np.median(errors / size, axis=0))
    said = (
        f"Gaia DR3 XP continuous mean spectra (ESA/Gaia/DPAC) of {len(normed)} sources; "
        "coefficients over the median calibrated flux"
    )
    return {
        "mean": normed.mean(axis=0),
        "covariance": np.cov(normed, rowvar=False),
        "error_pattern": np.concatenate(pattern),
        "provenance": np.array(said),
    }


def main() -> None:
    """Run the command."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--coefficients", type=Path, help="real XP rows, to measure the prior")
    chosen = arguments.parse_args()
    operator = make_operator()
    np.savez_compressed(HERE / "xp_operator.npz", **operator)
    if chosen.coefficients:
        prior = make_prior(chosen.coefficients, operator["calibrate"])
        np.savez_compressed(HERE / "xp_coefficient_prior.npz", **prior)


if __name__ == "__main__":
    main()
