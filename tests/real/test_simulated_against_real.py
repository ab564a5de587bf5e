"""The simulated survey beside real rows. Distances are Kolmogorov-Smirnov; limits are loose."""

# ruff: noqa: T201  (the distances are worth reading: pytest -rP)

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from latent_core.bundle import Folder
from latent_core.comparison.telling_apart import paired_auc
from latent_core.modalities.xp_operator import load_operator
from latent_core.products import EpochPhotometry, XpCoefficients, load_product
from latent_core.surveys.simulated import simulate
from latent_core.surveys.simulated.population import Stars
from latent_core.surveys.simulated.sky import healpix
from latent_core.surveys.simulated.spectra import Light, colours, observe, twins
from latent_core.surveys.simulated.xp_noise import band_magnitudes, draw_errors

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder.open(simulate(6000, 3, tmp_path_factory.mktemp("s") / "survey"))


def distance(a: pd.Series, b: pd.Series) -> float:
    return float(ks_2samp(a.dropna(), b.dropna()).statistic)


def test_eclipsing_periods(survey: Folder, shared: Path) -> None:
    real = pd.read_parquet(shared / "vari_eclipsing_binary_2106.parquet")
    own = survey.catalog.frame.query("best_class_name == 'ECL'")
    assert distance(own.period_d, 1.0 / real.frequency) < 0.15


def test_transit_errors(survey: Folder, shared: Path) -> None:
    curves = load_product(survey, EpochPhotometry)
    assert isinstance(curves, EpochPhotometry)
    real = pd.read_parquet(shared / "epoch_photometry_real.parquet")
    real = real[(real.band == "G") & (real.data_release == "DR3")]
    for g in (10.0, 12.5, 14.0, 16.0, 17.5):
        near = np.abs(curves.mag - g) < 0.25
        ours = np.median(curves.mag_error[near])
        theirs = np.median(real.mag_error[np.abs(real.mag - g) < 0.25])
        print("error at G", g, ours, theirs)
        assert ours == pytest.approx(theirs, rel=0.3)


def test_identifiers_follow_the_real_rule(shared: Path) -> None:
    stars = pd.read_parquet(
        shared / "xp_apogee_coeffs.parquet", columns=["source_id", "apogee_id"]
    )
    place = stars.apogee_id.str.extract(r"2M(\d\d)(\d\d)(\d{4})([+-])(\d\d)(\d\d)(\d{3})")
    good = place.notna().all(axis=1)
    h, m, s, sign, d, dm, ds = (place[good][i] for i in range(7))
    ra = 15 * (h.astype(int) + m.astype(int) / 60 + s.astype(int) / 360000)
    dec = d.astype(int) + dm.astype(int) / 60 + ds.astype(int) / 36000
    pixel = healpix(ra.to_numpy(), np.where(sign == "-", -dec, dec))
    share = np.mean(pixel == stars.source_id[good].to_numpy() >> 35)
    print("same HEALPix pixel", share)
    assert share > 0.97


def test_spectra_of_sun_like_stars(survey: Folder, shared: Path) -> None:
    spectra = load_product(survey, XpCoefficients)
    assert isinstance(spectra, XpCoefficients)
    real = pd.read_parquet(shared / "xp_apogee_coeffs.parquet")
    matrix = load_operator().calibrate
    real = real[real.teff.between(5000, 6000) & (real.logg > 4) & (real.ak_targ < 0.05)]
    theirs = np.hstack([np.vstack(list(real[f"{b}_coefficients"])) for b in ("bp", "rp")])
    frame = survey.catalog.frame.iloc[spectra.rows]
    rows = frame.teff.between(5000, 6000) & (frame.logg > 4) & (frame.a0 < 0.3)
    rows &= (frame.phot_g_mean_mag < 16) & frame.kind.isin(["ROTATION", "ELL", "EP"])
    medians = []
    for values in (theirs, spectra.values[rows.to_numpy()]):
        flux = values @ matrix.T
        medians.append(np.median(flux / np.median(flux, axis=1, keepdims=True), axis=0))
    gap = np.abs(medians[1] / medians[0] - 1)[30:]
    print("median spectrum of 5,000-6,000 K dwarfs differs by", np.median(gap), gap.max())
    assert np.median(gap) < 0.05


def test_coefficient_errors(shared: Path) -> None:
    real = pd.read_parquet(shared / "xp_continuous_real.parquet")
    real = real[real.has_errors & real.has_bp & real.provenance.str.contains("xp_spectral_lines")]
    errors, values = (
        np.hstack([np.vstack(list(real[f"{b}_{what}"])) for b in ("bp", "rp")])
        for what in ("coefficient_errors", "coefficients")
    )
    magnitudes = band_magnitudes(values @ load_operator().calibrate.T)
    ours = np.log10(draw_errors(magnitudes, np.random.default_rng(1)) / errors)
    print("log error, ours - real: median, scatter", np.median(ours), np.std(ours))
    # dex; real errors of one magnitude scatter by 0.05 themselves, a few variables by more
    assert abs(np.median(ours)) < 0.01
    assert np.abs(np.median(ours, axis=0)).max() < 0.03
    assert 1.4826 * np.median(np.abs(ours)) < 0.1


def test_spectra_of_real_parameters_pass_for_real_ones(shared: Path) -> None:
    """At equal labels and colour, both seen at G 13 to 17.5; 0.5 is guessing, 0.7 our aim."""
    table = pd.read_parquet(shared / "xp_apogee_coeffs.parquet")
    table = table[table.fe_h.notna() & table.alpha_m.notna()]
    table = table[table.gaiaedr3_phot_bp_mean_mag < 16.5].sample(3000, random_state=1)
    values = np.hstack([np.vstack(list(table[f"{b}_coefficients"])) for b in ("bp", "rp")])
    real = values.astype(float) @ load_operator().calibrate.T
    rng = np.random.default_rng(2)
    known = {n: table[n].to_numpy(float) for n in ("teff", "logg", "fe_h", "alpha_m")}
    known["colour"] = colours(np.maximum(real, 1e-6 * real.max(axis=1, keepdims=True)))[1]
    rest = {f.name: np.full(len(table), np.nan) for f in fields(Stars) if f.name not in known}
    ours = twins(Stars(**{**rest, **known}), rng)
    g, half = rng.uniform(13.0, 17.5, len(table)), len(table) // 2
    seen = []
    for flux in (real, ours):
        flux = np.maximum(flux / np.median(flux, axis=1, keepdims=True), 1e-4)
        flux /= np.median(flux, axis=1, keepdims=True)
        none = np.zeros(len(flux))
        light = Light(flux, none, none, none, none + 1e-4, np.ones(len(flux), bool))
        coefficients, _ = observe(light, g, rng)
        seen.append(coefficients * 10.0 ** (0.4 * g)[:, None])
    floor = paired_auc(seen[0][:half], seen[0][half:])
    found = paired_auc(seen[0][:half], seen[1][half:])
    assert floor is not None
    assert found is not None
    print("AUC of real halves, of real and simulated", floor, found)
    assert abs(floor.value - 0.5) < 0.05
    assert found.value < 0.7
