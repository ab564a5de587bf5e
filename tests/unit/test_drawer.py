"""The drawer without a browser: what it builds, draws, selects, shares and refuses."""

from types import SimpleNamespace

import numpy as np
import pytest
from corners import CENTRES, write_bundle
from matplotlib.path import Path

from dashboard import drawer, plane_store
from dashboard.plane_store import has_plane, places_of, plane_of, read_values
from dashboard.shared import Shelf
from dashboard.state import DRAWER_TABS, ExplorerState
from dashboard.views.drawer import DrawerView
from latent_core import Bundle
from latent_core.errors import FolderError
from latent_core.planes import pair, planes_of


def columns(rng, code):
    """Colours, magnitudes, places and periods that follow the clumps."""
    size = len(code)
    return {
        "bp_rp": CENTRES[code][:, 0] / 3 + rng.normal(0, 0.1, size),
        "phot_g_mean_mag": 10 + CENTRES[code][:, 1] + rng.normal(0, 0.4, size),
        "parallax": rng.normal(1, 0.5, size).astype(np.float32),
        "ra": rng.uniform(0, 360, size),
        "dec": rng.uniform(-80, 80, size),
        "frequency": rng.uniform(0.1, 10, size),
        "amplitude": rng.gamma(2, 0.1, size),
    }


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return Bundle.open(write_bundle(tmp_path_factory.mktemp("b") / "c.bundle", more=columns))


@pytest.fixture
def state(bundle):
    return ExplorerState({"corners": bundle})


def opened(state, tab):
    view = DrawerView(state)
    state.param.update(drawer_open=True, drawer_tab=tab)
    return view


def geometry(corners):
    x, y = np.asarray(corners, float).T
    return SimpleNamespace(final=True, geometry={"type": "poly", "x": x.tolist(), "y": y.tolist()})


def test_a_shut_drawer_builds_nothing(state):
    view = DrawerView(state)
    state.colour("alpha_m")
    state.select(np.arange(50), "new")
    assert view._histogram is None
    assert view._planes is None
    assert list(view._body) == []


@pytest.mark.parametrize("tab", DRAWER_TABS)
def test_every_tab_draws_and_its_button_shuts_it(state, tab):
    view = opened(state, tab)
    part = view._part(tab)
    figure = part._view.figure
    assert figure.xaxis.axis_label
    assert part._view.simulated.visible
    assert part.plot.visible
    view._clicked(tab)
    assert not state.drawer_open
    assert not part.plot.visible
    assert not part.active


def test_one_plane_after_the_other_in_one_figure(state):
    view = opened(state, "cmd")
    plot = view._planes._view
    first = plot.figure
    assert plot.figure.yaxis.axis_label == "absolute G [mag]"
    assert plot.figure.y_range.start > plot.figure.y_range.end
    state.drawer_choice = {"cmd": "cmd_apparent"}
    assert plot.figure.yaxis.axis_label == "apparent G [mag]"
    state.drawer_tab = "sky"
    assert not plot.figure.xaxis.visible
    assert len(plot.lines.data["xs"]) > 10
    state.drawer_tab = "period"
    assert plot.figure.xaxis.visible
    assert plot.lines.data["xs"] == []
    assert "1 / frequency" in view._planes.note.object
    assert plot.figure is first


def test_a_lasso_in_a_plane_is_the_selection_and_the_next_one_combines(state):
    view = opened(state, "pair")
    state.drawer_choice = {"x": "bp_rp", "y": "latent_2"}
    gestures = view._planes._view.gestures
    frame = state.frame
    points = np.stack([frame["bp_rp"], state.values("latent_2")], 1).astype(np.float32)
    known = np.isfinite(points).all(1)

    def inside(corners):
        return known & Path(corners).contains_points(np.nan_to_num(points))

    one, two = [(1, -1), (3, -1), (2, 2)], [(0, -1), (2.5, -1), (1, 3)]
    gestures._drawn(geometry(one))
    assert inside(one).sum() > 300
    assert np.array_equal(np.asarray(state.selection), inside(one))
    state.combine = "intersect"
    gestures._drawn(geometry(two))
    assert np.array_equal(np.asarray(state.selection), inside(one) & inside(two))
    state.isolate(state.classes.names[1])
    state.combine = "new"
    gestures._drawn(geometry(one))
    codes = state.classes.codes
    assert (inside(one) & (codes != 1)).any()
    assert np.array_equal(np.asarray(state.selection), inside(one) & (codes == 1))


