"""RR Lyrae and Cepheids: what period and shape of the light curve say about the star.

Each relation here can be rediscovered in the survey: [Fe/H] from period, phi31 and R21; the
instability strip from Teff against luminosity; the period from mass, luminosity and Teff.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.surveys.simulated.physics import SUN_LOGG, SUN_TEFF
from latent_core.surveys.simulated.sky import HALO, THICK, THIN
from latent_core.surveys.simulated.summary import reflect

Floats = NDArray[np.float64]
_RR_MASS, _RRC_TO_RRAB = 0.65, 0.745  # solar masses; first overtone to fundamental period
_OVERTONE_R21, _OVERTONE_LOG_PERIOD = 0.28, 0.75


def pulsator(name: str, shape: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Return properties of N stars of a kind that follow from `shape`; none for other kinds."""
    if name in ("RRAB", "RRC"):
        return _rr_lyrae(name, shape, rng)
    if name == "DCEP":
        return _cepheid(shape, rng)
    return {}


def photometric_metallicity(name: str, shape: Floats) -> Floats:
    """[Fe/H] of RR Lyrae from period, phi31 and R21; Li et al. 2023, ApJ 944, 88, eq. 3-4."""
    period, r21, phi31 = 10.0 ** shape[:, 0], shape[:, 1], shape[:, 4]
    if name == "RRC":
        return np.asarray(-1.737 - 9.968 * (period - 0.3) - 5.041 * (r21 - 0.2))
    phi31 = (phi31 - 2.2 + np.pi) % (2.0 * np.pi) - np.pi + 0.2  # phi31 - 2, near zero
    return np.asarray(-1.888 - 5.772 * (period - 0.6) + 1.090 * phi31 + 1.065 * (r21 - 0.45))


def fundamental_log_period(log_period: Floats, r21: Floats) -> Floats:
    """Log period in d that a Cepheid has or would have in the fundamental mode, (N,).

    Overtone pulsators are short and nearly sinusoidal; P1/P0 = 0.720 - 0.027 log P0 (Alcock et
    al. 1995, AJ 109, 1653).
    """
    overtone = (r21 < _OVERTONE_R21) & (log_period < _OVERTONE_LOG_PERIOD)
    ratio = 0.720 - 0.027 * (log_period + 0.15)
    return np.where(overtone, log_period - np.log10(ratio), log_period)


def _rr_lyrae(name: str, shape: Floats, rng: np.random.Generator) -> dict[str, Any]:
    n = len(shape)
    iron = photometric_metallicity(name, shape) + 0.15 * rng.standard_normal(n)
    iron = reflect(iron, -2.8, 0.1)
    part = np.where(iron < -1.0, HALO, np.where(iron < -0.5, THICK, THIN))
    # horizontal branch: Catelan & Cortes 2008, ApJ 676, L135: brighter when poorer in metals
    luminosity = 1.69 - 0.09 * (iron + 1.5)
    fundamental = shape[:, 0] - (np.log10(_RRC_TO_RRAB) if name == "RRC" else 0.0)
    # van Albada & Baker 1971, ApJ 169, 311, eq. 1
    mass = np.log10(_RR_MASS)
    log_teff = (-1.772 - 0.68 * mass + 0.84 * luminosity - fundamental) / 3.48 + np.log10(6500.0)
    log_teff = np.clip(log_teff + 0.004 * rng.standard_normal(n), 3.755, 3.885)
    return {"fe_h": iron, "part": part, **_gravity(log_teff, luminosity, np.full(n, mass))}


def _cepheid(shape: Floats, rng: np.random.Generator) -> dict[str, Any]:
    n = len(shape)
    period = fundamental_log_period(shape[:, 0], shape[:, 1])
    hot = period > shape[:, 0] + 1e-9
    # Bolometric period-luminosity relation, rounded: delta Cep (5.4 d) has log L = 3.3
    luminosity = 2.40 + 1.15 * period
    # The strip's ridge reddens upwards, overtone pulsators lie on its blue side
    log_teff = 3.772 - 0.065 * (luminosity - 3.25) + np.where(hot, 0.015, 0.0)
    log_teff = np.clip(log_teff + 0.012 * rng.standard_normal(n), 3.68, 3.84)
    # mass-luminosity relation of Bono et al. 2000, ApJ 543, 955, solar metals: slope 3.35
    return _gravity(log_teff, luminosity, (luminosity - 0.90) / 3.35)


def _gravity(log_teff: Floats, log_l: Floats, log_mass: Floats) -> dict[str, Floats]:
    logg = SUN_LOGG + log_mass - log_l + 4.0 * (log_teff - np.log10(SUN_TEFF))
    return {"teff": 10.0**log_teff, "logg": logg, "mass": 10.0**log_mass}
