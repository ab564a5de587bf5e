"""Products and catalogs that are written part by part equal those that are written at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latent_core import catalog as catalogs
from latent_core.array_streams import ArrayStream
from latent_core.bundle import StageWriter
from latent_core.catalog import Catalog, Column, catalog_stream, read_catalog, write_catalog
from latent_core.errors import FolderError
from latent_core.products import (
    EpochPhotometry,
    ProductStream,
    XpCoefficients,
    product_stream,
    save_product,
)


@pytest.mark.parametrize("tail", [(), (3,), (2, 5)])
@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<i8", "|u1", "|b1"])
@pytest.mark.parametrize("cuts", [(0,), (1,), (4, 0, 6), (10, 990)])
def test_a_grown_file_is_what_numpy_saves(
    tmp_path: Path, tail: tuple[int, ...], dtype: str, cuts: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    whole = (10 * rng.random((sum(cuts), *tail))).astype(dtype)
    with ArrayStream(tmp_path / "grown.npy", np.dtype(dtype), tail) as stream:
        for part in np.split(whole, np.cumsum(cuts)[:-1]):
            stream.append(part)
    np.save(tmp_path / "saved.npy", whole)
    assert (tmp_path / "grown.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    with ArrayStream(tmp_path / "a.npy", np.dtype("f8"), (3,)) as stream:
        for wrong in (np.zeros((2, 3), np.float32), np.zeros((2, 4)), np.zeros(3)):
            with pytest.raises(ValueError, match="do not fit"):
                stream.append(wrong)
    with pytest.raises(ValueError, match="object"):
        ArrayStream(tmp_path / "b.npy", np.dtype(object))


def spectra(rows: list[int]) -> XpCoefficients:
    values = np.outer(np.array(rows, float), np.ones(110))
    return XpCoefficients(np.array(rows, np.int64), values, values.astype(np.float32), "test")


def curves(rows: list[int]) -> EpochPhotometry:
    """Row r has r points, of time r."""
    time = np.repeat(np.array(rows, float), rows)
    return EpochPhotometry(
        rows=np.array(rows, np.int64),
        offsets=np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        time=time,
        mag=time + 1,
        mag_error=time + 2,
        band=np.zeros(len(time), np.uint8),
        rejected=time > 3,
        origin="test",
    )


@pytest.mark.parametrize("make", [spectra, curves])
@pytest.mark.parametrize("parts", [[[1, 2, 5]], [[1], [2, 5]], [[], [1, 2], [], [5], []], [[]]])
def test_a_streamed_product_is_the_saved_one(
    tmp_path: Path, make: type[XpCoefficients | EpochPhotometry], parts: list[list[int]]
) -> None:
    one, many = StageWriter(tmp_path / "one", "create"), StageWriter(tmp_path / "many", "create")
    save_product(one, make([row for part in parts for row in part]))
    with product_stream(many, type(make([])), "test") as stream:
        for part in parts:
            stream.append(make(part))
    assert many.records == one.records


@pytest.mark.parametrize("make", [spectra, curves])
def test_an_interrupted_product_goes_on_from_its_last_flush(
    tmp_path: Path, make: type[XpCoefficients | EpochPhotometry]
) -> None:
    one, many = StageWriter(tmp_path / "one", "create"), StageWriter(tmp_path / "many", "create")
    save_product(one, make([1, 2, 5, 7]))
    first = ProductStream(many, type(make([])), "test")
    first.append(make([1, 2]))
    state = first.flush()
    first.append(make([3, 4, 6]))  # lost: nobody flushed it
    first.close()
    with product_stream(many, type(make([])), "test", state) as stream:
        stream.append(make([5]))
        stream.append(make([7]))
    assert many.records == one.records


def test_a_file_that_lost_rows_is_refused(tmp_path: Path) -> None:
    with ArrayStream(tmp_path / "a.npy", np.dtype("f8")) as stream:
        stream.append(np.zeros(3))
    with pytest.raises(FolderError, match="lost rows"):
        ArrayStream(tmp_path / "a.npy", np.dtype("f8"), rows=4)


def test_a_product_without_parts_or_with_an_error_is_not_named(tmp_path: Path) -> None:
    writer = StageWriter(tmp_path, "create")
    with product_stream(writer, XpCoefficients, "test"):
        pass
    with pytest.raises(ValueError, match="rows must rise"):
        _append(writer, [4, 6], [6, 7])
    assert not writer.records


def _append(writer: StageWriter, *parts: list[int]) -> None:
    with product_stream(writer, XpCoefficients, "test") as stream:
        for part in parts:
            stream.append(spectra(part))


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({
        "source_id": np.arange(rows, dtype=np.int64) + 2**60,
        "bp_rp": np.linspace(0, 1, rows),
        "flag": np.arange(rows) % 2 == 0,
        "name": ["a", "b"] * (rows // 2) + ["c"] * (rows % 2),
    })  # fmt: skip


@pytest.mark.parametrize("cuts", [[7], [3, 6], [1, 2, 3, 4, 5, 6, 7, 8, 9]])
def test_a_streamed_catalog_is_the_same_file(
    tmp_path: Path, cuts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs, "GROUP_ROWS", 4)
    whole = frame(10)
    columns = (Column("flag", "", "a flag", "flag"),)
    write_catalog(tmp_path / "one.parquet", Catalog(whole, columns, simulated=True))
    with catalog_stream(tmp_path / "many.parquet", columns, simulated=True) as stream:
        for low, high in zip([0, *cuts], [*cuts, 10], strict=True):
            stream.append(whole.iloc[low:high].reset_index(drop=True))
    assert (tmp_path / "many.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()
    read = read_catalog(tmp_path / "many.parquet")
    assert read.frame.equals(whole)
    assert read.simulated
    assert read.column("flag").label == "a flag"


def test_a_late_text_column_keeps_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs, "GROUP_ROWS", 2)
    names = pd.DataFrame({"source_id": [1, 2, 3], "name": [None, None, "late"]})
    write_catalog(tmp_path / "c.parquet", Catalog(names))
    assert read_catalog(tmp_path / "c.parquet").frame.name.iloc[2] == "late"


def test_an_empty_catalog_has_its_columns(tmp_path: Path) -> None:
    write_catalog(tmp_path / "c.parquet", Catalog(frame(0)))
    assert list(read_catalog(tmp_path / "c.parquet").frame) == list(frame(0))
