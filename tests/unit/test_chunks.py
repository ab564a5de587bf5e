"""Chunks cut a catalog by the catalog alone, and parts of products are the products."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from latent_core import catalog as catalogs
from latent_core.bundle import Folder, Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.chunks import (
    PIXEL_BITS,
    Chunk,
    catalog_rows,
    cut,
    even,
    product_in,
    product_of,
    source_ids_of,
)
from latent_core.products import EpochPhotometry, XpCoefficients


def sorted_ids(count: int, seed: int = 0) -> np.ndarray:
    """Ids of random level-12 pixels, sorted, as the archive's files are."""
    rng = np.random.default_rng(seed)
    pixel = np.sort(rng.integers(0, 12 * 4**12, count))
    return (pixel << PIXEL_BITS) + np.arange(count)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 5000])
@pytest.mark.parametrize("in_order", [True, False])
def test_chunks_cover_every_row_once_and_are_never_large(count: int, in_order: bool) -> None:
    ids = sorted_ids(count)
    if not in_order:
        ids = np.random.default_rng(1).permutation(ids)
    chunks = cut(ids, 100)
    assert [c.number for c in chunks] == list(range(len(chunks)))
    rows = np.concatenate([np.arange(c.start, c.stop) for c in chunks] or [np.empty(0)])
    np.testing.assert_array_equal(rows, np.arange(count))
    sizes = [c.stop - c.start for c in chunks]
    assert all(0 < size <= 100 for size in sizes)
    assert all(size >= 50 for size in sizes[:-1])


def test_chunks_of_a_sorted_catalog_end_at_the_coarsest_border_in_reach() -> None:
    ids = sorted_ids(5000)
    for chunk in cut(ids, 100)[:-1]:
        border = ids[chunk.start + 50 - 1 : chunk.start + 101]
        parted = [
            max(k for k in range(13) if a >> (PIXEL_BITS + 2 * k) != b >> (PIXEL_BITS + 2 * k))
            for a, b in pairwise(border)
            if a >> PIXEL_BITS != b >> PIXEL_BITS
        ]
        a, b = ids[chunk.stop - 1], ids[chunk.stop]
        own = max(k for k in range(13) if a >> (PIXEL_BITS + 2 * k) != b >> (PIXEL_BITS + 2 * k))
        assert own == max(parted)


def test_sources_of_one_pixel_are_cut_where_they_must() -> None:
    assert [c.stop for c in cut(np.arange(250), 100)] == [100, 200, 250]


def test_even_chunks_end_with_the_rest() -> None:
    assert even(5, 2) == (Chunk(0, 0, 2), Chunk(1, 2, 4), Chunk(2, 4, 5))
    assert even(0) == ()


def curves() -> EpochPhotometry:
    rows = np.array([1, 2, 4, 7, 8], np.int64)
    points = np.array([3, 0, 2, 1, 4])
    time = np.arange(points.sum(), dtype=float)
    return EpochPhotometry(
        rows, np.concatenate([[0], np.cumsum(points)]), time, time + 0.5, time + 0.25,
        np.zeros(len(time), np.uint8), time > 5, "test",
    )  # fmt: skip


def test_a_part_of_light_curves_has_their_points() -> None:
    whole = curves()
    part = product_in(whole, Chunk(0, 2, 8))
    assert part.rows.tolist() == [0, 2, 5]
    assert part.time.tolist() == [3, 4, 5]
    assert part.offsets.tolist() == [0, 0, 2, 3]
    assert part.rejected.tolist() == [False, False, False]
    some = product_of(whole, np.array([0, 1, 4, 8]))
    assert some.rows.tolist() == [1, 2, 3]
    assert some.time.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert some.offsets.tolist() == [0, 3, 5, 9]
    nothing = product_in(whole, Chunk(0, 5, 7))
    assert nothing.offsets.tolist() == [0]
    assert not len(nothing.time)


def test_a_part_of_spectra_has_their_rows() -> None:
    rows = np.array([0, 3, 5], np.int64)
    values = np.outer(rows, np.ones(4)).astype(float)
    whole = XpCoefficients(rows, values, values.astype(np.float32))
    assert product_in(whole, Chunk(0, 3, 6)).values[:, 0].tolist() == [3, 5]
    assert product_of(whole, np.array([2, 3])).values[:, 0].tolist() == [3]
    assert product_of(whole, np.array([6, 7])).values.shape == (0, 4)


def test_catalog_rows_are_read_by_row_groups(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(catalogs, "GROUP_ROWS", 4)
    frame = pd.DataFrame({"source_id": np.arange(11) + 5, "bp_rp": np.arange(11) / 7, "kind": "x"})
    manifest = Manifest("survey", "small", "gaia_dr3", False, "0")
    with new_folder(tmp_path / "s", manifest) as writer:
        writer.save_catalog(Catalog(frame))
    folder = Folder.open(tmp_path / "s")
    np.testing.assert_array_equal(source_ids_of(folder), frame.source_id)
    for rows in (slice(3, 9), slice(0, 11), np.array([0, 5, 10]), np.array([7])):
        read = catalog_rows(folder, rows, ("bp_rp", "absent"))
        assert list(read.frame) == ["source_id", "bp_rp"]
        expected = frame[["source_id", "bp_rp"]].iloc[rows].reset_index(drop=True)
        pd.testing.assert_frame_equal(read.frame, expected)
