"""The published systems as bundles: their own map, their own latents, and new sources in them."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from latent_core import Bundle
from latent_core.bundle import Folder
from latent_core.cli import main
from latent_core.encoding import encode
from latent_core.errors import InputError
from latent_core.modalities.xp_operator import load_operator
from latent_core.placing import place_files
from latent_core.published import import_huijse

pytestmark = pytest.mark.real
LATENTS = [f"latent_mu_{i}" for i in range(15)]


def command(*arguments: object) -> int:
    """Run the command line in this process and return its exit code."""
    try:
        main([str(a) for a in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def release(shared):
    return shared / "published" / "huijse-2025-release"


@pytest.fixture(scope="module")
def table(release):
    return pd.read_parquet(next(release.glob("*.parquet"))).set_index("sourceid")


@pytest.fixture(scope="module")
def bundle(release, tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "huijse.bundle"
    return Bundle.open(import_huijse(release, out))


def test_the_projector_gives_the_released_map_of_every_source(bundle, table):
    ids = bundle.folder.catalog.source_id
    drawn = bundle.space("variability").projection().coordinates
    released = table.loc[ids, ["lambda_1_umap", "lambda_2_umap"]].to_numpy()
    assert len(drawn) == 42_735
    assert np.abs(drawn - released).max() < 1e-3


def test_the_released_latents_are_the_bundles(bundle, table):
    ids = bundle.folder.catalog.source_id
    space = bundle.space("latents")
    np.testing.assert_array_equal(space.latents, table.loc[ids, LATENTS].to_numpy())
    assert list(space.blocks) == ["xp", "folded", "dmdt"]
    assert not bundle.simulated


def test_latents_decode_on_the_true_wavelength_axis(bundle, table):
    """Peaks of the median Mira and RR Lyrae stand where huijse-2025.md, 5.4 has them."""
    space = bundle.space("latents")
    labels = bundle.catalog["label"].to_numpy(object)
    grid = load_operator().sample_nm
    for label, bp_nm, rp_nm in (("M", 652, 908), ("RRAB", 627, 800)):
        median = np.median(space.latents[labels == label], axis=0)
        bp, rp = space.decode(median)["xp"]
        assert abs(bp.x[np.argmax(bp.y)] - bp_nm) < 15
        assert abs(rp.x[np.argmax(rp.y)] - rp_nm) < 15
        assert np.isin(bp.x, grid["bp"]).all()
    (curve,) = space.decode(np.median(space.latents[labels == "RRAB"], axis=0))["folded"]
    assert curve.y[0] > 0.9
    assert curve.y[np.argmin(np.abs(curve.x - 0.1))] < 0.15


def test_every_source_has_decoded_curves_though_none_was_observed(bundle):
    assert bundle.observed(7, "folded") == ()
    assert bundle.reconstructed(7, "folded")
    assert bundle.reconstructed(7, "xp_samples")


def test_new_spectra_and_curves_land_in_the_released_space(bundle, shared, table, tmp_path):
    space = bundle.space("variability")
    files = [shared / "golden_xp.parquet", shared / "golden_lc.parquet"]
    spectra, _ = place_files(space, files[:1], tmp_path / "xp.parquet")
    golden = pd.read_parquet(files[0]).set_index("source_id").loc[spectra.source_id]
    wanted = golden[[f"expected_latent_mu_{i}" for i in range(5)]].to_numpy()
    assert len(wanted) == 68
    assert np.abs(spectra.latents[:, :5] - wanted).max() < 1e-5
    assert all("no folded latents" in why for why in spectra.reason)
    curves, _ = place_files(space, files[1:], tmp_path / "lc.csv")
    wanted = table.loc[curves.source_id, LATENTS[5:]].to_numpy()
    off = np.abs(curves.latents[:, 5:15] - wanted)
    assert (off[:, :5].max(axis=1) < 2e-3).mean() >= 0.95
    assert off[:, 5:].max() < 2e-3
    cycle = np.log10(table.loc[curves.source_id, ["frequency", "amplitude"]].to_numpy())
    assert (np.abs(curves.latents[:, 15:] - cycle).max(axis=1) < 3e-3).mean() >= 0.95
    assert np.isfinite(curves.coordinates).all()
    written = pd.read_csv(tmp_path / "lc.csv", dtype={"source_id": np.int64})
    assert (written["source_id"] == curves.source_id).all()
    assert written["inside_training_data"].all()


def test_rows_that_cannot_be_read_are_listed(bundle, shared, tmp_path):
    table = pd.read_parquet(shared / "golden_xp.parquet")
    table.at[table.index[3], "bp_coefficients"] = np.zeros(3)
    table.to_parquet(tmp_path / "new.parquet")
    out = tmp_path / "placed.csv"
    placed, rejected = place_files(bundle.space(), [tmp_path / "new.parquet"], out)
    assert (len(placed.source_id), rejected) == (67, 1)
    assert len(pd.read_csv(tmp_path / "placed.rejected.csv")) == 1


def test_damaged_releases_are_refused_and_leave_nothing(release, tmp_path, capsys):
    for victim, harm in (
        ("AE_fold", "cut"),
        ("MMAE", "text"),
        ("AE_dmdt", "gone"),
        ("AE_xp", "swap"),
    ):
        broken = tmp_path / victim
        shutil.copytree(release, broken)
        file = next(broken.glob(f"{victim}*"))
        file.chmod(0o644)
        if harm == "gone":
            file.unlink()
        elif harm == "swap":
            file.write_bytes(next(broken.glob("AE_dmdt*")).read_bytes())
        else:
            file.write_bytes(file.read_bytes()[:2000] if harm == "cut" else b"no checkpoint")
        out = tmp_path / f"{victim}.bundle"
        assert command("import-model", "huijse-2025", broken, "--out", out) == 2
        assert victim in capsys.readouterr().err
        assert not list(tmp_path.glob(f"{victim}.bundle*"))


def test_the_scatter_weights_encode_a_survey(shared, tmp_path, capsys):
    weights = shared / "published" / "scatter-vae-2024"
    survey, out = tmp_path / "stars.survey", tmp_path / "scatter.bundle"
    assert command("ingest", shared / "xp_continuous_real.parquet", "--out", survey) == 0
    assert (
        command("import-model", "scatter-vae-2024", weights, "--survey", survey, "--out", out) == 0
    )
    bundle = Bundle.open(out)
    model = bundle.model("xp_coefficients")
    estimate = pd.read_csv(weights / "normalisation_estimate.csv")
    np.testing.assert_allclose(model.constants["spread"], estimate["sig"])
    assert "estimated" in model.about["normalisation"]
    again, _ = encode(model.network, model.observations.arrays)
    np.testing.assert_allclose(again, model.latents, atol=1e-6)
    # two of the six published axes are dead (scatter-vae-2024.md, 4.4)
    moving = bundle.space().latents[bundle.space().present].std(axis=0) > 0.01
    assert np.flatnonzero(~moving).tolist() == [1, 5]
    assert Folder.open(out).verify()
    wrong = tmp_path / "norm.csv"
    wrong.write_text("mu,sig\n1,0\n", encoding="utf-8")
    options = ("--survey", survey, "--normalisation", wrong, "--out", tmp_path / "b.bundle")
    assert command("import-model", "scatter-vae-2024", weights, *options) == 2
    assert "110 finite values" in capsys.readouterr().err


def test_place_refuses_what_it_cannot_write_or_encode(bundle, shared, tmp_path):
    space = bundle.space("variability")
    with pytest.raises(InputError, match=r"choose \.parquet or \.csv"):
        place_files(space, [shared / "golden_xp.parquet"], tmp_path / "x.fits")
    (tmp_path / "x.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        place_files(space, [shared / "golden_xp.parquet"], tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "mine"
    with pytest.raises(InputError):
        place_files(space, [tmp_path / "absent.parquet"], tmp_path / "y.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]
