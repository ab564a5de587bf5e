"""Our one matrix product against gaiaxpy.calibrate, which also works out flux errors."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
from measuring import SIZE, Figure, cpu_time, report

from latent_core.modalities.xp_operator import load_operator, load_prior
from latent_core.release import load_release

FLUX = 1e-17  # W m-2 nm-1: a star of about G = 15
CALLS = {1: 2000, 100: 100, 1000: 10, 4000: 3}  # of our product, by sources
COUNTS = {"tiny": (1, 100), "small": (1, 100, 1000), "full": tuple(CALLS)}[SIZE]
LARGEST_DIFFERENCE, LEAST_GAIN, LEAST_GAIN_OF_ONE = 1e-12, 250.0, 10_000.0


def made_up_coefficients(count: int) -> np.ndarray:
    """Draw coefficients (M, 2 n) from the shipped mean and covariance of real ones."""
    prior = load_prior()
    rng = np.random.default_rng(0)
    return FLUX * rng.multivariate_normal(prior.mean, prior.covariance, count, method="eigh")


def as_archive_rows(values: np.ndarray) -> pd.DataFrame:
    """Return the columns of the archive's continuous spectra that GaiaXPy asks for."""
    xp = load_release().xp
    n = xp.coefficients_per_band
    columns: dict[str, object] = {"source_id": np.arange(1, len(values) + 1)}
    for i, band in enumerate(xp.bands):
        errors = FLUX * load_prior().error_pattern[i * n : (i + 1) * n]
        columns |= {
            f"{band}_coefficients": list(values[:, i * n : (i + 1) * n]),
            f"{band}_coefficient_errors": [errors] * len(values),
            f"{band}_coefficient_correlations": [np.zeros(n * (n - 1) // 2)] * len(values),
            f"{band}_standard_deviation": 1.0,
            f"{band}_n_parameters": n,
            f"{band}_basis_function_id": xp.basis_function_ids[i],
        }
    return pd.DataFrame(columns)


def gaiaxpy_flux(rows: pd.DataFrame) -> np.ndarray:
    """Return calibrated flux (M, W) by GaiaXPy, without its progress bars."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        # GaiaXPy takes hold of stdout when it is imported
        from gaiaxpy import calibrate

        spectra, _ = calibrate(rows, save_file=False)
    return np.stack(list(spectra["flux"]))


def measure(count: int) -> list[Figure]:
    values = made_up_coefficients(count)
    rows = as_archive_rows(values)
    matrix = load_operator().calibrate
    ours = cpu_time(lambda: values @ matrix.T, 5, CALLS[count])
    theirs = cpu_time(lambda: gaiaxpy_flux(rows), 2 if count >= 1000 else 3)
    expected = gaiaxpy_flux(rows)
    gap = np.abs(values @ matrix.T - expected).max(axis=1) / np.abs(expected).max(axis=1)
    name = f"calibrate {count:,} source{'s' if count > 1 else ''}"
    return [
        Figure(name, 1e3 * ours, "ms", 1e3 * theirs, "gaiaxpy.calibrate"),
        *gains(name, count, theirs / ours),
        Figure(f"{name}: largest relative difference", gap.max(), "", limit=LARGEST_DIFFERENCE),
    ]


def gains(name: str, count: int, gain: float) -> list[Figure]:
    """Return the gain beside the least that was asked for; in between nothing was."""
    least = {1: LEAST_GAIN_OF_ONE}.get(count, LEAST_GAIN if count >= 1000 else None)
    return [] if least is None else [Figure(f"{name}: gain", gain, "times", limit=least)]


if __name__ == "__main__":
    report("xp_operator", [figure for count in COUNTS for figure in measure(count)])
