"""Sources that lack a block: placed, compared and predicted by what they have, and it is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from latent_core import Bundle
from latent_core.bundle import Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.config import MapSettings
from latent_core.crossmodal import predict_block, prediction_skill
from latent_core.errors import InputError
from latent_core.maps import Rows
from latent_core.space_stages import save_maps, save_space

ROWS, LACKING, NOTHING = 800, slice(0, 20), slice(20, 23)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """Blocks `a` and `b`, where b follows a, and `c`, which nothing tells."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(ROWS, 2)).astype(np.float32)
    b = np.stack([a[:, 0] + a[:, 1], a[:, 0] ** 2], axis=1) + 0.05 * rng.normal(size=(ROWS, 2))
    blocks = {"a": a, "b": b.astype(np.float32), "c": rng.normal(size=(ROWS, 1))}
    blocks = {name: values.astype(np.float32) for name, values in blocks.items()}
    blocks["b"][LACKING] = np.nan
    for values in blocks.values():
        values[NOTHING] = np.nan
    path = tmp_path_factory.mktemp("missing") / "missing.bundle"
    manifest = Manifest("bundle", "missing", "gaia_dr3", False, "0")
    with new_folder(path, manifest) as writer:
        writer.save_catalog(Catalog(pd.DataFrame({"source_id": np.arange(ROWS) + 2**60})))
        save_space(writer, "all", blocks, title="all", models={})
        rows = Rows.fitted(np.hstack(list(blocks.values())), np.arange(ROWS) + 2**60)
        save_maps(writer, "all", rows, MapSettings(epochs=30))
    return Bundle.open(path).space()


def test_a_source_without_a_block_stands_where_its_relatives_stand(space):
    xy = space.projection().coordinates
    assert np.isfinite(xy[LACKING]).all()
    assert np.isnan(xy[NOTHING]).all()
    again = space.project(space.latents[LACKING])
    np.testing.assert_allclose(again, xy[LACKING])
    near = [space.similar_to(space.latents[row], 3)["row"].to_numpy() for row in range(20)]
    np.testing.assert_allclose(xy[LACKING], [np.median(xy[rows], axis=0) for rows in near])


def test_similar_compares_the_known_blocks_only(space):
    hits = space.similar(2**60 + 4, 5)
    known = np.r_[0, 1, 4]
    z = space.scaling.apply(space.latents)[:, known]
    distance = np.linalg.norm(z[space.present] - z[4], axis=1)
    assert hits["row"].tolist() == space.present[np.argsort(distance)[:5]].tolist()
    np.testing.assert_allclose(hits["distance"], np.sort(distance)[:5], rtol=1e-5)
    assert hits["distance_b"].isna().all()
    assert hits["distance_a"].notna().all()
    with pytest.raises(InputError, match="lacks every modality"):
        space.similar(2**60 + 21)


def test_a_block_that_follows_from_the_others_is_predicted_and_no_other_is(space):
    told, untold = (prediction_skill(space, block, asked=200) for block in "bc")
    assert told["explained"] > 0.6
    assert untold["explained"] < 0.1
    assert 50 < untold["coverage_percent"] < 85
    predicted = predict_block(space, space.latents[4], "b")
    assert predicted.known == ("a", "c")
    assert predicted.latents.shape == (50, 2)


def test_prediction_refuses_what_has_nothing_to_go_by(space):
    with pytest.raises(InputError, match="nothing is known"):
        predict_block(space, space.latents[21], "b")
    with pytest.raises(InputError, match="not in space"):
        predict_block(space, space.latents[4], "d")


def test_far_points_are_outside_even_by_one_block(space):
    near = space.latents[100].copy()
    far = np.full(5, np.nan, np.float32)
    far[:2] = 40
    nothing = np.full(5, np.nan, np.float32)
    assert space.outside(np.stack([near, far, nothing])).tolist() == [False, True, True]
