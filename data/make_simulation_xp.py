"""Measure how real XP coefficients scatter, for the simulated survey.

    python data/make_simulation_xp.py ../shared/data

writes `simulation_xp.npz`: coefficient errors against magnitude and colour with their joint
scatter, the correlation of the noise, and mean and covariance of noise-free coefficients. Only
means, covariances and quantiles over hundreds of sources leave the tables: no row of them enters
the project.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from latent_core.modalities.xp_operator import load_operator
from latent_core.surveys.simulated.xp_noise import band_magnitudes, error_design

HERE = Path(__file__).parent
BANDS = ("bp", "rp")
N = 55
PROBABILITIES = np.array([0.002, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.998])
FIELD = "xp_spectral_lines"  # provenance of 1,682 faint stars chosen by position, not by kind
STEPS = 8  # of expectation and maximisation; its trace moves by 0.1 % from then on
FAINT, SIGNAL = 16.0, 12  # G beyond which, order from which, coefficients of stars are noise
LARGEST_OFFSET = 0.2  # dex of a source's errors from the fit: variable and crowded ones beyond


def stack(rows: pd.DataFrame, what: str) -> np.ndarray:
    """Return a column of both bands side by side, (N, 110)."""
    columns = [np.vstack(list(rows[f"{band}_{what}"])) for band in BANDS]
    return np.hstack(columns).astype(float)


def errors_against_magnitude(
    values: np.ndarray, errors: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Fit log10 of every coefficient's error, and the joint scatter about the fit.

    `error_fit` (8, 110) are the factors of `error_design`, `error_range` (2, 2) the 1 % and
    99 % of magnitude and colour where they hold, `error_p` and `error_q` (P, 110) the quantiles
    of the scatter in dex, `error_copula` (110, 110) the correlation of its normal scores.
    """
    magnitudes = band_magnitudes(values @ load_operator().calibrate.T)
    good = np.isfinite(magnitudes).all(axis=1)
    logs = np.log10(errors)
    edges = np.quantile(np.column_stack([magnitudes[:, 1:].mean(axis=1),
                                         magnitudes[:, 1] - magnitudes[:, 2]])[good],
                        [0.005, 0.995], axis=0)  # fmt: skip
    keep = good.copy()
    for _ in range(8):
        parts = []
        for band in range(2):
            design = error_design(magnitudes, edges, band)
            own = logs[:, band * N : (band + 1) * N]
            parts.append(np.linalg.lstsq(design[keep], own[keep], rcond=None)[0])
        fitted = [error_design(magnitudes, edges, band) @ parts[band] for band in range(2)]
        residual = logs - np.hstack(fitted)
        common = np.median(residual, axis=1)
        keep = good & (np.abs(common - np.median(common[keep])) < LARGEST_OFFSET)
    left = residual[keep]
    scores = norm.ppf(np.apply_along_axis(rankdata, 0, left) / (len(left) + 1))
    print(f"errors: {keep.sum()} of {len(keep)} rows, scatter {left.std(axis=0).mean():.3f} dex")
    return {
        "error_fit": np.hstack(parts),
        "error_range": edges,
        "error_p": PROBABILITIES,
        "error_q": np.quantile(left, PROBABILITIES, axis=0),
        "error_copula": np.corrcoef(scores.T),
    }, keep


def noise_correlation(rows: pd.DataFrame, ratio: np.ndarray) -> np.ndarray:
    """Correlation of the noise of BP and RP coefficients, (2, 55, 55).

    The mean of the archive's matrices, of 487 mostly variable sources, times the share of it
    that `ratio` shows: coefficients over errors (N, 110) of faint stars, noise from the order
    SIGNAL on.
    """
    out = []
    below = np.tril_indices(N, -1)
    for number, band in enumerate(BANDS):
        mean = np.mean(np.vstack(list(rows[f"{band}_coefficient_correlations"])), axis=0)
        own = np.clip(ratio[:, number * N : (number + 1) * N], -4.0, 4.0)
        found = np.corrcoef(own.T)[below]
        pure = below[1] >= SIGNAL
        share = float(mean[pure] @ found[pure] / (mean[pure] @ mean[pure]))
        print(f"noise correlation of {band}: {share:.2f} of the archive's mean matrix")
        matrix = np.eye(N)
        matrix[below] = share * mean
        out.append(matrix + np.tril(matrix, -1).T)
    return np.stack(out)


