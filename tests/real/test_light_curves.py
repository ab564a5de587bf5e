"""Real DR3 light curves, from the archive rows to latents whose neighbors share their class."""

from __future__ import annotations

import pytest

from latent_core import Bundle
from latent_core.pipeline import build
from latent_core.surveys.gaia_files import ingest

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

# A short run of narrow networks; the README's figure is of the default settings
SHORT = """
[models.folded]
kind = "folded"
sizes = { width = 48 }
training = { epochs = 14, batch = 64, learning_rate = 4e-3, beta = 1e-4 }

[models.dmdt]
kind = "dmdt"
training = { epochs = 12, batch = 128, learning_rate = 2e-3, beta = 1e-5 }

[spaces.light_curves]
title = "light curves"
blocks = { folded = "folded", dmdt = "dmdt" }

[map]
epochs = 50
"""


@pytest.fixture(scope="module")
def bundle(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("curves")
    report = ingest([shared / "epoch_photometry_real.parquet"], folder / "real.survey")
    assert report.rows_in == report.rows_kept + report.rows_rejected == 162_084
    config = folder / "short.toml"
    config.write_text(SHORT, encoding="utf-8")
    return Bundle.open(build(report.path, folder / "real.bundle", config=config))


def test_neighbors_share_their_class_even_after_a_short_training(bundle):
    metrics = bundle.space().metrics
    figures = metrics["latents"]["agreement"]["best_class_name"]
    assert figures["sources"] == 1979
    assert len(figures["recall_percent"]) == 5
    assert figures["accuracy_percent"] >= 75
    assert not metrics["simulated"]


def test_reconstruction_is_measured_on_held_out_curves(bundle):
    for figures in bundle.space().metrics["reconstruction"].values():
        assert figures["test"]["errors"]["sources"] > 300
        assert figures["test"]["with_scatter"]["p50"] < 3
