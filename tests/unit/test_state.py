"""The shared state keeps its promises whatever the order of actions."""

import numpy as np
import pytest
from corners import write_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.state import ExplorerState
from dashboard.theme import palette
from dashboard.views.search import counts
from dashboard.views.toolbar import StatusView
from latent_core import Bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return Bundle.open(write_bundle(tmp_path_factory.mktemp("state") / "corners.bundle"))


@pytest.fixture
def state(bundle):
    return ExplorerState({"corners": bundle})


def test_opens_coloured_by_class_with_a_typical_rr_lyrae(state):
    assert state.colour_by == state.class_column == "macro_class"
    state.showcase()
    assert state.frame["macro_class"][state.current_row] == "ARRD|RRAB|RRC|RRD"
    members = (state.frame["macro_class"] == "ARRD|RRAB|RRC|RRD")[state.space.present]
    z = state.space.z[members.to_numpy()]
    distance = np.linalg.norm(z - np.median(z, axis=0), axis=1)
    place = np.flatnonzero(state.space.present[members.to_numpy()] == state.current_row)
    assert distance[place] == distance.min()


def test_without_rr_lyrae_the_showcase_is_in_the_densest_place(state):
    state.class_column = ""
    state.showcase()
    assert state.place(state.current_row) is not None


def test_gestures_combine_as_sets(state):
    a, b = np.arange(0, 100), np.arange(50, 150)
    for how, expected in (
        ("new", set(b)),
        ("add", set(a) | set(b)),
        ("subtract", set(a) - set(b)),
        ("intersect", set(a) & set(b)),
    ):
        state.select(a, "new")
        state.select(b, how)
        assert set(state.selection.to_rows()) == expected


def test_an_empty_gesture_keeps_the_old_selection(state):
    state.select(np.arange(10), "new")
    kept = state.selection
    for how in ("new", "intersect"):
        state.select(np.array([], int) if how == "new" else np.array([2000]), how)
        assert state.selection is kept
        assert "the old selection stays" in state.status


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("select"),
            st.lists(st.integers(0, 3999), max_size=30),
            st.sampled_from(["new", "add", "subtract", "intersect"]),
        ),
        st.tuples(st.sampled_from(["isolate", "toggle"]), st.integers(0, 4)),
        st.tuples(st.just("colour"), st.sampled_from(["macro_class", "alpha_m", "latent_1"])),
        st.tuples(st.just("clear_selection")),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(actions)
def test_counts_hold_after_any_actions(bundle, steps):
    state = ExplorerState({"corners": bundle})
    for name, *arguments in steps:
        if name == "select":
            state.select(np.asarray(arguments[0], int), arguments[1])
        elif name in ("isolate", "toggle"):
            getattr(state, name)(state.classes.names[arguments[0]])
        else:
            getattr(state, name)(*arguments)
        shown, selected = state.shown, state.selection
        assert 0 < shown.count <= state.size
        text = counts(state)
        assert text.endswith(f"{shown.count:,} shown / 4,000 total")
        assert (f"{(selected & shown).count:,} selected" in text) == selected.any()


def test_isolating_the_only_one_left_restores_all(state):
    name = state.classes.names[1]
    state.isolate(name)
    assert state.shown.count == state.classes.counts[1]
    assert state.shown is state.shown  # found once
    state.isolate(name)
    assert state.shown.is_full()


def test_search_goes_there_or_says_why_not(state):
    state.search(f"Gaia DR3 {state.frame['source_id'][100]}")
    assert state.current_row == 100
    view = state.view
    for text in ("12", "12x", "9" * 30):
        state.search(text)
        assert state.current_row == 100
        assert state.view is view
        assert state.status


def test_a_source_without_a_place_still_opens(state):
    state.go_to(0)
    assert state.current_row == 0
    assert state.view is None
    assert "no place" in state.status


def test_sessions_share_codes_but_not_selections(bundle):
    first, second = (ExplorerState({"corners": bundle}) for _ in range(2))
    assert first.colouring is second.colouring
    first.select(np.arange(5), "new")
    assert not second.selection.any()


def test_status_is_escaped(state):
    line = StatusView(state)
    state.status = "<script>"
    assert "<script>" not in line._line.object


def test_the_clip_is_of_what_is_shown(state):
    state.colour("magnitude_mean")
    whole = state.ramp
    state.hidden_classes = list(state.classes.names[1:])
    values = state.values("magnitude_mean")[state.shown.to_mask()]
    assert state.ramp.low == pytest.approx(np.nanpercentile(values, 1), rel=1e-5)
    assert state.ramp.high == pytest.approx(np.nanpercentile(values, 99), rel=1e-5)
    assert state.ramp is not whole
    state.hidden_classes = []
    assert (state.ramp.low, state.ramp.high) == (whole.low, whole.high)


def test_bright_magnitudes_are_at_the_high_end_of_the_colours(state):
    from dashboard.views.colour import bar_of

    state.colour("magnitude_mean")
    assert state.column("magnitude_mean").inverted
    bar = bar_of(state, state.colouring)
    first, last = (float(bar["ticks"][i][1]) for i in (0, -1))
    assert first > last
    assert bar["colours"][-1] == "#{:02X}{:02X}{:02X}".format(*palette("viridis")[-1])
    assert tuple(state.table[0]) == tuple(palette("viridis")[-1])
    state.colour("latent_0")
    assert tuple(state.table[0]) == tuple(palette("viridis")[0])
