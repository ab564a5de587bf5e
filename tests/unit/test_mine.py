"""A visitor's own sources on the screen: lit or placed, never mixed with the catalog's."""

import base64
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fake_bundle import FIRST_ID, NASTY, ROWS, fake_bundle

from dashboard import limits
from dashboard.bringing import DropZone
from dashboard.exports import own_csv, own_votable
from dashboard.limits import LimitError
from dashboard.mine import INSIDE, KNOWN, OUTSIDE, UNKNOWN, Mine
from dashboard.overlay import MOST_MARKS, mine_text, thinned
from dashboard.raster import View
from dashboard.state import ExplorerState
from dashboard.views.mine import NO_FILES, MineView
from latent_core.placing import Placed
from latent_core.surveys.brought import Brought

SHARED = fake_bundle()


def state_of(**options):
    return ExplorerState({"fake bundle": SHARED}, **options)


def pasted(view, text):
    view.text.value = text
    view._paste()
    return view.state.mine


def placed_mine(state):
    """Two sources with data, one inside and one outside, and one that is only named."""
    ids = np.array([7, 8, 9], np.int64)
    latents = np.array([[0.1, 0.2, 0, 0], [9, 9, 9, 9], [np.nan] * 4], np.float32)
    told = pd.DataFrame({"source_id": ids, "label": [NASTY, "b", "c"]})
    placed = Placed(
        ids, state.space.latent_names, latents, latents * 0 + 0.1, latents[:, :2],
        np.array([True, False, False]), ("", "too far", "unknown"), np.zeros(3, bool),
        np.array([True, True, False]),
    )  # fmt: skip
    refused = pd.DataFrame({"file": [], "row": [], "source_id": [], "reason": []})
    rows, nowhere = np.full(3, -1), np.full((3, 2), np.nan)
    return Mine(Brought(None, told, refused), placed, rows, nowhere)


def test_known_ids_are_lit_and_the_others_listed_with_reasons():
    view = MineView(state_of())
    mine = pasted(view, f"{FIRST_ID}, Gaia DR3 {FIRST_ID + 3} 12 4x")
    assert mine.status.tolist() == [KNOWN, KNOWN, UNKNOWN]
    assert sorted(mine.lit) == sorted(SHARED.row(i) for i in (FIRST_ID, FIRST_ID + 3))
    assert "3 of mine: 2 in the catalog, 1 not in this bundle" in view.total.object
    assert "&#x27;x&#x27; is not a digit" in view.refused.object


def test_they_are_in_no_selection_until_the_button_says_so():
    view = MineView(state_of())
    state = view.state
    before = state.selection
    pasted(view, f"{FIRST_ID} 12")
    assert state.selection is before
    assert state.size == ROWS
    view._select()
    assert state.selection.to_rows().tolist() == [SHARED.row(FIRST_ID)]
    view._clear()
    assert state.mine is None


def test_two_sessions_know_nothing_of_each_other():
    one, other = MineView(state_of()), MineView(state_of())
    pasted(one, str(FIRST_ID))
    assert other.state.mine is None
    assert FIRST_ID in one.state.mine.placed.source_id
    pasted(other, "12")
    assert one.state.mine.placed.source_id.tolist() == [FIRST_ID]


def test_what_is_placed_is_inside_or_outside_and_is_picked_by_its_place():
    state = state_of()
    mine = placed_mine(state)
    assert mine.status.tolist() == [INSIDE, OUTSIDE, UNKNOWN]
    assert mine.on_the_map == 2
    assert mine.pick(0.11, 0.2, (0.1, 0.1)) == 0
    assert mine.pick(5, 5, (0.1, 0.1)) == -1
    text = mine_text(state.space, mine, 1)
    assert "not in the catalog: placed by" in text
    assert "OUTSIDE the training data" in text


def test_text_of_a_file_is_never_markup():
    state = state_of()
    view = MineView(state)
    view.__panel__()
    state.bring(placed_mine(state))
    state.current_mine = 0
    for pane in (view.card.head, view.card.facts, view.total, view.refused):
        assert "<img" not in pane.object
    assert "&lt;img src=x" in view.card.facts.object
    assert "inside the training data" in view.card.head.object


