"""New sources find the latents and the place that a build would have given them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latent_core import Bundle
from latent_core.bundle import Folder, Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.errors import InputError
from latent_core.pipeline import build
from latent_core.placing import place
from latent_core.products import XpCoefficients, load_product, save_product
from latent_core.surveys.simulated import simulate

SETTINGS = """
[models.xp_coefficients]
kind = "scatter"
sizes = { size = 110, latents = 4, body = "residual", width = 16, depth = 1, scatter_start = -3.0 }
training = { epochs = 4, batch = 64, learning_rate = 2e-3 }

[models.dmdt]
kind = "dmdt"
sizes = { width = 8, depth = 1 }
training = { epochs = 2, batch = 64 }

[spaces.all]
title = "everything"
blocks = { xp = "xp_coefficients", dmdt = "dmdt" }

[map]
epochs = 20
"""
NEW, ODD = 40, 7


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placing")
    config = folder / "c.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    survey = simulate(400, 5, folder / "s.survey")
    return Bundle.open(build(survey, folder / "s.bundle", config=config)).space()


@pytest.fixture(scope="module")
def spectra(space, tmp_path_factory) -> Folder:
    """Spectra of known sources under new ids, without light curves; one is nonsense."""
    whole = load_product(space.bundle.folder, XpCoefficients)
    known = np.flatnonzero(np.isin(whole.rows, space.present))[:NEW]
    values = np.array(whole.values[known])
    values[ODD, 30:] = 50 * np.abs(values[ODD]).max()
    rows = whole.rows[known]
    frame = space.bundle.catalog.iloc[rows][["phot_g_mean_mag"]].reset_index(drop=True)
    frame.insert(0, "source_id", np.arange(NEW) + 2**61)
    path: Path = tmp_path_factory.mktemp("new") / "new.survey"
    with new_folder(path, Manifest("survey", "new", "gaia_dr3", True, "test")) as writer:
        writer.save_catalog(Catalog(frame))
        product = XpCoefficients(np.arange(NEW), values, np.array(whole.errors[known]))
        save_product(writer, product)
    return Folder.open(path)


def test_new_spectra_get_the_latents_of_the_build_and_say_what_they_lack(space, spectra):
    placed = place(space, spectra)
    usual = np.arange(NEW) != ODD
    whole = load_product(space.bundle.folder, XpCoefficients)
    rows = whole.rows[np.isin(whole.rows, space.present)][:NEW]
    xp = space.blocks["xp"]
    np.testing.assert_allclose(
        placed.latents[usual][:, xp], space.latents[rows[usual], xp], atol=1e-4
    )
    assert np.isnan(placed.latents[:, space.blocks["dmdt"]]).all()
    assert all("the files hold no epoch_photometry" in why for why in placed.reason)
    assert np.isfinite(placed.coordinates).all()
    frame = placed.frame()
    assert frame["source_id"].dtype == np.int64
    assert list(frame) == ["source_id", *space.latent_names, "x", "y",
                           "inside_training_data", "reason", "in_catalog"]  # fmt: skip


def test_what_the_model_never_saw_is_called_outside_with_the_reason(space, spectra):
    placed = place(space, spectra)
    assert not placed.inside[ODD]
    assert "xp: " in placed.reason[ODD]
    assert placed.inside.mean() > 0.8
    assert "40 of 40 sources placed, 0 of them by all latents" in placed.text()


def test_imported_latents_cannot_encode(space, spectra, tmp_path):
    from latent_core.pipeline import import_table

    rng = np.random.default_rng(0)
    table = pd.DataFrame({"source_id": np.arange(30) + 2**60, "z_1": rng.normal(size=30)})
    table["z_2"] = rng.normal(size=30)
    table.to_csv(tmp_path / "t.csv", index=False)
    imported = import_table(tmp_path / "t.csv", tmp_path / "t.bundle", latents="z_*")
    with pytest.raises(InputError, match="no model to encode with"):
        place(Bundle.open(imported).space(), spectra)
