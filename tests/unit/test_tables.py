"""Bring your own latents: what is taken, and each refusal."""

import numpy as np
import pandas as pd
import pytest

from latent_core.errors import InputError
from latent_core.surveys.tables import read_latent_table

ID = 5_853_498_713_190_525_696


def frame(rows=4, **more):
    rng = np.random.default_rng(0)
    columns = {"SourceID": ID + np.arange(rows)}
    for k in (10, 2, 1):
        columns[f"z_{k}"] = rng.normal(size=rows).astype(np.float32)
    return pd.DataFrame({**columns, "kind": list("abab")[:rows], "x": 1.0, "y": 2.0, **more})


def written(table, tmp_path, name="latents.csv"):
    path = tmp_path / name
    if name.endswith(".csv"):
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["latents.csv", "latents.parquet"])
def test_a_table_is_taken(name, tmp_path):
    given = frame()
    path = written(given, tmp_path, name)
    table = read_latent_table(path, "z_*", label="kind", xy=("x", "y"))
    assert table.latent_names == ("z_1", "z_2", "z_10")
    np.testing.assert_array_equal(table.latents, given[["z_1", "z_2", "z_10"]])
    assert table.latents.dtype == np.float32
    assert table.xy.tolist() == [[1.0, 2.0]] * 4
    assert table.catalog.source_id.tolist() == [ID, ID + 1, ID + 2, ID + 3]
    assert list(table.catalog.frame) == ["source_id", "kind", "x", "y"]
    assert table.label == "kind"
    assert table.catalog.frame.kind.tolist() == list("abab")


def test_an_own_id_column_may_be_named(tmp_path):
    path = written(frame().rename(columns={"SourceID": "star"}), tmp_path)
    with pytest.raises(InputError, match="--id-column"):
        read_latent_table(path, "z_*")
    assert len(read_latent_table(path, "z_*", id_column="star").latents) == 4
    with pytest.raises(InputError, match="column sun: there is no such column"):
        read_latent_table(path, "z_*", id_column="sun")


def test_labels_that_are_numbers_become_categories(tmp_path):
    path = written(frame(cluster=[1, 2, 1, 2]), tmp_path)
    assert read_latent_table(path, "z_*", label="cluster").catalog.frame.cluster.tolist() == [
        "1",
        "2",
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {"latents": "latent_*"}, "no column matches 'latent_\\*'; numeric columns are z_10"),
        ({"z_2": [0, np.nan, np.nan, 1]}, {}, r"row 2, column z_2: nan is not .* \(2 such"),
        ({"z_1": [0, 1, 2, np.inf]}, {}, "row 4, column z_1: inf is not a finite number"),
        ({"z_1": [0, 1, 2, 1e300]}, {}, "row 4, column z_1: inf"),
        ({"z_1": [0, "x", 2, 3]}, {}, "row 2, column z_1: 'x' is not a number"),
        ({"SourceID": [ID, ID + 1, ID, ID + 2]}, {}, "stands in rows 1 and 3"),
        ({"SourceID": [float(ID)] * 4}, {}, "column SourceID"),
        ({"SourceID": [ID, "x1", 3, 4]}, {}, "row 2, column SourceID"),
        ({}, {"label": "colour"}, "column colour: there is no such column"),
        ({}, {"xy": ("x", "w")}, "column w: there is no such column"),
        ({}, {"xy": ("x", "x")}, "a map needs two columns"),
        ({"x": [1, 2, np.nan, 4]}, {"xy": ("x", "y")}, "row 3, column x"),
    ],
)
def test_refusals(change, options, said, tmp_path):
    path = written(frame(**change), tmp_path)
    with pytest.raises(InputError, match=said) as refusal:
        read_latent_table(path, **{"latents": "z_*", **options})
    assert str(path) in str(refusal.value)


def test_ids_as_float_in_parquet(tmp_path):
    table = frame(SourceID=np.arange(4, dtype=float))
    path = written(table, tmp_path, "latents.parquet")
    with pytest.raises(InputError, match="stored as float64"):
        read_latent_table(path, "z_*")


def test_one_row_is_too_few(tmp_path):
    with pytest.raises(InputError, match="1 rows, 2 are needed"):
        read_latent_table(written(frame(1), tmp_path), "z_*")
