"""Our preprocessing and networks, fed with the released weights, give the released latents."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from latent_core.catalog import Catalog
from latent_core.encoding import encode
from latent_core.modalities import load_modality
from latent_core.models import make_model
from latent_core.products import EpochPhotometry, XpCoefficients

pytestmark = pytest.mark.real

RELEASE = "published/huijse-2025-release"
XP_LAYERS = {
    r"encoder\.nnet\.nnet\.5": "head",
    r"encoder\.nnet\.nnet": "encoder",
    r"decoder\.nnet\.nnet\.5": "out",
    r"decoder\.nnet\.nnet": "decoder",
}
DMDT_LAYERS = {r"encoder\.4": "head", r"decoder\.2": "out"}
FOLDED_LAYERS = {
    r"encoder\.rnn": "recurrent",
    r"encoder\.attention": "attention",
    r"encoder\.latent": "head",
    r"decoder\.layers\.4": "out",
    r"decoder\.layers": "decoder",
    r"decoder_variance\.nnet\.2\.fc": "noise.2",
    r"decoder_variance\.nnet\.3": "noise.4",
    r"decoder_variance\.nnet": "noise",
}
AS_RELEASED = {"as_released": np.array(1.0)}
COMMON = {r"\.fc1\.": ".first.", r"\.fc2\.": ".second."}


def released(shared: Path, which: str, kind: str, layers: dict[str, str]):
    """Load a released checkpoint into our class."""
    file = next((shared / RELEASE).glob(f"AE_{which}_*.ckpt"))
    saved = torch.load(file, map_location="cpu", weights_only=True)
    network = make_model(kind)
    state = {}
    for name, tensor in saved.items():
        for old, new in {**layers, **COMMON}.items():
            name = re.sub(("^" if not old.startswith(r"\.") else "") + old, new, name)
        if name in network.state_dict():
            state[name] = tensor
    network.load_state_dict(state)
    return network.eval()


@pytest.fixture(scope="module")
def curves(shared):
    """The golden light curves as a product and a catalog."""
    table = pd.read_parquet(shared / "golden_lc.parquet")
    sizes = table["time"].map(len).to_numpy()
    offsets = np.r_[0, np.cumsum(sizes)].astype(np.int64)
    flat = {c: np.concatenate(table[c].to_numpy()) for c in ("time", "mag", "mag_error")}
    points = int(offsets[-1])
    product = EpochPhotometry(
        rows=np.arange(len(table)),
        offsets=offsets,
        **flat,
        band=np.zeros(points, np.uint8),
        rejected=np.zeros(points, bool),
    )
    return table, product, Catalog(table[["source_id", "frequency"]])


def test_xp_latents(shared):
    table = pd.read_parquet(shared / "golden_xp.parquet")
    stacked = {
        kind: np.hstack([np.stack(table[f"{band}_coefficient{kind}"]) for band in ("bp", "rp")])
        for kind in ("s",)
    }["s"]
    errors = np.ones(stacked.shape, np.float32)
    product = XpCoefficients(np.arange(len(table)), stacked, errors)
    modality = load_modality("xp_samples")
    given = modality.preprocess(product, Catalog(table[["source_id"]]), {})
    means, _ = encode(released(shared, "xp", "residual", XP_LAYERS), given.arrays)
    expected = table[[f"expected_latent_mu_{i}" for i in range(5)]].to_numpy()
    assert len(given) == len(table)
    assert np.abs(means - expected).max() < 1e-5


def test_dmdt_latents(shared, curves):
    table, product, catalog = curves
    given = load_modality("dmdt").preprocess(product, catalog, AS_RELEASED)
    means, _ = encode(released(shared, "dmdt", "dmdt", DMDT_LAYERS), given.arrays)
    expected = table[[f"latent_mu_{i}" for i in range(10, 15)]].to_numpy()[given.rows]
    assert len(given) == len(table)
    assert np.abs(means - expected).max() < 2e-3


def test_folded_latents(shared, curves):
    table, product, catalog = curves
    given = load_modality("folded").preprocess(product, catalog, AS_RELEASED)
    means, _ = encode(released(shared, "fold", "folded", FOLDED_LAYERS), given.arrays)
    expected = table[[f"latent_mu_{i}" for i in range(5, 10)]].to_numpy()[given.rows]
    worst = np.abs(means - expected).max(axis=1)
    assert len(given) == len(table)
    assert (worst < 2e-3).mean() >= 0.95, np.sort(worst)[-20:]
