"""Files that somebody brings: told apart, read in a process of their own, refused with reasons."""

import gzip

import numpy as np
import pandas as pd
import pytest

from latent_core.errors import InputError
from latent_core.release import load_release
from latent_core.surveys.apart import Bounds, CancelledError, bring_apart
from latent_core.surveys.brought import bring, brought_ids


def xp_csv(path, ids, *, label="a star", broken=()):
    """Write XP coefficients as the archive's CSV has them; `broken` rows have too few."""
    rng = np.random.default_rng(1)
    lines = ["source_id,bp_coefficients,bp_coefficient_errors,rp_coefficients,"
             "rp_coefficient_errors,phot_g_mean_mag,label"]  # fmt: skip
    for row, source_id in enumerate(ids):
        count = 3 if row in broken else 55
        sizes = (count, 55, 55, 55)
        cells = ['"(' + ", ".join(f"{v:.5f}" for v in rng.uniform(1, 2, n)) + ')"' for n in sizes]
        lines.append(f"{source_id},{','.join(cells)},14.5,{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_of_ids_keeps_its_columns_and_refuses_a_bad_row_alone(tmp_path):
    file = tmp_path / "ids.csv"
    file.write_text("source_id,note\n12,<b>x</b>\n13a,y\n,z\nGaia DR3 14,w\n", encoding="utf-8")
    found = bring([file], tmp_path, release=load_release())
    assert found.survey is None
    assert found.told["source_id"].tolist() == [12, 14]
    assert found.told["note"].tolist() == ["<b>x</b>", "w"]
    assert found.rejected["row"].tolist() == [2, 3]
    assert "'a' is not a digit" in found.rejected["reason"][0]


def test_a_plain_list_needs_no_header(tmp_path):
    file = tmp_path / "ids.txt"
    file.write_text("# mine\n4295806720\noops\n38655544960\n", encoding="utf-8")
    found = bring([file], tmp_path)
    assert found.without_data.tolist() == [4295806720, 38655544960]
    assert found.rejected["row"].tolist() == [3]


def test_ids_stored_as_floats_are_refused_whole(tmp_path):
    file = tmp_path / "ids.parquet"
    pd.DataFrame({"source_id": [4.2e18, 4.3e18]}).to_parquet(file)
    with pytest.raises(InputError, match="cannot hold 19 digits"):
        bring([file], tmp_path)


def test_data_and_a_table_of_ids_are_joined(tmp_path):
    data = xp_csv(tmp_path / "xp.csv", [2**60, 2**60 + 1, 2**60 + 2], broken=[1])
    ids = tmp_path / "ids.csv"
    ids.write_text(f"source_id,teff\n{2**60},5000\n77,6000\n", encoding="utf-8")
    found = bring([data, ids], tmp_path)
    assert found.survey is not None
    assert found.survey.catalog.source_id.tolist() == [2**60, 2**60 + 2]
    assert found.without_data.tolist() == [77]
    assert len(found.rejected) == 1
    assert "3 values, 55 expected" in found.rejected["reason"][0]


def read_apart(tmp_path, file, **options):
    (tmp_path / "read").mkdir()
    return bring_apart([file], ["mine.csv"], tmp_path / "read", most=100, **options)


def test_another_process_reads_the_same(tmp_path):
    file = xp_csv(tmp_path / "0", [2**60, 2**60 + 1], broken=[1], label="<i>x</i>")
    found = read_apart(tmp_path, file)
    assert found.survey is not None
    assert found.told["source_id"].tolist() == [2**60]
    assert found.told["label"].tolist() == ["<i>x</i>"]
    assert found.rejected["file"].tolist() == ["mine.csv"]


def test_damage_is_one_sentence_that_names_the_file_as_its_owner_does(tmp_path):
    file = tmp_path / "0"
    file.write_bytes(b"PAR1" + bytes(200))
    with pytest.raises(
        InputError, match=r"^mine\.csv: the Parquet file is cut or damaged"
    ) as caught:
        read_apart(tmp_path, file)
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_unpacks_beyond_the_memory_ends_its_own_process(tmp_path):
    file = tmp_path / "0"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        for _ in range(40):
            stream.write(bytes(2**24))
    with pytest.raises(InputError, match=r"mine\.csv|memory|GiB"):
        read_apart(tmp_path, file, bounds=Bounds(memory=2**30))


def test_what_nobody_waits_for_is_stopped(tmp_path):
    file = xp_csv(tmp_path / "0", [2**60])
    with pytest.raises(CancelledError):
        read_apart(tmp_path, file, stopped=lambda: True)


def test_more_sources_than_the_screen_takes_are_refused(tmp_path):
    file = xp_csv(tmp_path / "0", [2**60, 2**60 + 1])
    with pytest.raises(InputError, match="2 sources with data are too many"):
        read_apart(tmp_path, file, bounds=Bounds(sources=1))


def test_a_pasted_list_says_what_it_did_not_read():
    found = brought_ids("1 2 3 4", 2)
    assert found.without_data.tolist() == [1, 2]
    assert "2 more entries were not read" in found.rejected["reason"][0]
