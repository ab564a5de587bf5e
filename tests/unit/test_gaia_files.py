"""Ingest: what is recognised, what is kept, what is derived, and what is said of the rest."""

import numpy as np
import pandas as pd
import pytest

from latent_core.bundle import Folder
from latent_core.errors import FolderError, InputError
from latent_core.products import BP_BAND, EpochPhotometry, XpCoefficients, XpSampled, load_product
from latent_core.release import load_release
from latent_core.surveys.gaia_files import ingest
from latent_core.surveys.periods import find_frequency
from latent_core.surveys.rows import flags, vector

IDS = 5_853_498_713_190_525_696 + np.arange(4)


def parquet(path, **columns):
    pd.DataFrame(columns).to_parquet(path)
    return path


def spectra(path, ids=IDS, **more):
    rng = np.random.default_rng(1)
    columns = {"source_id": ids}
    for band, basis in (("bp", 56), ("rp", 57)):
        columns[f"{band}_basis_function_id"] = basis
        columns[f"{band}_coefficients"] = list(rng.normal(size=(len(ids), 55)))
        columns[f"{band}_coefficient_errors"] = list(rng.uniform(1, 2, (len(ids), 55)))
    return parquet(path, **{**columns, **more})


def points(path, ids=IDS[:2], size=30, **more):
    rng = np.random.default_rng(2)
    count = size * len(ids)
    columns = {
        "source_id": np.repeat(ids, size),
        "band": "G",
        "time": rng.uniform(1700, 2700, count),
        "mag": rng.normal(15, 0.1, count),
        "mag_error": 0.01,
    }
    return parquet(path, **{**columns, **more})


def run(files, tmp_path, **options):
    report = ingest(files, tmp_path / "my.survey", **options)
    folder = Folder.open(report.path, "survey")
    folder.verify()
    return report, folder


def rejected(folder):
    return pd.read_parquet(folder.file("rejected.parquet"))


def test_a_star_without_bp_stays_and_is_marked(tmp_path):
    bp = [None, *np.ones((3, 55))]
    path = spectra(tmp_path / "xp.parquet", bp_coefficients=bp)
    _, folder = run([path], tmp_path)
    product = load_product(folder, XpCoefficients)
    assert folder.catalog.frame.has_bp.tolist() == [False, True, True, True]
    assert folder.catalog.frame.has_rp.all()
    assert np.isnan(product.values[0, :55]).all()
    assert np.isnan(product.errors[0, :55]).all()
    assert np.isfinite(product.values[0, 55:]).all()


def test_wrong_rows_are_listed_with_reasons(tmp_path):
    cells = list(np.ones((4, 55)))
    cells[1] = np.ones(54)
    path = spectra(
        tmp_path / "xp.parquet", rp_coefficients=cells, bp_basis_function_id=[56, 56, 7, 56]
    )
    report, folder = run([path], tmp_path)
    table = rejected(folder).set_index("row")
    assert (report.rows_in, report.rows_kept, report.rows_rejected) == (4, 2, 2)
    assert table.reason[2] == "column rp_coefficients: the array has 54 values, 55 expected"
    assert "basis 7 is unknown, this release has 56" in table.reason[3]
    assert table.source_id.tolist() == [str(IDS[1]), str(IDS[2])]
    assert table.file[2] == str(path)
    stage = folder.stage("ingest")
    assert stage["rows_in"] == stage["rows_kept"] + stage["rows_rejected"] == 4
    assert stage["files"][0]["name"] == "xp.parquet"
    assert str(tmp_path) not in folder.manifest.to_json()


def test_a_file_without_any_usable_row_is_refused(tmp_path):
    path = spectra(tmp_path / "xp.parquet", rp_coefficients=list(np.ones((4, 54))))
    with pytest.raises(InputError, match="row 1, column rp_coefficients: the array has 54"):
        ingest([path], tmp_path / "my.survey")
    assert list(tmp_path.iterdir()) == [path]


