"""How luminous a simulated source is: the relations by which its distance can be found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.physics import absolute_g, bolometric_correction
from latent_core.surveys.simulated.population import Stars
from latent_core.surveys.simulated.pulsators import fundamental_log_period
from latent_core.surveys.simulated.sky import CLOUDS, COSMIC, in_clouds
from latent_core.surveys.simulated.spectra import Light

Floats = NDArray[np.float64]
WESENHEIT = 1.90  # A_G / E(BP-RP), Ripepi et al. 2019, A&A 625, A14
_SCATTER = 0.08  # mag, intrinsic, about each relation


def settle(stars: Stars, light: Light, rng: np.random.Generator) -> tuple[Stars, Floats]:
    """Return the stars and their true parallaxes in mas, (N,); 0 beyond the Galaxy's surroundings.

    What is about as far as a Magellanic Cloud is moved into it, its G by as much, so that each
    Cloud's sources lie at one distance and their period-luminosity relation shows.
    """
    modulus = moduli(stars, light) + _SCATTER * rng.standard_normal(len(stars))
    g, settled = stars.g, modulus
    depth = rng.standard_normal(len(stars))
    distance = 10.0 ** ((modulus + 5.0) / 5.0)
    for cloud, inside in zip(CLOUDS, in_clouds(stars.part, distance), strict=True):
        there = cloud[-2] + cloud[-1] * depth
        settled = np.where(inside, there, settled)
        g = np.where(inside, g + there - modulus, g)
    parallax = np.where(stars.part == COSMIC, 0.0, 10.0 ** ((10.0 - settled) / 5.0))
    return replace(stars, g=g), parallax


def moduli(stars: Stars, light: Light) -> Floats:
    """Distance moduli in mag, (N,): period-luminosity(-colour) relations where a class has one."""
    absolute = absolute_g(stars.teff, stars.logg, stars.mass)
    names = np.array([kind.name for kind in KINDS])[stars.kind]
    bare = {
        # Muraveva et al. 2018, MNRAS 481, 1195, table 4: M_G = 0.32 [Fe/H] + 1.11
        "RRAB": 1.11 + 0.32 * stars.fe_h,
        "RRC": 1.11 + 0.32 * stars.fe_h,
        "MIRA": long_period_g(stars, 0.0),
        # semiregulars pulsate in the first overtone: half the period at the same luminosity
        "SR": long_period_g(stars, 0.3),
        "CARBON": long_period_g(stars, 0.3),
        "CV": np.full(len(stars), 8.5),
        "WD": np.full(len(stars), 11.8),
    }
    for name, rule in bare.items():
        absolute = np.where(names == name, rule, absolute)
    modulus = stars.g - absolute - light.a_g
    wesenheit = stars.g - WESENHEIT * light.bp_rp
    for name, rule in (("DCEP", cepheid_wesenheit(stars)), ("T2CEP", type2_wesenheit(stars))):
        modulus = np.where(names == name, wesenheit - rule, modulus)
    return modulus


def cepheid_wesenheit(stars: Stars) -> Floats:
    """Absolute G - 1.90 (BP-RP), (N,); Ripepi et al. 2022, A&A 659, A167, fundamental mode."""
    step = fundamental_log_period(stars.log_period, stars.shape[:, 1]) - 1.0
    return np.asarray(-5.988 - 3.176 * step - 0.520 * stars.fe_h)


def type2_wesenheit(stars: Stars) -> Floats:
    """The same of type II Cepheids, a magnitude and a half below; rounded slope -2.4."""
    return np.asarray(-1.2 - 2.4 * stars.log_period)


def long_period_g(stars: Stars, overtone: float) -> Floats:
    """Absolute G of long-period variables: M_bol = 2.78 - 3.00 log P of Feast et al. 1989.

    (MNRAS 241, 375, oxygen-rich Miras.) `overtone` is log10 of the ratio of the fundamental
    period to the star's own.
    """
    bolometric = 2.78 - 3.00 * (stars.log_period + overtone)
    return np.asarray(bolometric - bolometric_correction(stars.teff))
