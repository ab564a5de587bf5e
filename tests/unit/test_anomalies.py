"""Planted anomalies: in the data as the truth table says, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latent_core.bundle import Folder
from latent_core.surveys.simulated import Block, Options, simulate, simulate_rows, write_rows
from latent_core.surveys.simulated.anomalies import KINDS
from latent_core.surveys.simulated.spectra import projection
from latent_core.surveys.simulated.summary import arrays
from latent_core.truth import TRUTH, load_truth

SEED, ROWS, SHARE = 5, 4000, 0.05


@pytest.fixture(scope="module")
def clean() -> Block:
    return simulate_rows(SEED, range(ROWS), options=Options(anomalies=0.0))


@pytest.fixture(scope="module")
def planted() -> Block:
    return simulate_rows(SEED, range(ROWS), options=Options(anomalies=SHARE))


def of_kind(block: Block, kind: str) -> list[tuple[int, pd.Series, dict[str, float]]]:
    rows = block.truth[block.truth.anomaly == kind]
    return [(int(r.row), r, json.loads(r.parameters)) for _, r in rows.iterrows()]


def curve(block: Block, row: int, name: str) -> np.ndarray:
    end = int(block.counts[: row + 1].sum())
    return getattr(block, name)[end - int(block.counts[row]) : end]


def test_every_kind_is_planted_at_the_share_that_was_asked(planted: Block, clean: Block) -> None:
    assert not len(clean.truth)
    assert set(planted.truth.anomaly) == set(KINDS)
    assert 0.8 * SHARE < len(planted.truth) / ROWS < 1.2 * SHARE
    assert planted.truth.anomaly.value_counts().min() > 10
    assert planted.truth.row.is_monotonic_increasing


def test_nothing_else_is_changed(planted: Block, clean: Block) -> None:
    product = planted.truth.set_index("row")["product"]
    changed = {
        "xp_coefficients": (planted.values != clean.values).any(axis=1),
        "catalog": (planted.frame.frequency != clean.frame.frequency).to_numpy(),
        "epoch_photometry": np.zeros(ROWS, bool),
    }
    owner = np.repeat(np.arange(ROWS), planted.counts)
    changed["epoch_photometry"][owner[planted.mag != clean.mag]] = True
    for name, rows in changed.items():
        assert set(np.flatnonzero(rows)) == set(product.index[product == name]), name
    others = [c for c in clean.frame if c != "frequency"]
    assert planted.frame[others].equals(clean.frame[others])
    assert np.array_equal(planted.time, clean.time)
    assert np.array_equal(planted.has_xp, clean.has_xp)


def test_identifiers_are_whole_and_the_catalog_tells_nothing(planted: Block) -> None:
    assert planted.truth.source_id.dtype == np.int64
    expected = planted.frame.source_id.to_numpy()[planted.truth.row]
    assert np.array_equal(planted.truth.source_id, expected)
    assert not {"anomaly", "planted", "truth"} & set(planted.frame)


def test_a_larger_share_plants_the_same_first(planted: Block) -> None:
    few = simulate_rows(SEED, range(ROWS), options=Options(anomalies=SHARE / 5)).truth
    assert 0 < len(few) < len(planted.truth)
    both = planted.truth[planted.truth.row.isin(few.row)].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, both)


def test_foreign_and_blended_spectra_are_the_donors(planted: Block, clean: Block) -> None:
    place = {str(i): n for n, i in enumerate(clean.frame.source_id)}
    g = clean.frame.phot_g_mean_mag.to_numpy()
    for kind, share in (("foreign_spectrum", 0.0), ("blended_spectrum", 1.0)):
        for row, line, about in of_kind(planted, kind):
            donor = place[str(about["donor_source_id"])]
            scaled = 10 ** (-0.4 * (g[row] - g[donor])) * clean.values[donor]
            part = line.strength if share else 1.0
            wanted = share * clean.values[row] + part * scaled
            np.testing.assert_allclose(planted.values[row], wanted, rtol=1e-9)
            assert donor // 1000 == row // 1000


def test_colours_step_and_lines_stand_where_the_table_says(planted: Block, clean: Block) -> None:
    for row, line, about in of_kind(planted, "colour_mismatch"):
        ratio = planted.values[row] / clean.values[row]
        np.testing.assert_allclose(-2.5 * np.log10(ratio[:55]), about["bp_step_mag"], rtol=1e-6)
        assert (ratio[55:] == 1).all()
        assert line.strength == pytest.approx(abs(about["bp_step_mag"]))
    wave, matrix = arrays()["wavelength_nm"], projection()[2]
    found = []
    for row, _, about in of_kind(planted, "emission_line"):
        extra = matrix @ (planted.values[row] - clean.values[row])
        found.append(abs(wave[np.argmax(extra)] - about["wavelength_nm"]))
    assert np.median(found) < 15.0


def test_light_curves_change_by_the_strength(planted: Block, clean: Block) -> None:
    for kind in ("gain_step", "extra_dips", "flare"):
        for row, line, about in of_kind(planted, kind):
            change = curve(planted, row, "mag") - curve(clean, row, "mag")
            time = curve(clean, row, "time")
            assert np.abs(change).max() == pytest.approx(line.strength)
            if kind == "gain_step":
                assert np.array_equal(change != 0, time > about["from_d"])
            elif kind == "extra_dips":
                assert (change > 0).sum() == about["points"]
            else:
                assert time[np.argmin(change)] == about["peak_d"]


def test_a_wrong_frequency_is_an_alias(planted: Block, clean: Block) -> None:
    for row, line, about in of_kind(planted, "wrong_frequency"):
        true, wrong = clean.frame.frequency[row], planted.frame.frequency[row]
        assert about["true_frequency_per_d"] == true
        assert min(abs(abs(wrong - true) - 4.0), abs(wrong + true - 4.0)) < 1e-9
        assert line.strength >= 0.1 or true > 10


def test_the_truth_table_is_in_the_folder_by_catalog_row(tmp_path: Path) -> None:
    options = Options(anomalies=SHARE)
    whole = Folder.open(simulate(1500, SEED, tmp_path / "s", options=options))
    table = load_truth(whole)
    assert TRUTH in whole.manifest.files
    assert table is not None
    assert np.array_equal(table.source_id, whole.catalog.source_id[table.row])
    rows = [int(table.row.iloc[-1]), 3, int(table.row.iloc[0])]
    few = Folder.open(write_rows(SEED, rows, tmp_path / "few", options=options))
    own = load_truth(few)
    assert own is not None
    assert np.array_equal(own.source_id, few.catalog.source_id[own.row])
    assert {0, 2} <= set(own.row)
    none = Folder.open(simulate(5, SEED, tmp_path / "n", options=Options(anomalies=0.0)))
    empty = load_truth(none)
    assert empty is not None
    assert not len(empty)
    assert empty.source_id.dtype == np.int64
