"""What every registered modality promises, and what each does with its own data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from latent_core.catalog import Catalog
from latent_core.errors import LatentError
from latent_core.modalities import Curve, Grid, load_modality, modality_names
from latent_core.modalities.dmdt import DM_EDGES, DT_EDGES_D
from latent_core.modalities.light_curves import align, clean, double_period_phase
from latent_core.modalities.xp_operator import (
    coefficients_from_sampled,
    load_operator,
    load_prior,
    shipped,
)
from latent_core.products import EpochPhotometry, XpCoefficients
from latent_core.release import load_release

SOURCES = 12


def catalog():
    frame = pd.DataFrame(
        {
            "source_id": np.arange(SOURCES) + 2**60,
            "phot_g_mean_mag": np.linspace(9, 18, SOURCES),
            "frequency": np.linspace(0.3, 9, SOURCES),
        }
    )
    frame.loc[3, ["phot_g_mean_mag", "frequency"]] = np.nan
    return Catalog(frame)


def spectra():
    rng = np.random.default_rng(0)
    prior = load_prior()
    flux = load_release().g_flux(np.linspace(9, 18, SOURCES))[:, None]
    values = rng.multivariate_normal(prior.mean, prior.covariance, SOURCES)
    values = np.abs(values[:, :1]) * prior.mean + 0.02 * values
    values *= flux / 10
    values[5, :10] = np.nan
    errors = np.full(values.shape, 1e-3, np.float32) * flux.astype(np.float32)
    return XpCoefficients(np.arange(SOURCES), values, errors)


def light_curves():
    rng = np.random.default_rng(1)
    frequency = np.nan_to_num(catalog().frame["frequency"].to_numpy(), nan=1.0)
    counts = np.r_[3, rng.integers(30, 90, SOURCES - 1)]
    offsets = np.r_[0, np.cumsum(counts)].astype(np.int64)
    time = np.concatenate([np.sort(rng.uniform(1700, 2700, n)) for n in counts])
    f = np.repeat(frequency, counts)
    mag = 14 + 0.4 * np.sin(2 * np.pi * f * time) + rng.normal(0, 0.01, len(time))
    return EpochPhotometry(
        np.arange(SOURCES),
        offsets,
        time,
        mag,
        np.full(len(time), 0.01),
        np.zeros(len(time), np.uint8),
        np.zeros(len(time), bool),
    )


def product_of(modality):
    return light_curves() if modality.product == EpochPhotometry.name else spectra()


def nothing_of(modality):
    if modality.product == EpochPhotometry.name:
        empty = np.empty(0)
        rows, bands = np.empty(0, np.int64), np.empty(0, np.uint8)
        offsets = np.zeros(1, np.int64)
        return EpochPhotometry(rows, offsets, empty, empty, empty, bands, np.empty(0, bool))
    whole = spectra()
    return XpCoefficients(whole.rows[:0], whole.values[:0], whole.errors[:0])


CASES = [(name, how) for name in modality_names() for how in load_modality(name).preparations]


def constants_of(modality, product, how="release"):
    rows = np.ones(SOURCES, bool)
    return {**modality.preparation(how), **modality.fit(product, catalog(), rows)}


def prepared(name, how="release"):
    modality = load_modality(name)
    product = product_of(modality)
    constants = constants_of(modality, product, how)
    return modality, product, constants, modality.preprocess(product, catalog(), constants)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_rows_are_kept_or_refused_with_a_reason(name, how):
    _, product, _, given = prepared(name, how)
    refused = dict(given.rejected)
    assert sorted([*given.rows.tolist(), *refused]) == product.rows.tolist()
    assert all(refused.values())
    assert refused
    for array in given.arrays.values():
        assert len(array) == len(given)
        assert np.isfinite(array).all()


@pytest.mark.parametrize(("name", "how"), CASES)
def test_decoding_what_was_observed_gives_the_observed_curves(name, how):
    modality, product, constants, given = prepared(name, how)
    item = len(given) - 1
    arrays = {n: a[item] for n, a in given.arrays.items()}
    row = int(given.rows[item])
    observed = modality.observed(product, row, arrays, given.scales[item], constants)
    assert observed
    for curve in observed:
        assert curve.x_label
        assert curve.y_label
        if isinstance(curve, Curve):
            assert curve.y_unit
            assert curve.x.shape == curve.y.shape == curve.y_error.shape
    if modality.decode_points() is not None:
        return
    decoded = modality.decoded(arrays["x"], arrays["error"], given.scales[item], constants)
    for seen, made in zip(observed, decoded, strict=True):
        if isinstance(seen, Grid):
            np.testing.assert_allclose(np.nan_to_num(seen.z), made.z, atol=1e-6)
        else:
            size = np.abs(seen.y).max()
            np.testing.assert_allclose(seen.y / size, made.y / size, atol=1e-4)
            np.testing.assert_allclose(seen.y_error, made.y_error, rtol=1e-3)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_nothing_in_nothing_out(name, how):
    modality = load_modality(name)
    sources = catalog()
    if name == "star_table":  # every source with a G magnitude is something to it
        sources = Catalog(sources.frame.drop(columns="phot_g_mean_mag"))
    constants = constants_of(modality, nothing_of(modality), how)
    given = modality.preprocess(nothing_of(modality), sources, constants)
    assert len(given) == 0
    assert given.scales.shape == (0, len(modality.scale_names))


@pytest.mark.parametrize("name", ["folded", "dmdt"])
def test_a_flat_curve_and_a_short_one_are_told_apart(name):
    curves = light_curves()
    flat = slice(*curves.offsets[4:6])
    curves.mag[flat] = 14.0
    given = load_modality(name).preprocess(curves, catalog(), {})
    refused = dict(given.rejected)
    assert "one magnitude" in refused[4]
    assert "3 usable G points, 5 are needed" in refused[0]


def test_an_unknown_preparation_is_refused_with_the_known_ones():
    with pytest.raises(LatentError, match="choose one of release, paper"):
        load_modality("dmdt").preparation("newest")


@pytest.mark.parametrize(("name", "how"), CASES)
def test_constants_survive_the_bundle(name, how):
    # a model remembers its preparation in JSON, where NaN and infinity have no place
    assert all(np.isfinite(c).all() for c in load_modality(name).preparation(how).values())


def test_paper_spectra_are_110_samples_of_rms_1():
    modality, _, constants, given = prepared("xp_samples", "paper")
    x = given.arrays["x"]
    assert x.shape[1] == 110
    np.testing.assert_allclose((x**2).mean(axis=1), 1, rtol=1e-5)
    for curve in modality.decoded(x[0], x[0], None, constants):
        assert len(curve.x) == 55
        assert "rms" in curve.y_unit


def test_paper_curves_are_100_points_of_standardised_magnitude():
    _, _, _, given = prepared("folded", "paper")
    _, _, _, whole = prepared("folded")
    arrays = given.arrays
    assert arrays["x"].shape == (len(given), 100)
    assert arrays["mask"].all()
    assert (np.diff(arrays["phase"], axis=1) >= 0).all()
    for item in range(len(given)):
        mask = whole.arrays["mask"][item]
        mag = whole.arrays["x"][item][mask] * whole.scales[item, 3] + whole.scales[item, 2]
        again = arrays["x"][item] * given.scales[item, 3] + given.scales[item, 2]
        np.testing.assert_allclose(given.scales[item, 2:], [mag.mean(), mag.std()], rtol=1e-5)
        # no point is made up, and of fewer than 100 none is lost
        gaps = np.abs(again[:, None] - mag)
        assert max(gaps.min(axis=0).max(), gaps.min(axis=1).max()) < 1e-5
        repeats = np.unique(arrays["phase"][item], return_counts=True)[1]
        assert repeats.max() - repeats.min() <= 1


def test_paper_dmdt_keeps_the_sign():
    modality, product, constants, given = prepared("dmdt", "paper")
    assert given.arrays["x"].shape[1] == 23 * 5
    cells = given.arrays["x"].reshape(-1, 23, 5)
    seen = given.arrays["mask"].reshape(cells.shape)[:, 0]
    np.testing.assert_allclose(cells.sum(axis=1)[seen], 1, rtol=1e-5)
    rows = given.rows
    backwards = replace(product, time=-product.time)
    mirrored = modality.preprocess(backwards, catalog(), constants)
    np.testing.assert_array_equal(mirrored.rows, rows)
    mirrored = mirrored.arrays["x"].reshape(cells.shape)[:, ::-1]
    np.testing.assert_allclose(mirrored, cells, atol=2e-2)


def test_cycle_finds_the_amplitude_and_frequency_that_were_put_in():
    modality, _, _, given = prepared("cycle")
    x, error = given.arrays["x"], given.arrays["error"]
    put_in = catalog().frame["frequency"].to_numpy()[given.rows]
    np.testing.assert_allclose(10 ** x[:, 0], put_in, rtol=1e-5)
    assert (np.abs(10 ** x[:, 1] - 0.4) < 5 * 0.4 * np.log(10) * error[:, 1]).all()
    assert modality.latent_names == ("log_frequency", "log_amplitude")


def test_without_scales_the_reference_is_named():
    modality, _, constants, given = prepared("xp_coefficients")
    x, error = given.arrays["x"][0], given.arrays["error"][0]
    (curve,) = modality.decoded(x, error, None, constants)
    assert "G = 15" in curve.y_label
    assert curve.y_unit == "W m^-2 nm^-1"
    assert (curve.x[0], curve.x[-1]) == (336.0, 1020.0)


def test_inversion_gives_back_what_was_sampled():
    flux, error = sampled_spectra()
    values, errors = coefficients_from_sampled(flux, error)
    again = values @ load_operator().calibrate.T
    assert np.median(np.abs(again / flux - 1)) < 1e-3
    assert (errors > 0).all()


def sampled_spectra():
    whole = spectra().values[[0, 1, 2, 4, 6, 7]]
    flux = whole @ load_operator().calibrate.T
    return flux, np.full(flux.shape, np.abs(flux).mean() * 0.01)


def test_a_spectrum_is_inverted_alike_alone_and_among_others():
    flux, error = sampled_spectra()
    together, its_error = coefficients_from_sampled(flux, error)
    for i in range(len(flux)):
        alone, _ = coefficients_from_sampled(flux[[i]], error[[i]])
        assert (np.abs(alone[0] - together[i]) < 1e-3 * its_error[i]).all()


@pytest.mark.parametrize("spoil", ["nan", "negative", "nothing", "no error", "infinite error"])
def test_a_spectrum_that_cannot_be_inverted_spoils_no_other(spoil):
    flux, error = sampled_spectra()
    wanted, _ = coefficients_from_sampled(flux, error)
    if spoil == "nan":
        flux[2, 7] = np.nan
    elif "error" in spoil:
        error[2, 7] = 0 if spoil == "no error" else np.inf
    else:
        flux[2] *= -1 if spoil == "negative" else 0
    values, errors = coefficients_from_sampled(flux, error)
    assert np.isnan(values[2]).all()
    assert np.isnan(errors[2]).all()
    others = np.arange(len(flux)) != 2
    np.testing.assert_allclose(values[others], wanted[others], rtol=1e-6)


def test_no_spectra_give_no_coefficients():
    operator = load_operator()
    values, errors = coefficients_from_sampled(*np.empty((2, 0, len(operator.wavelength_nm))))
    assert values.shape == errors.shape == (0, operator.calibrate.shape[1])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_operator_equals_gaiaxpy():
    from gaiaxpy import calibrate

    n = load_release().xp.coefficients_per_band
    values = spectra().values[[0, 1, 4]]
    rows = []
    for i, row in enumerate(values):
        entry = {"source_id": i + 1}
        for j, band in enumerate(("bp", "rp")):
            entry |= {
                f"{band}_coefficients": row[j * n : (j + 1) * n],
                f"{band}_coefficient_errors": np.ones(n),
                f"{band}_coefficient_correlations": np.zeros(n * (n - 1) // 2),
                f"{band}_standard_deviation": 1.0,
                f"{band}_n_parameters": n,
                f"{band}_basis_function_id": load_release().xp.basis_function_ids[j],
            }
        rows.append(entry)
    spectrum, wavelength = calibrate(pd.DataFrame(rows), save_file=False)
    ours = values @ load_operator().calibrate.T
    theirs = np.stack(list(spectrum["flux"]))
    assert shipped("xp_operator.npz").is_file()
    np.testing.assert_array_equal(wavelength, load_operator().wavelength_nm)
    assert (np.abs(ours - theirs).max(axis=1) < 1e-12 * np.abs(theirs).max(axis=1)).all()


def test_phase_zero_is_faintest_and_the_double_period_shows_two_cycles():
    modality, _, _, given = prepared("folded")
    for item in range(len(given)):
        mask = given.arrays["mask"][item]
        phase, x = given.arrays["phase"][item][mask] % 1, given.arrays["x"][item][mask]
        faint = x[np.minimum(phase, 1 - phase) < 0.03]
        also = x[np.abs(phase - 0.5) < 0.03]
        assert len(faint) == 0 or faint.mean() > 0.8
        assert len(also) == 0 or also.mean() > 0.8
    assert modality.decode_points().max() < 1


def test_one_outlier_goes_two_stay():
    rng = np.random.default_rng(0)
    time = np.arange(60.0)
    mag, error = 12 + rng.normal(0, 0.01, 60), np.full(60, 0.001)
    mag[10] = 15
    assert 10 not in clean(time, mag, error, 33)
    mag[40] = 15
    assert {10, 40} <= set(clean(time, mag, error, 33).tolist())


def test_cleaning_survives_empty_and_broken_curves():
    nothing = np.empty(0)
    assert len(clean(nothing, nothing, nothing, 33)) == 0
    broken = np.array([np.nan, 1.0, np.inf])
    assert len(clean(broken, broken, broken, 33)) == 1


def test_phase_is_over_twice_the_period():
    time = np.array([0.0, 1.0, 2.0, 3.0, 4.5])
    np.testing.assert_allclose(
        double_period_phase(time, np.full(5, 0.5)), [0, 0.25, 0.5, 0.75, 0.125]
    )


def test_alignment_does_not_depend_on_where_time_starts():
    rng = np.random.default_rng(2)
    time = np.sort(rng.uniform(0, 900, 80))
    mag = 14 + 0.3 * np.cos(2 * np.pi * time * 0.37)
    error = np.full(80, 0.01)
    curves = []
    for start in (0.0, 123.456):
        phase = double_period_phase(time + start, np.full(80, 0.37))
        aligned, y, _, _ = align(phase, mag, error)
        grid = np.linspace(0, 1, 40)
        curves.append(np.interp(grid, np.sort(aligned % 1), y[np.argsort(aligned % 1)]))
    # the aligned phase is quantised to 1/50: both curves agree up to that or half a cycle
    shifts = [np.abs(np.roll(curves[1], k) - curves[0]).mean() for k in (-1, 0, 1, 19, 20, 21)]
    assert min(shifts) < 0.05


def test_dmdt_counts_every_pair_once():
    _, product, _, given = prepared("dmdt")
    item = 4
    row = given.rows[item]
    curve = product.light_curve(int(row))
    y, t = curve.mag, curve.time
    keep = clean(t, y.astype(np.float32).astype(float), curve.mag_error, 33)
    y, t = y[keep].astype(np.float32).astype(float), t[keep]
    first, second = np.triu_indices(len(y), 1)
    dt = np.clip(np.digitize(t[second] - t[first], DT_EDGES_D) - 1, 0, len(DT_EDGES_D) - 2)
    dm = np.digitize(np.abs(y[second] - y[first]) / y.std(ddof=1), DM_EDGES) - 1
    counts = np.zeros((len(DM_EDGES) - 1, len(DT_EDGES_D) - 1))
    np.add.at(counts, (dm, dt), 1)
    share = counts / np.maximum(counts.sum(axis=0), 1)
    np.testing.assert_allclose(given.arrays["x"][item].reshape(share.shape), share, atol=1e-6)
