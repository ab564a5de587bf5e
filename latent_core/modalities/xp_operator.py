"""GaiaXPy's XP design matrices, and the way back from sampled spectra to coefficients.

The matrices are GaiaXPy's own (data/make_xp_operator.py feeds it unit vectors): one product gives
what `gaiaxpy.calibrate` gives, to rounding, several hundred times faster. Fluxes of 1e-17 W m-2
nm-1 square to below float32's range, so everything here is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_core.errors import InputError
from latent_core.release import Release

Floats = NDArray[np.float64]
BLOCK = 256  # spectra solved together: 50 MB
INVERSION_NOISE = 0.01
DERIVED = "derived: regularised inversion of archive XP sampled spectra"
RIDGE = 1e-9
# where only BP, and only RP, carries the flux errors of a calibrated spectrum
ERROR_RANGES_NM = ((420.0, 600.0), (700.0, 950.0))


def shipped(name: str) -> Path:
    """Return the path of an artefact in `data/`, installed or in a checkout."""
    return Path(str(resources.files("gaia_latent_data"))) / name


@dataclass(frozen=True)
class XpOperator:
    """Linear maps of XP coefficients (BP then RP).

    `calibrate` (W, 2 n) gives W m-2 nm-1 at `wavelength_nm` (W,). `convert[band]` (S, n) gives
    e-/s at `pseudo_wavelength` (S,), whose nm are `sample_nm[band]` (S,). `g_flux` (2 n,) gives
    the synthetic G flux in e-/s.
    """

    calibrate: Floats
    wavelength_nm: Floats
    pseudo_wavelength: Floats
    convert: dict[str, Floats]
    sample_nm: dict[str, Floats]
    g_flux: Floats
    basis_function_ids: tuple[int, ...]


@lru_cache
def load_operator() -> XpOperator:
    """Open the shipped matrices."""
    with np.load(shipped("xp_operator.npz"), allow_pickle=False) as file:
        bands = ("bp", "rp")
        return XpOperator(
            file["calibrate"],
            file["wavelength_nm"],
            file["pseudo_wavelength"],
            {band: file[f"convert_{band}"] for band in bands},
            {band: file[f"sample_nm_{band}"] for band in bands},
            file["g_flux"],
            tuple(file["basis_function_ids"].tolist()),
        )


def require_release(release: Release, what: str) -> None:
    """Raise InputError where a release's XP coefficients lie in bases that we cannot calibrate.

    Bases are told by their ids; ours are those of the shipped matrices.
    """
    ours, theirs = load_operator().basis_function_ids, release.xp.basis_function_ids
    if ours == theirs and release.xp.n_coefficients == load_operator().calibrate.shape[1]:
        return
    named = ["/".join(map(str, ids)) for ids in (theirs, ours)]
    raise InputError(
        f"{what}: the XP basis functions {named[0]} of {release.title} are unknown, the shipped "
        f"matrices calibrate {named[1]}",
        remedy="use models that need no calibrated spectra",
    )


@dataclass(frozen=True)
class XpPrior:
    """What real coefficients look like, in units of the spectrum's median flux.

    `mean` (2 n,), `covariance` (2 n, 2 n); `error_pattern` (2 n,) are typical errors over their
    root mean square within the band.
    """

    mean: Floats
    covariance: Floats
    error_pattern: Floats


@lru_cache
def load_prior() -> XpPrior:
    """Open the shipped figures of real coefficients."""
    with np.load(shipped("xp_coefficient_prior.npz"), allow_pickle=False) as file:
        return XpPrior(file["mean"], file["covariance"], file["error_pattern"])


def coefficients_from_sampled(
    flux: NDArray[np.floating], error: NDArray[np.floating]
) -> tuple[Floats, Floats]:
    """Invert sampled spectra (M, W) in W m-2 nm-1: coefficients and their errors, (M, 2 n).

    The archive's sampled spectrum is its coefficients times the matrix, noise and all, so the
    inversion is regularised only as far as the matrix is ill-conditioned: maximum a posteriori
    under a Gaussian prior of real coefficients, with INVERSION_NOISE of the archive's error. Each
    star is solved with its own errors, so that it comes out alike alone and among thousands. Real
    coefficients come back within 0.7 sigma of their errors (median, 2,183 stars). The errors
    are estimates: the pattern of real coefficient errors, scaled in each band so that it gives
    the archive's flux errors. A spectrum that is not finite, has an error that is not positive
    or a median flux that is not gives NaN in both.
    """
    flux, error = np.asarray(flux, np.float64), np.asarray(error, np.float64)
    sound = np.isfinite(flux).all(axis=1) & (np.isfinite(error) & (error > 0)).all(axis=1)
    median = np.median(np.where(sound[:, None], flux, 0), axis=1, keepdims=True)
    sound &= median[:, 0] > 0
    values = np.full((len(flux), load_operator().calibrate.shape[1]), np.nan)
    errors = values.copy()
    if sound.any():
        over = median[sound]
        values[sound] = over * _invert(flux[sound] / over, INVERSION_NOISE * error[sound] / over)
        errors[sound] = estimated_errors(error[sound])
    return values, errors


def _invert(y: Floats, sigma: Floats) -> Floats:
    """Solve y = A c + noise of `sigma` for every row, in axes where the prior is N(0, 1).

    A row's information matrix is linear in its weights, so that those of a whole block are one
    product with the outer products of the matrix's rows. LAPACK gets one thread: on systems this
    small a second one makes it forty times slower.
    """
    from threadpoolctl import threadpool_limits

    matrix, prior = load_operator().calibrate, load_prior()
    spread = prior.covariance + RIDGE * np.diag(np.diag(prior.covariance))
    root = np.linalg.cholesky(spread)
    whitened = matrix @ root
    size = len(root)
    outer = (whitened[:, :, None] * whitened[:, None, :]).reshape(len(whitened), -1)
    residual = y - matrix @ prior.mean
    solved = np.empty((len(y), size))
    for start in range(0, len(y), BLOCK):
        part = slice(start, start + BLOCK)
        weight = sigma[part] ** -2.0
        information = (weight @ outer).reshape(-1, size, size) + np.eye(size)
        pull = (weight * residual[part]) @ whitened
        with threadpool_limits(1, "blas"):
            solved[part] = np.linalg.solve(information, pull[..., None])[..., 0]
    values: Floats = prior.mean + solved @ root.T
    return values


def estimated_errors(error: NDArray[np.floating]) -> Floats:
    """Estimate coefficient errors (M, 2 n) from flux errors (M, W) of sampled spectra."""
    operator, pattern = load_operator(), load_prior().error_pattern
    n = len(pattern) // len(ERROR_RANGES_NM)
    parts = []
    for i, (low, high) in enumerate(ERROR_RANGES_NM):
        own = slice(i * n, (i + 1) * n)
        inside = (operator.wavelength_nm > low) & (operator.wavelength_nm < high)
        expected = np.sqrt((operator.calibrate[inside, own] ** 2) @ pattern[own] ** 2)
        scale = np.median(np.asarray(error, np.float64)[:, inside] / expected, axis=1)
        parts.append(scale[:, None] * pattern[own])
    return np.hstack(parts)
