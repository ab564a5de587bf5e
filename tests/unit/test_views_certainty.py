"""The screen says which latents are dead, how uncertain a source is, and what lies outside."""

from __future__ import annotations

import numpy as np
import pytest
from fake_bundle import LATENTS, ROWS, fake_bundle

from dashboard.colouring import colour_choices, default_colour
from dashboard.state import ExplorerState
from dashboard.views.source import SourceView, latent_pairs
from dashboard.views.walk import WalkView
from latent_core.catalog import Catalog

UNLIKE, USUAL = 3, 4


@pytest.fixture
def state():
    bundle = fake_bundle()
    files = bundle.folder._files
    files["models/xp_coefficients/activity.json"] = {"dead": [1]}
    files["spaces/main/sigmas.npy"] = np.full((ROWS, LATENTS), 0.3, np.float32)
    noise = np.full((ROWS, LATENTS), 0.4, np.float32)
    noise[:, 2:] = np.nan
    files["spaces/main/noise_sigmas.npy"] = noise
    base = "models/xp_coefficients/trust"
    rows = np.setdiff1d(np.arange(ROWS), [1])
    files["inputs/xp_coefficients/rows.npy"] = rows
    files[f"{base}/chi.npy"] = np.where(rows == UNLIKE, 9.0, 1.0)
    files[f"{base}/distance.npy"] = np.ones(len(rows))
    files[f"{base}/training.npy"] = np.zeros((5, 2))
    files[f"{base}/limits.json"] = {"chi": 2.0, "distance": 2.0, "quantile": 0.99, "sources": 9}
    return ExplorerState({"fake bundle": bundle})


def drawn(view):
    view.__panel__()
    return view


def test_a_dead_latents_slider_is_grey_and_says_why(state):
    sliders = drawn(WalkView(state)).sliders
    assert [made.disabled for made in sliders] == [False, True, False, False]
    assert sliders[1].name == "z1: carries nothing"
    assert sliders[0].name == "z0"


def test_sigmas_on_the_card_hold_the_stars_noise(state):
    pairs = dict(latent_pairs(state.space, 0))
    assert pairs["z0"].endswith("± 0.50")
    assert pairs["z2"].endswith("± 0.30")
    assert pairs["z1"] == "carries nothing"
    state.current_row = 0
    assert "± 0.50" in drawn(SourceView(state)).facts.object


def test_a_source_outside_the_training_data_wears_a_badge_with_the_reason(state):
    state.current_row = UNLIKE
    view = drawn(SourceView(state))
    assert "outside the training data" in view.outside.object
    assert "XP spectrum: it is reproduced worse" in view.outside.object
    assert "chi 9.00, limit 2.00" in view.outside.object
    state.current_row = USUAL
    assert view.outside.object == ""


@pytest.mark.parametrize("without", [[], ["class_label"]])
def test_what_the_program_found_is_offered_but_a_map_opens_with_what_the_survey_says(without):
    bundle = fake_bundle()
    own = bundle.folder.catalog.frame.drop(columns=without)
    bundle.folder.catalog = Catalog(own)
    bundle.__dict__["_described"] = Catalog(own.assign(outside_training_data="no"))
    assert "outside_training_data" in dict(colour_choices(bundle, "main"))["Classes"]
    opened_with = default_colour(bundle, "main")
    assert opened_with in own
    assert (opened_with == "class_label") == (not without)
