"""A small survey becomes a bundle; a second build makes nothing; a killed one goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latent_core import Bundle, pipeline, stages
from latent_core.bundle import Folder, sha256_of
from latent_core.errors import InputError, LatentError
from latent_core.modalities import Curve
from latent_core.surveys.simulated import simulate
from latent_core.truth import load_truth

SETTINGS = """
[models.xp_coefficients]
kind = "scatter"
sizes = { size = 110, latents = 4, body = "residual", width = 16, depth = 1, scatter_start = -3.0 }
training = { epochs = 4, batch = 64, learning_rate = 2e-3 }
noise_draws = 4

[models.folded]
kind = "folded"
sizes = { width = 8, depth = 1 }
training = { epochs = 1, batch = 64 }

[models.dmdt]
kind = "dmdt"
sizes = { width = 8, depth = 1 }
training = { epochs = 2, batch = 64 }

[spaces.all]
title = "everything"
blocks = { xp = "xp_coefficients", folded = "folded", dmdt = "dmdt" }

[spaces.spectra]
title = "spectra"
blocks = { xp = "xp_coefficients" }

[map]
epochs = 20
"""


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    return simulate(500, 3, tmp_path_factory.mktemp("survey") / "small.survey")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("config") / "small.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def bundle(survey, config, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "small.bundle"
    return pipeline.build(survey, out, config=config)


def hashes(bundle: Path) -> dict[str, str]:
    folder = Folder.open(bundle)
    return {name: sha256_of(bundle / name) for name in folder.manifest.files}


def test_a_built_bundle_is_whole_and_says_what_it_is(bundle):
    folder = Folder.open(bundle, "bundle")
    assert folder.verify() == len(folder.manifest.files)
    assert folder.manifest.simulated
    opened = Bundle.open(bundle)
    assert opened.spaces == ("all", "spectra")
    assert load_truth(folder) is not None
    assert not list(bundle.glob(".*"))
    assert not bundle.with_name(bundle.name + ".partial").exists()


def test_spaces_share_the_catalog_order_and_leave_gaps_where_a_block_is_missing(bundle):
    opened = Bundle.open(bundle)
    everything, spectra = opened.space("all"), opened.space("spectra")
    assert len(everything.latents) == len(spectra.latents) == len(opened.catalog) == 500
    assert everything.blocks == {"xp": slice(0, 4), "folded": slice(4, 9), "dmdt": slice(9, 14)}
    assert set(everything.present) < set(spectra.present) or len(everything.present) < 500
    shared = everything.present
    np.testing.assert_array_equal(everything.latents[shared, :4], spectra.latents[shared, :4])
    assert everything.projection().coordinates.shape == (500, 2)


def test_decode_reconstruct_and_observe_agree(bundle):
    opened = Bundle.open(bundle)
    space = opened.space("all")
    row = int(space.present[7])
    curves = space.decode(space.latents[row], row=row)
    assert set(curves) == {"xp", "folded", "dmdt"}
    again = opened.reconstructed(row, "xp_coefficients")
    np.testing.assert_allclose(curves["xp"][0].y, again[0].y, rtol=1e-5)
    (seen,) = opened.observed(row, "xp_coefficients")
    assert isinstance(seen, Curve)
    assert seen.y_unit == curves["xp"][0].y_unit == "W m^-2 nm^-1"


def test_metrics_say_how_many_and_on_what(bundle):
    metrics = Bundle.open(bundle).space("all").metrics
    assert metrics["simulated"] is True
    assert metrics["latents"]["agreement"]["best_class_name"]["sources"] > 100
    assert 0 <= metrics["maps"]["umap"]["neighbors_kept"] <= 1
    chi = metrics["reconstruction"]["folded"]["test"]["errors"]
    assert chi["sources"] > 0
    assert metrics["reconstruction"]["xp_coefficients"]["flux_residual_percent_held_out"]


def test_a_second_build_makes_nothing(bundle, survey, config, monkeypatch):
    before = hashes(bundle)
    monkeypatch.setattr(stages, "write_stage", lambda *a: pytest.fail("a fresh stage was made"))
    pipeline.build(survey, bundle, config=config)
    assert hashes(bundle) == before


def test_one_stage_anew_gives_the_same_bytes(bundle):
    before = hashes(bundle)
    for stage in ("encode", "index", "evaluate"):
        pipeline.run_stage(bundle, stage)
    after = hashes(bundle)
    assert after == before


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("at", ["prepare folded", "encode dmdt", "map spectra"])
def test_a_killed_build_goes_on_to_the_same_bytes(at, bundle, survey, config, tmp_path):
    out = tmp_path / "small.bundle"

    def kill(stage, *_):
        if stage == at:
            raise KilledError

    with pytest.raises(KilledError):
        pipeline.build(survey, out, config=config, report=kill)
    assert not out.exists()
    pipeline.build(survey, out, config=config)
    assert hashes(out) == hashes(bundle)


def test_an_unknown_key_is_refused_by_name(survey, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text(SETTINGS.replace("epochs = 20", "epoch = 20"), encoding="utf-8")
    with pytest.raises(InputError, match=r"wrong\.toml.*'epoch'.*epochs"):
        pipeline.build(survey, tmp_path / "x.bundle", config=file)
    assert [p.name for p in tmp_path.iterdir()] == ["wrong.toml"]


def test_another_survey_does_not_slip_into_a_bundle(bundle, config, tmp_path):
    other = simulate(60, 9, tmp_path / "other.survey")
    with pytest.raises(LatentError, match="another survey"):
        pipeline.build(other, bundle, config=config)


def test_a_survey_too_small_to_train_on_leaves_nothing(config, tmp_path):
    survey = simulate(4, 5, tmp_path / "tiny.survey")
    with pytest.raises(LatentError, match=r"too few|fewer than"):
        pipeline.build(survey, tmp_path / "tiny.bundle", config=config)
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.survey"]


def test_a_space_that_the_settings_no_longer_name_is_forgotten(bundle, survey, tmp_path):
    out, fewer = tmp_path / "small.bundle", tmp_path / "fewer.toml"
    shutil.copytree(bundle, out)
    start, end = SETTINGS.index("[spaces.spectra]"), SETTINGS.index("[map]")
    fewer.write_text(SETTINGS[:start] + SETTINGS[end:], encoding="utf-8")
    pipeline.build(survey, out, config=fewer)
    assert Bundle.open(out).spaces == ("all",)
    assert not [n for n in Folder.open(out).manifest.files if "spectra" in n]
    assert not list(out.glob("spaces/spectra/**/*.npy"))


def test_the_checkpoint_of_other_settings_is_not_taken_up(bundle):
    folder = Folder.open(bundle)
    first = stages._checkpoint(folder, "dmdt", {"settings": 1})
    first.touch()
    assert stages._checkpoint(folder, "dmdt", {"settings": 1}) == first
    assert first.exists()
    assert stages._checkpoint(folder, "dmdt", {"settings": 2}) != first
    assert not first.exists()


def test_the_encode_stage_says_how_far_latents_can_be_trusted(bundle):
    opened = Bundle.open(bundle)
    space = opened.space("spectra")
    assert space.dead <= set(space.latent_names)
    known = opened.trust("xp_coefficients")
    assert known is not None
    assert len(known.chi) == len(known.distance) == len(known.rows)
    flags = opened.catalog["outside_training_data"]
    assert set(flags.dropna()) == {"yes", "no"}
    assert opened.column("outside_training_data").kind == "category"
    for row in (int(np.flatnonzero(flags == "yes")[0]), int(np.flatnonzero(flags == "no")[0])):
        assert bool(opened.outside_reasons(row)) == (flags[row] == "yes")


def test_a_sources_noise_widens_its_latents_and_only_drawn_blocks_have_it(bundle):
    space = Bundle.open(bundle).space("all")
    row = int(space.present[0])
    total, encoder = space.total_sigmas(row), space.sigmas[row]
    assert (total[:4] > encoder[:4]).all()
    np.testing.assert_allclose(total[4:], encoder[4:], rtol=1e-6)
    assert np.isnan(space.noise_sigmas[row][4:]).all()


def test_other_noise_draws_do_not_train_again(bundle, config, tmp_path):
    folder = Folder.open(shutil.copytree(bundle, tmp_path / "copy.bundle"))
    _, settings = pipeline._settings(folder, config)
    model = replace(settings.models["xp_coefficients"], noise_draws=2)
    changed = replace(settings, models={**settings.models, "xp_coefficients": model})
    assert not stages.train_model(folder, changed, "xp_coefficients")
    assert stages.encode_sources(folder, changed, "xp_coefficients")
