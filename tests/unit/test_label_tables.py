"""Label tables in the spelling of their catalogs, joined to surveys and bundles."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from report_bundle import FIRST_ID, SOURCES, write_report_bundle

from dashboard.colouring import Classes, Numbers, colour_choices, colouring
from latent_core import Bundle
from latent_core.bundle import Folder, Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.errors import InputError, LatentError
from latent_core.labels import Choice, join_labels

IDS = FIRST_ID + 7 * np.arange(SOURCES, dtype=np.int64)
BAD = -9999.0
ELEMENT_ERRORS = np.array([0.05, 0.1, 0.05, 0.2])  # Mg, Si, Ca, Ti of the third star


@pytest.fixture(scope="module")
def shared_bundle(tmp_path_factory):
    return write_report_bundle(tmp_path_factory.mktemp("labels") / "small.bundle", models=False)


@pytest.fixture
def bundle(shared_bundle, tmp_path):
    return shutil.copytree(shared_bundle, tmp_path / "small.bundle")


@pytest.fixture
def survey(tmp_path):
    path = tmp_path / "small.survey"
    with new_folder(path, Manifest("survey", "small", "gaia_dr3", False, "test")) as writer:
        writer.save_catalog(Catalog(pd.DataFrame({"source_id": IDS})))
    return path


def values(path, name):
    return Folder.open(path).catalog.frame.set_index("source_id")[name]


def write_csv(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def apogee(path):
    """Good, two of a star, a duplicate, a bad fit, a bad Teff, -9999, no id, not here."""
    bits = {"STAR": 1 << 23, "TEFF": 1 << 16, "M_H": 1 << 19, "ALPHA": 1 << 20}
    Table(
        {
            "APOGEE_ID": [f"2M{i}" for i in range(9)],
            "GAIAEDR3_SOURCE_ID": np.array([*IDS[[0, 1, 1, 2, 3, 4, 5]], 0, 12345], dtype=">i8"),
            "TEFF": np.array([4000, 4100, 4200, 1, 2, 3, BAD, 4, 4300], ">f4"),
            "TEFF_ERR": np.array([10, 11, 12, 1, 2, 3, BAD, 4, 13], ">f4"),
            "LOGG": np.array([2.0, 2.1, 2.2, 0, 0, 2.4, np.nan, 1, 2.5], ">f4"),
            "M_H": np.array([-0.1, -0.2, -0.3, 0, 0, -0.4, -0.5, 1, 0], ">f4"),
            "ALPHA_M": np.array([0.1, 0.2, 0.3, 0, 0, 0.4, 0.5, 1, 0], ">f4"),
            "FE_H": np.array([-0.1, -0.2, -0.3, 0, 0, -0.4, BAD - 0.99, 1, 0], ">f4"),
            "SNR": np.array([50, 60, 90, 99, 99, 99, 99, 99, 99], ">f4"),
            "ASPCAPFLAG": np.array(
                [1 << 3, 0, 0, 0, bits["STAR"], bits["TEFF"] | bits["ALPHA"], 0, 0, 0], ">i8"
            ),
            "STARFLAG": np.array([1 << 9, 0, 0, 0, 1 << 4, 0, 0, 0, 0], ">i8"),
            "EXTRATARG": np.array([0, 0, 0, 1 << 4, 0, 0, 0, 0, 0], ">i4"),
            "FPARAM": np.zeros((9, 3), ">f4"),
        }
    ).write(path, format="fits", overwrite=True)
    return path


def test_apogee_is_told_by_its_columns_cut_and_grouped(survey, tmp_path):
    report = join_labels(survey, apogee(tmp_path / "allStar.fits"))
    assert report.stage == "labels/apogee-dr17"
    teff = values(survey, "teff")
    assert teff[IDS[0]] == 4000  # a warning is not a cut
    assert teff[IDS[1]] == 4200  # of two rows the one of larger S/N
    assert teff[IDS[[2, 3, 4, 5]]].isna().all()
    assert values(survey, "logg")[IDS[4]] == pytest.approx(2.4)
    assert np.isnan(values(survey, "alpha_m")[IDS[4]])
    assert np.isnan(values(survey, "fe_h")[IDS[5]])
    assert values(survey, "teff_err")[IDS[1]] == 12
    assert np.isnan(values(survey, "teff_err")[IDS[4]])  # an error without its value says nothing
    assert values(survey, "apogee_id")[IDS[0]] == "2M0"
    assert (report.rows, report.without_id, report.duplicates) == (9, 1, 1)
    assert (report.matched, report.elsewhere, report.cut_rows) == (4, 1, 2)
    assert report.rows == (
        report.without_id + report.cut_rows + report.duplicates + report.matched + report.elsewhere
    )
    said = report.text()
    assert "1 rows cut: ASPCAPFLAG bit 23 (STAR_BAD) set" in said
    assert "1 rows cut: EXTRATARG bit 4 (DUPLICATE) set" in said
    assert "1 cut by ASPCAPFLAG bit 16 (TEFF_BAD) set" in said
    assert "the one of largest SNR is kept" in said
    assert f"4 of {SOURCES:,} sources matched, {SOURCES - 4:,} have no label" in said
    assert "mg_fe" not in said
    column = Folder.open(survey).catalog.column("teff")
    assert (column.unit, column.title) == ("K", "Teff [K]")
    assert "APOGEE DR17" in column.description


def test_without_cuts_every_row_counts(survey, tmp_path):
    report = join_labels(survey, apogee(tmp_path / "a.fits"), Choice(cuts=False))
    assert report.cut == {}
    assert (report.matched, report.cut_rows) == (6, 0)
    assert np.isnan(values(survey, "teff")[IDS[5]])  # -9999 is no value under any cut


def test_a_person_may_cut_further(survey, tmp_path):
    table = apogee(tmp_path / "a.fits")
    report = join_labels(survey, table, Choice(where=("SNR > 55", "ASPCAPFLAG lacks 3,16")))
    assert report.matched == 2
    assert report.cut["ASPCAPFLAG bit 16 set"] == 1
    assert report.cut["not SNR > 55"] == 1


@pytest.mark.parametrize("text", ["SNR", "SNR ~ 4", "STARFLAG lacks 3,x", "STARFLAG lacks 63"])
def test_a_condition_that_is_none(survey, tmp_path, text):
    with pytest.raises(InputError, match="--where"):
        join_labels(survey, apogee(tmp_path / "a.fits"), Choice(where=(text,)))


def test_a_condition_on_a_column_that_is_not_there_or_holds_text(survey, tmp_path):
    table = apogee(tmp_path / "a.fits")
    with pytest.raises(InputError, match=r"a\.fits, column NOWHERE"):
        join_labels(survey, table, Choice(where=("NOWHERE > 1",)))
    with pytest.raises(InputError, match=r"a\.fits.*column APOGEE_ID.*text"):
        join_labels(survey, table, Choice(where=("APOGEE_ID > 1",)))
    assert join_labels(survey, table, Choice(where=("APOGEE_ID == 2M0",))).matched == 1


def galah(path, ids, extra):
    frame = {
        "sobject_id": 131116000501000 + np.arange(4),
        ids: IDS[:4],
        "flag_sp": [0, 0, 0, 32],
        "teff": [5000.0, 5100, 5200, 5300],
        "e_teff": [80.0] * 4,
        "fe_h": [0.1, 0.2, 0.3, 0.4],
        "e_fe_h": [0.05] * 4,
        "flag_fe_h": [0, 1, 0, 0],
        **extra,
    }
    for i, x in enumerate(("mg", "si", "ca", "ti")):
        frame |= {f"{x}_fe": [0.1 * i] * 4, f"e_{x}_fe": [0.1, 0.1, ELEMENT_ERRORS[i], 0.1]}
        frame[f"flag_{x}_fe"] = [0, int(i < 3), int(i == 2), 0]
    return write_csv(path, **frame)


def test_galah_dr4_alpha_is_made_of_its_unflagged_elements(survey, tmp_path):
    table = galah(tmp_path / "g.csv", "gaiadr3_source_id", {"snr_px_ccd3": [40.0] * 4})
    report = join_labels(survey, table)
    assert report.stage == "labels/galah-dr4"
    assert report.matched == 3
    alpha, error = values(survey, "alpha_fe"), values(survey, "alpha_fe_err")
    assert alpha[IDS[0]] == pytest.approx(0.15)
    assert error[IDS[0]] == pytest.approx(0.05)
    assert np.isnan(alpha[IDS[1]])  # one element is not enough
    weights = 1 / ELEMENT_ERRORS[[0, 1, 3]] ** 2  # Ca is flagged
    assert alpha[IDS[2]] == pytest.approx(np.average([0.0, 0.1, 0.3], weights=weights))
    assert np.isnan(values(survey, "fe_h")[IDS[1]])
    assert values(survey, "sobject_id")[IDS[0]] == "131116000501000"
    said = report.text()
    assert "alpha_fe: 2 values; mean of mg_fe, si_fe, ca_fe, ti_fe weighted by 1/error^2" in said
    assert "1 rows cut: not flag_sp == 0" in said


def test_galah_dr3_has_an_alpha_of_its_own(survey, tmp_path):
    extra = {
        "snr_c3_iraf": [40.0, 40, 20, 40],
        "alpha_fe": [0.11, 0.12, 0.13, 0.14],
        "e_alpha_fe": [0.01] * 4,
        "flag_alpha_fe": [0, 0, 0, 0],
        "dr2_source_id": IDS[:4] + 1,
    }
    report = join_labels(survey, galah(tmp_path / "g.csv", "dr3_source_id", extra))
    assert report.stage == "labels/galah-dr3"
    assert report.matched == 2
    assert values(survey, "alpha_fe")[IDS[1]] == pytest.approx(0.12)


def test_variability_classes(survey, tmp_path):
    table = tmp_path / "classes.parquet"
    pd.DataFrame(
        {
            "solution_id": 1,
            "source_id": IDS[:3],
            "classifier_name": "nTransits:5+",
            "best_class_name": ["RR", "ECL", "RR"],
            "best_class_score": [0.9, 0.8, 0.7],
        }
    ).to_parquet(table)
    report = join_labels(survey, table, Choice(where=("best_class_score > 0.75",)))
    assert report.counts == {"best_class_name": 2, "best_class_score": 2}
    assert values(survey, "best_class_name")[IDS[1]] == "ECL"
    assert pd.isna(values(survey, "best_class_name")[IDS[2]])
    assert Folder.open(survey).catalog.column("best_class_name").kind == "category"


@pytest.mark.parametrize("width", [5, 6])
def test_zhang_s_arrays_are_named_by_their_width(survey, tmp_path, width):
    table = tmp_path / "z.parquet"
    row = [5.0, -0.5, 2.5, *([1.0] if width == 6 else []), 0.2, 1.5]
    pd.DataFrame(
        {
            "gdr3_source_id": IDS[:2],
            "stellar_params_est": [row, row],
            "stellar_params_err": [[0.1] * width] * 2,
            "quality_flags": np.array([0, 8], np.uint8),
        }
    ).to_parquet(table)
    report = join_labels(survey, table)
    assert report.matched == 1
    assert values(survey, "teff_zhang")[IDS[0]] == pytest.approx(5000)
    assert values(survey, "teff_zhang_err")[IDS[0]] == pytest.approx(100)
    assert values(survey, "extinction_zhang")[IDS[0]] == pytest.approx(0.2)
    assert values(survey, "parallax_zhang")[IDS[0]] == pytest.approx(1.5)


def test_zhang_s_arrays_of_another_width_are_refused(survey, tmp_path):
    table = tmp_path / "z.parquet"
    pd.DataFrame(
        {
            "gdr3_source_id": IDS[:1],
            "stellar_params_est": [[1.0] * 7],
            "quality_flags": [0],
        }
    ).to_parquet(table)
    with pytest.raises(InputError, match=r"stellar_params_est: the arrays have \[7\] elements"):
        join_labels(survey, table)


def test_andrae(survey, tmp_path):
    table = write_csv(
        tmp_path / "andrae.csv",
        source_id=IDS[:2],
        mh_xgboost=[-1.0, -0.5],
        teff_xgboost=[4500.0, 4600],
        logg_xgboost=[1.5, 1.6],
        in_training_sample=[True, False],
    )
    assert join_labels(survey, table).stage == "labels/andrae"
    assert values(survey, "in_training_sample")[IDS[:3]].tolist() == [True, False, None]
    assert Folder.open(survey).catalog.column("in_training_sample").kind == "flag"


def test_hattori_is_taken_when_named(survey, tmp_path):
    table = write_csv(tmp_path / "h.csv", source_id=IDS[:2], mh=[0.1, 0.2], alpham=[0.3, 0.4])
    report = join_labels(survey, table, Choice(catalog="hattori"))
    assert report.counts == {"m_h_hattori": 2, "alpha_m_hattori": 2}
    with pytest.raises(InputError, match="no column of Hattori"):
        join_labels(
            survey,
            write_csv(tmp_path / "i.csv", source_id=IDS[:2], x=[1, 2]),
            Choice(catalog="hattori"),
        )


def test_a_table_of_one_s_own(survey, tmp_path):
    table = write_csv(
        tmp_path / "mine.csv",
        Star=IDS[[4, 4, 9]],
        age=[1.5, 2.5, BAD],
        e_age=[0.1, 0.2, 0.3],
        group=["a", "b", ""],
        long_id=[2**60 + 1, 2**60 + 3, 2**60 + 5],
    )
    with pytest.raises(InputError, match="name it with --id"):
        join_labels(survey, table)
    report = join_labels(survey, table, Choice(id_column="Star"))
    assert report.stage == "labels/mine"
    assert report.duplicates == 1
    assert values(survey, "age")[IDS[4]] == 1.5  # the first stays where nothing tells the better
    assert np.isnan(values(survey, "age")[IDS[9]])
    assert values(survey, "long_id")[IDS[9]] == str(2**60 + 5)
    assert pd.isna(values(survey, "group")[IDS[9]])


def test_columns_chosen_bring_their_errors(survey, tmp_path):
    table = write_csv(tmp_path / "m.csv", source_id=IDS[:2], age=[1, 2], e_age=[3, 4], mass=[5, 6])
    report = join_labels(survey, table, Choice(columns=("age",), prefix="k_"))
    assert list(report.counts) == ["k_age", "k_e_age"]
    assert report.stage == "labels/m-k"
    with pytest.raises(InputError, match=r"m.csv, column radius: there is no such column"):
        join_labels(survey, table, Choice(columns=("radius",)))


def refusals():
    good = {"x": [1.0, 2.0]}
    named = [*IDS[:2]]
    yield {"dr2_source_id": named, **good}, "ids of Gaia DR2"
    yield {"gaiadr2_source_id": named, **good}, "ids of Gaia DR2"
    yield {"Gaia_DR2_id": named, **good}, "ids of Gaia DR2"
    yield {"APOGEE_ID": ["a", "b"], "GAIA_SOURCE_ID": named, **good}, "ids of Gaia DR2"
    yield {"source_id": [f"Gaia DR2 {i}" for i in named], **good}, "row 1.*is of Gaia DR2"
    yield {"source_id": named, "designation": [f"Gaia DR2 {i}" for i in named], **good}, "DR2"
    yield {"source_id": named, "ref_epoch": [2015.5, 2015.5], **good}, "that of Gaia DR2"
    yield {"source_id": ["4.6e18", "4.7e18"], **good}, "row 1, column source_id"
    yield {"source_id": [2**63, 1], **good}, "row 1, column source_id.*above 2"
    yield {"source_id": ["12", "abc"], **good}, "row 2, column source_id"
    yield {"source_id": [1, 2], **good}, "none of its 2 ids"
    yield {"source_id": [0, 0], **good}, "none of 2 rows has a Gaia id"


@pytest.mark.parametrize(("columns", "said"), refusals())
def test_what_cannot_be_joined(survey, tmp_path, columns, said):
    before = (survey / "manifest.json").read_bytes()
    table = write_csv(tmp_path / "t.csv", **columns)
    with pytest.raises(InputError, match=said) as refusal:
        join_labels(survey, table)
    assert str(table) in str(refusal.value)
    assert (survey / "manifest.json").read_bytes() == before
    assert sorted(p.name for p in survey.iterdir()) == ["catalog.parquet", "manifest.json"]


def test_float_ids_have_lost_digits(survey, tmp_path):
    table = tmp_path / "t.parquet"
    pd.DataFrame({"source_id": IDS[:2].astype(float), "x": [1, 2]}).to_parquet(table)
    with pytest.raises(InputError, match="cannot hold 19 digits"):
        join_labels(survey, table)


def test_a_column_that_exists_is_never_replaced_silently(bundle, tmp_path):
    table = write_csv(tmp_path / "t.csv", source_id=IDS[:2], teff=[1.0, 2.0])
    with pytest.raises(InputError, match="has these columns already: teff; add --prefix"):
        join_labels(bundle, table)
    own = values(bundle, "teff")
    join_labels(bundle, table, Choice(prefix="new_"))
    pd.testing.assert_series_equal(values(bundle, "teff"), own)
    report = join_labels(bundle, table, Choice(overwrite=True))
    assert report.replaced == ("teff",)
    assert values(bundle, "teff")[IDS[1]] == 2
    assert Folder.open(bundle).own_catalog.frame.teff.tolist() == own.tolist()
    with pytest.raises(InputError, match="has labels/t already"):
        join_labels(bundle, table)
    again = write_csv(tmp_path / "t.csv", source_id=IDS[:2], teff=[3.0, 4.0])
    join_labels(bundle, again, Choice(overwrite=True))
    assert values(bundle, "teff")[IDS[1]] == 4


def test_the_later_join_is_shown(survey, tmp_path):
    for name, teff in (("b", 1.0), ("a", 2.0)):
        table = write_csv(tmp_path / f"{name}.csv", source_id=IDS[:1], teff=[teff])
        join_labels(survey, table, Choice(overwrite=True))
    assert values(survey, "teff")[IDS[0]] == 2


def test_the_manifest_says_what_was_joined(bundle, tmp_path):
    join_labels(bundle, apogee(tmp_path / "allStar.fits"), Choice(prefix="apogee_"))
    folder = Folder.open(bundle)
    assert folder.verify() > 3
    record = folder.stage("labels/apogee-dr17-apogee")
    assert record["table"] == "allStar.fits"
    assert len(record["sha256"]) == 64
    assert record["cuts"]["EXTRATARG bit 4 (DUPLICATE) set: a second entry of the same star"] == 1
    assert record["columns"]["apogee_teff"] == 2
    assert json.loads((bundle / "manifest.json").read_text())["stages"]


def test_a_bundle_is_coloured_by_new_labels(bundle, tmp_path):
    table = write_csv(
        tmp_path / "t.csv", source_id=IDS[:500], age=np.arange(500.0), kind=["old", "new"] * 250
    )
    join_labels(bundle, table)
    opened = Bundle.open(bundle)
    choices = dict(colour_choices(opened, "main"))
    assert "kind" in choices["Classes"]
    assert "age" in choices["Numbers"]
    classes, ages = colouring(opened, "main", "kind"), colouring(opened, "main", "age")
    assert isinstance(classes, Classes)
    assert dict(zip(classes.names, classes.counts.tolist(), strict=True)) == {
        "new": 250,
        "old": 250,
        "no label": 500,
    }
    assert isinstance(ages, Numbers)
    assert ages.values[499] == 499
    assert np.isnan(ages.values[500])


def test_a_join_that_is_stopped_leaves_the_bundle_as_it_was(bundle, tmp_path, monkeypatch):
    table = write_csv(tmp_path / "t.csv", source_id=IDS[:2], age=[1.0, 2.0])

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("latent_core.bundle._swap_in", stop)
    with pytest.raises(KeyboardInterrupt):
        join_labels(bundle, table)
    folder = Folder.open(bundle)
    folder.verify()
    assert "age" not in folder.catalog.frame
    assert not list(bundle.glob(".partial*"))


def test_an_unknown_catalog_names_those_that_are_known(survey, tmp_path):
    with pytest.raises(LatentError, match="choose one of andrae, apogee-dr17"):
        join_labels(survey, apogee(tmp_path / "a.fits"), Choice(catalog="apogee"))
