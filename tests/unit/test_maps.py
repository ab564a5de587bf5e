"""Maps of landmarks: who is one, where all others go, what is said of it, and that it repeats."""

from __future__ import annotations

import numpy as np
import pytest

from latent_core import Bundle
from latent_core.bundle import Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.config import MapSettings, check_map, read_settings
from latent_core.errors import InputError
from latent_core.hashing import mixed
from latent_core.landmarks import SALT, choose_landmarks, needs_landmarks
from latent_core.map_quality import map_quality, measure_map
from latent_core.maps import Rows, make_maps, measure_rows
from latent_core.projection import Placer
from latent_core.space_stages import save_maps, save_space

ROWS, LANDMARKS = 1200, 400
FAST = MapSettings(methods=("tsne",), landmarks=LANDMARKS)


def curved(rows, seed=0):
    rng = np.random.default_rng(seed)
    inner = rng.normal(size=(rows, 2))
    return np.hstack([inner, np.sin(inner), 0.1 * rng.normal(size=(rows, 2))]).astype(np.float32)


def ids(rows):
    return np.random.default_rng(9).permutation(np.arange(rows, dtype=np.int64) * 977 + 2**60)


@pytest.fixture(scope="module")
def latents():
    values = curved(ROWS)
    values[3, 4:] = np.nan
    values[4] = np.nan
    values[700] = values[0]
    return values


@pytest.fixture(scope="module")
def space(latents, tmp_path_factory):
    import pandas as pd

    path = tmp_path_factory.mktemp("maps") / "maps.bundle"
    with new_folder(path, Manifest("bundle", "maps", "gaia_dr3", False, "0")) as writer:
        writer.save_catalog(Catalog(pd.DataFrame({"source_id": ids(ROWS)})))
        blocks = {"a": latents[:, :4], "b": latents[:, 4:]}
        save_space(writer, "all", blocks, title="all", models={})
        save_maps(writer, "all", Rows.fitted(latents, ids(ROWS)), FAST)
    return Bundle.open(path).space()


def test_a_star_is_a_landmark_whatever_the_order_of_the_rows():
    z, source_id = curved(3000), ids(3000)
    chosen = choose_landmarks(lambda rows: z[rows], source_id, 500)
    turned = np.random.default_rng(1).permutation(3000)
    again = choose_landmarks(lambda rows: z[turned[rows]], source_id[turned], 500)
    assert len(set(chosen)) == 500
    assert (np.diff(chosen) > 0).all()
    assert set(source_id[chosen]) == set(source_id[turned][again])
    assert set(chosen) != set(choose_landmarks(lambda rows: z[rows], source_id, 500, seed=1))


def test_landmarks_are_a_fair_sample_and_keep_a_remote_island():
    z = curved(5000)
    island = np.arange(4990, 5000)
    z[island, 2:] += 9
    chosen = choose_landmarks(lambda rows: z[rows], ids(5000), 500)
    assert set(island) <= set(chosen)
    middle = np.abs(z[:, 0]) < np.median(np.abs(z[:, 0]))
    uniform = chosen[np.argsort(mixed(ids(5000)[chosen], SALT))[:450]]
    assert abs(middle[uniform].mean() - 0.5) < 0.07


def test_landmarks_are_for_spaces_well_beyond_them():
    assert needs_landmarks(4_000_000, 200_000, full=False)
    assert not needs_landmarks(4_000_000, 200_000, full=True)
    assert not needs_landmarks(210_000, 200_000, full=False)


def test_placing_depends_on_no_other_source_and_no_order():
    z, xy = curved(2000), curved(2000, 1)[:, :2]
    new = curved(300, 2)
    new[::3, 4:] = np.nan
    placer = Placer(z, xy)
    together = placer.place(new)
    np.testing.assert_array_equal(placer.place(new[::-1])[::-1], together)
    alone = np.vstack([placer.place(row[None]) for row in new])
    np.testing.assert_array_equal(alone, together)
    for row in (0, 1):
        used = np.isfinite(new[row])
        near = np.argsort(((z[:, used] - new[row, used]) ** 2).sum(axis=1))[:3]
        np.testing.assert_array_equal(together[row], np.median(xy[near], axis=0))


