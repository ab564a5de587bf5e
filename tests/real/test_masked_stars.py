"""The masked autoencoder on real APOGEE stars: a training of seconds beats saying the median."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from latent_core.catalog import Catalog
from latent_core.config import SplitSettings, TrainingSettings
from latent_core.modalities import load_modality
from latent_core.modalities.star_columns import BANDS, COLUMNS, LABELS, XP_PART
from latent_core.modalities.star_table import physical_labels
from latent_core.models import make_model
from latent_core.models.masked import MaskedAutoencoder
from latent_core.predictions import HIGH, LOW, MIDDLE, conformal, corrected, predict
from latent_core.products import XpCoefficients
from latent_core.release import load_release
from latent_core.surveys.apogee_library import RENAMED
from latent_core.training import TEST, TRAIN, VALIDATION, split_of, train

pytestmark = pytest.mark.real
STARS = 6000
COOL_K = 8000  # the few hot stars make the mean error of Teff a figure of theirs alone
# parts of the error of always saying the training median. Six magnitudes of reddened stars say
# little of composition: a full training gets to 0.83 for both without XP
LARGEST_SHARE = {
    "xp": {"teff": 0.6, "logg": 0.6, "fe_h": 0.7, "alpha_m": 0.75},
    "no_xp": {"teff": 0.8, "logg": 0.8, "fe_h": 1.0, "alpha_m": 1.0},
}
WITHOUT = {"xp": (), "no_xp": ("xp",)}


@dataclass
class Trained:
    arrays: dict
    constants: dict
    side: np.ndarray
    network: MaskedAutoencoder


def xp_of(table: pd.DataFrame) -> XpCoefficients:
    names = ("coefficients", "coefficient_errors")
    values, errors = (
        np.hstack([np.stack(list(table[f"{band}_{n}"])) for band in load_release().xp.bands])
        for n in names
    )
    return XpCoefficients(np.arange(len(table)), values.astype(float), errors.astype(np.float32))


@pytest.fixture(scope="module")
def trained(shared: Path) -> Trained:
    table = pd.read_parquet(shared / "xp_apogee_coeffs.parquet").rename(columns=RENAMED)
    table = table.drop_duplicates("source_id").sample(STARS, random_state=0).reset_index(drop=True)
    lists = [name for name in table if "coefficient" in str(name) or str(name).startswith("__")]
    catalog, product = Catalog(table.drop(columns=lists)), xp_of(table)
    side, modality = split_of(catalog.source_id, SplitSettings()), load_modality("star_table")
    constants = modality.fit(product, catalog, side == TRAIN)
    given = modality.preprocess(product, catalog, constants)
    torch.manual_seed(0)
    network = make_model(
        "masked",
        columns=len(COLUMNS),
        bands=len(BANDS),
        block=(XP_PART.start, XP_PART.stop),
        widths=(128, 128),
        decoder=(64,),
        head=(64,),
    )
    settings = TrainingSettings(epochs=10, batch=128, learning_rate=3e-3, beta=0.8)
    side = side[given.rows]
    train(network, given.arrays, side, settings)
    assert isinstance(network, MaskedAutoencoder)
    return Trained(dict(given.arrays), dict(constants), side, network)


@pytest.mark.parametrize("case", WITHOUT)
def test_labels_of_new_stars_are_better_than_the_median_and_covered_as_stated(
    case: str, trained: Trained
) -> None:
    arrays, side = trained.arrays, trained.side
    quantiles = predict(trained.network, arrays, WITHOUT[case]).quantiles
    fit = side == VALIDATION
    factors = conformal(quantiles[fit], arrays["labels"][fit], arrays["label_mask"][fit])
    made = physical_labels(corrected(quantiles, factors), trained.constants)
    truth = physical_labels(arrays["labels"], trained.constants)
    cool = truth[:, 0] < COOL_K
    for place, label in enumerate(LABELS):
        known = arrays["label_mask"][:, place] & cool
        new, old = known & (side == TEST), known & (side == TRAIN)
        error = np.abs(made[new, place, MIDDLE] - truth[new, place]).mean()
        median = np.abs(np.median(truth[old, place]) - truth[new, place]).mean()
        share = error / median
        assert share < LARGEST_SHARE[case][label.name], (label.name, error, median)
        inside = truth[new, place] >= made[new, place, LOW]
        inside &= truth[new, place] <= made[new, place, HIGH]
        assert 0.58 < inside.mean() < 0.78, label.name


def test_synthetic_photometry_agrees_with_the_catalog(trained: Trained) -> None:
    offset = trained.constants["synthetic_offset"]
    found = {band.name: offset[at] for at, band in enumerate(BANDS)}
    assert all(abs(found[name]) < 0.02 for name in ("g", "bp", "rp")), found
