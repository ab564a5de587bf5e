"""Section: what a masked autoencoder predicts and imputes, with XP and with XP taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import Folder
from latent_core.catalog import read_catalog
from latent_core.derived import DERIVED
from latent_core.encoding import TrainedModel, load_model
from latent_core.modalities.star_columns import ANCHOR, BANDS, LABELS
from latent_core.modalities.star_table import band_magnitudes
from latent_core.predictions import CASES, KIND, predict
from latent_core.report.anchors import anchors_of
from latent_core.report.content import Context, Plot, Section, Table, sample
from latent_core.report.plots import bar_plot
from latent_core.training import TEST, TRAIN

LARGEST = 10_000
TITLES = {"": "with XP", "_no_xp": "without XP"}
NOMINAL = 68


def predictions(context: Context) -> Section | None:
    """Measure labels and magnitudes of the test split."""
    figures = {name: _measured(context, name) for name in _models(context.folder)}
    if not figures:
        return None
    labels = tuple(_label_rows(figures))
    name, found = next(iter(figures.items()))
    first = found["labels"]
    return Section(
        "predictions",
        "Predicted labels and imputed magnitudes",
        "Held-out stars, mean absolute error with XP (without): "
        + ", ".join(
            f"{label} {_number(case[''])} ({_number(case['_no_xp'])})"
            for label, case in first.items()
        )
        + f"; the 16-84 % intervals are corrected to hold {NOMINAL} %. These latents have learned "
        "the labels: what other sections find of labels in them is not found without labels.",
        f"{context.data}; sources of the test split whose label or band is known, at most "
        f"{LARGEST:,}; intervals corrected on the validation split.",
        {"models": figures, "published_mae": _published()},
        (
            Table(
                "Labels",
                (
                    "model",
                    "label",
                    "case",
                    "MAE",
                    "RMSE",
                    "median guess MAE",
                    "published MAE",
                    "in 16-84 %",
                    "sources",
                ),
                labels,
                "The median guess says the training split's median of every star; the published "
                "MAE is of 88,800 stars with XP, after pretraining on 220 million (McKay 2025).",
            ),
            Table(
                "Imputed magnitudes",
                ("model", "band", "case", "MAE [mag]", "median error [mag]", "sources"),
                tuple(_band_rows(figures)),
                "Each band is hidden in turn; all else that a star has stays.",
            ),
        ),
        (Plot(f"Coverage of {name}", _coverage_plot(first)),),
    )


def _models(folder: Folder) -> list[str]:
    names = {name.split("/")[1] for name in folder.names("models/")}
    return [
        name
        for name in sorted(names)
        if folder.json(f"models/{name}/model.json")["kind"] == KIND
        and f"{DERIVED}{name}.parquet" in folder
    ]


def _measured(context: Context, name: str) -> dict[str, Any]:
    context.say(f"predictions: {name}")
    model = load_model(context.folder, name)
    test = np.flatnonzero(context.side[model.rows] == TEST)
    test = test[sample(len(test), LARGEST)]
    return {
        "labels": _labels(context, name, model.rows[test]),
        "bands_mag": _bands(model, test),
    }


def _labels(context: Context, name: str, rows: NDArray[np.int64]) -> dict[str, Any]:
    made = read_catalog(context.folder.file(f"{DERIVED}{name}.parquet")).frame
    found: dict[str, Any] = {}
    for label in LABELS:
        if label.name not in context.catalog.frame:
            continue
        truth = context.values(label.name)
        guess = float(np.nanmedian(truth[context.side == TRAIN]))
        known = rows[np.isfinite(truth[rows])]
        found[label.name] = {}
        for case in CASES:
            low, middle, high = (
                made[f"{label.name}_{part}{case}"].to_numpy(np.float64)[known]
                for part in ("p16", "p50", "p84")
            )
            off = middle - truth[known]
            found[label.name][case] = {
                "unit": label.unit,
                "mae": float(np.abs(off).mean()),
                "rmse": float(np.sqrt((off**2).mean())),
                "mae_of_training_median": float(np.abs(guess - truth[known]).mean()),
                "coverage_percent": 100
                * float(((truth[known] >= low) & (truth[known] <= high)).mean()),
                "sources": len(known),
            }
    return found


def _bands(model: TrainedModel, test: NDArray[np.int64]) -> dict[str, Any]:
    assert model.observations is not None  # noqa: S101 - predictions were made from them
    arrays = {name: array[test] for name, array in model.observations.arrays.items()}
    g = np.asarray(model.observations.scales[test, 0])
    truth = band_magnitudes(arrays["x"], model.constants, g)
    found: dict[str, Any] = {}
    for place, band in enumerate(BANDS):
        rows = np.asarray(arrays["mask"][:, place])
        if band.name == ANCHOR or not rows.any():
            continue
        found[band.name] = {}
        for case, without in CASES.items():
            decoded = predict(model.network, arrays, (*without, band.name)).decoded  # type: ignore[arg-type]
            off = np.abs(band_magnitudes(decoded, model.constants, g) - truth)[rows, place]
            found[band.name][case] = {
                "mae": float(off.mean()),
                "median_error": float(np.median(off)),
                "sources": int(rows.sum()),
            }
    return found


def _published() -> dict[str, float]:
    return {a["column"]: a["value"] for a in anchors_of("regression") if a["score"] == "mae"}


def _number(figure: dict[str, Any]) -> str:
    return f"{figure['mae']:.3g} {figure['unit'] if figure['unit'] in ('K', 'dex') else 'dex'}"


def _label_rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for model, found in figures.items():
        for label, cases in found["labels"].items():
            for case, f in cases.items():
                yield (
                    *(model, label, TITLES[case], _number(f), f"{f['rmse']:.3g}"),
                    f"{f['mae_of_training_median']:.3g}",
                    f"{_published().get(label, float('nan')):g}",
                    f"{f['coverage_percent']:.1f} %",
                    f"{f['sources']:,}",
                )


def _band_rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for model, found in figures.items():
        for band, cases in found["bands_mag"].items():
            for case, f in cases.items():
                errors = (f"{f['mae']:.3f}", f"{f['median_error']:.3f}")
                yield (model, band, TITLES[case], *errors, f"{f['sources']:,}")


def _coverage_plot(labels: dict[str, Any]) -> str:
    shares = {
        TITLES[case]: [cases[case]["coverage_percent"] for cases in labels.values()]
        for case in CASES
    }
    return bar_plot(list(labels), shares, f"truth within 16-84 % [%], {NOMINAL} asked for")
