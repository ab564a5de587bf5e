"""Every config that ships describes networks that fit what its modalities prepare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_modalities import prepared

import latent_core
from latent_core.config import find_settings, read_settings
from latent_core.encoding import decode, encode
from latent_core.models import make_model

FILES = sorted((Path(latent_core.__file__).parent / "configs").glob("*.toml"))
VARIANTS = {"huijse_paper": "paper", "huijse_release": "release"}


def of_curves_and_spectra(settings):
    """Return the models of a config whose modalities need nothing but spectra and curves."""
    return {n: m for n, m in settings.models.items() if m.modality in {
        "xp_samples", "folded", "dmdt", "cycle",
    }}  # fmt: skip


def test_a_shipped_file_is_found_by_its_name_and_a_file_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_settings(Path("masked"))
    assert (found.name, found.parent) == ("masked.toml", FILES[0].parent)
    Path("masked").write_text("mine", encoding="utf-8")
    assert find_settings(Path("masked")) == Path("masked")
    assert find_settings(Path("absent")) == Path("absent")


def test_both_variants_ship():
    assert set(VARIANTS) <= {file.stem for file in FILES}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_one_preparation_and_the_three_networks_of_five_latents(variant):
    settings = read_settings(next(f for f in FILES if f.stem == variant))
    trained = {n: m for n, m in settings.models.items() if m.kind != "identity"}
    assert set(trained) == {"xp_samples", "folded", "dmdt"}
    assert {m.preparation for m in trained.values()} == {VARIANTS[variant]}
    assert {m.sizes["latents"] for m in trained.values()} == {5}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_networks_fit_their_input(file):
    for name, model in of_curves_and_spectra(read_settings(file)).items():
        modality, _, constants, given = prepared(model.modality, model.preparation)
        network = make_model(model.kind, **model.sizes).eval()
        means, _ = encode(network, given.arrays)
        assert means.shape == (len(given), network.latents), name
        mean, sigma = decode(network, means[:1], modality.decode_points())
        for curve in modality.decoded(mean[0], sigma[0], given.scales[0], constants):
            assert np.isfinite(getattr(curve, "y", getattr(curve, "z", None))).all()
