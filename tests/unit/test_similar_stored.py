"""The index of a bundle: stored and mapped, its plan shown wherever hits are, older bundles."""

from __future__ import annotations

import json
import mmap

import numpy as np
import pandas as pd
import pytest

from dashboard.state import ExplorerState
from dashboard.views.similar import SimilarView
from latent_core import Bundle
from latent_core.bundle import Folder, Manifest, new_folder, write_manifest, write_stage
from latent_core.catalog import Catalog
from latent_core.cli import main
from latent_core.errors import FolderError, InputError
from latent_core.space_stages import save_map, save_space

ROWS, FIRST_ID = 4000, 2**61 + 7
FILES = ("z.npy", "rows.npy", "boxes.npy")


def make_bundle(path):
    rng = np.random.default_rng(0)
    latents = rng.normal(3, 2, (ROWS, 9)).astype(np.float32)
    latents[::50, :4] = np.nan
    with new_folder(path, Manifest("bundle", "stored", "gaia_dr3", True, "0")) as writer:
        ids = np.arange(ROWS, dtype=np.int64) + FIRST_ID
        writer.save_catalog(Catalog(pd.DataFrame({"source_id": ids}), simulated=True))
        blocks = {"xp": latents[:, :4], "folded": latents[:, 4:]}
        save_space(writer, "all", blocks, title="all", models={})
        save_map(writer, "all", "flat", latents[:, 4:6], {"method": "made up"})
    return path


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("exact") / "exact.bundle")


