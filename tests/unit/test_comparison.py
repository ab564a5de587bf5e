"""Surveys beside other rows: distances and their floor, verdicts, pairs, classifiers, pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew

from latent_core.comparison.comparing import compare
from latent_core.comparison.distances import distance, same_mix
from latent_core.comparison.marginals import MIXED, groups_of, marginals, same_amplitude, worst
from latent_core.comparison.pairs import pairs_of
from latent_core.comparison.quantities import (
    canonical,
    curve_statistics,
    fourier_terms,
    points_of,
    statistics,
)
from latent_core.comparison.samples import Sample, read_sample
from latent_core.comparison.selection import with_selection
from latent_core.comparison.telling_apart import CLASSIFIERS, auc, paired_auc
from latent_core.errors import InputError
from latent_core.products import EpochPhotometry

CLASSES = ("RR", "ECL")


def made_up(seed: int, count: int = 800, **changes: float) -> pd.DataFrame:
    """A table of two classes; `changes` are added to a column of eclipsing binaries."""
    rng = np.random.default_rng(seed)
    names = rng.choice(CLASSES, count, p=[0.7, 0.3])
    frame = pd.DataFrame({
        "source_id": np.arange(1, count + 1) + 10_000 * seed,
        "best_class_name": names,
        "phot_g_mean_mag": rng.normal(15, 1, count) + (names == "RR"),
        "bp_rp": rng.normal(0.8, 0.2, count),
        "period": 10 ** rng.normal(-0.2, 0.2, count),
    })  # fmt: skip
    for column, change in changes.items():
        frame.loc[names == "ECL", column] += change
    return frame


def written(frame: pd.DataFrame, file: Path) -> Path:
    frame.to_csv(file, index=False)
    return file


def sample(frame: pd.DataFrame, name: str) -> Sample:
    return Sample(name, False, "0", canonical(frame), pd.DataFrame({"mag": []}))


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    first = made_up(1, phot_g_mean_mag=0.0, bp_rp=0.6)
    return written(first, tmp_path / "made.csv"), written(made_up(2), tmp_path / "real.csv")


def test_equal_samples_lie_at_the_floor() -> None:
    rng = np.random.default_rng(0)
    passed = 0
    for seed in range(20):
        found = distance(rng.normal(size=600), rng.normal(size=900), seed=seed)
        assert found is not None
        assert found.interval[0] <= found.ks <= found.interval[1]
        passed += found.ks > found.floor
    assert passed <= 2


def test_a_shift_is_measured_in_its_unit() -> None:
    rng = np.random.default_rng(0)
    found = distance(rng.normal(3.0, 2.0, 4000), rng.normal(1.0, 2.0, 4000))
    assert found is not None
    assert found.wasserstein == pytest.approx(2.0, abs=0.15)
    assert found.wasserstein_scaled == pytest.approx(1.0, abs=0.1)
    assert found.ks == pytest.approx(0.383, abs=0.03)  # 2 Phi(1/2) - 1
    assert found.p < 1e-100
    assert (found.first_sources, found.other_sources) == (4000, 4000)


def test_too_few_known_values_have_no_distance() -> None:
    values = np.r_[np.arange(19.0), np.full(100, np.nan)]
    assert distance(values, np.arange(100.0)) is None


def test_what_was_shifted_is_worst_and_what_was_not_is_fine() -> None:
    found = marginals(sample(made_up(1, bp_rp=0.6), "a"), sample(made_up(2), "b"))
    wrong = worst(found)
    assert (wrong[0].quantity, wrong[0].group) == ("bp_rp", "ECL")
    assert {m.quantity for m in wrong} == {"bp_rp"}
    assert {m.group for m in found} == {"RR", "ECL", MIXED}


def test_a_period_may_be_given_as_a_frequency() -> None:
    frame = pd.DataFrame({"frequency": [2.0, 4.0], "period": [np.nan, 1.0]})
    assert canonical(frame)["log_period"].tolist() == pytest.approx([np.log10(0.5), 0.0])


def test_the_mix_of_classes_is_that_of_the_other_rows() -> None:
    groups = np.array(["a"] * 900 + ["b"] * 100 + ["c"] * 50 + [None] * 10, object)
    wanted = np.array(["a"] * 20 + ["b"] * 60 + ["d"] * 5, object)
    chosen = groups[same_mix(groups, wanted)]
    assert set(chosen) == {"a", "b"}
    assert (chosen == "b").sum() == 100
    assert (chosen == "b").mean() == pytest.approx(0.75, abs=0.01)


def test_a_label_of_two_kinds_is_both_kinds() -> None:
    made = pd.DataFrame({
        "best_class_name": ["LPV"] * 120 + ["RR"] * 40,
        "kind": ["MIRA"] * 50 + ["SR"] * 40 + ["CARBON"] * 30 + ["RRAB"] * 40,
        "bp_rp": np.linspace(1, 4, 160),
    })  # fmt: skip
    real = pd.DataFrame({"label_name": ["MIRA_SR"] * 60 + ["RRAB"] * 60, "bp_rp": np.ones(120)})
    groups = {g.name: g for g in groups_of(sample(made, "a"), sample(real, "b"))}
    assert len(groups["MIRA_SR"].first) == 90
    assert groups["MIRA_SR"].parent == "LPV"
    assert len(groups["RRAB"].first) == 40
    assert len(groups["RRAB"].other) == 60


def test_samples_without_a_common_class_are_never_called_wrong() -> None:
    other = made_up(2).drop(columns="best_class_name")
    found = marginals(sample(made_up(1, bp_rp=3.0), "a"), sample(other, "b"))
    assert found
    assert not any(m.fair for m in found)
    assert worst(found) == []


def test_amplitudes_of_other_definitions_are_not_compared() -> None:
    half = pd.DataFrame({"amplitude": [0.1, 0.2], "mag_std": [0.07, 0.14]})
    whole = pd.DataFrame({"amplitude": [0.2, 0.4], "mag_std": [0.07, 0.14]})
    alone = pd.DataFrame({"amplitude": [0.2, 0.4]})
    assert not same_amplitude(canonical(half), canonical(whole))
    assert same_amplitude(canonical(half), canonical(half))
    assert same_amplitude(canonical(half), canonical(alone))


def test_what_real_tables_differ_by_is_not_held_against_a_survey() -> None:
    here = sample(made_up(1), "a")
    others = [sample(made_up(2), "near"), sample(made_up(3, phot_g_mean_mag=4.0), "far")]
    found = [m for other in others for m in marginals(here, other)]
    assert any(m.other == "far" and m.quantity == "g" for m in worst(found))
    told = with_selection(found, ["near", "far"])
    eclipsing = next(m for m in told if (m.other, m.quantity, m.group) == ("far", "g", "ECL"))
    assert eclipsing.selection == pytest.approx(eclipsing.found.ks, abs=0.05)
    assert abs(eclipsing.excess) < 0.05


def test_statistics_are_those_of_the_archive() -> None:
    rng = np.random.default_rng(1)
    time, mag = np.sort(rng.uniform(0, 900, 400)), rng.gamma(2.0, 0.1, 400)
    log_std, log_iqr, skewness, abbe, count, span, _ = statistics(time, mag)
    assert 10**log_std == pytest.approx(mag.std(ddof=1))
    assert 10**log_iqr == pytest.approx(np.subtract(*np.percentile(mag, [75, 25])))
    assert skewness == pytest.approx(
        skew(mag) * (mag.var() / mag.var(ddof=1)) ** 1.5 * 400**2 / (399 * 398)
    )
    assert abbe == pytest.approx(1.0, abs=0.15)  # white noise
    assert (count, span) == (400, pytest.approx(np.ptp(time)))
    smooth = statistics(time, np.sin(2 * np.pi * time / 900))
    assert smooth[3] < 0.01


def test_fourier_terms_of_a_known_curve() -> None:
    time = np.sort(np.random.default_rng(2).uniform(0, 900, 60))
    x = 2 * np.pi * time / 0.57 + 1.3
    mag = 15 + 0.4 * np.cos(x) + 0.18 * np.cos(2 * x + 4.1) + 0.1 * np.cos(3 * x + 2.2)
    found = fourier_terms(time, mag, 0.57)
    assert found == pytest.approx((0.45, 4.1, 0.25, 2.2), abs=1e-6)


def test_points_that_are_rejected_or_not_in_g_do_not_count() -> None:
    time = np.array([5.0, 1.0, 1.1, 2.5, 9.0, 9.1, 9.2])
    curves = EpochPhotometry(
        rows=np.array([3]),
        offsets=np.array([0, 7]),
        time=time,
        mag=np.arange(7.0) + 10,
        mag_error=np.full(7, 0.01),
        band=np.array([0, 0, 0, 0, 0, 0, 1], np.uint8),
        rejected=np.array([False, False, False, False, False, True, False]),
    )
    table = curve_statistics(curves, 5)
    assert table["transits"].tolist()[3] == 5
    assert np.isnan(table["transits"][[0, 1, 2, 4]]).all()
    points = points_of(curves)
    assert points["row"].tolist() == [3] * 5
    assert points["mag"].tolist() == [11, 12, 13, 10, 14]
    gaps = points["log_gap"].to_numpy()
    assert gaps[1] == pytest.approx(-1)
    assert np.isnan(np.delete(gaps, 1)).all()


def test_pairs_are_alike_and_disjoint() -> None:
    rng = np.random.default_rng(0)
    first, other = rng.uniform(0, 20, (500, 2)), rng.uniform(0, 20, (300, 2))
    other[7] = np.nan
    pairs = pairs_of(first, other)
    assert len(pairs) > 100
    assert np.abs(first[pairs.first] - other[pairs.other]).max() <= 1
    assert len(set(pairs.first)) == len(set(pairs.other)) == len(pairs)
    assert 7 not in pairs.other
    assert len(pairs_of(first, other + 100)) == 0


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers_tell_what_differs_and_not_what_is_equal(kind: str) -> None:
    rng = np.random.default_rng(5)
    first, equal = rng.normal(size=(2, 400, 6))
    found = paired_auc(first, equal, kind)
    assert found is not None
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.pairs == 400
    shifted = paired_auc(first, equal + np.array([0, 0, 2.5, 0, 0, 0]), kind)
    assert shifted is not None
    assert (
        0.9 < shifted.value < 0.98
    )  # the best of all classifiers reaches Phi(2.5 / sqrt 2) = 0.961
    assert paired_auc(first[:50], equal[:50], kind) is None


def test_auc_is_the_share_of_ordered_pairs() -> None:
    first, other = np.array([1.0, 2.0, 2.0, 5.0]), np.array([0.0, 2.0, 3.0])
    wanted = np.mean([(a > b) + 0.5 * (a == b) for a in first for b in other])
    assert auc(first, other) == pytest.approx(wanted)


def test_the_page_says_where_it_is_wrong(tables: tuple[Path, Path], tmp_path: Path) -> None:
    page = compare(tables[0], tables[1:], tmp_path / "out")
    figures = json.loads(page.with_name("comparison.json").read_text("utf-8"))
    assert set(figures["sections"]) == {"wrong", "magnitude", "colour", "period"}
    assert figures["sections"]["wrong"]["worst"][0]["quantity"] == "bp_rp"
    assert "BP-RP [mag] of ECL beside real" in figures["sections"]["wrong"]["reading"]
    assert [i["sources"] for i in figures["inputs"]] == [800, 800]
    text = page.read_text("utf-8")
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")
    again = compare(tables[0], tables[1:], tmp_path / "again")
    assert again.read_bytes() == page.read_bytes()


def test_class_names_are_text_on_the_page(tmp_path: Path) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    files = []
    for seed, name in ((1, "a.csv"), (2, "b.csv")):
        frame = made_up(seed)
        frame["best_class_name"] = frame["best_class_name"].replace("RR", nasty)
        files.append(written(frame, tmp_path / name))
    text = compare(files[0], files[1:], tmp_path / "page.html").read_text("utf-8")
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text
    assert (tmp_path / "page.json").is_file()


def test_an_existing_comparison_stays_as_it_is(tables: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "comparison.html").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        compare(tables[0], tables[1:], tmp_path)
    assert (tmp_path / "comparison.html").read_text() == "mine"
    assert not (tmp_path / "comparison.json").exists()


def test_a_table_without_a_known_quantity_is_refused(tmp_path: Path) -> None:
    file = written(pd.DataFrame({"source_id": [1, 2], "shoe": [41, 42]}), tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.csv: no quantity .* \(columns: source_id, shoe\)"):
        read_sample(file, tmp_path / "scratch")


def test_two_inputs_of_one_name_are_refused(tables: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="named like another input"):
        compare(tables[0], [tables[1], tables[1]], tmp_path / "out")


def test_a_table_that_says_simulated_is_simulated(tmp_path: Path) -> None:
    file = written(made_up(1).assign(simulated=True), tmp_path / "t.csv")
    assert read_sample(file, tmp_path / "scratch").mark == "simulated"
    half = written(made_up(1).assign(simulated=[True] * 799 + [False]), tmp_path / "h.csv")
    assert read_sample(half, tmp_path / "scratch").mark == "real"