def noise_free(
    values: np.ndarray, errors: np.ndarray, correlation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (110,) and covariance (110, 110) of coefficients without their noise.

    Expectation maximisation of c = x + noise with x normal and the noise of each row known
    (Dempster, Laird & Rubin 1977); units of the spectrum's median flux.
    """
    level = np.median(values @ load_operator().calibrate.T, axis=1, keepdims=True)
    sound = (level[:, 0] > 0) & (np.median(np.abs(errors[:, 55:60]) / values[:, 55:56], 1) < 0.05)
    value, error = (values / level)[sound], (errors / level)[sound]
    whole = np.zeros((2 * N, 2 * N))
    whole[:N, :N], whole[N:, N:] = correlation
    mean, spread = np.median(value, axis=0), np.cov(value.T)
    for _ in range(STEPS):
        total, centre, found = np.zeros_like(spread), np.zeros(2 * N), []
        for row, sigma in zip(value, error, strict=True):
            noisy = spread + sigma[:, None] * whole * sigma
            gain = np.linalg.solve(noisy, spread).T
            found.append(mean + gain @ (row - mean))
            total += spread - gain @ spread
        best = np.stack(found)
        centre = best.mean(axis=0)
        spread = np.cov(best.T, bias=True) + total / len(value)
        mean = centre
    return mean, 0.5 * (spread + spread.T)


def variability(shared: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Median and scatter, log10, of what variability adds to errors, over amplitude and S/N.

    51 variable sources with an amplitude in the released table of Huijse et al. 2025.
    """
    rows = pd.read_parquet(shared / "golden_xp.parquet")
    rows = rows[rows.has_bp & rows.has_rp & rows.has_errors]
    released = next((shared / "published/huijse-2025-release").glob("*.parquet"))
    known = pd.read_parquet(released, columns=["sourceid", "amplitude"]).set_index("sourceid")
    amplitude = known.amplitude.reindex(rows.source_id).to_numpy(float)
    values, errors = stack(rows, "coefficients"), stack(rows, "coefficient_errors")
    magnitudes = band_magnitudes(values @ load_operator().calibrate.T)
    logs = []
    for band in range(2):
        own = slice(band * N, (band + 1) * N)
        quiet = error_design(magnitudes, arrays["error_range"], band) @ arrays["error_fit"][:, own]
        factor = 10.0 ** np.median(np.log10(errors[:, own]) - quiet, axis=1)
        signal = np.abs(values[:, own][:, 0]) / 10.0 ** quiet[:, 0]
        good = (factor > 1.3) & np.isfinite(amplitude)
        excess = np.sqrt(factor[good] ** 2 - 1.0)
        logs.append(np.log10(excess / (amplitude[good] * signal[good])))
    found = np.concatenate(logs)
    print(f"variability: {len(found)} bands, log10 {np.median(found):.2f} +- {found.std():.2f}")
    return np.array([np.median(found), 1.4826 * np.median(np.abs(found - np.median(found)))])


def main(shared: Path) -> None:
    """Measure everything and write the file beside this script."""
    rows = pd.read_parquet(shared / "xp_continuous_real.parquet")
    rows = rows[rows.has_bp & rows.has_rp & rows.has_errors]
    values, errors = stack(rows, "coefficients"), stack(rows, "coefficient_errors")
    field = rows.provenance.str.contains(FIELD).to_numpy()
    arrays, _ = errors_against_magnitude(values[field], errors[field])
    arrays["variability"] = variability(shared, arrays)
    level = band_magnitudes(values @ load_operator().calibrate.T)[:, 0]
    faint = field & (level > FAINT)
    ratio = values[faint] / errors[faint]
    correlation = noise_correlation(rows[rows.has_correlations], ratio - np.median(ratio, axis=0))
    arrays["noise_correlation"] = correlation
    for name, some in (("field", field), ("any", np.ones(len(field), bool))):
        mean, spread = noise_free(values[some], errors[some], correlation)
        arrays |= {f"{name}_mean": mean, f"{name}_covariance": spread}
    np.savez_compressed(HERE / "simulation_xp.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
