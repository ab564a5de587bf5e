"""Section: stellar labels read from latents, beside raw coefficients and published figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.figures import STELLAR_PARAMETERS
from latent_core.inputs import has_observations, load_observations
from latent_core.report.anchors import anchors_of
from latent_core.report.classification import published_table
from latent_core.report.content import Context, Features, Plot, Section, Table, sample
from latent_core.report.plots import regression_plot
from latent_core.report.probes import (
    NEIGHBORS,
    Floats,
    bootstrap_interval,
    knn_values,
    mlp_values,
    regression_scores,
)
from latent_core.training import TEST

LARGEST_FIT = 30_000
FEWEST_FIT, FEWEST_ASKED = 200, 50
# The giants of issue figures and of alpha_sequence: log g, Teff [K], error of [alpha/M] [dex]
GIANT_LOGG, GIANT_TEFF, GIANT_ALPHA_ERROR = 3.6, 5500.0, 0.05
RAW_MODALITIES = ("xp_coefficients", "xp_samples")
Probe = Callable[[NDArray[np.floating], Floats, NDArray[np.floating]], Floats]
PROBES: dict[str, Probe] = {"knn": knn_values, "mlp": mlp_values}
PROBE_TITLES = {"knn": f"{NEIGHBORS} neighbors", "mlp": "MLP 64-64"}
POPULATIONS = ("all", "giants")


def raw_features(context: Context) -> tuple[Features, ...]:
    """Return the standardised input of the spectral models, (M, P): what latents must beat."""
    found = []
    for name in context.folder.names("inputs/"):
        parts = name.split("/")
        model = parts[1]
        if parts[-1] != "rows.npy" or not has_observations(context.folder, model):
            continue
        about = f"models/{model}/model.json"
        if about not in context.folder:
            continue
        if context.folder.json(about)["modality"] in RAW_MODALITIES:
            given = load_observations(context.folder, model)
            x = np.asarray(given.arrays["x"], np.float32)
            found.append(Features(f"raw {model}", "raw", np.asarray(given.rows), x))
    return tuple(found)


def giants(catalog: Catalog) -> NDArray[np.bool_]:
    """Return which sources are giants with a good [alpha/M], (N,); none without such labels."""
    frame = catalog.frame
    if not {"logg", "teff", "alpha_m", "alpha_m_err"} <= set(frame):
        return np.zeros(len(catalog), bool)
    logg, teff, error = (
        frame[n].to_numpy(np.float64, na_value=np.nan) for n in ("logg", "teff", "alpha_m_err")
    )
    return (logg < GIANT_LOGG) & (teff < GIANT_TEFF) & (error < GIANT_ALPHA_ERROR)


def regression(context: Context) -> Section | None:
    """Fit probes on training and validation sources, ask them of the held-out ones."""
    names = [n for n in STELLAR_PARAMETERS if n in context.catalog.frame]
    chosen = {"all": np.ones(len(context.catalog), bool), "giants": giants(context.catalog)}
    figures: dict[str, Any] = {}
    drawn: dict[str, tuple[Floats, Floats]] = {}
    for features in (*context.latents, *raw_features(context)) if names else ():
        for population in POPULATIONS:
            for name in names if population == "all" else ("alpha_m",):
                if not chosen[population].any():
                    continue
                context.say(f"labels: {name} of {population} from {features.name}")
                found, best = _measured(context, features, name, chosen[population])
                if not found:
                    continue
                figures.setdefault(population, {}).setdefault(name, {})[features.name] = found
                key = f"{name}, {population}"
                if best is not None:
                    drawn.setdefault(key, best)
    if not figures:
        return None
    return _section(context, figures, drawn)


def _measured(
    context: Context, features: Features, name: str, chosen: NDArray[np.bool_]
) -> tuple[dict[str, Any], tuple[Floats, Floats] | None]:
    """Return the scores of every probe, and truth and answer of the perceptron to draw."""
    y = context.values(name)[features.rows]
    known = np.isfinite(y) & chosen[features.rows]
    held_out = context.side[features.rows] == TEST
    fit, ask = np.flatnonzero(known & ~held_out), np.flatnonzero(known & held_out)
    if len(fit) < FEWEST_FIT or len(ask) < FEWEST_ASKED or np.ptp(y[fit]) == 0:
        return {}, None
    fit = fit[sample(len(fit), LARGEST_FIT)]
    raw = features.kind == "raw"
    found: dict[str, Any] = {}
    best = None
    for probe in ("knn",) if raw else tuple(PROBES):
        said = PROBES[probe](features.x[fit], y[fit], features.x[ask])
        found[probe] = _scored(y[ask], said) | {"fitted_on": len(fit)}
        best = None if raw else (y[ask], said)
    always = np.full(len(ask), y[fit].mean())
    found["mean"] = regression_scores(y[ask], always) | {"sources": len(ask)}
    return found, best


def _scored(truth: Floats, said: Floats) -> dict[str, Any]:
    def rmse(rows: NDArray[np.int64]) -> float:
        return float(np.sqrt(((said[rows] - truth[rows]) ** 2).mean()))

    def mae(rows: NDArray[np.int64]) -> float:
        return float(np.abs(said[rows] - truth[rows]).mean())

    return {
        **regression_scores(truth, said),
        "sources": len(truth),
        "mae_95_percent": list(bootstrap_interval(mae, len(truth))),
        "rmse_95_percent": list(bootstrap_interval(rmse, len(truth))),
    }


def _number(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "K" else f"{value:.4f}"


def _rows(context: Context, figures: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    rows = []
    for population, names in figures.items():
        for name, spaces in names.items():
            column = context.catalog.column(name)
            mean = next(iter(spaces.values()))["mean"]
            constant = (_number(mean[k], column.unit) for k in ("mae", "rmse"))
            first = (population, column.title)
            rows.append((*first, "none", "always the mean", f"{mean['sources']:,}", *constant,
                         f"{mean['r2']:.3f}", _number(mean["bias"], column.unit)))  # fmt: skip
            for space, probes in spaces.items():
                for probe in PROBES:
                    if probe in probes:
                        s = probes[probe]
                        rows.append((*first, space, PROBE_TITLES[probe], f"{s['sources']:,}",
                                     _with_interval(s, "mae", column.unit),
                                     _with_interval(s, "rmse", column.unit),
                                     f"{s['r2']:.3f}",
                                     _number(s["bias"], column.unit)))  # fmt: skip
    return tuple(rows)


def _with_interval(scores: dict[str, Any], kind: str, unit: str) -> str:
    low, high = (_number(v, unit) for v in scores[f"{kind}_95_percent"])
    return f"{_number(scores[kind], unit)} [{low}, {high}]"


def _section(
    context: Context, figures: dict[str, Any], drawn: dict[str, tuple[Floats, Floats]]
) -> Section:
    panels = []
    for key, (truth, said) in drawn.items():
        name, population = key.split(", ")
        column = context.catalog.column(name)
        title = f"{column.label or name}, {population}"
        panels.append((title, column.unit, truth, said))
    header = (
        *("stars", "label", "from", "probe", "held-out sources", "MAE [95 %]", "RMSE [95 %]"),
        *("R2", "bias"),
    )
    return Section(
        "regression",
        "Stellar labels",
        _reading(context, figures),
        f"{context.data}; probes are fitted on the training and validation sources and asked of "
        f"the held-out test split (by a hash of source_id; at most {LARGEST_FIT:,} are fitted "
        f"on). {context.label_sight} Intervals: 95 % over 200 bootstrap samples of "
        f"the held-out sources. Giants: log g < {GIANT_LOGG}, Teff < {GIANT_TEFF:.0f} K, error of "
        f"[alpha/M] < {GIANT_ALPHA_ERROR} dex; their probes are fitted on giants only. Published "
        "figures come from other stars: compare their size, not their last digit.",
        {"populations": figures, "published": anchors_of("regression")},
        (
            Table("Labels from latents", header, _rows(context, figures)),
            published_table("regression"),
        ),
        (
            Plot(
                "Predicted against true, held-out sources",
                regression_plot(panels),
                "MLP on the first space; below, predicted minus true. Colour counts sources on a "
                "logarithmic scale.",
            ),
        )
        if panels
        else (),
    )


def _reading(context: Context, figures: dict[str, Any]) -> str:
    parts = []
    for population, names in figures.items():
        for name, spaces in names.items():
            column = context.catalog.column(name)
            space, probes = next(iter(spaces.items()))
            best = min((p for p in PROBES if p in probes), key=lambda p: probes[p]["rmse"])
            rmse = _number(probes[best]["rmse"], column.unit)
            mean = _number(probes["mean"]["rmse"], column.unit)
            parts.append(
                f"{column.label or name} ({population}) to {rmse} {column.unit} rms by "
                f"{PROBE_TITLES[best]} on {space} (always the mean: {mean})"
            )
    return "Held-out sources: " + "; ".join(parts) + "."
