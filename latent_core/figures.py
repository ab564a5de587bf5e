"""The stage that measures a finished space and writes `metrics.json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import Folder, write_stage
from latent_core.catalog import Catalog, Column
from latent_core.config import SplitSettings
from latent_core.encoding import decode_at, read_network
from latent_core.evaluation import (
    common_classes,
    flux_residuals,
    fold_neighbors,
    label_agreement,
    quantiles,
    reconstruction_chi,
    value_agreement,
)
from latent_core.inputs import has_observations, load_observations
from latent_core.maps import Rows, finite_rows, measure_rows
from latent_core.modalities import Constants, Observations
from latent_core.products import XpSampled, load_product
from latent_core.space_stages import space_rows
from latent_core.stages import is_fresh, made_from
from latent_core.training import SPLIT_NAMES, TEST, split_of

LARGEST_EVALUATED = 40_000
STELLAR_PARAMETERS = ("teff", "logg", "fe_h", "m_h", "alpha_m")
MOST_CLASSES = 200
# The ranges in which the published weights were measured (scatter-vae-2024.md, 5)
FLUX_RANGES_NM = {
    "400-500": (400.0, 500.0),
    "500-640": (500.0, 640.0),
    "640-900": (640.0, 900.0),
    "900-1020": (900.0, 1020.0),
}


def evaluate_space(
    folder: Folder, split: SplitSettings, name: str, *, force: bool = False
) -> bool:
    """Measure a space (stage `evaluate/<name>`); False where it is fresh."""
    models: dict[str, str] = folder.json(f"spaces/{name}/space.json")["models"]
    encoded = (f"encode/{m}" for m in models.values())
    stages = (f"index/{name}", f"map/{name}", "create", *encoded, *folder.label_stages())
    record = made_from(folder, stages, asdict(split))
    if not force and is_fresh(folder, f"evaluate/{name}", record):
        return False
    metrics = measure_space(folder, name)
    metrics["reconstruction"] = {
        m: measure_model(folder, m, split) for m in models.values() if has_observations(folder, m)
    }
    with write_stage(folder, f"evaluate/{name}", record) as writer:
        writer.save_json(f"spaces/{name}/metrics.json", metrics)
    return True


def measure_space(folder: Folder, name: str) -> dict[str, Any]:
    """Return label agreement of the latents and of each map, and what each map keeps.

    Labels are compared for a sample of the sources, and nothing is held for all of them at once.
    """
    latents = space_rows(folder, name)
    rows = finite_rows(latents.latents)
    sample = rows[_sample(len(rows), LARGEST_EVALUATED)]
    catalog = folder.catalog
    base = f"spaces/{name}/projections/"
    maps = sorted({n.split("/")[3] for n in folder.names(base)})
    return {
        "data": folder.name,
        "simulated": folder.manifest.simulated,
        "sources": len(rows),
        "evaluated": len(sample),
        "latents": {"agreement": _agreement(catalog, sample, latents.z(sample))},
        "maps": {m: _measure_one(folder, f"{base}{m}/", latents, rows, sample) for m in maps},
    }


def _measure_one(
    folder: Folder,
    base: str,
    latents: Rows,
    rows: NDArray[np.int64],
    sample: NDArray[np.int64],
) -> dict[str, Any]:
    """Return the quality stored with a map, or measure one that came without; and agreement."""
    placed = folder.array(base + "coordinates.npy")
    quality = folder.json(base + "projection.json").get("quality")
    if not quality:
        quality = measure_rows(latents, rows, placed)
    return {**quality, "agreement": _agreement(folder.catalog, sample, placed[sample])}


def _sample(count: int, largest: int) -> NDArray[np.int64]:
    """Take all rows, or above some number a seeded sample: the rest would only take minutes."""
    if count <= largest:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, largest, replace=False))


def label_columns(catalog: Catalog) -> tuple[Column, ...]:
    """Return the category columns that can serve as class labels."""
    return tuple(
        column
        for column in catalog.columns
        if column.kind == "category" and 2 <= catalog.frame[column.name].nunique() <= MOST_CLASSES
    )


def _agreement(
    catalog: Catalog, rows: NDArray[np.int64], z: NDArray[np.floating]
) -> dict[str, Any]:
    """Return agreement by column; columns known for the same rows share one neighbor search."""
    searched: dict[bytes, NDArray[np.int64] | None] = {}

    def neighbors(known: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        key = known.tobytes()
        if key not in searched:
            searched[key] = fold_neighbors(z[known])
        return searched[key]

    found: dict[str, Any] = {}
    for column in label_columns(catalog):
        labels = catalog.frame[column.name].iloc[rows].to_numpy(object)
        known = common_classes(labels)
        if (nearest := neighbors(known)) is not None:
            found[column.name] = label_agreement(nearest, labels[known])
    for name in STELLAR_PARAMETERS:
        if name in catalog.frame:
            values = catalog.frame[name].iloc[rows].to_numpy(np.float64)
            known = np.isfinite(values)
            if (nearest := neighbors(known)) is not None:
                found[name] = value_agreement(nearest, values[known])
    return {name: figure for name, figure in found.items() if figure is not None}


def measure_model(folder: Folder, name: str, split: SplitSettings) -> dict[str, Any]:
    """Return reconstruction chi by split and, for spectra, flux residuals of held-out stars."""
    whole = load_observations(folder, name)
    part = _sample(len(whole), LARGEST_EVALUATED)
    observations = Observations(
        whole.rows[part], {n: a[part] for n, a in whole.arrays.items()}, whole.scales[part]
    )
    about = folder.json(f"models/{name}/model.json")
    network, constants = read_network(folder.file(f"models/{name}/model.safetensors"), about)
    latents = folder.array(f"models/{name}/latents.npy")[part]
    mean, scatter = decode_at(network, latents, observations.arrays)
    chi = reconstruction_chi(
        observations.arrays["x"],
        observations.arrays["error"],
        observations.arrays["mask"],
        mean,
        scatter,
    )
    side = split_of(folder.catalog.source_id[observations.rows], split)
    figures: dict[str, Any] = {
        split_name: {kind: quantiles(values[side == s]) for kind, values in chi.items()}
        for s, split_name in enumerate(SPLIT_NAMES)
    }
    if name == "xp_coefficients":
        held_out = side == TEST
        figures["flux_residual_percent_held_out"] = _flux(
            folder, observations, mean, held_out, constants
        )
    return figures


def _flux(
    folder: Folder,
    observations: Observations,
    mean: NDArray[np.float32],
    held_out: NDArray[np.bool_],
    constants: Constants,
) -> dict[str, Any]:
    """Compare decoded with sampled spectra where the bundle has them, else with coefficients."""
    from latent_core.modalities.xp_operator import load_operator

    operator = load_operator()
    matrix = operator.calibrate * constants["spread"]
    zero = operator.calibrate @ constants["mean"]
    decoded = np.asarray(mean[held_out], np.float64) @ matrix.T + zero
    sampled = load_product(folder, XpSampled)
    if isinstance(sampled, XpSampled) and len(sampled.rows) == len(folder.catalog):
        g_flux = observations.scales[held_out, :1]
        observed = np.asarray(sampled.flux[observations.rows[held_out]], np.float64) / g_flux
    else:
        x = np.asarray(observations.arrays["x"][held_out], np.float64)
        observed = x @ matrix.T + zero
    residuals = flux_residuals(observed, decoded, operator.wavelength_nm, FLUX_RANGES_NM)
    return {**residuals, "sources": int(held_out.sum())}
