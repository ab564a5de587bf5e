"""Models trained on one survey and applied to the other, both ways.

What a model learned of simulated sources is worth something if it serves real ones nearly as well
as a model trained on real ones does. Agreement is that of 10 neighbors in the latent space: on
the class for light curves, on Teff, log g and [Fe/H] for spectra. Both surveys give as many
sources of each class (or pairs of equal magnitude and colour), so that figures can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.comparison.chosen import Chosen, light_curve_sources, spectra_sources
from latent_core.comparison.samples import Sample, Say
from latent_core.config import (
    BuildSettings,
    ModelSettings,
    SplitSettings,
    find_settings,
    read_settings,
)
from latent_core.encoding import encode
from latent_core.errors import InputError
from latent_core.evaluation import NEIGHBORS, fold_neighbors, label_agreement, value_agreement
from latent_core.modalities import Constants, Modality, load_modality
from latent_core.models import make_model
from latent_core.opened import Bundle
from latent_core.similarity import Scaling, nearest_neighbors
from latent_core.training import TEST, TRAIN, split_of, train

SETTINGS = "exchange"  # the shipped settings of models that are trained here
TASKS: Mapping[str, tuple[str, ...]] = {
    "light curves": ("folded", "dmdt"),
    "spectra": ("xp_coefficients",),
}
"""What is asked, and the modalities whose latents stand side by side for it."""


@dataclass(frozen=True)
class Exchange:
    """Where models come from: trained here by the settings `config`, or two given bundles.

    `bundles` are none, or one trained on the first survey and one on the other.
    """

    config: Path = Path(SETTINGS)
    bundles: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Encoder:
    """A trained network with its modality and constants; `home` is what it was trained on."""

    modality: Modality
    constants: Constants
    network: Any
    home: str


Floats = NDArray[np.float64]
Encoders = Mapping[str, Encoder]


def exchanged(
    first: Sample,
    other: Sample,
    exchange: Exchange,
    *,
    say: Say,
) -> dict[str, Any]:
    """Train on each of two samples, apply to both, and return the agreement of all four cases.

    {} where the samples have no observations and labels in common.
    """
    given = _given(exchange.bundles)
    settings = _settings(exchange.config)
    choose: Mapping[str, Callable[[Sample, Sample], tuple[Chosen, Chosen] | None]] = {
        "light curves": light_curve_sources,
        "spectra": spectra_sources,
    }
    found = {}
    for task, names in TASKS.items():
        if not all(_has(encoders, names) for encoders in given):
            continue
        say(f"exchange of {task}: {first.name} and {other.name}")
        chosen = choose[task](first, other)
        if chosen is None:
            continue
        trained = given or [_trained(c, names, settings, say) for c in chosen]
        found[task] = _both_ways(chosen, trained, names, settings.split)
    return found


def _given(bundles: Sequence[Path]) -> list[Encoders]:
    """Open the models of bundles; InputError where they have no task in common."""
    given = [_of_bundle(path) for path in bundles]
    tasks = [n for n in TASKS.values() if all(_has(encoders, n) for encoders in given)]
    if not tasks:
        wanted = " or ".join(f"{', '.join(n)} ({task})" for task, n in TASKS.items())
        raise InputError(
            "these bundles do not both hold the models of any task",
            file=bundles[0],
            remedy=f"give two with {wanted}",
        )
    return given


def _settings(config: Path) -> BuildSettings:
    """Read the models to train; InputError where one that is needed is not named."""
    file = find_settings(config)
    settings = read_settings(file)
    needed = {name for names in TASKS.values() for name in names}
    lacking = sorted(needed - set(settings.models))
    if lacking:
        raise InputError(
            f"it names no model {lacking[0]}",
            file=file,
            remedy=f"add a table [models.{lacking[0]}]",
        )
    return settings


def _has(encoders: Encoders, names: Sequence[str]) -> bool:
    return set(names) <= set(encoders)


def _of_bundle(path: Path) -> Encoders:
    """Take the first model of each modality of a bundle; InputError where it has none."""
    bundle = Bundle.open(path)
    found: dict[str, Encoder] = {}
    for name in bundle.model_names:
        model = bundle.model(name)
        key = str(model.about["modality"])
        if key not in found:
            found[key] = Encoder(model.modality, model.constants, model.network, bundle.name)
    if not found:
        raise InputError("this bundle has no model", file=path, remedy="give one that was built")
    return found


def _trained(
    chosen: Chosen, names: Sequence[str], settings: BuildSettings, say: Say
) -> dict[str, Encoder]:
    return {n: _train(chosen, settings.models[n], settings.split, say) for n in names}


def _train(chosen: Chosen, model: ModelSettings, split: SplitSettings, say: Say) -> Encoder:
    """Train one model on the training side of the chosen sources."""
    import torch

    modality = load_modality(model.modality)
    side = split_of(chosen.catalog.source_id, split)
    fitted = modality.fit(chosen.product, chosen.catalog, side == TRAIN)
    constants = {**modality.preparation(model.preparation), **fitted}
    given = modality.preprocess(chosen.product, chosen.catalog, constants)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.training.seed)
        network = make_model(model.kind, **model.sizes)
    say(f"train {model.modality} on {len(given):,} sources of {chosen.name}")
    train(network, given.arrays, side[given.rows], model.training)
    return Encoder(modality, constants, network, chosen.name)


def _both_ways(
    chosen: tuple[Chosen, Chosen],
    trained: Sequence[Encoders],
    names: Sequence[str],
    split: SplitSettings,
) -> dict[str, Any]:
    cases = []
    for place, encoders in enumerate(trained):
        latents = [_latents(encoders, names, c) for c in chosen]
        for number, asked in enumerate(chosen):
            cases.append({
                "trained_on": encoders[names[0]].home,
                "asked": asked.name,
                "home": place == number,
                "asked_sources": asked.mark,
                **_agreement(asked, latents[number], split),
                "library_of_the_other": _voted(chosen[1 - number], latents[1 - number],
                                               asked, latents[number]),
            })  # fmt: skip
    return {
        "models": list(names),
        "sources": [len(c) for c in chosen],
        "origins": [c.product.origin for c in chosen],
        "classes": _counts(chosen[1]),
        "cases": cases,
    }


def _counts(chosen: Chosen) -> dict[str, int]:
    if chosen.labels is None:
        return {}
    names, counts = np.unique(chosen.labels.astype(str), return_counts=True)
    return {str(n): int(c) for n, c in zip(names, counts, strict=True)}


def _latents(encoders: Encoders, names: Sequence[str], chosen: Chosen) -> NDArray[np.float32]:
    """Encode all chosen sources, (N, K); NaN where a model refuses one."""
    parts = []
    for name in names:
        encoder = encoders[name]
        given = encoder.modality.preprocess(chosen.product, chosen.catalog, encoder.constants)
        means = encode(encoder.network, given.arrays)[0]
        spread = np.full((len(chosen), means.shape[1]), np.nan, np.float32)
        spread[given.rows] = means
        parts.append(spread)
    return np.hstack(parts)


def _agreement(
    asked: Chosen, latents: NDArray[np.float32], split: SplitSettings
) -> dict[str, Any]:
    """Neighbor agreement among all sources, and among those that no home model was trained on."""
    held_out = split_of(asked.catalog.source_id, split) == TEST
    return {
        "all": _scores(asked, latents, np.ones(len(asked), bool)),
        "held_out": _scores(asked, latents, held_out),
    }


def _scores(
    asked: Chosen, latents: NDArray[np.float32], among: NDArray[np.bool_]
) -> dict[str, Any] | None:
    rows = np.flatnonzero(among & np.isfinite(latents).all(axis=1))
    if len(rows) < 2:
        return None
    nearest = fold_neighbors(Scaling.fit(latents[rows]).apply(latents[rows]))
    if nearest is None:
        return None
    if asked.labels is not None:
        return _with_interval(label_agreement(nearest, asked.labels[rows]))
    return {name: value_agreement(nearest, v[rows]) for name, v in asked.values.items()}


def _with_interval(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Add the 95 % interval of a share of so many sources (Wilson 1927)."""
    if found is None:
        return None
    from scipy.stats import binomtest

    count = int(found["sources"])
    right = round(count * found["accuracy_percent"] / 100)
    span = binomtest(right, count).proportion_ci(method="wilson")
    return {**found, "interval_95_percent": [100 * float(span.low), 100 * float(span.high)]}