def test_duplicates_name_the_first_row(tmp_path):
    first = spectra(tmp_path / "a.parquet", np.array([*IDS, IDS[2]]))
    second = spectra(tmp_path / "b.parquet", np.array([IDS[0], IDS[3] + 1]))
    report, folder = run([first, second], tmp_path)
    table = rejected(folder)
    assert report.sources == 5
    assert report.rows_in == 7 == report.rows_kept + len(table)
    assert table.reason.tolist() == [
        f"duplicate of row 3 of {first}",
        f"duplicate of row 1 of {first}",
    ]


def test_a_file_that_brings_nothing_new_is_listed_whole(tmp_path):
    first = spectra(tmp_path / "a.parquet", phot_g_mean_mag=15.0)
    second = spectra(tmp_path / "b.parquet", phot_g_mean_mag=15.0)
    report, folder = run([first, second], tmp_path)
    assert (report.rows_kept, report.rows_rejected) == (len(IDS), len(IDS))
    assert len(folder.catalog) == len(IDS)


def test_points_of_a_source_may_lie_in_two_files(tmp_path):
    first = points(tmp_path / "a.parquet", time=np.arange(60.0))
    second = points(tmp_path / "b.parquet", time=np.arange(55.0, 115.0))
    report, folder = run([first, second], tmp_path, periods=False)
    product = load_product(folder, EpochPhotometry)
    assert report.products == {"epoch_photometry": 2}
    # source 0 has times 0..29 and 55..84, source 1 has 30..59 and 85..114: none stands twice
    assert np.diff(product.offsets).tolist() == [60, 60]
    again, _ = run([first, first], tmp_path, periods=False, overwrite=True)
    assert again.rows_rejected == 60