@pytest.fixture(scope="module")
def hurried(tmp_path_factory):
    """A space in which a plain search is stopped before it is proven, as among hard millions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latent_core.similarity.AFFORDED", 300 * 9)
        return make_bundle(tmp_path_factory.mktemp("hurried") / "hurried.bundle")


def brute_force(space, row, k):
    z = space.scaling.apply(space.latents).astype(np.float32)
    distance = np.linalg.norm(z - space.scaling.apply(space.latents[row]), axis=1)
    distance[row] = np.inf
    return np.argsort(distance, kind="stable")[:k]


def is_mapped(array):
    while array is not None and not isinstance(array, mmap.mmap):
        array = array.base
    return array is not None


def test_a_search_maps_its_arrays_and_keeps_none_of_its_own(exact):
    space = Bundle.open(exact).space()
    assert space.similar(FIRST_ID + 7, 10)["row"].tolist() == brute_force(space, 7, 10).tolist()
    cells = space.index.cells
    for part in (cells.z, cells.rows, cells.boxes, space.present):
        assert is_mapped(part)
        assert not part.flags.writeable
    assert "z" not in vars(space)  # no copy of all latents was made
    np.testing.assert_array_equal(space.present, np.flatnonzero(np.arange(ROWS) % 50))


def test_points_are_placed_and_outside_without_a_copy_of_the_latents(exact):
    space = Bundle.open(exact).space()
    point = np.where(np.arange(9) < 4, np.nan, space.latents[100])
    assert space.outside(np.stack([space.latents[7], point, point + 99])).tolist() == [
        *(False, False, True)
    ]
    rows, distance = space.nearest(point[None], 3)
    hits = space.similar_to(point, 3)
    assert rows[0].tolist() == hits["row"].tolist()
    np.testing.assert_allclose(distance[0], hits["distance"], rtol=1e-6)
    placed = space.project(point[None])
    np.testing.assert_allclose(
        placed[0], np.median(space.projection().coordinates[rows[0]], axis=0)
    )
    assert np.isnan(space.project(np.full((1, 9), np.nan))).all()
    assert "z" not in vars(space)


@pytest.mark.parametrize("given", ["exact", "hurried"])
def test_the_plan_is_stored_with_the_index(given, request):
    path = request.getfixturevalue(given)
    stored = Folder.open(path, "bundle").json("spaces/all/similarity.json")
    plan = Bundle.open(path).space().index.plan
    assert (stored["budget"], stored["recall"], stored["asked"]) == (
        *(plan.budget, plan.recall, plan.asked),
    )
    assert plan.asked == 500
    assert (plan.budget is None) == (given == "exact")
    assert plan.recall >= 0.999


def unproven_row(space):
    for row in range(1, 200):
        if row % 50 and not space.similar(FIRST_ID + row, 10).attrs["exact"]:
            return row
    raise AssertionError("every search was proven: nothing to test")


def test_an_unproven_search_says_so_and_the_same_search_can_be_made_exact(hurried):
    space = Bundle.open(hurried).space()
    row = unproven_row(space)
    hits = space.similar(FIRST_ID + row, 10, exact=True)
    assert hits.attrs["exact"]
    assert hits["row"].tolist() == brute_force(space, row, 10).tolist()
    assert space.similar(FIRST_ID + row, 10, weights={"xp": 0.5}).attrs["exact"]
    assert space.similar(FIRST_ID + row, 10, where=np.ones(ROWS, bool)).attrs["exact"]
    assert space.similar_to(space.latents[row], 10).attrs["exact"]


def test_the_screen_says_exact_or_approximate_as_it_is(hurried, exact):
    state = ExplorerState({"hurried": Bundle.open(hurried)})
    row = unproven_row(state.space)
    state.current_row = row
    view = SimilarView(state)
    view.__panel__()
    view.count.value = 10
    said = view.summary.object
    percent = np.floor(1000 * state.space.index.plan.recall) / 10
    assert "Approximate: finds" in said
    assert f"{percent:g} % of the true 10 nearest (measured on 500 sources)" in said
    assert "Exact" not in said
    assert view.exact.visible
    view.exact.value = True
    assert view.summary.object.count("Exact: searched 3,919 of 3,920 sources") == 1
    assert state.hits["row"].tolist() == brute_force(state.space, row, 10).tolist()
    view.exact.value = False
    assert "Approximate" in view.summary.object
    view.other_class.value = view.only_selection.value = False
    view.sliders["xp"].value = 0.5
    assert "Exact: searched" in view.summary.object
    quick = SimilarView(ExplorerState({"exact": Bundle.open(exact)}))
    quick.state.current_row = row
    quick.__panel__()
    assert "Exact: searched 3,919 of 3,920" in quick.summary.object
    assert not quick.exact.visible


def test_the_command_says_it_too(hurried, exact, capsys):
    row = unproven_row(Bundle.open(hurried).space())
    recall = Bundle.open(hurried).space().index.plan.recall
    asked = ((hurried, (), False), (hurried, ("--exact",), True), (exact, (), True))
    for path, more, proven in asked:
        main(["similar", str(path), str(FIRST_ID + row), "--json", *more])
        answer = json.loads(capsys.readouterr().out)
        assert answer["exact"] is proven
        assert answer["recall"] == (1.0 if proven else recall)
    main(["similar", str(hurried), str(FIRST_ID + row)])
    assert "approximate: finds" in capsys.readouterr().out


def test_a_bundle_from_before_there_were_cells_still_answers(exact, tmp_path):
    old = make_bundle(tmp_path / "old.bundle")
    folder = Folder.open(old)
    gone = {n for n in folder.manifest.files if "similarity" in n or n.endswith("present.npy")}
    assert len(gone) == len(FILES) + 2
    for name in gone:
        (old / name).unlink()
    kept = {n: r for n, r in folder.manifest.files.items() if n not in gone}
    write_manifest(old, Manifest("bundle", "old", "gaia_dr3", True, "0", files=kept))
    ours, theirs = (Bundle.open(path).space() for path in (exact, old))
    assert theirs.index.plan.budget is None
    first, second = (s.similar(FIRST_ID + 3, 24) for s in (ours, theirs))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"rows.npy": np.full(3920, ROWS, np.int32)},
        {"rows.npy": np.full(3920, -1, np.int32)},
        {"rows.npy": np.zeros(10, np.int32)},
        {"boxes.npy": np.zeros((3, 2, 9), np.float32)},
        {"boxes.npy": np.zeros((1 << 14, 2, 9), np.float32)},
        {"z.npy": np.zeros((3920, 8), np.float32)},
        {"z.npy": np.zeros((3920, 9), np.float64)},
    ],
)
def test_arrays_that_do_not_belong_together_never_reach_compiled_code(spoilt, tmp_path):
    path = make_bundle(tmp_path / "spoilt.bundle")
    folder = Folder.open(path)
    names = [f"spaces/all/similarity/{name}" for name in FILES]
    arrays = {n: np.array(folder.array(n)) for n in names}
    arrays |= {f"spaces/all/similarity/{n}": a for n, a in spoilt.items()}
    with write_stage(folder, "index/all", {}) as writer:
        for name, array in arrays.items():
            writer.save_array(name, array)
    with pytest.raises(FolderError, match="run gaia-latent index"):
        Bundle.open(path).space().similar(FIRST_ID + 3)


def test_sources_beside_a_selection_are_named_by_its_members(exact):
    space = Bundle.open(exact).space()
    members = np.r_[0, space.present[:30]]  # row 0 lacks a block
    found = space.like_these(members, 40, each=5)
    votes: dict[int, list[float]] = {}
    z = space.scaling.apply(space.latents).astype(np.float32)
    for member in space.present[:30]:
        for row in brute_force(space, member, 5):
            if row not in members:
                votes.setdefault(int(row), []).append(np.linalg.norm(z[row] - z[member]))
    ranked = sorted(votes, key=lambda row: (-len(votes[row]), min(votes[row])))[:40]
    assert found["row"].tolist() == ranked
    assert found["named"].tolist() == [len(votes[row]) for row in ranked]
    np.testing.assert_allclose(found["distance"], [min(votes[r]) for r in ranked], rtol=1e-5)
    np.testing.assert_array_equal(found["source_id"], found["row"] + FIRST_ID)
    with pytest.raises(InputError, match="none of these"):
        space.like_these(np.array([0, 50]))


def test_the_command_lists_what_is_like_a_list(exact, tmp_path, capsys):
    space = Bundle.open(exact).space()
    file = tmp_path / "ids.csv"
    rows = space.present[:20]
    file.write_text("source_id\n" + "\n".join(str(FIRST_ID + r) for r in rows) + "\n12x\n42\n")
    main(["similar", str(exact), "--ids", str(file), "-k", "15", "--json"])
    said = capsys.readouterr()
    answer = json.loads(said.out)
    expected = space.like_these(rows, 15)
    assert answer["members"] == 20
    assert [s["source_id"] for s in answer["sources"]] == [str(i) for i in expected["source_id"]]
    assert [s["named"] for s in answer["sources"]] == expected["named"].tolist()
    assert "line 22: 12x" in said.err
    assert "1 of 21 are not in stored" in said.err
    main(["similar", str(exact), "--ids", str(file)])
    assert str(expected["source_id"][0]) in capsys.readouterr().out
    for both in ([], [str(FIRST_ID), "--ids", str(file)]):
        with pytest.raises(SystemExit):
            main(["similar", str(exact), *both])
        assert "either a source_id or --ids" in capsys.readouterr().err
