"""Labels and builds: trained models stay, figures are renewed, nothing joined is lost."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from latent_core import Bundle, pipeline
from latent_core.bundle import Folder, sha256_of
from latent_core.cli import main
from latent_core.errors import LatentError
from latent_core.labels import Choice, join_labels
from latent_core.surveys.simulated import simulate

SETTINGS = """
[models.xp_coefficients]
kind = "scatter"
sizes = { size = 110, latents = 3, body = "residual", width = 8, depth = 1, scatter_start = -3.0 }
training = { epochs = 1, batch = 64 }

[spaces.spectra]
title = "spectra"
blocks = { xp = "xp_coefficients" }

[map]
epochs = 10
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A survey, its bundle, the settings, and a table of labels of half of its sources."""
    base = tmp_path_factory.mktemp("made")
    config = base / "small.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    survey = simulate(200, 3, base / "small.survey")
    pipeline.build(survey, base / "small.bundle", config=config)
    ids = Folder.open(survey).catalog.source_id[:100]
    kinds = np.where(np.arange(100) % 2, "a", "b")
    table = {"source_id": ids, "phot_g_mean_mag": 12.0, "my_class": kinds}
    pd.DataFrame(table).to_csv(base / "mine.csv", index=False)
    return base


@pytest.fixture
def here(made, tmp_path):
    shutil.copytree(made, tmp_path / "here")
    return tmp_path / "here"


def parts(bundle, *prefixes):
    return {
        name: sha256_of(bundle / name)
        for prefix in prefixes
        for name in Folder.open(bundle).names(prefix)
    }


def build(here, **options):
    return pipeline.build(
        here / "small.survey", here / "small.bundle", config=here / "small.toml", **options
    )


def test_a_build_keeps_labels_and_models_and_renews_the_figures(here):
    bundle = here / "small.bundle"
    models = parts(bundle, "models/", "inputs/", "spaces/spectra/latents", "spaces/spectra/proj")
    assert "my_class" not in Bundle.open(bundle).space().metrics["latents"]["agreement"]
    join_labels(bundle, here / "mine.csv", Choice(overwrite=True))
    build(here)
    opened = Bundle.open(bundle)
    assert opened.catalog["my_class"].notna().sum() == 100
    assert len(models) > 10
    assert models == parts(
        bundle, "models/", "inputs/", "spaces/spectra/latents", "spaces/spectra/proj"
    )
    assert "my_class" in opened.space().metrics["latents"]["agreement"]


def test_labels_of_a_survey_are_built_into_its_bundle(here):
    survey = here / "small.survey"
    join_labels(survey, here / "mine.csv", Choice(columns=("my_class",)))
    with pytest.raises(LatentError, match=r"other labels than .* has now; join them"):
        build(here)
    shutil.rmtree(here / "small.bundle")
    bundle = build(here)
    folder = Folder.open(bundle)
    assert folder.own_catalog.frame["my_class"].notna().sum() == 100
    assert "sha256" in folder.stage("create")["labels"]["labels/mine"]
    build(here)  # and is not refused again


def test_a_bundle_made_anew_takes_its_labels_along(here):
    bundle = here / "small.bundle"
    join_labels(bundle, here / "mine.csv", Choice(columns=("my_class",)))
    before = Folder.open(bundle)
    build(here, overwrite=True)
    after = Folder.open(bundle)
    assert after.stage("labels/mine") == before.stage("labels/mine")
    assert after.verify()
    assert after.catalog.frame["my_class"].notna().sum() == 100


def test_labels_of_other_sources_are_said_to_be_left(here):
    bundle = here / "small.bundle"
    join_labels(bundle, here / "mine.csv", Choice(columns=("my_class",)))
    shutil.rmtree(here / "small.survey")
    simulate(150, 8, here / "small.survey")
    said = []
    build(here, overwrite=True, report=lambda *parts: said.append(" ".join(map(str, parts))))
    assert any("labels/mine" in line and "join" in line for line in said)
    assert Folder.open(bundle).label_stages() == ()


def test_the_command_says_what_it_did(here, capsys):
    bundle = here / "small.bundle"
    wanted = [str(bundle), str(here / "mine.csv"), "--columns", "my_class", "--prefix", "x_"]
    main(["labels", *wanted, "--where", "my_class == a"])
    said = capsys.readouterr().out
    assert "mine.csv, read as mine.csv: 100 rows" in said
    assert "50 of 200 sources matched, 150 have no label" in said
    assert "x_my_class: 50 values" in said
    with pytest.raises(SystemExit) as stopped:
        main(["labels", *wanted])
    assert stopped.value.code == 2
    refusal = capsys.readouterr().err
    assert "has labels/mine-x already; add --overwrite" in refusal
    assert len(refusal.strip().splitlines()) == 1
