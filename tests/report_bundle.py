"""A small bundle with everything a report can speak of, and latents whose worth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from latent_core import space_stages
from latent_core.bundle import Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.encoding import Weights, save_weights
from latent_core.inputs import save_observations
from latent_core.modalities import Observations
from latent_core.models import make_model

SOURCES, COEFFICIENTS, LATENTS = 1000, 110, 4
FIRST_ID = 2**62 + 11
NASTY = "<script>alert(1)</script>"
SIZES = {"size": COEFFICIENTS, "latents": LATENTS, "body": "residual", "width": 8, "depth": 1}


def catalog_of(z: np.ndarray, rng: np.random.Generator) -> Catalog:
    """Teff follows latent 0 and [alpha/M] latent 1; one class name is an attack."""
    high = z[:, 1] > 0.4
    frame = pd.DataFrame(
        {
            "source_id": FIRST_ID + 7 * np.arange(SOURCES, dtype=np.int64),
            "class_label": np.where(z[:, 0] > 0, NASTY, "RR"),
            "phot_g_mean_mag": rng.uniform(9, 17, SOURCES),
            "teff": 4800 + 200 * z[:, 0] + rng.normal(0, 20, SOURCES),
            "logg": rng.uniform(1, 3.5, SOURCES),
            "fe_h": rng.normal(-0.3, 0.3, SOURCES),
            "alpha_m": 0.1 * z[:, 1] + rng.normal(0, 0.01, SOURCES),
            "alpha_m_err": np.full(SOURCES, 0.01),
            "alpha_sequence": np.where(high, "high-alpha", "low-alpha"),
        }
    )
    return Catalog(frame)


def observations_of(network: object, z: np.ndarray, rng: np.random.Generator) -> Observations:
    """What the network itself decodes, with noise of one error: chi is 1 by construction."""
    with torch.inference_mode():
        mean = network.decode(torch.from_numpy(z), None).mean.numpy()
    error = np.full(mean.shape, 0.2, np.float32)
    x = (mean + rng.normal(0, 0.2, mean.shape)).astype(np.float32)
    arrays = {"x": x, "error": error, "mask": np.ones(mean.shape, bool)}
    return Observations(np.arange(SOURCES), arrays, np.ones((SOURCES, 1)))


def write_report_bundle(out: Path, *, models: bool = True, name: str = "small") -> Path:
    """Write the bundle; without `models` it holds imported latents alone."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(SOURCES, LATENTS)).astype(np.float32)
    z[:, 3] *= 1e-3  # a dead latent
    z[0, :3] = 12.0  # and an outlier
    manifest = Manifest("bundle", name, "gaia_dr3", True, "test", description=NASTY)
    torch.manual_seed(0)
    network = make_model("scatter", **SIZES, scatter_start=-8.0)
    about = {"kind": "scatter", "modality": "xp_coefficients", "sizes": SIZES,
             "trained_on": name, "simulated": True, "code": "test",
             "sources": {"train": 700, "all": SOURCES}}  # fmt: skip
    with new_folder(out, manifest) as writer:
        writer.save_catalog(catalog_of(z, rng))
        if models:
            constants = {"mean": np.zeros(COEFFICIENTS), "spread": np.ones(COEFFICIENTS)}
            save_weights(writer, "models/xp_coefficients", Weights(network, constants, about))
            writer.save_array("models/xp_coefficients/latents.npy", z)
            save_observations(writer, "xp_coefficients", observations_of(network, z, rng))
        space_stages.save_space(
            writer, "main", {"a": z[:, :2], "b": z[:, 2:]},
            {"a": np.ones((SOURCES, 2), np.float32), "b": np.ones((SOURCES, 2), np.float32)},
            title="main", models={"a": "xp_coefficients"} if models else {},
        )  # fmt: skip
        space_stages.save_map(writer, "main", "plain", z[:, :2].copy(), {"method": "two latents"})
    return out
