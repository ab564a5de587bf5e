"""A small imported bundle: five clumps of five classes, ids above 2^53, one hostile name."""

from pathlib import Path

import numpy as np
import pandas as pd

from latent_core.bundle import Manifest, new_folder
from latent_core.catalog import Catalog, Column
from latent_core.projection import sort_for_drawing

CLASS_NAMES = ["ARRD|RRAB|RRC|RRD", "EA|EB|ECL|EW", "QSO", "<img src=x onerror=alert(1)>", None]
CENTRES = np.array([(0, 0), (6, 0), (0, 6), (6, 6), (3, 3)])
FIRST_ID = 4_295_806_720_000_000_001  # above 2^53: a float would lose its last digits


def write_bundle(path: Path, *, simulated: bool = True, size: int = 4000, more=None) -> Path:
    """Write an imported bundle: five clumps of five classes in the corners of a square.

    `more(rng, code)` returns catalog columns behind the usual ones.
    """
    rng = np.random.default_rng(3)
    code = rng.choice(5, size, p=[0.4, 0.25, 0.2, 0.1, 0.05])
    xy = (CENTRES[code] + rng.normal(0, 0.7, (size, 2))).astype(np.float32)
    xy[:7] = np.nan
    latents = np.column_stack([xy, rng.normal(0, 1, (size, 2))]).astype(np.float32)
    catalog = catalog_of(rng, code, simulated)
    if more is not None:
        frame = catalog.frame.assign(**more(rng, code))
        catalog = Catalog(frame, catalog.columns, simulated)
    manifest = Manifest("bundle", "corners", "test", simulated, "0")
    with new_folder(path, manifest) as writer:
        writer.save_catalog(catalog)
        write_space(writer, latents, xy)
    return path


def catalog_of(rng, code, simulated):
    size = len(code)
    frame = pd.DataFrame(
        {
            "source_id": FIRST_ID + np.arange(size, dtype=np.int64)[::-1] * 7,
            "macro_class": [CLASS_NAMES[c] for c in code],
            "magnitude_mean": rng.normal(14, 2, size),
            "alpha_m": np.where(rng.random(size) < 0.3, np.nan, rng.normal(0, 0.1, size)),
        }
    )
    columns = (Column("magnitude_mean", "mag", "G", "number", "mean G", True),)
    return Catalog(frame, columns, simulated)


def write_space(writer, latents, xy):
    known = latents[np.isfinite(latents).all(1)]
    base, drawing = "spaces/main/", sort_for_drawing(xy)
    names = [f"latent_{i}" for i in range(latents.shape[1])]
    about = {
        "rank": 0,
        "title": "main",
        "blocks": {"all": [0, latents.shape[1]]},
        "models": {},
        "latent_names": names,
        "scaling": {"mean": known.mean(0).tolist(), "spread": known.std(0).tolist()},
    }
    writer.save_json(base + "space.json", about)
    writer.save_array(base + "latents.npy", latents)
    map_ = base + "projections/umap/"
    writer.save_array(map_ + "coordinates.npy", xy)
    for name in ("order", "x", "y", "offsets"):
        writer.save_array(f"{map_}{name}.npy", getattr(drawing, name))
    about = {"extent": list(drawing.extent), "settings": {}, "quality": {}}
    writer.save_json(map_ + "projection.json", about)
