"""Every real archive file ingests, and its numbers are those that astropy and fastavro read."""

import io
import json
import zipfile
from pathlib import Path

import fastavro
import numpy as np
import pandas as pd
import pytest
from astropy.io import votable
from astropy.table import Table

from latent_core.bundle import Folder
from latent_core.errors import InputError
from latent_core.modalities.xp_operator import load_operator, require_release
from latent_core.products import EpochPhotometry, XpCoefficients, XpSampled, load_product
from latent_core.provenance import release_of
from latent_core.release import find_release, load_release
from latent_core.surveys.gaia_files import ingest
from latent_core.surveys.tables import read_latent_table

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FORMATS = DATA / "archive_formats"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not FORMATS.is_dir(), reason="the real Gaia rows are not in ../shared/data"
    ),
]
XP = "gaiaxpy_xp_continuous"


def found(pattern):
    return [p for p in sorted(FORMATS.glob(pattern)) if p.is_file() and p.name != "LICENSE"]


def name_of(path):
    return str(path.relative_to(DATA))


def survey_of(files, tmp_path):
    report = ingest(files, tmp_path / "real.survey", periods=False)
    assert report.rows_in == report.rows_kept + report.rows_rejected
    folder = Folder.open(report.path, "survey")
    folder.verify()
    listed = "rejected.parquet" in folder and len(pd.read_parquet(folder.file("rejected.parquet")))
    assert int(listed) == report.rows_rejected
    return report, folder


def cells(value):
    """An array cell as the reference reader gives it; None where the archive has no value."""
    if value is None or value is np.ma.masked:
        return None
    if isinstance(value, str):
        if value in ("", "null"):
            return None
        value = json.loads(value.replace("(", "[").replace(")", "]"))
    array = np.ma.filled(np.ma.asarray(value, float), np.nan)
    return None if array.size == 0 or np.isnan(array).all() else array


def reference(path):
    """Rows of a continuous file as plain dicts, read without any code of ours."""
    if path.suffix == ".csv":
        frame = pd.read_csv(path, dtype={"source_id": "int64"})
        return frame.astype(object).where(frame.notna(), None).to_dict("records")
    if path.suffix in (".xml", ".vot"):
        table = votable.parse_single_table(path).to_table(use_names_over_ids=True)
    elif path.suffix == ".ecsv":
        table = Table.read(path, format="ascii.ecsv")
    else:
        table = Table.read(path, 1)
    return [dict(zip(table.colnames, row, strict=True)) for row in table]


CONTINUOUS = [
    p
    for p in found(f"{XP}/*") + found("hiromon_raw_csv/*") + found("fjaellet_combined/*.vot")
    if p.suffix != ".avro"
]


@pytest.mark.parametrize("path", CONTINUOUS, ids=name_of)
def test_xp_continuous_equals_the_reference_reader(path, tmp_path):
    _, folder = survey_of([path], tmp_path)
    product = load_product(folder, XpCoefficients)
    rows = {int(row["source_id"]): row for row in reference(path)}
    assert sorted(rows) == folder.catalog.source_id.tolist()
    for item, row in enumerate(product.rows):
        truth = rows[int(folder.catalog.source_id[row])]
        for number, band in enumerate(("bp", "rp")):
            part = slice(55 * number, 55 * (number + 1))
            wanted = cells(truth[f"{band}_coefficients"])
            assert bool(folder.catalog.frame[f"has_{band}"][row]) == (wanted is not None)
            if wanted is None:
                assert np.isnan(product.values[item, part]).all()
                assert np.isnan(product.errors[item, part]).all()
                continue
            np.testing.assert_array_equal(product.values[item, part], wanted)
            errors = cells(truth[f"{band}_coefficient_errors"]).astype(np.float32)
            np.testing.assert_array_equal(product.errors[item, part], errors)


def test_wide_columns_of_fits(tmp_path):
    path = FORMATS / "fjaellet_combined/xp_continuous_combined_chunk0.fits"
    _, folder = survey_of([path], tmp_path)
    product = load_product(folder, XpCoefficients)
    table = Table.read(path, 1)
    table.sort("source_id")
    np.testing.assert_array_equal(folder.catalog.source_id, np.asarray(table["source_id"]))
    np.testing.assert_array_equal(product.values[:, 3], np.asarray(table["bp_coeff_3"], float))
    np.testing.assert_array_equal(product.errors[:, 109], np.asarray(table["e_rp_coeff_54"]))
    assert not [c for c in folder.catalog.frame if "coeff" in c]


