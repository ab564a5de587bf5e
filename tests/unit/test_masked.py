"""The masked autoencoder: what is hidden, what counts, what it may say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import latent_core.configs
from latent_core import Bundle
from latent_core.bundle import Folder, Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.config import SplitSettings, TrainingSettings, read_settings
from latent_core.derived import with_derived
from latent_core.encoding import TrainedModel
from latent_core.errors import LatentError
from latent_core.modalities import load_modality
from latent_core.modalities.star_columns import (
    BAND_PART,
    BANDS,
    COLUMNS,
    LABELS,
    NAMES,
    XP_PART,
    chosen,
)
from latent_core.modalities.star_table import band_magnitudes, physical_labels
from latent_core.modalities.xp_operator import load_operator, load_prior
from latent_core.modalities.xp_photometry import load_photometry
from latent_core.models import make_model
from latent_core.models.masked import entry_error, pinball
from latent_core.pipeline import build
from latent_core.predictions import CASES, MIDDLE, conformal, corrected, derived_columns, predict
from latent_core.products import XpCoefficients, save_product
from latent_core.release import load_release
from latent_core.report.content import Context
from latent_core.report.predictions import predictions
from latent_core.training import TEST, split_of, train

STARS = 64
SIZES = {
    **{"columns": len(COLUMNS), "bands": len(BANDS), "block": (XP_PART.start, XP_PART.stop)},
    **{"latents": 8, "widths": (32, 32), "decoder": (32,), "head": (32,)},
}
PUBLISHED = {
    **{"columns": 140, "bands": 24, "block": (24, 134), "latents": 256},
    **{"widths": (2048, 2048, 1024, 1024, 512, 512, 256), "decoder": (256, 512, 1024)},
    **{"head": (2048, 2048, 1024, 512, 256), "frequencies": 48, "embedding": 16},
}


def stars():
    """Return a catalog and XP of most of its stars; star 0 lacks 2MASS H, star 1 [Fe/H]."""
    rng = np.random.default_rng(0)
    prior = load_prior()
    g = rng.uniform(9, 15, STARS)
    shapes = prior.mean + 0.1 * rng.multivariate_normal(0 * prior.mean, prior.covariance, STARS)
    values = shapes * (load_release().g_flux(g) / (shapes @ load_operator().g_flux))[:, None]
    frame = pd.DataFrame(
        {
            "source_id": np.arange(STARS) + 2**60,
            "phot_g_mean_mag": g,
            "phot_bp_mean_mag": g + rng.normal(0.5, 0.3, STARS),
            "phot_rp_mean_mag": g - rng.normal(0.5, 0.3, STARS),
            "j": g - rng.normal(1, 0.3, STARS),
            "h": np.r_[np.nan, g[1:] - rng.normal(1.5, 0.3, STARS - 1)],
            "teff": rng.uniform(4000, 9000, STARS),
            "fe_h": np.r_[0.1, np.nan, rng.normal(0, 0.3, STARS - 2)],
        }
    )
    rows = np.arange(4, STARS)
    return Catalog(frame), XpCoefficients(rows, values[rows], np.abs(values[rows]) * 0.01)


@pytest.fixture(scope="module")
def table():
    catalog, product = stars()
    modality = load_modality("star_table")
    constants = modality.fit(product, catalog, np.arange(STARS) < STARS - 8)
    return modality.preprocess(product, catalog, constants), constants, catalog


def network(**changes):
    torch.manual_seed(0)
    return make_model("masked", **{**SIZES, **changes}).eval()


def batch_of(given, rows=slice(None)):
    return {n: torch.from_numpy(a[rows].copy()) for n, a in given.arrays.items()}


def test_the_registry_names_every_column_once_and_no_label():
    assert len(set(NAMES)) == len(NAMES)
    assert not set(NAMES) & {label.name for label in LABELS}
    values = {name for column in COLUMNS for name in column.columns}
    errors = {name for column in COLUMNS for name in column.error_columns}
    assert not values & errors  # the original's error columns were its value columns
    assert chosen(["xp"]).sum() == load_release().xp.n_coefficients
    assert chosen(["2mass", "g"]).sum() == 4
    with pytest.raises(LatentError, match="neither a survey nor a column"):
        chosen(["nowhere"])


def test_the_shipped_settings_fit_the_registry():
    file = Path(latent_core.configs.__file__).with_name("masked.toml")
    settings = read_settings(file).models["star_table"]
    assert settings.pretraining is not None
    assert (settings.pretraining.beta, settings.training.beta) == (0.0, 0.8)
    for name in ("columns", "bands"):
        assert settings.sizes[name] == SIZES[name]
    assert tuple(settings.sizes["block"]) == SIZES["block"]


def test_a_row_holds_what_the_star_has(table):
    given, constants, catalog = table
    mask = given.arrays["mask"]
    assert len(given) == STARS
    assert not mask[:4, XP_PART].any()
    assert mask[4:, XP_PART].all()
    assert not mask[0, NAMES.index("2mass_h")]
    assert not mask[:, chosen(["sdss", "ps1", "catwise", "parallax"])].any()
    assert not given.arrays["label_mask"][1, 2]
    bands = band_magnitudes(given.arrays["x"], constants, given.scales[:, 0])
    j = bands[:, NAMES.index("2mass_j")]
    np.testing.assert_allclose(j, catalog.frame["j"], atol=1e-4)
    teff = physical_labels(given.arrays["labels"], constants)[:, 0]
    np.testing.assert_allclose(teff, catalog.frame["teff"], rtol=1e-4)


def test_synthetic_g_is_the_g_that_the_spectrum_was_scaled_to():
    catalog, product = stars()
    photometry = load_photometry()
    made = photometry.magnitudes(product.values)[:, photometry.bands.index("g")]
    g = catalog.frame["phot_g_mean_mag"].to_numpy()[product.rows]
    assert np.abs(made - g).max() < 0.02
    assert np.isnan(photometry.magnitudes(-product.values)).all()


def test_hidden_and_absent_values_never_reach_the_network(table):
    model, batch = network(), batch_of(table[0])
    present, hidden = batch["mask"], torch.zeros_like(batch["mask"])
    hidden[:, 1] = True
    spoiled = torch.where(present & ~hidden, batch["x"], torch.nan)
    seen = model.latent(batch["x"], present, hidden)
    torch.testing.assert_close(model.latent(spoiled, present, hidden), seen)


def test_missing_and_masked_are_told_apart(table):
    model, batch = network(), batch_of(table[0])
    column = torch.zeros_like(batch["mask"])
    column[:, 1] = True
    masked = model.latent(batch["x"], batch["mask"], column)
    missing = model.latent(batch["x"], batch["mask"] & ~column, torch.zeros_like(column))
    assert (masked - missing).abs().max() > 1e-4


def test_only_hidden_and_present_entries_count():
    x = torch.tensor([[1.0, torch.nan, 3.0]])
    off = entry_error(torch.zeros(1, 3), x, torch.tensor([[True, False, False]]))
    assert off.tolist() == [[1.0, 0.0, 0.0]]
    model = network(consistency=0.0)
    present = torch.rand(500, len(COLUMNS)) < 0.5
    hidden, _ = model.draw_masks(present)
    assert not (hidden & ~present).any()


def test_the_block_is_hidden_as_one_in_the_stated_fraction_of_rows():
    model = network(block_rate=0.3, element_rate=0.0).train()
    hidden, shown = model.draw_masks(torch.ones(4000, len(COLUMNS), dtype=torch.bool))
    assert shown.float().mean() == pytest.approx(0.5, abs=0.04)
    block = hidden[:, XP_PART]
    assert (block.all(dim=1) == block.any(dim=1)).all()
    assert block.all(dim=1).float().mean() == pytest.approx(0.3, abs=0.04)
    assert not hidden[:, BAND_PART].any()
    model.eval()
    again = [model.draw_masks(torch.ones(9, len(COLUMNS), dtype=torch.bool))[0] for _ in range(2)]
    assert torch.equal(*again)


def test_quantiles_never_cross():
    z = 100 * torch.randn(1000, SIZES["latents"], generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        quantiles = network().quantiles(z)
    assert quantiles.shape == (1000, len(LABELS), 3)
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_the_pinball_loss_is_least_at_the_quantiles_and_skips_unknown_labels():
    labels = torch.randn(20000, 1, generator=torch.Generator().manual_seed(0))
    known = torch.ones_like(labels, dtype=torch.bool)

    def loss(low, middle, high):
        return pinball(torch.tensor([low, middle, high]).expand(20000, 1, 3), labels, known)

    best = loss(-0.9945, 0.0, 0.9945)
    assert best < min(loss(-0.8, 0.0, 0.9945), loss(-0.9945, 0.2, 0.9945), loss(-0.99, 0.0, 1.2))
    half = known & (torch.arange(20000) < 10000)[:, None]
    spoiled = torch.where(half, labels, torch.nan)
    quantiles = torch.zeros(20000, 1, 3)
    expected = pinball(quantiles[:10000], labels[:10000], known[:10000])
    torch.testing.assert_close(pinball(quantiles, spoiled, half), expected)


def test_labels_do_not_reach_predictions_and_xp_can_be_taken_away(table):
    given, _, _ = table
    model = network()
    full = predict(model, given.arrays)
    no_labels = {n: a for n, a in given.arrays.items() if "label" not in n}
    np.testing.assert_array_equal(predict(model, no_labels).quantiles, full.quantiles)
    without = predict(model, given.arrays, ("xp",)).quantiles
    np.testing.assert_allclose(without[:4], full.quantiles[:4], atol=1e-5)  # they have none
    assert (np.abs(without - full.quantiles).max(axis=(1, 2))[4:] > 0).all()


def test_conformal_intervals_hold_the_stated_fraction_of_new_stars():
    rng = np.random.default_rng(0)
    labels, known = rng.normal(size=(8000, 4)), np.ones((8000, 4), bool)
    known[:, 3] = False
    quantiles = np.broadcast_to([-0.3, 0.0, 0.3], (8000, 4, 3))
    factors = conformal(quantiles[:4000], labels[:4000], known[:4000])
    grown = corrected(quantiles[4000:], factors)
    new = labels[4000:]
    inside = ((new >= grown[..., 0]) & (new <= grown[..., 2])).mean(axis=0)
    np.testing.assert_allclose(inside[:3], 0.68, atol=0.03)
    assert factors[3] == 1  # nothing known to fit it on
    np.testing.assert_array_equal(grown[..., MIDDLE], 0)


def test_a_star_without_xp_gets_the_interval_of_those_whose_xp_was_taken_away(table):
    given, constants, _ = table
    zeros = np.zeros((len(given), SIZES["latents"]), np.float32)
    model = TrainedModel(
        load_modality("star_table"), constants, network(), {}, given, given.rows, zeros
    )
    values, _, told = derived_columns(model, np.ones(len(given), bool))
    factors = told["conformal_factors"]
    assert factors["all"]["teff"] != factors["no_xp"]["teff"]
    lacking = ~given.arrays["mask"][:, XP_PART].all(axis=1)
    assert lacking.any()
    same = values["teff_width"] == values["teff_width_no_xp"]
    np.testing.assert_array_equal(same, lacking)


def test_training_in_two_phases_lowers_both_losses(table):
    given, _, _ = table
    side = np.where(np.arange(STARS) < STARS - 8, 0, 1).astype(np.uint8)
    model = network()
    phases = [
        TrainingSettings(epochs=20, batch=28, learning_rate=3e-3, beta=beta) for beta in (0.0, 0.8)
    ]
    first = train(model, given.arrays, side, phases[0])
    second = train(model, given.arrays, side, phases[1])
    assert first[-1].train_reconstruction < 0.9 * first[0].train_reconstruction
    assert first[-1].train_divergence == 0
    assert second[-1].train_divergence < 0.9 * second[0].train_divergence
    assert (model.scatter > 0).all()


def test_the_published_size_is_reachable():
    with torch.device("meta"):
        model = make_model("masked", **PUBLISHED)
    parts = (model.embedding, model.stem, model.encoder)
    count = sum(p.numel() for part in parts for p in part.parameters())
    assert count == pytest.approx(31.2e6, rel=0.01)
    small = network(frequencies=3)
    out = small.latent(torch.zeros(2, len(COLUMNS)), *torch.ones(2, 2, len(COLUMNS)).bool())
    assert torch.isfinite(out).all()


def test_a_build_predicts_every_star_beside_the_catalog(tmp_path):
    catalog, product = stars()
    manifest = Manifest("survey", "stars", "gaia_dr3", False, "test", "made up")
    with new_folder(tmp_path / "s", manifest) as writer:
        writer.save_catalog(catalog)
        save_product(writer, product)
    config = tmp_path / "c.toml"
    shipped = Path(latent_core.configs.__file__).with_name("masked.toml").read_text("utf-8")
    config.write_text(re.sub(r"epochs = \d+, batch = \d+", "epochs = 1, batch = 16", shipped))
    out = build(tmp_path / "s", tmp_path / "b", config=config)
    folder = Folder.open(out, "bundle")
    found = with_derived(folder)
    frame = found.frame
    for label in LABELS:
        for case in CASES:
            parts = [frame[f"{label.name}_{p}{case}"] for p in ("p16", "p50", "p84")]
            assert np.isfinite(parts).all()
            assert (np.diff(parts, axis=0) >= 0).all()
            assert "predicted" in found.column(f"{label.name}_p50{case}").label
    assert np.isfinite(frame["2mass_h_imputed"]).tolist() == [True] + (STARS - 1) * [False]
    assert "catwise_w1_imputed" not in frame  # nothing ever told it
    factors = folder.json("models/star_table/predictions.json")["conformal_factors"]
    assert set(factors) == {"all", "no_xp"}
    bundle = Bundle.open(out)
    (imputed,) = bundle.reconstructed(0, "star_table")
    assert imputed.y_label == "imputed flux"
    assert np.isfinite(imputed.y).all()
    assert bundle.observed(0, "star_table") == ()
    section = predictions(Context(folder, SplitSettings()))
    assert section is not None
    measured = section.figures["models"]["star_table"]
    test = split_of(catalog.source_id, SplitSettings()) == TEST
    truth = catalog.frame["teff"].to_numpy(float)
    made = frame["teff_p50"].to_numpy(float)
    known = test & np.isfinite(truth)
    assert measured["labels"]["teff"][""]["sources"] == known.sum() > 0
    mae = np.abs(made - truth)[known].mean()
    assert measured["labels"]["teff"][""]["mae"] == pytest.approx(mae, rel=1e-5)
    assert set(measured["bands_mag"]["2mass_h"]) == set(CASES)
