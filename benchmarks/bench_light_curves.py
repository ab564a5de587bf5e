"""Neighbor agreement of real light curves: latents trained here beside the released encoders'.

Both see the same sources, the same photometry and the same frequencies (ours: no source of this
table comes with one), and are judged alike: z-scored latents, the vote of the 10 nearest rows of
the other four of five folds, over several shuffles. Ours are trained without labels by the shipped
config light_curves_small on the training split of these 1,979 sources; the released encoders were
trained by their authors on millions. Needs ../shared/data; about ten minutes on one core.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from measuring import Figure, only_full, report, skip

import latent_core
from latent_core import pipeline, stages
from latent_core.bundle import Folder
from latent_core.config import read_settings
from latent_core.encoding import encode
from latent_core.evaluation import fold_neighbors
from latent_core.inputs import load_observations
from latent_core.modalities import load_modality
from latent_core.models.published import released_vae
from latent_core.products import EpochPhotometry, load_product
from latent_core.similarity import Scaling
from latent_core.surveys.gaia_files import ingest
from latent_core.training import TEST, split_of

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RELEASE = SHARED / "published" / "huijse-2025-release"
CONFIG = Path(latent_core.__file__).parent / "configs" / "light_curves_small.toml"
LABEL = "best_class_name"
SHUFFLES = 10
RESAMPLES = 2000
RELEASED = {"folded": "fold", "dmdt": "dmdt"}
Blocks = Mapping[str, np.ndarray]


def trained_here(folder: Folder, config: Path) -> tuple[Blocks, np.ndarray]:
    """Train every model of the config; return latents (N, k) by block, and sides."""
    settings = read_settings(config)
    blocks = {}
    for name in settings.models:
        stages.prepare(folder, settings, name)
        stages.train_model(folder, settings, name)
        stages.encode_sources(folder, settings, name)
        rows = load_observations(folder, name).rows
        blocks[name] = _spread(folder, rows, folder.array(f"models/{name}/latents.npy"))
    return blocks, split_of(folder.catalog.source_id, settings.split)


def released(folder: Folder) -> Blocks:
    """Encode the same sources with the released encoders, prepared as they were trained."""
    product = load_product(folder, EpochPhotometry)
    blocks = {}
    for name, which in RELEASED.items():
        given = load_modality(name).preprocess(
            product, folder.catalog, {"as_released": np.ones(1)}
        )
        network = released_vae(which, next(RELEASE.glob(f"AE_{which}_*.ckpt"))).eval()
        blocks[name] = _spread(folder, given.rows, encode(network, given.arrays)[0])
    return blocks


def _spread(folder: Folder, rows: np.ndarray, latents: np.ndarray) -> np.ndarray:
    whole = np.full((len(folder.catalog), latents.shape[1]), np.nan, np.float32)
    whole[rows] = latents
    return whole


def joined(blocks: Blocks, names: tuple[str, ...]) -> np.ndarray:
    return np.hstack([blocks[name] for name in names])


def hits(latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return whether the vote gives each source its own class, (shuffles, N).

    As latent_core.evaluation.label_agreement votes: uniform, ties to the first in the alphabet.
    """
    z = Scaling.fit(latents).apply(latents)
    names, truth = np.unique(labels.astype(str), return_inverse=True)
    right = []
    for seed in range(SHUFFLES):
        nearest = fold_neighbors(z, seed=seed)
        votes = (truth[nearest][:, :, None] == np.arange(len(names))).sum(axis=1)
        right.append(votes.argmax(axis=1) == truth)
    return np.array(right)


def interval(right: np.ndarray) -> tuple[float, float, float]:
    """Return percent and its 95 % interval when sources are drawn anew, of (shuffles, N)."""
    share = 100 * right.astype(float).mean(axis=0)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(share), (RESAMPLES, len(share)))
    low, high = np.percentile(share[drawn].mean(axis=1), [2.5, 97.5])
    return float(share.mean()), float(low), float(high)


def compared(what: str, ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray) -> list[Figure]:
    """Return agreement of both, their intervals, and that of the paired difference."""
    here, there = hits(ours, labels), hits(theirs, labels)
    (own, *own_range), (other, *other_range) = interval(here), interval(there)
    gap, low, high = interval(here.astype(float) - there)
    ranges = " and ".join(f"{a:.1f}-{b:.1f}" for a, b in (own_range, other_range))
    name = f"{what}, {len(labels)} sources (95 %: {ranges})"
    return [
        Figure(name, own, "%", other, "released encoders", limit=other),
        Figure(f"{what}, ours minus released (95 %: {low:+.2f} to {high:+.2f})", gap, "points"),
    ]


def main(config: Path = CONFIG) -> None:
    only_full("light_curves", 15)
    if not RELEASE.is_dir():
        skip(
            "light_curves",
            f"{RELEASE} is absent: these figures need the real curves that lie there",
        )
    with tempfile.TemporaryDirectory() as place:
        survey = ingest([SHARED / "epoch_photometry_real.parquet"], Path(place) / "real.survey")
        source = Folder.open(survey.path, "survey")
        text = config.read_text(encoding="utf-8")
        folder = pipeline.start(Path(place) / "real.bundle", source, text)
        ours, side = trained_here(folder, config)
        theirs = {**released(folder), "cycle": ours["cycle"]}
        frame = folder.catalog.frame
    labels = frame[LABEL].to_numpy(object)
    every = np.hstack([*ours.values(), *theirs.values()])
    usable = np.isfinite(every).all(axis=1) & frame[LABEL].notna().to_numpy()
    figures = []
    for names in (("folded", "dmdt"), ("folded",), ("dmdt",), ("folded", "dmdt", "cycle")):
        a, b = (joined(blocks, names)[usable] for blocks in (ours, theirs))
        figures += compared(" + ".join(names), a, b, labels[usable])
    held = usable & (side == TEST)
    a, b = (joined(blocks, ("folded", "dmdt"))[held] for blocks in (ours, theirs))
    figures += compared("folded + dmdt, held-out sources among themselves", a, b, labels[held])
    report("light_curves", figures)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CONFIG)
