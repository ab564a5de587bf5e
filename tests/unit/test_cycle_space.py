"""Period and amplitude stand beside latents in a space."""

from __future__ import annotations

import numpy as np
import pytest

from latent_core import Bundle, pipeline, space_stages, stages
from latent_core.bundle import Folder
from latent_core.config import read_settings
from latent_core.figures import evaluate_space
from latent_core.modalities import Curve
from latent_core.surveys.simulated import simulate

SETTINGS = """
[models.dmdt]
kind = "dmdt"
preparation = "paper"
sizes = { size = 115, width = 8, depth = 1 }
training = { epochs = 2, batch = 64 }

[models.cycle]
kind = "identity"

[spaces.both]
title = "dm-dt, period and amplitude"
blocks = { dmdt = "dmdt", cycle = "cycle" }
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("cycle")
    config = folder / "cycle.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    survey = Folder.open(simulate(160, 3, folder / "small.survey"), "survey")
    built, settings = folder / "small.bundle", read_settings(config)
    growing = pipeline.start(built, survey, SETTINGS)
    # a whole build adds only a map, which takes most of a minute
    for name in settings.models:
        stages.prepare(growing, settings, name)
        stages.train_model(growing, settings, name)
        stages.encode_sources(growing, settings, name)
    space_stages.join_space(growing, settings, "both")
    evaluate_space(growing, settings.split, "both")
    return Bundle.open(built)


def test_coordinates_are_named_for_what_they_are(bundle):
    space = bundle.space("both")
    assert space.blocks == {"dmdt": slice(0, 5), "cycle": slice(5, 7)}
    assert space.latent_names[4:] == ("dmdt_4", "log_frequency", "log_amplitude")


def test_coordinates_are_the_catalogs_frequency_with_no_error(bundle):
    space = bundle.space("both")
    rows = space.present
    frequency = 10 ** space.latents[rows, 5]
    known = bundle.catalog["frequency"].to_numpy()[rows]
    assert len(rows) > 30
    np.testing.assert_allclose(frequency, known, rtol=1e-4)
    assert not space.sigmas[rows, 5:].any()


def test_given_coordinates_are_never_dead(bundle):
    assert not bundle.space("both").dead & {"log_frequency", "log_amplitude"}


def test_similarity_can_weigh_them(bundle):
    space = bundle.space("both")
    row = int(space.present[0])
    source = int(bundle.folder.catalog.source_id[row])
    nearest = space.similar(source, 5, weights={"dmdt": 0.0, "cycle": 1.0})
    z = space.z[:, space.blocks["cycle"]]
    distance = np.linalg.norm(z - z[0], axis=1)
    assert set(nearest.row) == set(space.present[np.argsort(distance, kind="stable")[1:6]])


def test_decoding_them_gives_a_sine_of_that_amplitude(bundle):
    space = bundle.space("both")
    row = int(space.present[0])
    (sine,) = space.decode(space.latents[row], row=row)["cycle"]
    assert isinstance(sine, Curve)
    assert np.ptp(sine.y) / 2 == pytest.approx(10 ** space.latents[row, 6], rel=1e-3)
    (fitted,) = bundle.observed(row, "cycle")
    np.testing.assert_allclose(fitted.y, sine.y, rtol=1e-6)


def test_nothing_is_lost_of_known_coordinates(bundle):
    figures = bundle.space("both").metrics["reconstruction"]["cycle"]["test"]["errors"]
    assert figures["sources"] > 5
    assert figures["p84"] == 0


def test_the_model_remembers_its_preparation_and_was_not_trained(bundle):
    assert bundle.model("dmdt").constants["dm_edges"].shape == (24,)
    assert bundle.model("dmdt").about["preparation"] == "paper"
    history = bundle.folder.file("models/cycle/history.csv").read_text()
    assert history.strip() == ""
    (grid,) = bundle.reconstructed(int(bundle.space().present[0]), "dmdt")
    assert grid.z.shape == (5, 23)
