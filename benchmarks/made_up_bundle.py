"""A bundle of made-up sources: as large as wanted, in seconds, without observations or models.

25 clusters bent into 15 latents, a flat map of them, and the catalog columns that views need.
Every source is labelled simulated. `python benchmarks/made_up_bundle.py 4000000 FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dashboard.theme import CLASS_STYLES, NO_LABEL
from latent_core import space_stages
from latent_core.bundle import Manifest, new_folder
from latent_core.catalog import Catalog, Column
from latent_core.release import load_release
from latent_core.version import __version__

CLASSES = tuple(name for name in CLASS_STYLES if name != NO_LABEL)
BLOCKS = {"xp": 5, "folded": 5, "dmdt": 5}
SPACE, MAP = "variability", "made_up"
INNER = 4  # dimensions that the latents really fill
UNLABELLED, WITHOUT_TEFF, WITHOUT_ALPHA = 0.1, 0.3, 0.7


def make_bundle(count: int, out: Path, *, seed: int = 0) -> Path:
    """Write a bundle of `count` sources, replacing an old one."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(CLASSES), count, p=rng.dirichlet(np.full(len(CLASSES), 2.0)))
    centres = rng.uniform(-3, 3, (len(CLASSES), INNER))
    inner = centres[labels] + rng.uniform(0.1, 0.6, (len(CLASSES), 1))[labels] * (
        rng.standard_normal((count, INNER))
    )
    manifest = Manifest(
        kind="bundle",
        name=f"made up, {count:,} sources",
        release=load_release().name,
        simulated=True,
        code_version=__version__,
        description="made-up latents and columns for benchmarks",
        stages={"create": {"sources": count, "seed": seed}},
    )
    with new_folder(out, manifest, overwrite=True) as writer:
        writer.save_catalog(catalog_of(rng, labels, inner))
        latents = bent(rng, inner)
        ends = np.cumsum([0, *BLOCKS.values()])
        blocks = {n: latents[:, a:b] for n, a, b in zip(BLOCKS, ends, ends[1:], strict=False)}
        space_stages.save_space(writer, SPACE, blocks, title="made up", models={})
        settings = {"method": "made up"}
        space_stages.save_map(writer, SPACE, MAP, flattened(rng, inner, labels), settings)
    return out


def bent(rng: np.random.Generator, inner: np.ndarray) -> np.ndarray:
    """Bend few dimensions into 15 latents with a little scatter, (N, 15) float32."""
    size = sum(BLOCKS.values())
    straight, waves = rng.standard_normal((2, INNER, size)).astype(np.float32)
    inner = inner.astype(np.float32)
    scatter = 0.05 * rng.standard_normal((len(inner), size), np.float32)
    return np.asarray(inner @ straight + np.sin(inner @ waves) + scatter, np.float32)


def flattened(rng: np.random.Generator, inner: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Lay the clusters out side by side, as UMAP does, (N, 2) float32."""
    islands = rng.uniform(-10, 10, (len(CLASSES), 2))
    bends = np.sin(2 * inner[:, :2]) + 0.5 * inner[:, 2:]
    return np.asarray(islands[labels] + bends, np.float32)


def catalog_of(rng: np.random.Generator, labels: np.ndarray, inner: np.ndarray) -> Catalog:
    """Return ids, places, magnitudes, colours, periods, classes, Teff and [alpha/M]."""
    count = len(labels)
    ids = np.sort(rng.integers(1 << 35, 1 << 62, count, dtype=np.int64))
    ids += np.arange(count)  # no two alike
    names = np.where(rng.random(count) < UNLABELLED, "", np.asarray(CLASSES, object)[labels])

    def some(values: np.ndarray, missing: float) -> np.ndarray:
        return np.where(rng.random(count) < missing, np.nan, values).astype(np.float32)

    frame = pd.DataFrame(
        {
            "source_id": ids,
            "ra": rng.uniform(0, 360, count),
            "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, count))),
            "parallax": rng.gamma(2, 0.5, count).astype(np.float32),
            "phot_g_mean_mag": (20 - rng.gamma(2, 1.5, count)).astype(np.float32),
            "bp_rp": (1 + 0.4 * inner[:, 0]).astype(np.float32),
            "period_d": (10 ** (0.5 * inner[:, 1])).astype(np.float32),
            "amplitude": (10 ** (0.3 * inner[:, 2] - 0.5)).astype(np.float32),
            "best_class_name": pd.Categorical(np.where(names == "", None, names)),
            "teff": some(5500 - 800 * inner[:, 0], WITHOUT_TEFF),
            "logg": some(3 + 0.5 * inner[:, 3], WITHOUT_TEFF),
            "alpha_m": some(0.1 + 0.08 * inner[:, 1], WITHOUT_ALPHA),
        }
    )
    return Catalog(frame, (Column("best_class_name", "", "class", "category", "made up"),), True)


if __name__ == "__main__":
    print(make_bundle(int(sys.argv[1]), Path(sys.argv[2])))