def test_a_source_goes_where_the_build_put_its_equal(space, latents):
    xy = space.projection().coordinates
    with_latents = np.flatnonzero(np.isfinite(xy[:, 0]))
    assert sorted(set(range(ROWS)) - set(with_latents)) == [4]
    again = space.project(latents[with_latents])
    twins = np.isin(with_latents, [0, 700])
    np.testing.assert_array_equal(again[~twins], xy[with_latents[~twins]])
    np.testing.assert_array_equal(space.project(latents[[9]]), xy[[9]])


def test_a_map_says_how_it_was_made_and_what_it_loses(space):
    here = space.projection("tsne")
    assert here.settings["landmarks"] == LANDMARKS
    assert here.settings["placed"] == ROWS - LANDMARKS - 1
    assert here.settings["perplexity"] == 10
    assert here.settings["full"] is False
    placed, landmarks = here.quality["placed"], here.quality["landmarks"]
    assert placed["sources"] + landmarks["sources"] == here.quality["sources"] == ROWS - 2
    assert 0.1 < placed["neighbors_kept"] < 1
    assert 0.9 < placed["trustworthiness_in_sample"] <= 1
    folder = space.folder
    rows = folder.array("spaces/all/projections/tsne/landmarks.npy")
    quality = measure_map(
        lambda r: space.z[r],
        here.coordinates[space.present],
        np.isin(space.present, rows),
    )
    assert quality == here.quality


def test_the_same_seed_draws_the_same_map_and_all_sources_are_mapped_in_full():
    rows = Rows.fitted(curved(500), ids(500))
    small = MapSettings(methods=("tsne",), landmarks=200)
    first, second = (next(make_maps(rows, small, silent)) for _ in range(2))
    np.testing.assert_array_equal(first.coordinates, second.coordinates)
    full = next(make_maps(rows, MapSettings(methods=("tsne",), landmarks=200, full=True), silent))
    assert full.settings["full"] is True
    assert full.landmarks is None
    assert "placed" not in full.quality
    assert full.quality["neighbors_kept"] > first.quality["neighbors_kept"]
    assert full.quality["trustworthiness_in_sample"] > 0.95


def silent(done, total, text):
    pass


def test_quality_in_chunks_is_quality_at_once(monkeypatch):
    z, xy = curved(900).astype(np.float64), curved(900, 3)[:, :2]
    xy[5] = xy[6] = xy[7]
    whole = map_quality(z, xy)
    monkeypatch.setattr("latent_core.map_quality.CHUNK", 100)
    assert map_quality(z, xy) == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('methods = ["pca"]', "umap, tsne"),
        ("methods = []", "umap, tsne"),
        ("landmarks = 3", "at least 100"),
        ("perplexity = 0.5", "at least 1"),
        ("full = 1", "bool expected"),
        ("epochs = true", "int expected"),
    ],
)
def test_settings_of_maps_that_cannot_be(tmp_path, text, said):
    file = tmp_path / "build.toml"
    file.write_text(f"[map]\n{text}\n")
    with pytest.raises(InputError, match=said):
        read_settings(file)


def test_methods_are_named_once():
    assert check_map(MapSettings(methods=("tsne", "umap", "tsne"))).methods == ("tsne", "umap")


def test_quality_by_an_index_is_quality_by_a_scan(space):
    latents = space.folder.array("spaces/all/latents.npy")
    plain = Rows(latents, space.scaling, ids(ROWS))
    indexed = Rows(latents, space.scaling, ids(ROWS), space.index.cells)
    coordinates = space.projection().coordinates
    scanned, searched = (measure_rows(r, space.present, coordinates) for r in (plain, indexed))
    assert searched == scanned
