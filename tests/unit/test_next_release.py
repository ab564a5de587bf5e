"""A release that the program does not know: one TOML file, and its files go in."""

import numpy as np
import pandas as pd
import pytest

from latent_core import pipeline
from latent_core.bundle import Folder, Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.cli import main
from latent_core.errors import InputError
from latent_core.modalities.xp_operator import require_release
from latent_core.products import EpochPhotometry, XpCoefficients, load_product
from latent_core.provenance import RELEASE, refuse_mixing, release_of
from latent_core.release import find_release, load_release
from latent_core.surveys.gaia_files import ingest

IDS = 4_295_806_720_123_456_789 + np.arange(3)
BP, RP = 51, 48
NANOSECONDS = 86400 * 10**9  # of a day
TOML = f"""
name = "gaia_next"
title = "Gaia Next"
also_called = ["DR9"]
[source_id]
aliases = ["source_id_next"]
[time]
zero_bjd = 2455198.5
scale = "TCB"
unit = "ns"
[photometry]
g_zero_point = 25.7
[xp]
bands = ["bp", "rp"]
coefficients = [{BP}, {RP}]
basis_function_ids = [101, 102]
sampled_start_nm = 330.0
sampled_stop_nm = 1050.0
sampled_step_nm = 2.0
[columns]
obs_time_tcb = "g_transit_time"
transit_magnitude = "g_transit_mag"
transit_snr = "g_transit_flux_over_error"
bp_weights = "bp_coefficients"
bp_weight_errors = "bp_coefficient_errors"
bp_basis = "bp_basis_function_id"
rp_weights = "rp_coefficients"
rp_weight_errors = "rp_coefficient_errors"
rp_basis = "rp_basis_function_id"
[tables.stars_that_pulsate]
marks = ["days_a_cycle"]
periods = ["days_a_cycle"]
[variability_classes]
PULSATING = "pulsating"
"""


@pytest.fixture
def toml(tmp_path):
    file = tmp_path / "next.toml"
    file.write_text(TOML)
    return file


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    xp = {"SOURCE_ID_NEXT": IDS}
    for band, count, basis in (("bp", BP, 101), ("rp", RP, 102)):
        xp[f"{band}_weights"] = list(rng.normal(size=(3, count)))
        xp[f"{band}_weight_errors"] = list(rng.uniform(1, 2, (3, count)))
        xp[f"{band}_basis"] = basis
    curves = {
        "source_id_next": IDS,
        "obs_time_tcb": [np.arange(1, 8) * NANOSECONDS + NANOSECONDS // 4] * 3,
        "transit_magnitude": [np.linspace(15, 16, 7)] * 3,
        "transit_snr": [np.full(7, 100.0)] * 3,
    }
    stars = {"source_id_next": IDS[:2], "days_a_cycle": [0.5, 0.25]}
    paths = []
    for name, columns in (("xp", xp), ("curves", curves), ("stars", stars)):
        paths.append(tmp_path / f"{name}.parquet")
        pd.DataFrame(columns).to_parquet(paths[-1])
    return paths


@pytest.fixture
def survey(files, toml, tmp_path):
    out = tmp_path / "next.survey"
    command = ["ingest", *map(str, files), "--out", str(out), "--release", str(toml)]
    main(command)
    return Folder.open(out, "survey")


def test_one_toml_file_is_enough(survey, files):
    frame = pd.read_parquet(files[0])
    product = load_product(survey, XpCoefficients)
    assert survey.manifest.release == "gaia_next"
    assert product.values.shape == (3, BP + RP)
    np.testing.assert_array_equal(product.values[1, :BP], frame.bp_weights[1])
    np.testing.assert_array_equal(product.values[1, BP:], frame.rp_weights[1])
    curves = load_product(survey, EpochPhotometry)
    # nanoseconds since its zero point, a day after ours, are days since ours
    np.testing.assert_allclose(curves.time[:7], np.arange(2, 9) + 0.25, rtol=1e-15)
    catalog = survey.catalog.frame
    assert catalog.frequency.tolist()[:2] == [2.0, 4.0]
    assert catalog.days_a_cycle.tolist()[:2] == [0.5, 0.25]
    assert catalog.frequency_origin[0] == "stars_that_pulsate: 1 / days_a_cycle"


def test_the_survey_carries_its_release(survey, toml):
    toml.unlink()
    assert RELEASE in survey
    assert release_of(survey).xp.basis_function_ids == (101, 102)
    assert release_of(survey) == release_of(Folder.open(survey.path))


def test_another_basis_is_named_where_spectra_are_calibrated(survey, tmp_path):
    said = "XP basis functions 101/102 of Gaia Next are unknown.* calibrate 56/57"
    with pytest.raises(InputError, match=said):
        pipeline.build(survey.path, tmp_path / "next.bundle")
    assert not list(tmp_path.glob("next.bundle*"))
    require_release(load_release(), "spectra")


def test_files_of_another_release_are_refused(files, tmp_path):
    with pytest.raises(InputError, match=r"no source_id column among source_id_next"):
        ingest(files, tmp_path / "wrong.survey")
    xp = pd.read_parquet(files[0]).rename(columns={"SOURCE_ID_NEXT": "source_id"})
    names = {n: n.replace("weights", "coefficients") for n in xp}
    names |= {n: n.replace("weight_errors", "coefficient_errors") for n in xp if "errors" in n}
    xp.rename(columns=names).to_parquet(files[0])
    with pytest.raises(InputError, match="the array has 51 values, 55 expected"):
        ingest(files[:1], tmp_path / "wrong.survey")
    assert not list(tmp_path.glob("wrong*"))


def test_two_releases_do_not_mix(survey, tmp_path):
    manifest = Manifest("survey", "other", "gaia_dr3", False, "0")
    with new_folder(tmp_path / "dr3.survey", manifest) as writer:
        writer.save_catalog(Catalog(pd.DataFrame({"source_id": IDS})))
    ours = Folder.open(tmp_path / "dr3.survey")
    with pytest.raises(InputError, match=r"is of release gaia_next and .* of gaia_dr3"):
        refuse_mixing(ours, survey)
    refuse_mixing(ours, ours)


def test_a_table_says_of_which_release_it_is(toml, tmp_path):
    path = tmp_path / "latents.csv"
    rows = [f"Gaia DR9 {i},{i},0.5,{k}" for k, i in enumerate(IDS)]
    path.write_text("\n".join(["designation,source_id,z_1,z_2", *rows]))
    with pytest.raises(InputError, match="row 1, column designation: data release Gaia DR9"):
        pipeline.import_table(path, tmp_path / "mine.bundle", latents=["z_*"])
    assert not list(tmp_path.glob("mine*"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[time]", "[times]", "no entry 'time'"),
        ('"ns"', '"fortnight"', "no entry 'fortnight'"),
        ("[51, 48]", "[51]", "not one a band"),
        ('"gaia_next"', '"gaia_dr3"', "calls itself gaia_dr3"),
        ("name =", "name ", "cannot be used"),
    ],
)
def test_a_wrong_release_file_is_named(toml, old, new, said):
    toml.write_text(TOML.replace(old, new))
    with pytest.raises(InputError, match=said) as refusal:
        find_release(toml)
    assert str(toml) in str(refusal.value)
