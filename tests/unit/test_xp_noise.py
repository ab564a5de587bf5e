"""Errors, noise and scatter of simulated XP spectra, and the classifier that judges them."""

from __future__ import annotations

import numpy as np

from latent_core.surveys.simulated.spectra import colours
from latent_core.surveys.simulated.templates import photosphere, scattered, star_figures
from latent_core.surveys.simulated.xp_noise import (
    band_magnitudes,
    draw_errors,
    following,
    inflation,
    noise_factor,
    noise_figures,
)


def sun_like(n: int) -> np.ndarray:
    flux = photosphere(np.full(n, 5500.0), np.full(n, 4.4), np.zeros(n), np.zeros(n))
    return flux / np.median(flux, axis=1, keepdims=True)


def test_errors_scatter_together_as_the_measured_copula() -> None:
    logs = np.log10(draw_errors(np.tile([16.0, 16.4, 15.4], (4000, 1)), np.random.default_rng(1)))
    assert logs.std(axis=0).mean() > 0.03
    found = np.corrcoef(logs.T)
    assert np.abs(found - noise_figures()["error_copula"])[:55, :55].mean() < 0.05


def test_faintest_errors_stay_and_brightest_grow_with_flux() -> None:
    rng = np.random.default_rng(2)
    medians = [
        np.median(draw_errors(np.full((500, 3), g) + np.array([0.0, 0.4, -0.6]), rng))
        for g in (6.0, 7.0, 21.0, 22.0)
    ]
    assert abs(medians[0] / medians[1] - 10**0.4) < 0.1
    assert abs(medians[2] / medians[3] - 1.0) < 0.05


def test_variability_raises_errors_of_bright_sources_most() -> None:
    rng = np.random.default_rng(3)
    values, errors = np.full((400, 110), 1000.0), np.full((400, 110), 1.0)
    quiet = inflation(values, errors, np.full(400, 1e-5), rng)
    assert np.allclose(quiet, 1.0, atol=1e-3)
    loud = inflation(values, errors, np.full(400, 0.3), rng)
    faint = inflation(values / 100, errors, np.full(400, 0.3), rng)
    assert np.median(loud) > 3.0
    assert 1.0 <= np.median(faint) < 1.1
    assert np.ptp(loud[:, :55], axis=1).max() == 0.0  # one factor a band


def test_noise_factor_gives_unit_variances() -> None:
    factor = noise_factor()
    assert np.allclose(np.diag(factor @ factor.T), 1.0)
    assert not np.allclose(factor @ factor.T, np.eye(len(factor)), atol=0.1)


def test_coefficients_follow_the_spectrum_and_scatter_where_it_is_silent() -> None:
    from latent_core.modalities.xp_operator import load_operator

    matrix, flux = load_operator().calibrate, sun_like(1)
    mean, gain, loose = following("field")
    values = mean + (flux - matrix @ mean) @ gain.T
    assert np.sqrt(np.mean((values @ matrix.T / flux - 1.0) ** 2)) < 0.01
    # what is drawn at random hardly shows in the spectrum
    assert np.sqrt(((matrix @ loose) ** 2).sum(axis=1)).max() < 0.01


def test_scatter_is_that_of_real_stars_and_keeps_the_colour() -> None:
    flux = sun_like(2000)
    n = len(flux)
    out = scattered(
        flux, np.full(n, 5500.0), np.full(n, 4.4), np.zeros(n), np.random.default_rng(4)
    )
    assert (out > 0).all()
    rms = np.std(out / flux, axis=0)
    wavelength = np.linspace(336, 1020, len(rms))
    assert 0.001 < np.median(rms[(wavelength > 500) & (wavelength < 900)]) < 0.03
    assert np.abs(np.median(colours(out)[1] - colours(flux)[1])) < 0.02


def test_dust_dims_blue_light_more() -> None:
    curve = star_figures()["extinction"]
    wavelength = np.linspace(336, 1020, len(curve))
    assert (np.diff(np.interp(np.arange(430, 1000, 60), wavelength, curve)) < 0).all()
    assert np.isfinite(band_magnitudes(sun_like(3) * np.exp(-curve))).all()
