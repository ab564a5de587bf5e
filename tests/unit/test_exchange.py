"""Models of one survey applied to another: every case is there, and known answers come out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from corners import write_bundle

from latent_core.catalog import Catalog
from latent_core.cli import main
from latent_core.comparison import chosen, exchange
from latent_core.comparison.chosen import Chosen, light_curve_sources
from latent_core.comparison.exchange import Exchange, _scores, _vote
from latent_core.comparison.exchange_sections import exchange_section
from latent_core.comparison.samples import Sample, read_sample
from latent_core.errors import InputError
from latent_core.products import EpochPhotometry
from latent_core.report.stage import plain
from latent_core.surveys.simulated import simulate

SETTINGS = """
[models.folded]
kind = "folded"
training = { epochs = 1, batch = 32 }
[models.dmdt]
kind = "dmdt"
training = { epochs = 30, batch = 32, beta = 1e-5 }
[models.xp_coefficients]
kind = "scatter"
sizes = { size = 110, latents = 6, body = "residual", width = 64, depth = 2, scatter_start = -3.0 }
training = { epochs = 30, batch = 32, learning_rate = 2e-3 }
"""
CASES = {("one", "one"), ("one", "two"), ("two", "one"), ("two", "two")}


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("surveys")
    return (
        simulate(1000, 1, base / "one.survey"),
        simulate(1000, 2, base / "two.survey"),
    )


@pytest.fixture(scope="module")
def samples(
    surveys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sample, ...]:
    scratch = tmp_path_factory.mktemp("scratch")
    return tuple(read_sample(path, scratch / path.name) for path in surveys)


def test_both_sides_give_as_many_of_each_class(samples: tuple[Sample, ...]) -> None:
    found = light_curve_sources(*samples)
    assert found is not None
    one, two = found
    assert one.labels is not None
    assert two.labels is not None
    counts = [dict(zip(*np.unique(c.labels.astype(str), return_counts=True), strict=True))
              for c in (one, two)]  # fmt: skip
    assert counts[0] == counts[1]
    assert {"LPV", "ECL", "RR"} <= set(counts[0])
    for side in (one, two):
        assert isinstance(side.product, EpochPhotometry)
        assert (side.catalog.frame["best_class_name"] == side.labels).all()
        assert len(side.product.rows) == len(side)
        assert min(len(side.product.light_curve(i)) for i in range(len(side))) >= 10
        searched = side.catalog.frame["frequency"]
        assert searched.between(0.0009, 25.1).all()


def test_both_directions_are_in_the_section(
    samples: tuple[Sample, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "MOST_OF_A_CLASS", 60)
    monkeypatch.setattr(chosen, "FEWEST_OF_A_CLASS", 60)
    monkeypatch.setattr(chosen, "FEWEST_PAIRS", 200)
    config = tmp_path / "small.toml"
    config.write_text(SETTINGS)
    one, two = samples
    told = exchange.exchanged(one, two, Exchange(config), say=lambda text: None)
    assert set(told) == {"light curves", "spectra"}
    for task in told.values():
        assert {(c["trained_on"], c["asked"]) for c in task["cases"]} == CASES
        assert all(c["home"] == (c["trained_on"] == c["asked"]) for c in task["cases"])
    curves = told["light curves"]
    chance = 100 / len(curves["classes"])
    for case in curves["cases"]:
        low, high = case["all"]["interval_95_percent"]
        assert chance < low < case["all"]["accuracy_percent"] < high
        assert case["library_of_the_other"]["sources"] == curves["sources"][0]
    for case in told["spectra"]["cases"]:
        assert case["all"]["teff"]["r2"] > 0.3
    section = exchange_section(one, {"two": told})
    assert section is not None
    assert "Light curves of two (simulated):" in section.reading
    assert "Spectra of one (simulated):" in section.reading
    assert [len(table.rows) for table in section.tables] == [4, 12]
    assert json.dumps(plain(section.figures))


def made_up(latents: np.ndarray, labels: np.ndarray) -> Chosen:
    import pandas as pd

    curves = EpochPhotometry(*([np.zeros(0)] * 7))
    frame = pd.DataFrame({"source_id": np.arange(len(labels))})
    return Chosen("made up", "simulated", Catalog(frame), curves, labels, {})


def test_agreement_of_apart_classes_is_whole_and_of_mixed_ones_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b"] * 150, object)
    apart = rng.normal(size=(300, 3)).astype(np.float32) + 20 * (labels == "a")[:, None]
    everything = np.ones(300, bool)
    found = _scores(made_up(apart, labels), apart.astype(np.float32), everything)
    assert found is not None
    assert found["accuracy_percent"] == 100
    mixed = rng.normal(size=(300, 3)).astype(np.float32)
    mixed[:5] = np.nan
    found = _scores(made_up(mixed, labels), mixed, everything)
    assert found is not None
    assert found["sources"] == 295
    assert 35 < found["accuracy_percent"] < 65


def test_votes_of_another_survey() -> None:
    votes = np.array([["a", "a", "b"], ["b", "b", "a"], ["c", "c", "c"]], object)
    found = _vote(votes, np.array(["a", "a", "c"], object))
    assert found["accuracy_percent"] == pytest.approx(200 / 3)


def test_a_config_without_the_models_is_refused(
    samples: tuple[Sample, ...], tmp_path: Path
) -> None:
    config = tmp_path / "none.toml"
    config.write_text("[models.cycle]\nkind = 'identity'\n")
    with pytest.raises(InputError, match="names no model dmdt"):
        exchange.exchanged(*samples, Exchange(config), say=lambda text: None)


def test_bundles_without_the_models_are_refused(
    samples: tuple[Sample, ...], tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "clumps.bundle", size=200)
    with pytest.raises(InputError, match="no model"):
        exchange.exchanged(*samples, Exchange(bundles=(bundle, bundle)), say=lambda text: None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["b.csv", "--config", "x.toml"], "--config names models to train"),
        (["b.csv", "--bundles", "x", "y", "--config", "x.toml"], "--config names models"),
        (["b.csv", "c.csv", "--bundles", "x", "y"], "--bundles are of two surveys"),
        (["b.csv"], "a.csv: there is no such file"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["compare", "a.csv", *options, "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