def test_avro_agrees_with_fits_of_the_same_sources(tmp_path):
    avro = FORMATS / XP / "MeanSpectrumSolutionWithCov.avro"
    _, folder = survey_of([avro], tmp_path)
    product = load_product(folder, XpCoefficients)
    records = {r["sourceId"]: r for r in fastavro.reader(io.BytesIO(avro.read_bytes()))}
    fits = {int(r["source_id"]): r for r in Table.read(FORMATS / XP / "XP_CONTINUOUS_RAW.fits", 1)}
    for item, source in enumerate(folder.catalog.source_id.tolist()):
        wanted = [records[source][f"{b}Spec"]["solution"]["parameters"] for b in ("bp", "rp")]
        np.testing.assert_array_equal(product.values[item], np.concatenate(wanted))
        errors = [fits[source][f"{b}_coefficient_errors"] for b in ("bp", "rp")]
        np.testing.assert_allclose(product.errors[item], np.concatenate(errors), rtol=1e-6)


@pytest.mark.parametrize("path", found("gaiaxpy_avro_c04/*"), ids=name_of)
def test_bases_of_another_cycle_are_refused(path, tmp_path):
    with pytest.raises(InputError, match=r"row 1, column .*55 expected") as refusal:
        ingest([path], tmp_path / "c04.survey")
    assert refusal.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "counts"),
    [("regular_single_source.avro", [48, 44]), ("sources.avro", [51, 55])],
)
def test_bases_of_another_cycle_go_in_by_a_release_file(name, counts, tmp_path):
    toml = tmp_path / "cycle4.toml"
    text = load_release().text.replace('"gaia_dr3"', '"gaia_cycle4"')
    text = text.replace("coefficients = [55, 55]", f"coefficients = {counts}")
    toml.write_text(text.replace("basis_function_ids = [56, 57]", "basis_function_ids = [0, 0]"))
    path = FORMATS / "gaiaxpy_avro_c04" / name
    report = ingest([path], tmp_path / "c04.survey", release=find_release(toml))
    folder = Folder.open(report.path, "survey")
    product = load_product(folder, XpCoefficients)
    records = {r["sourceId"]: r for r in fastavro.reader(io.BytesIO(path.read_bytes()))}
    assert report.rows_in == len(records) == report.rows_kept + report.rows_rejected
    assert product.values.shape == (report.rows_kept, sum(counts))
    for item, source in enumerate(folder.catalog.source_id.tolist()):
        parts = np.split(product.values[item], counts[:1])
        for values, band in zip(parts, ("bp", "rp"), strict=True):
            spectrum = records[source][f"{band}Spec"]
            if spectrum is None:
                assert np.isnan(values).all()
            else:
                assert values.tolist() == spectrum["solution"]["parameters"]
    with pytest.raises(InputError, match="XP basis functions 0/0"):
        require_release(release_of(folder), "xp")


# GaiaXPy itself cannot read the columns of 18Sco-XP-spectra.csv: no standard deviation is in it
CALIBRATED = [p for p in found(f"{XP}/*") if not p.name.startswith("18Sco")]


@pytest.mark.parametrize("path", CALIBRATED, ids=name_of)
def test_calibrated_fluxes_are_those_of_gaiaxpy(path, tmp_path, capsys):
    gaiaxpy = pytest.importorskip("gaiaxpy", reason="GaiaXPy is not installed")
    _, folder = survey_of([path], tmp_path)
    product = load_product(folder, XpCoefficients)
    theirs, _ = gaiaxpy.calibrate(str(path), save_file=False)
    theirs = theirs.set_index("source_id").flux
    assert sorted(theirs.index) == folder.catalog.source_id.tolist()
    for item, row in enumerate(product.rows):
        # of a star with one band GaiaXPy makes half a spectrum; ours is marked by has_bp, has_rp
        ours = load_operator().calibrate @ product.values[item]
        whole = np.isfinite(product.values[item]).all()
        frame = folder.catalog.frame.iloc[row]
        assert whole == (frame.has_bp and frame.has_rp)
        flux = theirs[folder.catalog.source_id[row]]
        if whole:
            np.testing.assert_allclose(ours, flux, rtol=1e-9, atol=1e-9 * np.abs(flux).max())


