"""Identifiers as people and files write them, and the catalog on disk."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_core.catalog import (
    LARGEST_ID,
    Catalog,
    Column,
    RowIndex,
    describe,
    parse_source_id,
    read_catalog,
    source_ids,
    write_catalog,
)
from latent_core.errors import InputError

ID = 5_853_498_713_190_525_696


@pytest.mark.parametrize(
    "text",
    [f"{ID}", f"  {ID} ", f"Gaia DR3 {ID}", f"gaia edr3 {ID}", f"Gaia DR2  {ID}\n"],
)
def test_an_id_is_read_as_it_is_typed(text):
    assert parse_source_id(text) == ID


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("12x4", "'x' is not a digit"),
        ("-5", "'-' is not a digit"),
        ("1e18", "'e' is not a digit"),
        ("1.0", "'.' is not a digit"),
        ("１２", "is not a digit"),
        ("9223372036854775808", "above 2^63"),
        ("1" * 20, "above 2^63"),
        ("<script>", "'<' is not a digit"),
    ],
)
def test_what_is_no_id_is_refused(text, said):
    with pytest.raises(InputError) as refusal:
        parse_source_id(text)
    assert said in str(refusal.value)


@given(st.integers(0, LARGEST_ID))
def test_every_id_survives(value):
    assert parse_source_id(str(value)) == value
    assert source_ids(pd.Series([str(value)], name="id")).tolist() == [value]


@given(st.text(max_size=30))
def test_any_text_is_an_id_or_a_sentence(text):
    try:
        assert 0 <= parse_source_id(text) <= LARGEST_ID
    except InputError as error:
        refused = str(error)
        assert refused


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, 2.0], "stored as float64"),
        ([True, False], "stored as bool"),
        (["1", "a"], "row 2, column source_id"),
        ([1, None], "column source_id"),
        (["1", None], "row 2, column source_id: a source_id is missing"),
        ([3, -4], "row 2, column source_id: a source_id is negative"),
        ([1, 2, 1], "source_id 1 stands in rows 1 and 3"),
        (np.array([1, 2**63], np.uint64), "row 2, column source_id: 9223372036854775808 is above"),
    ],
)
def test_id_columns_that_are_refused(values, said):
    with pytest.raises(InputError) as refusal:
        source_ids(pd.Series(values, name="source_id"), file="a.csv")
    assert str(refusal.value).startswith("a.csv")
    assert said in str(refusal.value)


def test_id_columns_that_are_taken():
    for values in (
        [ID, ID + 1],
        [str(ID), f"Gaia DR3 {ID + 1}"],
        np.array([ID, ID + 1], np.uint64),
    ):
        ids = source_ids(pd.Series(values, name="id"))
        assert ids.dtype == np.int64
        assert ids.tolist() == [ID, ID + 1]
    nullable = pd.Series([ID, ID + 1], name="id", dtype="Int64")
    assert source_ids(nullable).tolist() == [ID, ID + 1]
    assert source_ids(pd.Series([1, 1]), unique=False).tolist() == [1, 1]


@given(st.lists(st.integers(0, LARGEST_ID), unique=True, max_size=30), st.randoms())
def test_row_index_finds_every_row(ids, random):
    known = ids[: len(ids) // 2]
    index = RowIndex(np.array(known, np.int64))
    asked = random.sample(ids, len(ids))
    rows = index.find(np.array(asked, np.int64))
    expected = [known.index(i) if i in known else -1 for i in asked]
    assert rows.tolist() == expected


def test_a_catalog_keeps_units_labels_and_ids(tmp_path):
    frame = pd.DataFrame(
        {"source_id": [ID, ID + 1], "teff": [5000.0, np.nan], "mine": ["a", None]}
    )
    catalog = Catalog(frame, (Column("mine", "", "my class", "category"),), simulated=True)
    write_catalog(tmp_path / "c.parquet", catalog)
    read = read_catalog(tmp_path / "c.parquet")
    assert read.source_id.tolist() == [ID, ID + 1]
    assert read.simulated
    assert read.column("teff").title == "Teff [K]"
    assert read.column("mine").label == "my class"
    assert read.columns == catalog.columns
    with pytest.raises(KeyError):
        read.column("none")


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", [1.0], "number"),
        ("x", [True], "flag"),
        ("x", ["a"], "category"),
        ("x", [str(k) for k in range(1001)], "text"),
        ("source_id", [1], "identifier"),
    ],
)
def test_columns_are_described_by_name_or_dtype(name, values, kind):
    assert describe(name, pd.Series(values)).kind == kind


def test_archive_columns_bring_their_units_but_never_to_text_of_the_same_name():
    frame = pd.DataFrame({"source_id": [1, 2], "b": [0.5, -3.0], "teff_gspphot": [5000.0, 6e3]})
    catalog = Catalog(frame)
    assert catalog.column("b").unit == "deg"
    assert catalog.column("teff_gspphot").title == "Teff (GSP-Phot) [K]"
    other = Catalog(frame.assign(b=["yes", "no"])).column("b")
    assert (other.kind, other.unit) == ("category", "")