def _voted(
    library: Chosen, known: NDArray[np.float32], asked: Chosen, latents: NDArray[np.float32]
) -> dict[str, Any] | None:
    """Ask the other survey's sources: do their labels describe the neighbors they have here?"""
    here, there = (np.flatnonzero(np.isfinite(z).all(axis=1)) for z in (known, latents))
    if min(len(here), len(there)) <= NEIGHBORS:
        return None
    scaling = Scaling.fit(known[here])
    given, placed = (scaling.apply(z) for z in (known[here], latents[there]))
    nearest = here[nearest_neighbors(given, NEIGHBORS, placed)[0]]
    if asked.labels is not None and library.labels is not None:
        return _with_interval(_vote(library.labels[nearest], asked.labels[there]))
    return {
        name: _errors(library.values[name][nearest].mean(axis=1), truth[there])
        for name, truth in asked.values.items()
    }


def _vote(votes: NDArray[np.object_], truth: NDArray[np.object_]) -> dict[str, Any]:
    both = np.concatenate([votes.ravel(), truth]).astype(str)
    names, codes = np.unique(both, return_inverse=True)
    ballots, right = codes[: votes.size].reshape(votes.shape), codes[votes.size :]
    said = np.array([np.bincount(row, minlength=len(names)).argmax() for row in ballots])
    return {
        "accuracy_percent": 100 * float((said == right).mean()),
        "neighbors": NEIGHBORS,
        "sources": len(right),
    }


def _errors(said: Floats, truth: Floats) -> dict[str, Any]:
    residual = said - truth
    return {
        "mae": float(np.abs(residual).mean()),
        "rmse": float(np.sqrt((residual**2).mean())),
        "r2": float(1 - (residual**2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "bias": float(residual.mean()),
        "sources": len(truth),
    }
