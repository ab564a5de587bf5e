"""Errors and noise of XP coefficients, and the scatter that a spectrum leaves them.

Everything is measured on real rows (`data/make_simulation_xp.py`): log errors are a polynomial in
the band's own magnitude and in colour, with a joint scatter (a Gaussian copula), and the noise of
the coefficients of a band has the mean correlation of real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.special import ndtr

from latent_core.modalities.xp_operator import load_operator, shipped
from latent_core.surveys.simulated.summary import arrays

Floats = NDArray[np.float64]
_CLOSENESS = 0.002  # how closely coefficients follow a spectrum of median 1


@lru_cache
def noise_figures() -> Mapping[str, Floats]:
    """Return the measured figures of `simulation_xp.npz`."""
    with np.load(shipped("simulation_xp.npz"), allow_pickle=False) as file:
        return {name: np.asarray(file[name], float) for name in file.files}


def band_magnitudes(flux: Floats) -> Floats:
    """G, BP and RP in mag (Vega) of spectra in W m-2 nm-1, (N, 3); NaN where none is positive."""
    light = flux @ arrays()["passbands"].T
    return np.asarray(-2.5 * np.log10(np.where(light > 0, light, np.nan)))


def error_design(magnitudes: Floats, edges: Floats, band: int) -> Floats:
    """Terms (N, 8) of the fit of log errors: the band's magnitude and BP-RP, within `edges`."""
    colour = np.clip(magnitudes[:, 1] - magnitudes[:, 2], *edges[:, 1]) - 1.3
    x = np.clip(magnitudes[:, 1 + band], edges[0, 0] - 1.0, edges[1, 0] + 1.0) - 15.0
    terms = [np.ones_like(x), x, x**2, x**3, colour, colour * x, colour**2, colour * x**2]
    return np.column_stack(terms)


def draw_errors(magnitudes: Floats, rng: np.random.Generator) -> Floats:
    """Draw coefficient errors (N, 110) of sources of `magnitudes` G, BP, RP (N, 3).

    Beyond the measured range the error of bright sources grows with their flux (systematic),
    and that of faint ones stays (background).
    """
    table = noise_figures()
    edges, fit = table["error_range"], table["error_fit"]
    half = fit.shape[1] // 2
    parts = []
    for band in range(2):
        excess = np.maximum(edges[0, 0] - 1.0 - magnitudes[:, 1 + band], 0.0)
        own = fit[:, band * half : (band + 1) * half]
        parts.append(error_design(magnitudes, edges, band) @ own + 0.4 * excess[:, None])
    scores = rng.standard_normal((len(magnitudes), fit.shape[1])) @ _copula_factor().T
    return np.asarray(10.0 ** (np.hstack(parts) + _scatter(scores)))


def inflation(
    values: Floats, errors: Floats, amplitude: Floats, rng: np.random.Generator
) -> Floats:
    """Factors (N, 110) by which variability of `amplitude` (N,) in mag raises errors.

    The archive scales errors by the scatter of the transits about the mean spectrum, which
    variability adds to noise: the excess grows as amplitude times signal to noise.
    """
    middle, width = noise_figures()["variability"]
    half = values.shape[1] // 2
    factors = []
    for first in (0, half):
        signal = np.abs(values[:, first]) / errors[:, first]
        strength = 10.0 ** (middle + width * rng.standard_normal(len(values)))
        factors.append(np.hypot(1.0, strength * amplitude * signal))
    return np.repeat(np.column_stack(factors), half, axis=1)


def _scatter(scores: Floats) -> Floats:
    """Turn normal scores (N, 110) into dex by the measured quantiles of each coefficient."""
    table = noise_figures()
    part = ndtr(scores)
    rows = [
        np.interp(p, table["error_p"], q) for p, q in zip(part.T, table["error_q"].T, strict=True)
    ]
    return np.column_stack(rows)


@lru_cache
def _copula_factor() -> Floats:
    copula = noise_figures()["error_copula"]
    size = len(copula)
    return np.asarray(np.linalg.cholesky((copula + 1e-4 * np.eye(size)) / 1.0001))


@lru_cache
def noise_factor() -> Floats:
    """Lower factor (110, 110) of the mean correlation of real coefficient errors."""
    blocks = [c + 1e-3 * np.eye(len(c)) for c in noise_figures()["noise_correlation"]]
    return np.asarray(np.linalg.cholesky(block_diag(*blocks) / 1.001))


@lru_cache
def following(prior: str) -> tuple[Floats, Floats, Floats]:
    """Mean (110,), gain (110, W) and scatter factor (110, 110): spectra -> coefficients.

    343 smooth samples do not settle 110 coefficients; the noise-free covariance of real sources
    (`field` stars, or `any` kind) says which are plausible, and how the rest scatters: the
    posterior of a normal prior, for spectra of median 1.
    """
    matrix = load_operator().calibrate
    mean, spread = noise_figures()[f"{prior}_mean"], noise_figures()[f"{prior}_covariance"]
    noise = _CLOSENESS**2 * np.eye(len(matrix))
    gain = np.linalg.solve(matrix @ spread @ matrix.T + noise, matrix @ spread).T
    left = spread - gain @ matrix @ spread
    size, turned = np.linalg.eigh(0.5 * (left + left.T))
    return mean, np.asarray(gain), np.asarray(turned * np.sqrt(np.maximum(size, 0.0)))