def test_a_brush_selects_and_the_bars_follow_every_selection(state):
    view = opened(state, "histograms")
    part = view._histogram
    state.drawer_choice = {"histograms": "bp_rp"}
    values = state.frame["bp_rp"].to_numpy()
    brush = SimpleNamespace(final=True, geometry={"x0": 2.4, "x1": 1.5})
    part._view._drawn(brush)
    expected = (values >= 1.5) & (values <= 2.4)
    assert expected.sum() > 500
    assert np.array_equal(np.asarray(state.selection), expected)
    assert f"{expected.sum():,} of them selected" in part.note.object
    state.select(np.arange(100), "new")
    assert "100 of them selected" in part.note.object
    part._view._drawn(SimpleNamespace(final=True, geometry={"x0": float("nan"), "x1": 1}))
    assert state.status == "brush must be finite"


def test_the_histogram_follows_the_colour_until_a_column_is_chosen(state):
    view = opened(state, "histograms")
    assert view._histogram.name == "phot_g_mean_mag"
    state.colour("alpha_m")
    assert view._histogram.name == "alpha_m"
    assert "have no alpha_m" in view._histogram.note.object or "[alpha/M]" in (
        view._histogram.note.object
    )
    state.drawer_choice = {"histograms": "bp_rp", "log_counts": True}
    assert view._histogram.name == "bp_rp"
    state.colour("magnitude_mean")
    assert view._histogram.name == "bp_rp"


def test_what_was_not_offered_is_refused_in_a_sentence(state):
    view = opened(state, "pair")
    view._planes._picked(SimpleNamespace(obj=view._planes.x, new="source_id"))
    assert state.status == "no such column"
    state.drawer_tab = "cmd"
    view._planes._picked(SimpleNamespace(obj=view._planes.which, new="nothing"))
    assert state.status == "no such plane"
    state.drawer_choice = {"cmd": "nothing", "x": "source_id", "histograms": "source_id"}
    assert view._planes._view.placed.plane.name == "cmd"


def test_another_bundle_without_positions_says_so_and_gestures_reach_nothing_meanwhile(
    bundle, tmp_path
):
    plain = Bundle.open(write_bundle(tmp_path / "plain.bundle", simulated=False))
    state = ExplorerState({"corners": bundle, "plain": plain})
    view = opened(state, "sky")
    plot = view._planes._view
    state.open_bundle("plain")
    assert "this catalog has no ra and no dec" in str(view._planes.plot[0].object)
    assert len(plot._within_reach().order) == 0
    state.drawer_tab = "pair"
    assert len(plot._within_reach().order) > 3000
    assert not plot.simulated.visible


def test_a_row_stands_where_its_plane_draws_it(bundle):
    for offer in planes_of(bundle.columns).values():
        for plane in offer.planes:
            drawing = plane_of(bundle, "main", plane).drawing
            rows = drawing.order[:5].tolist()
            expected = list(zip(drawing.x[:5].tolist(), drawing.y[:5].tolist(), strict=True))
            assert places_of(bundle, "main", plane, rows) == expected
    axes = pair(bundle.column("bp_rp"), bundle.column("alpha_m"))
    lacking = int(np.flatnonzero(np.isnan(read_values(bundle, "main", "alpha_m")))[0])
    assert places_of(bundle, "main", axes, [lacking]) == [None]


def test_a_plane_is_made_once_for_all_sessions_and_its_memory_is_counted(bundle, monkeypatch):
    shelf = Shelf()
    monkeypatch.setattr(plane_store, "SHELF", shelf)
    plane = planes_of(bundle.columns)["cmd"].planes[0]
    assert not has_plane(bundle, "main", plane)
    first = plane_of(bundle, "main", plane)
    again = planes_of(bundle.columns)["cmd"].planes[0]  # another session asks
    assert has_plane(bundle, "main", again)
    assert plane_of(bundle, "main", again) is first
    arrays = (first.drawing.order, first.drawing.x, first.drawing.y, first.drawing.offsets)
    assert shelf.held == sum(a.nbytes for a in arrays)


def test_a_damaged_column_is_named_where_the_plot_would_be(state, monkeypatch):
    def damaged(*place, **options):
        raise FolderError("columns/bp_rp.npy: the file was changed; copy it again")

    monkeypatch.setattr(drawer, "plane_of", damaged)
    monkeypatch.setattr(drawer, "bins_of", damaged)
    view = opened(state, "cmd")
    assert "the file was changed" in str(view._planes.plot[0].object)
    state.drawer_tab = "histograms"
    assert "the file was changed" in str(view._histogram.plot[0].object)
