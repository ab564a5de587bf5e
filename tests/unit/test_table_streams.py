"""Big files are read in parts: what comes out is what comes out of the whole."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from latent_core.bundle import Folder
from latent_core.errors import InputError
from latent_core.products import EpochPhotometry, XpCoefficients, load_product
from latent_core.surveys import byte_streams, file_reading
from latent_core.surveys.byte_streams import line_blocks
from latent_core.surveys.gaia_files import ingest

N = 40
IDS = 4_295_806_720_123_456_789 + 1000 * np.arange(N)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(byte_streams, "BLOCK", 20_000)


def spectra(ids=IDS):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"source_id": ids})
    for band, basis in (("bp", 56), ("rp", 57)):
        frame[f"{band}_basis_function_id"] = str(basis)
        frame[f"{band}_chi_squared"] = rng.uniform(800, 1000, len(ids))
        for name, size in (
            ("coefficients", 55),
            ("coefficient_errors", 55),
            ("coefficient_correlations", 200),
        ):
            values = rng.uniform(0.1, 1, (len(ids), size)).tolist()
            frame[f"{band}_{name}"] = [json.dumps(row) for row in values]
    return frame


def ecsv_gz(path, frame):
    lines = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
    lines += [f"- {{name: {name}, datatype: string}}" for name in frame]
    header = "".join(f"# {line}\n" for line in lines)
    path.write_bytes(gzip.compress((header + frame.to_csv(index=False, na_rep="null")).encode()))
    return path


def run(files, tmp_path, name="my.survey", **options):
    report = ingest(files, tmp_path / name, periods=False, **options)
    folder = Folder.open(report.path, "survey")
    folder.verify()
    assert report.rows_in == report.rows_kept + report.rows_rejected
    listed = 0
    if "rejected.parquet" in folder:
        listed = pd.read_parquet(folder.file("rejected.parquet")).rows.sum()
    assert listed == report.rows_rejected
    assert not (report.path / "spool").exists()
    return report, folder


def test_parts_make_the_whole(tmp_path, monkeypatch):
    shuffled = np.random.default_rng(3).permutation(IDS)
    path = ecsv_gz(tmp_path / "xp.csv.gz", spectra(shuffled))
    _, whole = run([path], tmp_path, "whole.survey")
    monkeypatch.setattr(byte_streams, "BLOCK", 20_000)
    _, parts = run([path], tmp_path, "parts.survey")
    pd.testing.assert_frame_equal(whole.catalog.frame, parts.catalog.frame)
    assert parts.catalog.source_id.tolist() == IDS.tolist()
    for name in ("values", "errors", "rows"):
        np.testing.assert_array_equal(
            getattr(load_product(parts, XpCoefficients), name),
            getattr(load_product(whole, XpCoefficients), name),
        )
    given = json.loads(spectra(shuffled).set_index("source_id").bp_coefficients[IDS[5]])
    assert load_product(parts, XpCoefficients).values[5, :55].tolist() == given


@pytest.mark.parametrize("bad", ["5-6", "7", "null"])
def test_the_bad_archive_row_is_listed_and_the_rest_loaded(bad, small_blocks, tmp_path):
    frame = spectra()
    frame.loc[30, "bp_basis_function_id"] = bad
    report, folder = run([ecsv_gz(tmp_path / "xp.csv.gz", frame)], tmp_path)
    rejected = pd.read_parquet(folder.file("rejected.parquet"))
    assert (report.sources, report.rows_rejected) == (N - 1, 1)
    assert rejected.row.tolist() == [31]
    assert rejected.source_id.tolist() == [str(IDS[30])]
    assert rejected.reason[0].startswith("column bp_basis_function_id: ")


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.999])
def test_a_cut_gz_is_one_sentence_and_nothing_is_left(cut, small_blocks, tmp_path):
    path = ecsv_gz(tmp_path / "xp.csv.gz", spectra())
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(InputError, match="gzip file is cut or damaged") as refusal:
        ingest([path], tmp_path / "my.survey")
    assert str(path) in str(refusal.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", [-1, -6, 5000])
def test_a_damaged_gz_is_refused(place, tmp_path):
    content = bytearray(gzip.compress(np.random.default_rng(0).bytes(20_000)))
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    assert len(b"".join(byte_streams.unpacked(path))) == 20_000
    content[place] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(InputError, match="gzip file is cut or damaged"):
        b"".join(byte_streams.unpacked(path))


def test_a_wrong_row_far_down_is_named(small_blocks, tmp_path):
    frame = spectra()
    path = tmp_path / "xp.csv"
    text = frame.to_csv(index=False).splitlines()
    path.write_text("\n".join([*text[:36], text[36] + ",7", *text[37:]]))
    with pytest.raises(InputError, match=r"row 36: the row has \d+ cells, the header \d+"):
        ingest([path], tmp_path / "my.survey")
    frame["source_id"] = frame.source_id.astype(object)
    frame.loc[33, "source_id"] = "1.5e18"
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match="row 34, column source_id"):
        ingest([path], tmp_path / "my.survey")
    assert list(tmp_path.iterdir()) == [path]


def test_other_delimiters_flags_and_members(small_blocks, tmp_path):
    rows = []
    for k, source in enumerate(IDS):
        times = ", ".join(str(1700 + k + x) for x in range(40))
        mags = ", ".join(["15.5"] * 39 + ["null"])
        ratio = ", ".join(["100.0"] * 40)
        flag = ", ".join(['""True""'] + ['""False""'] * 39)
        rows.append(f'{source},"[{times}]","({mags})","{{{ratio}}}","[{flag}]"\n')
    header = (
        "source_id,g_transit_time,g_transit_mag,g_transit_flux_over_error,"
        "variability_flag_g_reject\n"
    )
    path = tmp_path / "epochs.csv.gz"
    half = "".join(rows[:20]).encode()
    rest = "".join(rows[20:]).encode()
    rest += b"\n" * 21_000
    path.write_bytes(gzip.compress(header.encode() + half) + gzip.compress(rest) + b"\0" * 512)
    report, folder = run([path], tmp_path)
    curves = load_product(folder, EpochPhotometry)
    assert report.tables[0].points_dropped == N
    assert np.diff(curves.offsets).tolist() == [39] * N
    assert curves.rejected.sum() == N
    assert curves.time[curves.offsets[7]] == 1707.0


def test_a_big_catalog_is_cut_to_our_sources(small_blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(file_reading, "MOST_LISTED", 50)
    xp = ecsv_gz(tmp_path / "xp.csv.gz", spectra(IDS[:5]))
    size = 3000
    others = np.sort(np.r_[IDS[:5], 10**18 + np.arange(size)])
    catalog = pd.DataFrame(
        {
            "solution_id": 1,
            "designation": [f"Gaia DR3 {i}" for i in others],
            "source_id": others,
            "phot_g_mean_mag": np.arange(size + 5) / 100,
            "has_rvs": np.where(np.arange(size + 5) % 2, "True", "False"),
        }
    )
    given = ecsv_gz(tmp_path / "GaiaSource_000000-003111.csv.gz", catalog)
    report, folder = run([given, xp], tmp_path)
    frame = folder.catalog.frame
    wanted = catalog.set_index("source_id").phot_g_mean_mag[IDS[:5]]
    assert frame.phot_g_mean_mag.tolist() == wanted.tolist()
    assert report.rows_rejected == size
    rejected = pd.read_parquet(folder.file("rejected.parquet"))
    assert len(rejected) < 100
    assert rejected.reason.str.startswith("no spectrum or light curve").all()


def test_a_line_end_in_quotes_ends_no_row(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    rows = [f'{k},"a\nb,{"x" * (k % 7)}"\n' for k in range(200)]
    path.write_text("".join(rows))
    monkeypatch.setattr(byte_streams, "_PIECE", 64)
    blocks = list(line_blocks(path, 100))
    assert b"".join(blocks) == path.read_bytes()
    assert len(blocks) > 10
    assert all(block.count(b'"') % 2 == 0 for block in blocks)


def test_big_parquet_comes_in_batches(small_blocks, tmp_path, monkeypatch):
    from latent_core.surveys import table_streams

    monkeypatch.setattr(table_streams, "BATCH", 7)
    frame = spectra()
    for name in frame:
        if "coefficient" in name:
            frame[name] = frame[name].map(json.loads)
    frame["bp_basis_function_id"] = 56
    frame["rp_basis_function_id"] = 57
    frame.to_parquet(tmp_path / "xp.parquet")
    report, folder = run([tmp_path / "xp.parquet"], tmp_path)
    assert report.sources == N
    values = load_product(folder, XpCoefficients).values
    np.testing.assert_array_equal(values[:, 55:], np.stack(frame.rp_coefficients.to_list()))