@pytest.mark.parametrize("path", found("gaiaxpy_xp_sampled/*"), ids=name_of)
def test_xp_sampled_rows(path, tmp_path):
    _, folder = survey_of([path], tmp_path)
    product = load_product(folder, XpSampled)
    rows = {int(row["source_id"]): row for row in reference(path)}
    for item, source in enumerate(folder.catalog.source_id.tolist()):
        wanted = cells(rows[source]["flux"]).astype(np.float32)
        np.testing.assert_array_equal(product.flux[item], wanted)
        wanted = cells(rows[source]["flux_error"]).astype(np.float32)
        np.testing.assert_array_equal(product.flux_error[item], wanted)
        assert folder.catalog.frame["ra"][item] == pytest.approx(float(rows[source]["ra"]))


def test_all_tables_of_a_votable(tmp_path):
    path = FORMATS / "aspgap_xp_sampled_combined/XP_SAMPLED_COMBINED.xml"
    report, folder = survey_of([path], tmp_path)
    assert report.products == {"xp_sampled": 10}
    product = load_product(folder, XpSampled)
    for table in votable.parse(path).iter_tables():
        source = next(p.value for p in table.params if p.name == "source_id")
        item = folder.catalog.source_id.tolist().index(int(source))
        np.testing.assert_array_equal(product.flux[item], table.to_table()["flux"])


@pytest.mark.parametrize("path", found("astroquery_datalink_zip/*"), ids=name_of)
def test_datalink_zip(path, tmp_path):
    report, folder = survey_of([path], tmp_path)
    assert report.products == {"xp_sampled": 1, "xp_coefficients": 1}
    assert [text.endswith("MCMC samples") for text in report.skipped] == [True]
    assert folder.catalog.source_id.tolist() == [5937083312263887616]
    with zipfile.ZipFile(next(iter(found("astroquery_datalink_zip/*_csv.zip")))) as archive:
        member = next(m for m in archive.namelist() if m.startswith("XP_SAMPLED"))
        frame = pd.read_csv(archive.open(member))
    sampled = load_product(folder, XpSampled)
    np.testing.assert_array_equal(sampled.flux[0], frame["flux"].astype(np.float32))


@pytest.mark.parametrize("kind", ["PN", "Sy"])
def test_folder_of_single_files(kind, tmp_path):
    files = found(f"xp_continuous_individual_csv/{kind}/*.csv")
    report, folder = survey_of(files, tmp_path)
    assert report.sources == len(files) == 20
    wanted = sorted(int(file.stem.rsplit(" ", 1)[1]) for file in files)
    assert folder.catalog.source_id.tolist() == wanted


def test_epoch_photometry_of_dr2_files(tmp_path):
    path = FORMATS / "epoch_photometry_dr2_csv/light_curves_dr2_200.csv.gz"
    report, folder = survey_of([path], tmp_path)
    product = load_product(folder, EpochPhotometry)
    frame = pd.read_csv(path)
    assert report.rows_in == len(frame)
    frame = frame.drop_duplicates(["source_id", "band", "time"])
    assert len(product.time) == report.rows_kept == len(frame)
    one = frame[frame.source_id == folder.catalog.source_id[7]]
    part = slice(product.offsets[7], product.offsets[8])
    np.testing.assert_array_equal(product.time[part], one.time)
    np.testing.assert_array_equal(product.mag[part], one.mag)
    flagged = one.rejected_by_photometry | one.rejected_by_variability
    np.testing.assert_array_equal(product.rejected[part], flagged)
    error = 2.5 / np.log(10) / one.flux_over_error
    np.testing.assert_allclose(product.mag_error[part], error)