def test_the_table_has_exact_ids_and_says_that_they_are_not_of_the_bundle():
    state = state_of()
    frame = placed_mine(state).frame()
    text = own_csv(SHARED, frame).decode()
    assert "no part of the bundle" in text
    assert "\n7,placed\\, inside" in text.replace('"placed, inside"', "placed\\, inside")
    assert b"<VOTABLE" in own_votable(SHARED, frame)


def test_a_public_server_takes_no_file_and_fewer_ids():
    view = MineView(state_of(public=True))
    assert not view.drop.visible
    assert NO_FILES.split(":", maxsplit=1)[0] in view.formats.object
    pasted(view, "1 " * (limits.MOST_IDS_PUBLIC * limits.LONGEST_ENTRY))
    assert view.state.mine is None
    assert "paste at most 10,000 ids" in view.notice.object


def test_of_very_many_one_mark_a_few_pixels_travels():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 1, (200_000, 2))
    view = View(0, 0.5, 0, 0.5, 700, 700)
    few = thinned(places, view)
    assert 0 < len(few) <= MOST_MARKS
    assert few.max() <= 0.5
    assert thinned(places[:10], view) is not few
    assert len(thinned(places[:10], view)) == 10


class Received:
    """Collects what a drop zone was given."""

    def __init__(self):
        self.files, self.refused = [], []
        self.zone = DropZone(self.take, self.refused.append)

    def take(self, scratch, files, names):
        self.files += [(name, file.read_bytes()) for name, file in zip(names, files, strict=True)]
        scratch.cleanup()

    def send(self, **message):
        self.zone._told(SimpleNamespace(data=message))

    def part(self, content, **other):
        upload, file, offset = self.zone.wanted or (0, 0, 0)
        said = {"upload": upload, "file": file, "offset": offset} | other
        self.send(data=base64.b64encode(content).decode(), **said)


def test_parts_become_files_that_are_stored_under_no_name_of_theirs():
    got = Received()
    got.send(offer=[{"name": "../../etc/x", "size": 5}, {"name": "b", "size": 2}])
    got.part(b"abc")
    got.part(b"de")
    got.part(b"fg")
    assert got.files == [("../../etc/x", b"abcde"), ("b", b"fg")]
    assert got.zone.wanted == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": 7}, {"file": 1}, {"upload": 99}, {"data": "???"}, {"data": None},
        {"data": "A" * 2_000_000}, {"data": ""}, {"offset": "0"},
    ],
)  # fmt: skip
def test_a_part_that_was_not_asked_for_ends_the_upload(wrong):
    got = Received()
    got.send(offer=[{"name": "a", "size": 5}])
    got.send(**({"upload": 1, "file": 0, "offset": 0, "data": "YWI="} | wrong))
    assert len(got.refused) == 1
    assert got.zone.wanted == []
    assert got.files == []


def test_more_than_was_offered_is_refused():
    got = Received()
    got.send(offer=[{"name": "a", "size": 2}])
    got.part(b"abcdef")
    assert got.refused == ["a is longer than the browser said"]


@pytest.mark.parametrize(
    "offer",
    [
        None, [], "x", [1], [{"name": "a"}], [{"name": "a", "size": -1}],
        [{"name": "a", "size": 1.5}], [{"name": "a", "size": float("nan")}],
        [{"name": "a", "size": limits.LARGEST_UPLOAD + 1}],
        [{"name": "a", "size": 1}] * (limits.MOST_FILES + 1),
    ],
)  # fmt: skip
def test_an_offer_beyond_the_limits_is_refused(offer):
    with pytest.raises(LimitError):
        limits.offered_files(offer)
    got = Received()
    got.send(offer=offer)
    assert len(got.refused) == 1


def test_a_file_name_is_short_printable_text():
    assert limits.file_name("a\x00\n" + "b" * 500)[:4] == "...b"
    assert len(limits.file_name("b" * 500)) == limits.LONGEST_FILE_NAME
    assert limits.file_name(None) == "the file"
