"""How far a model can be trusted on a source: is the source like those it was trained on?

Two signs, both needed: `chi`, how well the model reproduces what was measured, and `distance`, how
far the source's latents lie from those of training sources. Chi finds what a model cannot draw
(a white dwarf has chi 235, scatter-vae-2024.md 5.1); distance finds what it has hardly seen. The
limits are quantiles of held-out sources, so about one held-out source in a hundred passes each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import Folder, write_stage
from latent_core.catalog import Column
from latent_core.chunks import identifiers_only
from latent_core.derived import save_derived
from latent_core.encoding import batches, decode_at
from latent_core.evaluation import row_chi
from latent_core.products import item_of_row
from latent_core.similarity import Scaling, nearest_neighbors
from latent_core.training import TRAIN, VALIDATION

if TYPE_CHECKING:
    from latent_core.encoding import TrainedModel
    from latent_core.modalities import Observations
    from latent_core.models.vae import VAE

STAGE = "trust"
OUTSIDE = Column(
    "outside_training_data",
    label="outside training data",
    kind="category",
    description="a model reproduces it badly, or saw nothing like it in training",
)
QUANTILE = 0.99
NEIGHBORS = 10
# More change the mean distance to ten of them by little, and a scan of millions for each of
# millions would take longer than the training
MOST_REFERENCES = 20_000


@dataclass(frozen=True)
class Limits:
    """Above which chi or distance a source is outside: a quantile of `sources` held-out ones."""

    chi: float
    distance: float
    quantile: float = QUANTILE
    sources: int = 0


@dataclass(frozen=True)
class Trust:
    """What a bundle knows of one model's trust: (M,) for the catalog rows `rows`, and limits.

    `training` (R, K) are latents of training sources, which new ones are measured against.
    """

    rows: NDArray[np.int64]
    chi: NDArray[np.float32]
    distance: NDArray[np.float32]
    training: NDArray[np.float32]
    limits: Limits


def judge(
    chi: NDArray[np.floating], distance: NDArray[np.floating], limits: Limits
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Tell which sources (M,) are outside the training data, and why ("" for one inside).

    A value that is not a number is outside: nothing vouches for it.
    """
    unlike, far = ~(chi <= limits.chi), ~(distance <= limits.distance)
    reasons = [""] * len(chi)
    share = f"{100 * limits.quantile:.0f} % of held-out sources"
    for row in np.flatnonzero(unlike | far):
        found = []
        if unlike[row]:
            found.append(
                f"it is reproduced worse than {share} (chi {chi[row]:.2f}, limit {limits.chi:.2f})"
            )
        if far[row]:
            found.append(
                f"it lies farther from the training sources than {share} "
                f"(distance {distance[row]:.2f}, limit {limits.distance:.2f})"
            )
        reasons[row] = "; ".join(found)
    return unlike | far, tuple(reasons)


def judge_new(
    trust: Trust, model: TrainedModel, observations: Observations, latents: NDArray[np.floating]
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Judge new sources by a bundle's limits: their model input, and their latents (M, K).

    `trust` and `model` are the bundle's: `Bundle.trust(name)`, `Bundle.model(name)`.
    """
    chi = chi_of(model.network, observations.arrays, latents)
    return judge(chi, training_distance(latents, trust.training), trust.limits)


def chi_of(
    network: VAE, arrays: Mapping[str, NDArray], latents: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return each source's chi with scatter at the posterior mean, (M,); see evaluation."""
    chi = np.empty(len(latents), np.float32)
    names = [n for n in ("x", "error", "mask", "phase") if n in arrays]
    for rows, batch in batches(arrays, names):
        given = {n: t.numpy() for n, t in batch.items()}
        mean, scatter = decode_at(network, np.asarray(latents[rows], np.float32), given)
        chi[rows] = row_chi(given["x"], given["error"], given["mask"], mean, scatter)
    return chi


def training_distance(
    latents: NDArray[np.floating], training: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return the mean distance (M,) to the ten nearest training sources, in z-scored latents.

    A training source's distance leaves itself out: it would make itself look well known. NaN for
    latents that are not finite.
    """
    scaling = Scaling.fit(training)
    found = np.full(len(latents), np.nan, np.float32)
    known = np.isfinite(latents).all(axis=1)
    if not known.any():
        return found
    z = scaling.apply(latents[known]).astype(np.float32)
    reference = scaling.apply(training).astype(np.float32)
    _, distance = nearest_neighbors(reference, NEIGHBORS + 1, z)
    itself = distance[:, 0] == 0
    shifted = np.where(itself[:, None], distance[:, 1:], distance[:, :-1])
    found[known] = shifted.mean(axis=1)
    return found


def fit_limits(
    chi: NDArray[np.floating], distance: NDArray[np.floating], side: NDArray[np.uint8]
) -> Limits:
    """Fit limits on the validation split; on all sources where that split is empty."""
    held_out = side == VALIDATION
    used = held_out if held_out.any() else np.ones(len(side), bool)
    return Limits(
        _quantile(chi[used]), _quantile(distance[used]), sources=int(np.count_nonzero(used))
    )


def _quantile(values: NDArray[np.floating]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.quantile(finite, QUANTILE)) if len(finite) else 0.0


def training_sample(latents: NDArray[np.float32], side: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return latents of training sources that others are measured against, (R, K).

    At most MOST_REFERENCES of them, drawn by a fixed seed; all sources where the training split
    is too small to have neighbors.
    """
    rows = np.flatnonzero(side == TRAIN)
    if len(rows) <= NEIGHBORS:
        rows = np.arange(len(latents))
    if len(rows) > MOST_REFERENCES:
        rng = np.random.default_rng(0)
        rows = rows[np.sort(rng.choice(len(rows), MOST_REFERENCES, replace=False))]
    return np.asarray(latents[rows])


def load_trust(folder: Folder, name: str) -> Trust | None:
    """Open what a bundle knows of a model's trust; None where it was not measured."""
    base = f"models/{name}/trust"
    if f"{base}/limits.json" not in folder:
        return None
    return Trust(
        folder.array(f"inputs/{name}/rows.npy"),
        folder.array(f"{base}/chi.npy"),
        folder.array(f"{base}/distance.npy"),
        folder.array(f"{base}/training.npy"),
        Limits(**folder.json(f"{base}/limits.json")),
    )


def outside_reasons(folder: Folder, models: Sequence[str], row: int) -> dict[str, str]:
    """Say why a catalog row is outside the training data, by model; {} where it is not."""
    reasons = {}
    for name in models:
        known = load_trust(folder, name)
        item = None if known is None else item_of_row(known.rows, row)
        if known is not None and item is not None:
            one = slice(item, item + 1)
            (outside,), (why,) = judge(known.chi[one], known.distance[one], known.limits)
            if outside:
                reasons[name] = why
    return reasons


def flag_sources(folder: Folder, models: tuple[str, ...], made_from: Mapping[str, object]) -> None:
    """Write the derived column `outside_training_data`: yes where any model says so, else no.

    A source that no model has judged has no value.
    """
    catalog = identifiers_only(folder)
    flags = np.full(len(catalog), None, object)
    for name in models:
        if (trust := load_trust(folder, name)) is None:
            continue
        outside, _ = judge(trust.chi, trust.distance, trust.limits)
        seen = flags[trust.rows] == "yes"
        flags[trust.rows] = np.where(outside | seen, "yes", "no")
    with write_stage(folder, STAGE, made_from) as writer:
        save_derived(writer, STAGE, catalog, {OUTSIDE.name: flags}, [OUTSIDE])
