"""Queries, limits and the work folder of `gaia-latent fetch`, without an archive."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latent_core.errors import FolderError, InputError
from latent_core.release import load_release
from latent_core.surveys.archive import adql
from latent_core.surveys.archive.replies import rows_of, storable
from latent_core.surveys.archive.work import Work

BIG = 2**63 - 1


def test_the_release_keeps_to_the_archives_limits():
    archive = load_release().archive
    assert 0 < archive.ids_per_batch <= archive.ids_per_call == 5000
    assert archive.ids_per_upload < archive.row_limit
    assert archive.url.startswith("https://")
    first = next(iter(archive.columns))
    assert first == "gaia_source"
    for product in archive.products.values():
        assert product.flag in archive.columns[first]


def test_no_column_of_the_catalog_query_stands_twice():
    archive = load_release().archive
    selected = adql.catalog_query(archive).split(" FROM ")[0]
    names = re.findall(r"t\d\.(\w+)", selected)
    assert len(names) == len(set(names)) > 20


def test_a_limited_class_query_is_a_fair_sample():
    query = adql.class_query(["RR", "CEP", "RR"], ("xp",), 7, load_release())
    assert query.startswith("SELECT TOP 7 g.source_id")
    assert "IN ('RR', 'CEP')" in query
    assert "g.has_xp_continuous = 't'" in query
    assert "has_epoch_photometry" not in query
    assert query.endswith("ORDER BY g.random_index")
    assert "TOP" not in adql.class_query(["RR"], ("xp",), None, load_release())


@pytest.mark.parametrize("name", ["", "rr", "RR'--", "RR' OR '1'='1", "VARIABLE"])
def test_only_names_of_the_release_reach_a_query(name):
    with pytest.raises(InputError, match="is not a class"):
        adql.class_query([name], ("xp",), None, load_release())


def test_angles_are_plain_numbers_in_a_query():
    archive = load_release().archive
    query = adql.cone_query((np.float64(1.5), np.float32(-2)), 1, ("xp",), None, archive)
    assert "CIRCLE('ICRS', 1.5, -2.0, 1.0)" in query


@pytest.mark.parametrize("value", [-1, 2**63, 10**30])
def test_an_id_outside_the_range_reaches_no_query(value):
    with pytest.raises(InputError, match="outside"):
        adql.checked_id(value)
    with pytest.raises(InputError):
        adql.ids_query([1, value], load_release().archive)


def test_short_lists_are_written_out_and_long_ones_uploaded():
    archive = load_release().archive
    assert f"IN (0, {BIG})" in adql.ids_query([0, BIG], archive)
    assert "tap_upload.ids" in adql.ids_query(range(1001), archive)


def test_the_largest_id_survives_the_work_folder(tmp_path: Path):
    rows = pd.DataFrame({"source_id": np.array([3, BIG]), "x": [np.ones(2), np.arange(3.0)]})
    with Work.opened(tmp_path / "w", {"query": "q"}) as work:
        work.keep("xp-00000", rows, {"missing": [BIG]})
        assert work.rows("xp-00000")["source_id"].tolist() == [3, BIG]
        note = work.note("xp-00000")
        assert note is not None
        assert (note["missing"], note["rows"]) == ([BIG], 2)
        assert work.note("xp-00001") is None


def test_one_process_at_a_time(tmp_path: Path):
    with (
        Work.opened(tmp_path / "w", {"query": "q"}),
        pytest.raises(FolderError, match="runs already"),
        Work.opened(tmp_path / "w", {"query": "q"}),
    ):
        pass


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(FolderError, match="was not written by gaia-latent fetch"),
        Work.opened(tmp_path / "w", {"query": "q"}),
    ):
        pass
    assert (tmp_path / "w" / "thesis.txt").read_text() == "years of work"


def test_lists_with_masked_values_are_stored_beside_whole_ones():
    cells = [np.array([True, False]), np.array([np.nan, 1.0]), np.array(True), None]
    column = pd.Series([None] * 4, dtype=object)
    for row, cell in enumerate(cells):
        column.iat[row] = cell
    stored = storable(pd.DataFrame({"flags": column}))["flags"]
    np.testing.assert_array_equal(stored[0], [1.0, 0.0])
    np.testing.assert_array_equal(stored[1], [np.nan, 1.0])
    np.testing.assert_array_equal(stored[2], [1.0])
    assert stored[3] is None


def test_an_empty_answer_has_no_rows():
    assert list(rows_of(b" \n").columns) == ["source_id"]
    assert len(rows_of(b"")) == 0