def test_magnitude_errors_come_from_fluxes(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text(
        "source_id,band,time,mag,flux,flux_error,rejected_by_photometry,rejected_by_variability\n"
        f"{IDS[0]},G,1.5,15,200,2,False,False\n"
        f"{IDS[0]},BP,2.5,15.5,100,2,False,True\n"
        f"{IDS[0]},XX,2.5,15.5,100,2,False,False\n"
        f"{IDS[0]},RP,3.5,,100,2,False,False\n"
    )
    _, folder = run([path], tmp_path)
    product = load_product(folder, EpochPhotometry)
    expected = 2.5 / np.log(10) * np.array([0.01, 0.02])
    np.testing.assert_allclose(product.mag_error, expected)
    assert product.rejected.tolist() == [False, True]
    assert len(product.light_curve(0)) == 1
    assert len(product.light_curve(0, BP_BAND)) == 0
    assert "band 'XX' is none of G, BP, RP" in rejected(folder).reason[0]
    assert folder.catalog.frame.phot_g_mean_mag.tolist() == [15.0]


def test_raw_layout_has_its_own_times_a_band(tmp_path):
    path = parquet(
        tmp_path / "raw.parquet",
        SOURCE_ID=IDS[:1],
        g_transit_time=[[1.0, 2.0, 3.0]],
        g_transit_mag=[[15.0, np.nan, 15.2]],
        g_transit_flux_over_error=[[100.0, 100.0, 100.0]],
        bp_obs_time=[[1.1, 2.1, 3.1]],
        bp_mag=[[15.5, 15.6, 15.7]],
        bp_flux=[[100.0, 100.0, 100.0]],
        bp_flux_error=[[1.0, 1.0, 1.0]],
        variability_flag_g_reject=[[False, False, True]],
        photometry_flag_bp_reject=[[True, False, False]],
    )
    report, folder = run([path], tmp_path)
    product = load_product(folder, EpochPhotometry)
    assert report.tables[0].points_dropped == 1
    assert product.time.tolist() == [1.0, 3.0, 1.1, 2.1, 3.1]
    assert product.band.tolist() == [0, 0, 1, 1, 1]
    assert product.rejected.tolist() == [False, True, True, False, False]


def test_rows_of_another_release_are_rejected(tmp_path):
    release = np.repeat(["DR3", "DR2"], 30)
    _, folder = run([points(tmp_path / "p.parquet", data_release=release)], tmp_path)
    assert folder.catalog.source_id.tolist() == [IDS[0]]
    reasons = rejected(folder).reason.unique().tolist()
    assert reasons == ["column data_release: data release DR2, this survey is gaia_dr3"]


def test_labels_are_joined_by_id(tmp_path):
    xp = spectra(tmp_path / "xp.parquet")
    labels = parquet(
        tmp_path / "labels.parquet",
        GAIAEDR3_SOURCE_ID=[IDS[1], 77, IDS[0], IDS[1]],
        TEFF=[5000.0, 1.0, 6000.0, 9.0],
        label=["a", "b", None, "c"],
    )
    report, folder = run([labels, xp], tmp_path)
    frame = folder.catalog.frame
    assert frame.teff.tolist()[:2] == [6000.0, 5000.0]
    assert frame.teff.isna().tolist() == [False, False, True, True]
    assert frame.label[1] == "a"
    assert report.rows_rejected == 2
    assert "no spectrum or light curve" in rejected(folder).reason.str.cat()
    with pytest.raises(InputError, match="no spectra and no light curves"):
        ingest([labels], tmp_path / "other.survey")


def test_columns_that_vary_within_a_source_stay_out(tmp_path):
    path = points(
        tmp_path / "p.parquet",
        best_class_name=np.repeat(["RR", "ECL"], 30),
        airmass=np.arange(60.0),
        gaiaedr3_phot_g_mean_mag=np.repeat([14.0, 15.0], 30),
    )
    _, folder = run([path], tmp_path, periods=False)
    assert folder.catalog.frame.best_class_name.tolist() == ["RR", "ECL"]
    assert "airmass" not in folder.catalog.frame
    assert folder.catalog.frame.phot_g_mean_mag.tolist() == [14.0, 15.0]


def test_frequencies_are_given_turned_or_found(tmp_path):
    rng = np.random.default_rng(3)
    time = np.sort(rng.uniform(1700, 2700, (3, 40))).ravel()
    path = points(
        tmp_path / "p.parquet",
        IDS[:3],
        40,
        time=time,
        mag=15 + 0.2 * np.sin(2 * np.pi * 1.7321 * time) + rng.normal(0, 0.01, 120),
        frequency=np.repeat([3.0, np.nan, np.nan], 40),
        period=np.repeat([np.nan, 0.5, np.nan], 40),
    )
    _, folder = run([path], tmp_path)
    frame = folder.catalog.frame
    np.testing.assert_allclose(frame.frequency, [3.0, 2.0, 1.7321], atol=2e-5)
    assert frame.frequency_origin.tolist() == ["archive", "archive: 1 / period", "lomb-scargle"]
    # only a frequency that we searched for has a false-alarm probability of that search
    assert frame.frequency_log10_fap.isna().tolist() == [True, True, False]
    assert frame.frequency_log10_fap[2] < -10
    assert frame.frequency_spurious.dtype == bool
    assert not frame.frequency_spurious.any()


@pytest.mark.parametrize(("frequency", "flagged"), [(12.0, True), (3.0, False)])
def test_a_frequency_of_the_scanning_law_is_flagged_not_dropped(tmp_path, frequency, flagged):
    path = points(tmp_path / "p.parquet", frequency=frequency)
    report, folder = run([path], tmp_path)
    assert report.sources == 2
    assert folder.catalog.frame.frequency_spurious.tolist() == [flagged] * 2
    assert folder.catalog.column("frequency_spurious").kind == "flag"
    assert "frequency_log10_fap" not in folder.catalog.frame


def test_sampled_spectra_need_the_whole_grid(tmp_path):
    grid = load_release().xp.sampled_wavelength_nm
    path = parquet(
        tmp_path / "sampled.parquet",
        source_id=np.repeat(IDS[:2], 343)[:-1],
        wavelength=np.tile(grid[::-1], 2)[:-1],
        flux=np.tile(np.arange(343.0), 2)[:-1],
        flux_error=1.0,
    )
    report, folder = run([path], tmp_path)
    product = load_product(folder, XpSampled)
    np.testing.assert_array_equal(product.flux[0], np.arange(343)[::-1])
    assert report.rows_rejected == 342
    assert "has not all 343 wavelengths" in rejected(folder).reason[0]


def test_derived_coefficients_say_so(tmp_path):
    path = spectra(tmp_path / "xp.parquet", coefficients_are="derived: by inversion")
    _, folder = run([path], tmp_path)
    assert load_product(folder, XpCoefficients).origin == "derived: by inversion"


def test_an_existing_survey_is_kept_unless_told(tmp_path):
    path = spectra(tmp_path / "xp.parquet")
    _, first = run([path], tmp_path)
    with pytest.raises(FolderError, match="exists already"):
        ingest([path], tmp_path / "my.survey")
    _, second = run([path], tmp_path, overwrite=True)
    assert first.version == second.version


def test_progress_is_told(tmp_path):
    told = []
    path = points(tmp_path / "p.parquet")
    report, _ = run([path], tmp_path, progress=lambda *event: told.append(event))
    assert told == [("read", 0, 1), ("read", 1, 1), ("periods", 0, 2)]
    assert "rows read 60 = kept 60 + rejected 0" in report.text()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("[1, 2, null]", [1, 2, np.nan]),
        ("(1.5,None)", [1.5, np.nan]),
        ("{1 2 nan}", [1, 2, np.nan]),
        ('["True", "False"]', [1, 0]),
        ("[]", []),
        ([1, None], [1, np.nan]),
        (None, None),
        ("null", None),
    ],
)
def test_array_cells(cell, expected):
    got = vector(cell)
    assert (got is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("cell", ["[1, 2", "1, 2", "[a]", "(1]", 3.5, [[1, 2], [3, 4]], {"a": 1}])
def test_cells_that_are_no_arrays(cell):
    with pytest.raises(ValueError):
        vector(cell)


def test_flags_in_any_spelling():
    given = pd.Series([True, "True", "t", 1, "1", None, False, "false", 0, np.nan], dtype=object)
    assert flags(given).tolist() == [True] * 5 + [False] * 5


@pytest.mark.parametrize("frequency", [0.01, 0.5, 13.98527, 24.5])
def test_find_frequency(frequency):
    rng = np.random.default_rng(4)
    time = np.sort(rng.uniform(0, 1000, 60))
    mag = 12 + 0.3 * np.cos(2 * np.pi * frequency * time) + rng.normal(0, 0.005, 60)
    found = find_frequency(time, mag, np.full(60, 0.005))
    assert found.frequency == pytest.approx(frequency, abs=2e-5)
    assert found.power > 0.95


@pytest.mark.parametrize("size", [0, 1, 4])
def test_few_points_have_no_frequency(size):
    found = find_frequency(np.arange(size), np.arange(size), np.ones(size))
    assert np.isnan(found.frequency)
    assert np.isnan(find_frequency(np.arange(9), np.ones(9), np.ones(9)).power)


def test_a_frequency_says_from_which_table_it_came(tmp_path):
    xp = points(tmp_path / "p.parquet", IDS)
    rr_lyrae = parquet(
        tmp_path / "rr.parquet",
        source_id=IDS[:2],
        pf=[0.5, np.nan],
        p1_o=[np.nan, 0.25],
        peak_to_peak_g=0.3,
        best_classification=["RRab", "RRc"],
    )
    binary = parquet(
        tmp_path / "ecl.parquet",
        source_id=IDS[1:3],
        frequency=[7.5, 3.0],
        global_ranking=0.9,
        reference_time=1700.0,
    )
    oscillator = parquet(
        tmp_path / "ms.parquet", source_id=IDS[3:], frequency1=[9.5], fap_g_freq1=1e-9
    )
    report, folder = run([binary, oscillator, rr_lyrae, xp], tmp_path, periods=False)
    frame = folder.catalog.frame
    assert report.rows_rejected == 0
    assert frame.frequency.tolist() == [2.0, 4.0, 3.0, 9.5]
    assert frame.frequency_origin.tolist() == [
        "vari_rrlyrae: 1 / pf",
        "vari_rrlyrae: 1 / p1_o",
        "vari_eclipsing_binary",
        "vari_ms_oscillator: frequency1",
    ]
    assert frame.pf.tolist()[0] == 0.5
    assert frame.frequency1[3] == 9.5
    few = parquet(tmp_path / "vari_cepheid-result.parquet", source_id=IDS[:1], p1_o=[0.8])
    _, folder = run([few, xp], tmp_path, periods=False, overwrite=True)
    assert folder.catalog.frame.frequency_origin[0] == "vari_cepheid: 1 / p1_o"
    assert frame.best_classification.tolist()[:2] == ["RRab", "RRc"]
