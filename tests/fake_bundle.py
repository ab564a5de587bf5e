"""A bundle in memory, with decoders that are formulas: an argument for views, not a mock."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from latent_core import Bundle
from latent_core.catalog import Catalog
from latent_core.modalities import Curve, Grid
from latent_core.products import EpochPhotometry

ROWS, LATENTS = 60, 4
FIRST_ID = 2**62 + 12345
NASTY = "<img src=x onerror=alert(1)>"
WAVELENGTHS = np.linspace(330, 1050, 120)
PHASES = np.linspace(0, 1, 50, endpoint=False)


def spectrum(latents, error=None):
    flux = 1e-16 * (2 + np.tanh(latents[0]) * np.sin(WAVELENGTHS / 90) + 0.1 * latents[1])
    scatter = np.full(len(flux), 2e-18) if error is None else error
    return Curve(
        *("XP", WAVELENGTHS, flux, scatter, "wavelength", "nm", "flux", "W m-2 nm-1"),
    )


def light_curve(x, latents, error):
    mag = 14 + 0.4 * np.sin(2 * np.pi * x) + 0.1 * latents[0]
    return Curve("G", x, mag, np.full(len(x), error), "phase", "", "G", "mag", True)


def histogram(latents, name):
    z = np.exp(-((np.arange(12)[:, None] - 6 - latents[0]) ** 2) / 8) * np.ones((12, 10))
    edges = np.logspace(-2, 3, 13)
    return Grid(name, edges, np.linspace(-1, 1, 11), z, "dt", "d", "dm", "mag", "pairs")


class FakeFolder:
    """Holds arrays and JSON under the names of a real folder."""

    version = "0123456789ab"

    def __init__(self, catalog, files, simulated):
        self.name, self.catalog, self._files = "fake bundle", catalog, files
        self.manifest = SimpleNamespace(simulated=simulated, release="gaia_dr3", name=self.name)

    def __contains__(self, name):
        return name in self._files

    def names(self, prefix=""):
        return tuple(sorted(n for n in self._files if n.startswith(prefix)))

    def json(self, name):
        return self._files[name]

    array = json


class FakeBundle(Bundle):
    """Decodes by formula where `models`; row 1 has no product at all."""

    def __init__(self, folder, photometry, models):
        super().__init__(folder)
        self._names = models
        self.__dict__["products"] = {"epoch_photometry": photometry} if photometry else {}

    @property
    def model_names(self):
        return self._names

    def model(self, modality):
        def curves(latents, scales):
            return draw(modality, np.asarray(latents), decoded=True)

        return SimpleNamespace(curves=curves, scales_of=lambda row: None)

    def observed(self, row, modality):
        return () if row == 1 else draw(modality, self._part(row, modality), decoded=False)

    def reconstructed(self, row, modality):
        return () if row == 1 else draw(modality, self._part(row, modality), decoded=True)

    def _part(self, row, modality):
        return self.space().latents[row][slice(*BLOCKS[modality])]


def draw(modality, latents, *, decoded):
    if modality == "xp_coefficients":
        curve = spectrum(latents)
        if decoded:
            return (curve,)
        noise = np.random.default_rng(1).normal(0, 2e-18, len(curve.y))
        return (Curve(**(vars(curve) | {"y": curve.y + noise})),)
    if modality == "dmdt":
        return (histogram(latents, "dmdt"),)
    if decoded:
        return (light_curve(PHASES, latents, 0.01),)
    return (light_curve(np.random.default_rng(2).random(40), latents, 0.02),)


def catalog_frame(rng):
    return pd.DataFrame(
        {
            "source_id": FIRST_ID + np.arange(ROWS, dtype=np.int64)[::-1] * 3,
            "class_label": [NASTY if i == 2 else ("RR" if i % 3 else None) for i in range(ROWS)],
            "phot_g_mean_mag": rng.uniform(9, 19, ROWS),
            "teff": np.where(np.arange(ROWS) == 5, np.nan, rng.uniform(4000, 6000, ROWS)),
            "teff_err": rng.uniform(20, 90, ROWS),
            "period_d": np.full(ROWS, 0.5),
            "ra": rng.uniform(0, 360, ROWS),
            "dec": rng.uniform(-80, 80, ROWS),
            "visits": np.arange(ROWS, dtype=np.int64),
        }
    )


def photometry_of(rows, rng):
    count = 40
    time = np.sort(rng.uniform(0, 900, (len(rows), count)), axis=1).ravel()
    return EpochPhotometry(
        rows=rows,
        offsets=np.arange(len(rows) + 1) * count,
        time=time,
        mag=14 + 0.4 * np.sin(2 * np.pi * time / 0.5) + rng.normal(0, 0.01, len(time)),
        mag_error=np.full(len(time), 0.01),
        band=np.zeros(len(time), np.uint8),
        rejected=np.zeros(len(time), bool),
    )


BLOCKS = {"xp_coefficients": [0, 2], "folded": [2, 3], "dmdt": [3, 4]}
ALL_MODELS = ("xp_coefficients", "folded", "dmdt")


def fake_bundle(*, models=ALL_MODELS, simulated=False, photometry=True):
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(ROWS, LATENTS)).astype(np.float32)
    files = {
        "spaces/main/space.json": {
            "blocks": BLOCKS,
            "models": {name: name for name in models},
            "latent_names": [f"z{i}" for i in range(LATENTS)],
            "scaling": {"mean": [0.0] * LATENTS, "spread": [1.0] * LATENTS},
        },
        "spaces/main/latents.npy": latents,
        "spaces/main/projections/umap/projection.json": {
            "extent": [-3, 3, -3, 3],
            "settings": {},
            "quality": {},
        },
    }
    for name in ("order", "x", "y", "offsets"):
        files[f"spaces/main/projections/umap/{name}.npy"] = np.zeros(ROWS)
    files["spaces/main/projections/umap/coordinates.npy"] = latents[:, :2]
    folder = FakeFolder(Catalog(catalog_frame(rng)), files, simulated)
    rows = np.setdiff1d(np.arange(ROWS), [1])
    return FakeBundle(folder, photometry_of(rows, rng) if photometry else None, models)
