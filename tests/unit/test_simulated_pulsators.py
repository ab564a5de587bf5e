"""Relations that a user should find again in the simulated survey, and the noise on top."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from latent_core.surveys.simulated.cadence import measure, transit_errors, typical_scatter
from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.light_curves import _walk, vary
from latent_core.surveys.simulated.luminosity import WESENHEIT, moduli, settle
from latent_core.surveys.simulated.population import Stars, draw_stars
from latent_core.surveys.simulated.pulsators import fundamental_log_period
from latent_core.surveys.simulated.sky import CLOUDS, positions
from latent_core.surveys.simulated.spectra import Light, shine, warmed
from latent_core.surveys.simulated.summary import figures


@pytest.fixture(scope="module")
def stars() -> Stars:
    return warmed(draw_stars(12_000, np.random.default_rng(11)))


@pytest.fixture(scope="module")
def light(stars: Stars) -> Light:
    return shine(stars, np.random.default_rng(12))


def of(stars: Stars, *names: str) -> np.ndarray:
    return np.isin(np.array([kind.name for kind in KINDS])[stars.kind], names)


def test_cepheids_of_a_cloud_show_the_period_luminosity_relation(
    stars: Stars, light: Light
) -> None:
    settled, parallax = settle(stars, light, np.random.default_rng(13))
    ra, dec = positions(stars.part, 1000.0 / np.maximum(parallax, 1e-6), np.random.default_rng(14))
    for ra0, dec0, radius, *_, modulus, _depth in CLOUDS:
        apart = np.hypot((ra - ra0) * np.cos(np.radians(dec0)), dec - dec0)
        rows = np.flatnonzero(of(stars, "DCEP") & (apart < 3 * radius))
        assert len(rows) > 60
        period = fundamental_log_period(stars.log_period, stars.shape[:, 1])[rows]
        wesenheit = (settled.g - WESENHEIT * light.bp_rp)[rows]
        slope, zero = np.polyfit(period - 1.0, wesenheit, 1)
        # Ripepi et al. 2022: -3.176 at -5.988, and -0.52 [Fe/H] of the simulated metallicities
        metals = -0.520 * np.median(stars.fe_h[rows])
        assert slope == pytest.approx(-3.176, abs=0.35)
        assert zero == pytest.approx(modulus - 5.988 + metals, abs=0.15)
        scatter = np.std(wesenheit - np.polyval((slope, zero), period - 1.0))
        assert scatter < 0.35
        # the relation in G alone is wider: temperature and dust
        g = settled.g[rows]
        assert np.std(g - np.polyval(np.polyfit(period, g, 1), period)) > 1.2 * scatter


def test_distances_are_those_of_the_relations(stars: Stars, light: Light) -> None:
    modulus = moduli(stars, light)
    rr = of(stars, "RRAB", "RRC")
    absolute = (stars.g - light.a_g - modulus)[rr]
    assert np.allclose(absolute, 1.11 + 0.32 * stars.fe_h[rr])
    mira = of(stars, "MIRA")
    # longer periods are more luminous: three magnitudes a decade, bolometrically
    residual = (stars.g - light.a_g - modulus)[mira]
    assert spearmanr(residual, stars.log_period[mira]).statistic < -0.05


def test_rr_lyrae_metallicity_follows_the_light_curve(stars: Stars) -> None:
    rows = of(stars, "RRAB")
    iron = stars.fe_h[rows]
    assert np.median(iron) == pytest.approx(-1.45, abs=0.15)
    design = np.column_stack(
        [np.ones(rows.sum()), 10.0 ** stars.log_period[rows], stars.shape[rows, 4]]
    )
    found, *_ = np.linalg.lstsq(design, iron, rcond=None)
    # Li et al. 2023: -5.772 a day, 1.090 a radian; R21 and reflection at the limits move them
    assert found[1] == pytest.approx(-5.8, abs=1.2)
    assert found[2] == pytest.approx(1.09, abs=0.2)
    assert np.std(iron - design @ found) < 0.25


def test_bailey_diagram(stars: Stars) -> None:
    ab, c = of(stars, "RRAB"), of(stars, "RRC")
    assert spearmanr(stars.log_period[ab], stars.log_amplitude[ab]).statistic < -0.4
    assert np.median(stars.log_amplitude[ab]) > np.median(stars.log_amplitude[c])
    assert np.median(stars.log_period[ab]) > np.median(stars.log_period[c])


def test_instability_strip(stars: Stars) -> None:
    cepheids = of(stars, "DCEP")
    assert spearmanr(stars.log_period[cepheids], stars.teff[cepheids]).statistic < -0.7
    assert spearmanr(stars.log_period[cepheids], stars.logg[cepheids]).statistic < -0.9
    # delta Cephei: 5.37 d, 5,900 K, log g 2.0
    near = cepheids & (np.abs(stars.log_period - 0.73) < 0.08)
    assert np.median(stars.teff[near]) == pytest.approx(5900, abs=120)
    assert np.median(stars.logg[near]) == pytest.approx(1.95, abs=0.15)
    ab, c = of(stars, "RRAB"), of(stars, "RRC")
    assert spearmanr(stars.log_period[ab], stars.teff[ab]).statistic < -0.7
    assert np.median(stars.teff[c]) - np.median(stars.teff[ab]) == pytest.approx(600, abs=200)


def test_stochastic_curves_have_the_measured_scatter(stars: Stars) -> None:
    rows = np.flatnonzero(of(stars, "QUASAR", "YSO"))[:300]
    some = replace(stars.take(rows), g=np.full(len(rows), 14.0))
    rng = np.random.default_rng(15)
    time = np.sort(rng.uniform(1700, 2700, (len(rows), 40)), axis=1)
    change, _ = vary(time, np.ones_like(time, bool), some, rng)
    total = np.hypot(change.std(axis=1), typical_scatter(some.g))
    loud = 10.0**some.log_std > 2 * typical_scatter(some.g)
    assert np.allclose(total[loud], 10.0 ** some.log_std[loud], rtol=1e-6)


def test_a_damped_random_walk_forgets_exponentially() -> None:
    n, tau = 4000, 200.0
    time = np.tile(np.array([0.0, 20.0, 100.0, 300.0, 900.0]), (n, 1))
    walk = _walk(time, np.full((n, 1), tau), np.random.default_rng(16))
    assert np.allclose(walk.std(axis=0), 1.0, atol=0.05)
    for column in range(1, 5):
        expected = np.exp(-time[0, column] / tau)
        found = np.corrcoef(walk[:, 0], walk[:, column])[0, 1]
        assert found == pytest.approx(expected, abs=4 / np.sqrt(n))


def test_transits_scatter_more_than_their_errors_say() -> None:
    noise, rng = figures()["noise"], np.random.default_rng(17)
    true = np.full((2000, 40), 14.0)
    mag, error, rejected = measure(true, rng)
    off = (mag - true) / np.hypot(noise["floor"], noise["factor"] * error)
    failed = np.abs(off) > 6
    assert np.median(np.abs(off)) * 1.4826 == pytest.approx(1.0, abs=0.02)
    assert error[failed].min() > 0.01 or np.mean(failed) < 0.01
    wrong = error > 0.1
    assert wrong.mean() == pytest.approx(noise["failed"], rel=0.3)
    # they are too faint, as all 45 real ones, and flags catch most
    assert ((mag - true)[wrong] > 0).mean() > 0.95
    assert rejected[wrong].mean() > 0.8
    assert rejected[~wrong].mean() < 0.02


def test_errors_of_one_source_are_alike() -> None:
    error = np.log10(transit_errors(np.full((800, 50), 10.0), np.random.default_rng(18)))
    between, within = error.mean(axis=1).std(), error.std(axis=1).mean()
    # bright sources: nearly half of the variance of real errors lies between sources
    assert between**2 / (between**2 + within**2) == pytest.approx(0.42, abs=0.08)
