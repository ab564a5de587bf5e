"""Columns by memory map hold what Parquet holds: values, dtypes, missing ones."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from latent_core import Bundle
from latent_core.bundle import Folder, Manifest, new_folder, write_stage
from latent_core.catalog import Catalog, Column, read_catalog
from latent_core.derived import save_derived
from latent_core.errors import FolderError
from latent_core.frames import LazyFrame

COUNT = 7


def frame_of_all_kinds() -> pd.DataFrame:
    there = [True, False, None, True, None, False, True]
    texts = ["RR Lyr", "", None, "ε Aur", "δ Sct", None, "a" * 300]
    return pd.DataFrame(
        {
            "source_id": np.arange(COUNT, dtype=np.int64) * 3 + 2**61,
            "teff": np.array([1, np.nan, 3, 4, 5, 6, 7], np.float32),
            "ra": np.linspace(0, 360, COUNT),
            "visits": np.arange(COUNT, dtype=np.int16),
            "big": np.full(COUNT, 2**64 - 1, np.uint64),
            "flag": np.arange(COUNT) % 2 == 0,
            "maybe": np.array(there, object),
            "nullable flag": pd.array(there, "boolean"),
            "nullable": pd.array([1, None, 3, 4, None, 6, 2**62 + 1], "Int64"),
            "nullable_float": pd.array([1.5, None, 3, 4, None, 6, 7], "Float32"),
            "kind": pd.Categorical(["b", "a", None, "b", "a", "b", ""], ["b", "a", "", "unused"]),
            "grade": pd.Categorical([3, 1, 2, 3, 3, None, 1], [1, 2, 3], ordered=True),
            "name": texts,
            "Name": ["x"] * COUNT,
            "../../name": [None] * COUNT,
            "observed": pd.to_datetime(["2014-07-25"] * 6 + [None]),
            "zoned": pd.to_datetime(["2014-07-25"] * COUNT, utc=True),
        }
    )


@pytest.fixture
def folder(tmp_path):
    catalog = Catalog(frame_of_all_kinds(), (Column("teff", "K", "Teff"),), simulated=True)
    path = tmp_path / "small.bundle"
    with new_folder(path, Manifest("bundle", "small", "gaia_dr3", True, "0")) as writer:
        writer.save_catalog(catalog)
    return Folder.open(path)


def files_of(folder: Folder) -> list[str]:
    return [name for name in folder.names("columns/") if name.endswith(".npy")]


def test_every_kind_of_column_is_parquets_value_by_value(folder):
    read = read_catalog(folder.path / "catalog.parquet")
    opened = folder.own_catalog
    assert opened.columns == read.columns
    assert opened.simulated
    assert list(opened.table) == list(read.frame)
    for name in read.frame:
        pd.testing.assert_series_equal(opened.table[name], read.frame[name])
    pd.testing.assert_frame_equal(opened.frame, read.frame)


def test_what_is_not_asked_for_is_not_read(folder, monkeypatch):
    catalog = folder.own_catalog
    opened = []
    file = folder.file
    monkeypatch.setattr(folder, "file", lambda name: opened.append(name) or file(name))
    assert len(catalog) == COUNT
    assert catalog.table.distinct("kind") == 3
    assert catalog.table["teff"].isna().sum() == 1
    assert opened == ["columns/catalog/teff.npy"]


def test_a_column_is_a_map_and_the_frame_shares_it(folder):
    column = folder.own_catalog.table["teff"].to_numpy()
    assert isinstance(column.base, np.memmap) or isinstance(column.base.base, np.memmap)
    assert not column.flags.writeable
    assert np.shares_memory(folder.own_catalog.frame["teff"].to_numpy(), column)
    codes = folder.own_catalog.table["kind"].array.codes
    frames = folder.own_catalog.frame["kind"].array.codes
    assert np.shares_memory(frames, codes)


def test_a_folder_without_maps_opens(folder):
    manifest = json.loads((folder.path / "manifest.json").read_text())
    manifest["files"] = {n: r for n, r in manifest["files"].items() if "columns/" not in n}
    (folder.path / "manifest.json").write_text(json.dumps(manifest))
    old = Folder.open(folder.path)
    pd.testing.assert_frame_equal(old.catalog.frame, folder.catalog.frame)
    assert Bundle(old).row(2**61 + 3) == 1


def test_labels_and_derived_columns_stand_beside_the_catalogs(folder):
    ids = folder.catalog.source_id
    labels = pd.DataFrame({"source_id": ids, "teff": np.arange(7.0), "gcvs": ["RR"] * COUNT})
    with write_stage(folder, "labels/gcvs", {"rank": 1}) as writer:
        writer.save_catalog(Catalog(labels), "labels/gcvs.parquet")
    with write_stage(folder, "guess", {}) as writer:
        values = {"mass": np.ones(COUNT), "teff": np.zeros(COUNT)}
        save_derived(writer, "guess", folder.own_catalog, values)
    bundle = Bundle(Folder.open(folder.path))
    own = list(frame_of_all_kinds())
    assert list(bundle.catalog) == [*own, "gcvs", "mass"]
    np.testing.assert_array_equal(bundle.catalog["teff"], np.arange(7.0))
    np.testing.assert_array_equal(bundle.folder.own_catalog.frame["teff"][2:], np.arange(3.0, 8))


def test_labels_of_other_sources_are_refused(folder):
    labels = pd.DataFrame({"source_id": folder.catalog.source_id[::-1], "gcvs": ["RR"] * COUNT})
    with write_stage(folder, "labels/gcvs", {"rank": 1}) as writer:
        writer.save_catalog(Catalog(labels), "labels/gcvs.parquet")
    with pytest.raises(FolderError, match="other sources"):
        _ = Folder.open(folder.path).catalog


def test_a_damaged_column_is_refused_in_one_sentence_and_no_other_one(folder):
    for name in files_of(folder):
        damaged = folder.path / name
        content = bytearray(damaged.read_bytes())
        content[-1] ^= 1
        damaged.write_bytes(content)
    table = folder.own_catalog.table
    for name in ("teff", "maybe", "kind", "nullable", "name"):
        with pytest.raises(FolderError, match=r"\.npy: the file was changed after") as refused:
            table[name]
        assert "\n" not in str(refused.value)
    assert len(table["zoned"]) == COUNT  # lies in Parquet alone


def test_a_damaged_description_is_refused(folder):
    about = folder.path / "columns/catalog/columns.json"
    about.write_text(about.read_text().replace('"teff"', '"toff"'))
    with pytest.raises(FolderError, match=r"columns\.json: the file was changed"):
        _ = folder.catalog


def test_files_are_named_after_their_columns_where_that_is_plain(folder):
    names = {name.split("/")[-1].split(".")[0] for name in files_of(folder)}
    assert {"teff", "name", "kind"} <= names
    assert all(name.count("/") == 2 for name in files_of(folder))
    assert len({name.casefold() for name in files_of(folder)}) == len(files_of(folder))


def test_an_empty_catalog_keeps_its_dtypes(tmp_path):
    empty = frame_of_all_kinds().iloc[:0]
    with new_folder(tmp_path / "e", Manifest("bundle", "e", "gaia_dr3", False, "0")) as writer:
        writer.save_catalog(Catalog(empty))
    opened = Folder.open(tmp_path / "e").own_catalog
    read = read_catalog(tmp_path / "e" / "catalog.parquet")
    assert len(opened) == 0
    pd.testing.assert_frame_equal(opened.frame, read.frame)


def test_a_lazy_frame_answers_as_a_frame_does():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    table = LazyFrame.of(frame)
    assert (len(table), list(table), list(table.columns)) == (2, ["a", "b"], ["a", "b"])
    assert "a" in table
    assert "c" not in table
    assert table.distinct("b") == 1
    with pytest.raises(KeyError):
        table["c"]
    pd.testing.assert_frame_equal(table.whole(), frame)
    other = LazyFrame.of(pd.DataFrame({"c": [5, 6], "a": [7, 8]}))
    assert list(table["a"]) == [1, 2]
    both = table.with_columns(other, ["a", "c"])
    assert list(both) == ["a", "b", "c"]
    assert list(both["a"]) == [7, 8]
    assert list(table["a"]) == [1, 2]
