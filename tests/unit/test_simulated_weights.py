"""The shipped weights: the command that made them runs, and they build what the demo shows."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from latent_core import Bundle
from latent_core.config import read_settings
from latent_core.modalities.xp_operator import shipped
from latent_core.pipeline import build
from latent_core.surveys.simulated import simulate


def test_the_command_that_made_them_runs_small(root, tmp_path):
    command = [sys.executable, str(root / "data" / "make_simulated_weights.py")]
    command += ["--sources", "300", "--epochs", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in read_settings(shipped("simulated_training.toml")).models:
        made = json.loads((tmp_path / name / "model.json").read_text("utf-8"))
        kept = json.loads((shipped("simulated_weights") / name / "model.json").read_text("utf-8"))
        assert made["sizes"] == kept["sizes"]
        assert made["simulated"] is kept["simulated"] is True
        assert (tmp_path / name / "model.safetensors").is_file()


def test_a_release_of_weights_stays_small():
    files = [f for f in shipped("simulated_weights").rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 4e6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    survey = simulate(1500, 11, folder / "some.survey")
    return Bundle.open(build(survey, folder / "some.bundle", config=shipped("simulated.toml")))


def test_shipped_weights_separate_classes_they_never_saw_the_sources_of(bundle):
    figures = bundle.space("variability").metrics["latents"]["agreement"]["best_class_name"]
    guess = bundle.catalog["best_class_name"].value_counts(normalize=True).max()
    assert figures["accuracy_percent"] > 100 * guess + 25
    assert bundle.simulated


def test_shipped_weights_reconstruct_spectra(bundle):
    model = bundle.model("xp_coefficients")
    row = int(model.observations.rows[3])
    (seen,), (made,) = (
        method(row, "xp_coefficients") for method in (bundle.observed, bundle.reconstructed)
    )
    inside = (seen.x > 500) & (seen.x < 900)
    assert np.median(np.abs(made.y[inside] / seen.y[inside] - 1)) < 0.2
