"""The few formulas of astrophysics that the simulator needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SUN_TEFF, SUN_LOGG, SUN_BOLOMETRIC = 5772.0, 4.438, 4.74


def planck(wavelength_nm: Floats, teff: Floats) -> Floats:
    """Black-body spectra per nm, (N, W), each 1 at 700 nm; `teff` (N,) in K."""
    x = 1.4387769e7 / (wavelength_nm[None, :] * np.asarray(teff, float)[:, None])
    x0 = 1.4387769e7 / (700.0 * np.asarray(teff, float)[:, None])
    return np.asarray((700.0 / wavelength_nm) ** 5 * np.expm1(x0) / np.expm1(x))


def extinction_curve(wavelength_nm: Floats) -> Floats:
    """A(wavelength) / A(547 nm) with R_V = 3.1, (W,); Cardelli, Clayton & Mathis 1989, eq. 2-3."""
    x = 1000.0 / np.asarray(wavelength_nm, float)
    y = x - 1.82
    a = np.polyval([0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0], y)
    b = np.polyval([-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0], y)
    optical = a + b / 3.1
    infrared = (0.574 - 0.527 / 3.1) * x**1.61
    return np.asarray(np.where(x > 1.1, optical, infrared))


def bolometric_correction(teff: Floats) -> Floats:
    """BC_G in mag, rough (0.1 mag for 3,500-10,000 K), after Andrae et al. 2018, table 4."""
    step = (np.clip(teff, 2800.0, 40000.0) - SUN_TEFF) / 1000.0
    warm = np.polyval([-8.0e-3, 0.0, 0.06], np.minimum(step, 4.0))
    cool = np.polyval([-0.09, 0.12, 0.06], np.minimum(step, 0.0))
    hot = -6.8 * np.log10(np.maximum(teff, 9772.0) / 9772.0)
    return np.asarray(np.where(step < 0, cool, warm) + hot)


def absolute_g(teff: Floats, logg: Floats, mass: Floats) -> Floats:
    """Absolute G magnitude of a star of `mass` in solar masses, from its gravity and Teff."""
    log_radius2 = np.log10(mass) - (logg - SUN_LOGG)
    log_luminosity = log_radius2 + 4.0 * np.log10(teff / SUN_TEFF)
    return np.asarray(
        SUN_BOLOMETRIC - 2.5 * log_luminosity - bolometric_correction(teff), dtype=float
    )
