"""A selection on disk: exact ids in catalog order, units, and its origin."""

import io
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from astropy.io.votable import parse
from fake_bundle import ROWS, fake_bundle

from dashboard.bitmap import Bitmap
from dashboard.exports import file_name, provenance, to_csv, to_votable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def selected():
    bundle = fake_bundle()
    mask = np.zeros(ROWS, bool)
    mask[[2, 3, 11, 40]] = True
    return bundle, Bitmap.from_mask(mask)


def test_votable_reads_back_the_same_ids_in_catalog_order(selected):
    bundle, rows = selected
    file = parse(io.BytesIO(to_votable(bundle, rows, NOW)))
    table = file.get_first_table()
    field = table.get_field_by_id_or_name("source_id")
    ids = np.asarray(table.array["source_id"])
    assert field.datatype == "long"
    assert ids.dtype == np.int64
    assert ids.tolist() == bundle.folder.catalog.source_id[rows.to_rows()].tolist()
    assert table.get_field_by_id_or_name("teff").unit.to_string() == "K"


def test_votable_says_where_it_comes_from(selected):
    infos = {i.name: i.value for i in parse(io.BytesIO(to_votable(*selected, NOW))).infos}
    assert infos["bundle"] == "fake bundle"
    assert infos["version"] == "0123456789ab"
    assert infos["date"] == "2026-01-02T03:04:05Z"
    assert infos["rows"] == f"4 of {ROWS}"


def test_csv_reads_back_the_same_ids(selected):
    bundle, rows = selected
    content = to_csv(bundle, rows, NOW)
    frame = pd.read_csv(io.BytesIO(content), comment="#")
    assert frame["source_id"].tolist() == bundle.folder.catalog.source_id[rows.to_rows()].tolist()
    assert b"# version: 0123456789ab" in content
    assert b"# column teff: [K] effective temperature" in content


def test_simulated_rows_say_so_in_both_files():
    bundle = fake_bundle(simulated=True)
    rows = Bitmap.all(ROWS)
    assert "simulated" in provenance(bundle, ROWS)
    assert b"SIMULATED" in to_csv(bundle, rows)
    assert b"SIMULATED" in to_votable(bundle, rows)


def test_an_empty_selection_is_a_valid_file():
    bundle = fake_bundle()
    nothing = Bitmap.none(ROWS)
    assert len(parse(io.BytesIO(to_votable(bundle, nothing))).get_first_table().array) == 0


def test_file_names_are_plain():
    assert file_name("apogee", 3187, "csv") == "apogee-selection-3187.csv"
    assert file_name("../a b", 2, "vot") == "a_b-selection-2.vot"
