"""The report: figures that are right where the truth is known, a page that carries no attack."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_bundle import FIRST_ID, NASTY, SOURCES, write_report_bundle

from latent_core import pipeline
from latent_core.bundle import Folder, sha256_of, write_stage
from latent_core.config import SplitSettings
from latent_core.errors import FolderError
from latent_core.report.classes import Labels, labelled
from latent_core.report.classification import classification
from latent_core.report.content import Context, Features
from latent_core.report.maps import maps
from latent_core.report.planted import planted_table, ranked
from latent_core.report.reconstruction import reconstruction
from latent_core.report.stage import (
    HTML,
    JSON,
    forget_stale_report,
    has_report,
    plain,
    write_report,
)
from latent_core.training import TEST, split_of
from latent_core.truth import Planted, save_truth, truth_table


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    out = write_report_bundle(tmp_path_factory.mktemp("report") / "small.bundle")
    pipeline.evaluate(out)
    return out


@pytest.fixture(scope="module")
def report(bundle):
    return Folder.open(bundle).json(JSON)


@pytest.fixture(scope="module")
def page(bundle):
    return Folder.open(bundle).file(HTML).read_text("utf-8")


def test_it_is_a_stage_of_a_folder_that_verifies(bundle):
    folder = Folder.open(bundle)
    assert folder.verify() == len(folder.manifest.files)
    assert has_report(folder)
    for name in (HTML, JSON, "models/xp_coefficients/card.md"):
        assert folder.manifest.files[name].stage == "report"


def test_it_says_on_what_it_rests(report):
    assert report["simulated"] is True
    assert report["sources"] == SOURCES
    assert report["spaces"][0]["dead_names"] == ["b_1"]
    for section in report["sections"].values():
        assert "small (simulated sources)" in section["basis"]
        assert section["reading"]


def test_classes_that_a_latent_decides_are_told_and_others_are_not(report):
    labels = report["sections"]["classification"]["labels"]["class_label"]
    assert labels["main / a"]["knn"]["accuracy_percent"] > 90
    assert labels["main / a"]["linear"]["accuracy_percent"] > 95
    assert labels["main / b"]["knn"]["balanced_accuracy_percent"] < 60
    whole = labels["main"]["linear"]
    assert np.sum(whole["confusion"]) == whole["sources"] == SOURCES
    assert set(whole["per_class"]) == {NASTY, "RR"}
    assert "linear" not in labels["main / map plain"]


def test_labels_are_read_from_held_out_sources_with_intervals(report):
    held_out = (split_of(FIRST_ID + 7 * np.arange(SOURCES), SplitSettings()) == TEST).sum()
    teff = report["sections"]["regression"]["populations"]["all"]["teff"]
    mlp = teff["main"]["mlp"]
    assert mlp["sources"] == held_out
    assert mlp["rmse"] < 60 < 150 < mlp_of(teff, "main", "mean")
    low, high = mlp["rmse_95_percent"]
    assert low < mlp["rmse"] < high
    assert teff["main / b"]["mlp"]["r2"] < 0.1
    assert set(teff["raw xp_coefficients"]) == {"knn", "mean"}


def mlp_of(spaces, space, probe):
    return spaces[space][probe]["rmse"]


def test_the_alpha_sequence_is_in_the_latents_and_not_in_the_labels(report):
    features = report["sections"]["alpha"]["features"]
    main = next(v for k, v in features.items() if k.startswith("main: 3 latents, 1 dead"))
    assert main["all"]["balanced_accuracy"] > 0.9
    labels = features["labels [Fe/H], Teff, log g"]["all"]
    low, high = labels["interval_95_percent"]
    assert low < 0.55
    assert high < 0.75
    assert len(labels["by_seed"]) == 5
    assert "labels [Fe/H], Teff, log g, J-H, J-K" not in features


def test_chi_and_coverage_of_honest_errors_are_what_they_promise(report):
    model = report["sections"]["reconstruction"]["models"]["xp_coefficients"]
    assert model["chi"]["test"]["errors"]["p50"] == pytest.approx(1, abs=0.05)
    assert model["coverage"]["test"]["errors_68_percent"] == pytest.approx(68.3, abs=1.0)
    assert model["coverage"]["test"]["errors_95_percent"] == pytest.approx(95, abs=1.0)
    assert model["coverage"]["test"]["errors_mean_pull"] == pytest.approx(0, abs=0.02)
    assert model["binned_on"] == "test"
    binned = sum(b["errors"]["sources"] for b in model["by_magnitude"])
    assert 0 < binned <= model["coverage"]["test"]["sources"] < SOURCES


def test_a_class_that_a_sample_leaves_too_small_is_not_asked():
    values = np.array(["a"] * 700 + ["b"] * 12 + ["c"] * 288, object)
    rows = np.arange(len(values))
    features, labels = (
        Features("main", "space", rows, np.zeros((1000, 2))),
        Labels("k", "k", values),
    )
    assert set(values[labelled(features, labels)]) == {"a", "b", "c"}
    few = labelled(features, labels, 150)
    assert set(values[few]) == {"a", "c"}
    assert len(few) <= 150


def test_maps_clusters_and_outliers_are_measured(report):
    kept = report["sections"]["maps"]["maps"]["main / map plain"]
    assert set(kept) == {"k=15", "k=50"}
    assert kept["k=15"]["neighbors_kept"] < kept["k=50"]["neighbors_kept"] <= 1
    assert -1 <= report["sections"]["clustering"]["latents"]["main"]["clusters"] < 50
    first = report["sections"]["outliers"]["spaces"]["main"]["most_outlying"][0]
    assert first["source_id"] == str(FIRST_ID)
    assert len(report["sections"]["outliers"]["spaces"]["main"]["most_outlying"]) == 20


def test_planted_anomalies_are_ranked_among_the_outliers():
    score = np.arange(1000.0)
    rows = 3 * np.arange(1000)
    truth = pd.DataFrame({
        "row": [0, 3 * 999, 3 * 998, 3 * 500, 4],
        "anomaly": ["low", "high", "high", "middle", "elsewhere"],
    })  # fmt: skip
    found = ranked(truth, rows, score)
    assert set(found) == {"all kinds", "low", "high", "middle"}
    assert found["high"] == {"sources": 2, "auc": 1.0, "found_in_top": 1.0}
    assert found["low"] == {"sources": 1, "auc": 0.0, "found_in_top": 0.0}
    assert found["middle"]["auc"] == pytest.approx(0.5, abs=0.002)
    assert found["all kinds"]["sources"] == 4
    # equal scores tell nothing
    assert ranked(truth, rows, np.ones(1000))["all kinds"]["auc"] == 0.5
    assert ranked(truth[truth.row == 4], rows, score) == {}
    table = planted_table("main", found)
    assert [row[0] for row in table.rows] == ["all kinds", "high", "low", "middle"]


def test_a_report_of_a_bundle_with_a_truth_table_tells_how_it_ranks(tmp_path):
    out = write_report_bundle(tmp_path / "truth.bundle")
    folder = Folder.open(out)
    ids = folder.catalog.source_id
    planted = [Planted(0, int(ids[0]), "foreign_spectrum", "xp_coefficients", 1.0, "mag")]
    with write_stage(folder, "create-truth", {}) as writer:
        save_truth(writer, truth_table(planted))
    pipeline.evaluate(out)
    space = Folder.open(out).json(JSON)["sections"]["outliers"]["spaces"]["main"]
    # row 0 is the outlier that the bundle was made with
    assert space["planted"]["foreign_spectrum"]["auc"] == 1.0
    assert "Planted anomalies in main" in Folder.open(out).file(HTML).read_text("utf-8")


def test_the_page_asks_for_nothing_and_runs_nothing(page):
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert addresses
    assert all(a.startswith(("data:image/svg+xml;base64,", "#")) for a in addresses)
    assert "@import" not in page
    assert "url(" not in page
    for key in ("classification", "regression", "alpha", "reconstruction", "cards"):
        assert f'href="#{key}"' in page
        assert f'id="{key}"' in page


def test_the_card_says_what_the_model_was_trained_on(bundle):
    card = Folder.open(bundle).file("models/xp_coefficients/card.md").read_text("utf-8")
    assert "small (simulated sources); 700 sources of the training split" in card
    assert "## Limits" in card
    assert "median chi 1.0" in card
    assert "ApJ 979, 5" in card


def test_the_same_bundle_gives_the_same_report(bundle, tmp_path):
    hashes = set()
    for name in ("one", "two"):
        out = tmp_path / f"{name}.bundle"
        shutil.copytree(bundle, out)
        write_report(Folder.open(out), SplitSettings(), sections=(classification, maps))
        hashes.add((sha256_of(out / HTML), sha256_of(out / JSON)))
    assert len(hashes) == 1


def test_a_report_is_forgotten_when_what_it_was_made_from_changes(bundle, tmp_path):
    out = tmp_path / "changed.bundle"
    shutil.copytree(bundle, out)
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    manifest["files"]["spaces/main/latents.npy"]["sha256"] = "0" * 64
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    folder = Folder.open(out)
    assert not has_report(folder)
    forget_stale_report(folder)
    assert HTML not in folder
    assert not (out / HTML).exists()
    assert not (out / "models/xp_coefficients/card.md").exists()


def test_a_changed_page_is_not_read(bundle, tmp_path):
    out = tmp_path / "forged.bundle"
    shutil.copytree(bundle, out)
    (out / HTML).write_text("<p>all is well</p>", encoding="utf-8")
    with pytest.raises(FolderError, match="changed"):
        Folder.open(out).file(HTML)


def test_imported_latents_have_a_report_without_models(tmp_path):
    out = write_report_bundle(tmp_path / "plain.bundle", models=False)
    folder = Folder.open(out)
    write_report(folder, SplitSettings(), sections=(classification, reconstruction))
    assert set(folder.json(JSON)["sections"]) == {"classification"}
    assert 'id="cards"' not in folder.file(HTML).read_text("utf-8")


def test_a_bundle_with_nothing_to_measure_still_has_a_page(tmp_path):
    out = write_report_bundle(tmp_path / "bare.bundle", models=False)
    folder = Folder.open(out)
    write_report(folder, SplitSettings(), sections=(lambda context: None,))
    assert folder.json(JSON)["sections"] == {}


def test_numbers_that_json_cannot_hold_become_null():
    given = {"a": float("nan"), "b": [np.float32(1.5), np.int64(2)], "c": (float("inf"),)}
    assert plain(given) == {"a": None, "b": [1.5, 2], "c": [None]}


@pytest.mark.parametrize(
    ("models", "stages", "said"),
    [
        (True, {}, "trained without labels"),
        (True, {"predict/xp_coefficients": {}}, "xp_coefficients have learned labels"),
        (False, {}, "not known here"),
    ],
)
def test_a_probe_says_whether_its_latents_have_seen_labels(tmp_path, models, stages, said):
    folder = Folder.open(write_report_bundle(tmp_path / "s.bundle", models=models))
    manifest = replace(folder.manifest, stages={**folder.manifest.stages, **stages})
    context = Context(Folder(folder.path, manifest), SplitSettings())
    assert said in context.label_sight