def test_real_points_of_two_releases(tmp_path):
    path = DATA / "epoch_photometry_real.parquet"
    report, folder = survey_of([path], tmp_path)
    frame = pd.read_parquet(path)
    ours = frame[frame.data_release == "DR3"]
    assert (report.rows_in, report.rows_kept) == (162_084, len(ours))
    rejected = pd.read_parquet(folder.file("rejected.parquet"))
    assert set(rejected.reason) == {
        "column data_release: data release DR2, this survey is gaia_dr3"
    }
    assert rejected.source_id.nunique() == frame[frame.data_release == "DR2"].source_id.nunique()
    catalog = folder.catalog.frame.set_index("source_id")
    assert len(catalog) == ours.source_id.nunique()
    mean = ours.groupby("source_id").mag.mean()
    pd.testing.assert_series_equal(
        catalog.phot_g_mean_mag.sort_index(), mean.sort_index(), check_names=False
    )
    classes = ours.drop_duplicates("source_id").set_index("source_id").best_class_name
    assert (catalog.best_class_name.sort_index() == classes.sort_index()).all()


def test_lists_of_points(tmp_path):
    _, folder = survey_of([DATA / "golden_lc.parquet"], tmp_path)
    frame = pd.read_parquet(DATA / "golden_lc.parquet").set_index("source_id").sort_index()
    product = load_product(folder, EpochPhotometry)
    np.testing.assert_array_equal(product.time, np.concatenate(frame.time.to_list()))
    np.testing.assert_array_equal(folder.catalog.frame.frequency, frame.frequency)
    assert set(folder.catalog.frame.frequency_origin) == {"archive"}


@pytest.mark.parametrize("name", ["golden_xp", "xp_continuous_real", "xp_apogee_coeffs"])
def test_parquet_of_coefficients(name, tmp_path):
    path = DATA / f"{name}.parquet"
    _, folder = survey_of([path], tmp_path)
    frame = pd.read_parquet(path).set_index("source_id").sort_index()
    product = load_product(folder, XpCoefficients)
    assert len(product.rows) == len(frame)
    wanted = np.stack(frame.rp_coefficients.to_list())
    np.testing.assert_array_equal(product.values[:, 55:], wanted)
    if "coefficients_are" in frame:
        assert product.origin.startswith("derived: ")
        assert "phot_g_mean_mag" in folder.catalog.frame


def test_a_catalog_table_gives_its_columns_and_the_frequency(tmp_path):
    path = DATA / "vari_eclipsing_binary_2106.parquet"
    table = pd.read_parquet(path).sort_values("source_id").reset_index(drop=True)
    ours = table[::100]
    count = len(ours)
    points = {"source_id": np.repeat(ours.source_id, 5), "band": "G", "mag_error": 0.01}
    points |= {"time": np.tile(np.arange(1700.0, 1705.0), count), "mag": 15.0}
    pd.DataFrame(points).to_parquet(tmp_path / "points.parquet")
    report, folder = survey_of([path, tmp_path / "points.parquet"], tmp_path)
    frame = folder.catalog.frame
    assert report.rows_rejected == len(table) - count
    np.testing.assert_array_equal(frame.frequency, ours.frequency)
    np.testing.assert_array_equal(frame.global_ranking, ours.global_ranking)
    assert set(frame.frequency_origin) == {"vari_eclipsing_binary"}
    # the archive's names, but for identifiers of a processing run and columns without a value
    named = {name for name in table if table[name].notna().any()} - {"solution_id"}
    kept = {name for name in named if ours[name].notna().any()}
    assert kept <= set(frame)


def test_published_latents():
    path = DATA / "published/huijse-2025-release/latent_vars_plus_metadata_pumap.parquet"
    table = read_latent_table(
        path, "latent_mu_*", label="macro_class", xy=("lambda_1_umap", "lambda_2_umap")
    )
    frame = pd.read_parquet(path)
    assert table.latent_names == tuple(f"latent_mu_{k}" for k in range(15))
    np.testing.assert_array_equal(table.latents, frame[list(table.latent_names)])
    np.testing.assert_array_equal(table.xy, frame[["lambda_1_umap", "lambda_2_umap"]])
    assert (table.catalog.source_id == frame.sourceid).all()
    given = table.catalog.frame.macro_class
    assert (given.fillna("") == frame.macro_class.fillna("")).all()
