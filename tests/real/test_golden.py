"""Our preprocessing and networks, fed with the released weights, give the released latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from latent_core.bundle import Folder
from latent_core.catalog import Catalog
from latent_core.encoding import encode
from latent_core.modalities import load_modality
from latent_core.modalities.xp_operator import coefficients_from_sampled, load_operator
from latent_core.modalities.xp_samples import CLIP, sampled_flux
from latent_core.models.published import released_vae
from latent_core.products import EpochPhotometry, XpCoefficients, load_product
from latent_core.surveys.gaia_files import ingest

pytestmark = pytest.mark.real

RELEASE = "published/huijse-2025-release"
AS_RELEASED = {"as_released": np.array(1.0)}


def released(shared: Path, which: str):
    """Load a released checkpoint into our class."""
    return released_vae(which, next((shared / RELEASE).glob(f"AE_{which}_*.ckpt")))


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


def both_bands(table, kind):
    return np.hstack([np.stack(list(table[f"{band}_{kind}"])) for band in ("bp", "rp")])


def tf32(x):
    """Round to the 10 bits of mantissa that a GPU's fast products keep."""
    return ((x.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


class AsOnGpu(torch.nn.Module):
    """A GRU whose input products are rounded as cuDNN rounds them by default."""

    def __init__(self, whole):
        super().__init__()
        self.layers = torch.nn.ModuleList()
        for number in range(whole.num_layers):
            state = {
                name.replace(f"_l{number}", "_l0"): tf32(value) if "weight_ih" in name else value
                for name, value in whole.state_dict().items()
                if name.endswith(f"_l{number}")
            }
            size_in = state["weight_ih_l0"].shape[1]
            layer = torch.nn.GRU(size_in, whole.hidden_size)
            layer.load_state_dict(state)
            self.layers.append(layer)

    def forward(self, x):
        for layer in self.layers:
            x, last = layer(tf32(x))
        return x, last


def test_xp_latents(shared):
    table = pd.read_parquet(shared / "golden_xp.parquet")
    values = both_bands(table, "coefficients")
    errors = np.ones(values.shape, np.float32)
    product = XpCoefficients(np.arange(len(table)), values, errors)
    modality = load_modality("xp_samples")
    given = modality.preprocess(product, Catalog(table[["source_id"]]), {})
    means, _ = encode(released(shared, "xp"), given.arrays)
    expected = table[[f"expected_latent_mu_{i}" for i in range(5)]].to_numpy()
    assert len(given) == len(table)
    assert np.abs(means - expected).max() < 1e-5


def test_dmdt_latents(shared, curves):
    table, product, catalog = curves
    given = load_modality("dmdt").preprocess(product, catalog, AS_RELEASED)
    means, _ = encode(released(shared, "dmdt"), given.arrays)
    expected = table[[f"latent_mu_{i}" for i in range(10, 15)]].to_numpy()[given.rows]
    assert len(given) == len(table)
    assert np.abs(means - expected).max() < 2e-3


def test_amplitude_is_the_released_tables(shared, curves):
    table, product, catalog = curves
    given = load_modality("cycle").preprocess(product, catalog, AS_RELEASED)
    assert len(given) == len(table)
    released = pd.read_parquet(
        shared / RELEASE / "latent_vars_plus_metadata_pumap.parquet",
        columns=["sourceid", "frequency", "amplitude"],
    )
    expected = released.set_index("sourceid").loc[table["source_id"].iloc[given.rows]]
    ours = 10 ** given.arrays["x"].astype(float)
    np.testing.assert_allclose(ours[:, 0], expected["frequency"], rtol=1e-5)
    assert (np.abs(ours[:, 1] / expected["amplitude"] - 1) < 0.01).mean() >= 0.95


def folded_misfits(network, curves):
    """Largest latent difference of each golden curve."""
    table, product, catalog = curves
    given = load_modality("folded").preprocess(product, catalog, AS_RELEASED)
    means, _ = encode(network, given.arrays)
    expected = table[[f"latent_mu_{i}" for i in range(5, 10)]].to_numpy()[given.rows]
    assert len(given) == len(table)
    return np.abs(means - expected).max(axis=1)


def test_folded_latents(shared, curves):
    worst = folded_misfits(released(shared, "fold"), curves)
    assert (worst < 2e-3).mean() >= 0.95, np.sort(worst)[-20:]


def test_folded_latents_differ_by_rounding_only(shared, curves):
    network = released(shared, "fold")
    gpu = AsOnGpu(network.recurrent).eval()
    network._hidden = lambda points: gpu(points)[0]  # else the encoder takes its own recurrence
    worst = folded_misfits(network, curves)
    assert np.median(worst) < 2e-5
    assert worst.max() < 1e-3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_operator_equals_gaiaxpy_on_an_archive_file(shared, tmp_path):
    from gaiaxpy import calibrate, convert

    path = shared / "archive_formats/gaiaxpy_xp_continuous/XP_CONTINUOUS_RAW.csv"
    survey = Folder.open(ingest([path], tmp_path / "raw.survey", periods=False).path, "survey")
    product, operator = load_product(survey, XpCoefficients), load_operator()
    theirs, wavelength = calibrate(str(path), save_file=False)
    theirs = np.stack(list(theirs.set_index("source_id").loc[survey.catalog.source_id, "flux"]))
    ours = product.values @ operator.calibrate.T
    np.testing.assert_array_equal(wavelength, operator.wavelength_nm)
    assert np.abs(ours / theirs - 1).max() < 1e-10  # of fluxes that cross no zero here
    assert (np.abs(ours - theirs).max(axis=1) < 1e-12 * np.abs(theirs).max(axis=1)).all()
    samples, _ = convert(str(path), sampling=operator.pseudo_wavelength, save_file=False)
    flux, _ = sampled_flux(product.values, product.errors)
    for half, band in zip(np.split(flux, 2, axis=1), ("BP", "RP"), strict=True):
        own = samples[samples["xp"] == band].set_index("source_id")
        wanted = np.stack(list(own.loc[survey.catalog.source_id, "flux"]))[:, CLIP]
        assert np.abs(half - wanted).max() < 1e-12 * np.abs(wanted).max()


def test_inversion_returns_the_archives_coefficients(shared):
    table = pd.read_parquet(shared / "xp_continuous_real.parquet")
    table = table[table.has_bp & table.has_rp & table.has_errors]
    values, errors = both_bands(table, "coefficients"), both_bands(table, "coefficient_errors")
    matrix = load_operator().calibrate
    # the archive gives sampled spectra in single precision
    flux = (values @ matrix.T).astype(np.float32)
    flux_error = np.sqrt(errors**2 @ (matrix**2).T).astype(np.float32)
    positive = np.median(flux, axis=1) > 0
    found, its_error = coefficients_from_sampled(flux[positive], flux_error[positive])
    assert np.median(np.abs(found - values[positive]) / errors[positive]) < 0.6
    assert np.median(its_error / errors[positive]) == pytest.approx(1, abs=0.25)
    misfit = (found @ matrix.T - flux[positive]) / flux_error[positive]
    assert np.median(np.abs(misfit)) < 1e-3
