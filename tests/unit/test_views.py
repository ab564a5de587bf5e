"""Views without a browser: what they read from the state, write to it, and refuse."""

import numpy as np
import pytest
from fake_bundle import FIRST_ID, NASTY, ROWS, fake_bundle

from dashboard.bitmap import Bitmap
from dashboard.colouring import Classes
from dashboard.curves import CurvePlot
from dashboard.light_curve import LightCurveCard, read_period
from dashboard.markup import cell, number, with_error
from dashboard.state import ExplorerState
from dashboard.statistics import class_shares, median_curves, relative, sample_rows, spread
from dashboard.views.selection import SelectionView
from dashboard.views.similar import SimilarView
from dashboard.views.source import NO_MODEL, SourceView, outside_links, split_columns
from dashboard.views.toolbar import how_made, trust
from dashboard.views.walk import WalkView
from latent_core.catalog import Catalog, Column
from latent_core.surveys.spurious import SENTENCE, SPURIOUS

VIEWS = (SourceView, SimilarView, SelectionView, WalkView)


def state_of(row=0, **options):
    state = ExplorerState({"fake bundle": fake_bundle(**options)})
    state.current_row = row
    return state


def shown(view):
    view.__panel__()
    return view


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.parametrize("row", [-1, 0, 1, 2])
@pytest.mark.parametrize("models", [(), ("xp_coefficients", "folded", "dmdt")])
def test_every_view_opens_on_every_source(make, row, models):
    view = shown(make(state_of(row, models=models)))
    assert "Traceback" not in str(view.notice.object)


@pytest.mark.parametrize("make", VIEWS)
def test_a_hidden_view_does_nothing_until_it_is_opened(make):
    state = state_of()
    view = make(state)
    view.active = False
    view.__panel__()
    state.current_row = 3
    assert state.hits is None
    assert view._stale
    view.active = True
    assert not view._stale


def test_the_card_shows_exact_ids_and_escapes_catalog_text():
    state = state_of(2)
    view = shown(SourceView(state))
    assert str(state.bundle.folder.catalog.source_id[2]) in view.head.object
    assert NASTY not in view.facts.object
    assert "&lt;img" in view.facts.object


def test_simulated_sources_say_so_and_have_no_links():
    view = shown(SourceView(state_of(0, simulated=True)))
    assert "SIMULATED" in view.head.object
    assert "http" not in view.facts.object
    assert "simulated" in view.cards["xp_coefficients"].plot.figure.title.text


def test_a_frequency_of_the_scanning_law_is_said_on_the_card():
    bundle = fake_bundle()
    frame = bundle.folder.catalog.frame
    bundle.folder.catalog = Catalog(frame.assign(**{SPURIOUS: np.arange(len(frame)) == 2}))
    state = ExplorerState({"fake bundle": bundle})
    state.current_row = 0
    view = shown(SourceView(state))
    assert SENTENCE not in view.facts.object
    state.current_row = 2
    assert SENTENCE in view.facts.object


def test_imported_latents_say_that_nothing_can_be_decoded():
    view = shown(SourceView(state_of(0, models=(), photometry=False)))
    assert view.no_model.visible
    assert "imported latents" in NO_MODEL


def test_a_missing_modality_names_itself():
    view = shown(SourceView(state_of(1)))
    assert view.cards["xp_coefficients"].plot.message.text == "no XP spectrum for this source"
    assert view.cards["folded"].card.plot.message.text == "no epoch photometry for this source"


def test_links_carry_the_whole_id_and_no_position_that_is_unknown():
    assert all(str(FIRST_ID) in url for _, url in outside_links(FIRST_ID, None, None))
    assert len(outside_links(FIRST_ID, 10.0, -3.0)) == 4


def test_errors_ride_with_their_values():
    first, others = split_columns(["source_id", "teff", "teff_err", "ra", "lonely_err"])
    assert (first, others) == (["teff"], ["ra", "lonely_err"])
    assert cell(5012.3, Column("teff", "K"), 34.2) == "5,012 ± 34 K"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1234567.0, "1.235e+06"), (0.5, "0.5"), (12.3456, "12.346")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_an_error_of_zero_or_nan_is_not_printed():
    assert with_error(1.5, 0.0) == with_error(1.5, float("nan")) == "1.5"


@pytest.mark.parametrize("text", ["", "abc", "0", "-1", "nan", "inf", "1e99"])
def test_periods_that_are_none_are_refused(text):
    assert read_period(text) is None


def test_another_period_says_what_the_latents_used():
    bundle = fake_bundle()
    card = LightCurveCard(bundle)
    card.show_row(0)
    assert card._note.object == ""
    card._scale(2.0)
    assert card.period.value == "1"
    assert "The stored latents used P = 0.5 d" in card._note.object
    card.period.value = "<b>"
    assert "Type a period" in card._note.object
    card._forget()
    assert card._note.object == ""


def test_hits_equal_the_space_and_stepping_keeps_the_list():
    state = state_of(4)
    view = shown(SimilarView(state))
    expected = state.space.similar(int(state.bundle.folder.catalog.source_id[4]), 24)
    assert state.hits["source_id"].tolist() == expected["source_id"].tolist()
    assert view.list.value["source_id"].tolist() == [str(i) for i in expected["source_id"]]
    view._step_to_hit(3)
    assert state.current_row == expected["row"][3]
    assert view.query == 4
    view._step_to(view.query)
    assert state.current_row == 4


def test_filters_reach_the_search_and_the_sentence_counts():
    state = state_of(4)
    view = shown(SimilarView(state))
    state.selection = Bitmap.from_rows(np.arange(10), ROWS)
    view.only_selection.value = True
    assert set(state.hits["row"]) == set(range(10)) - {4}
    assert f"searched 9 of {ROWS}" in view.summary.object


def test_all_weights_zero_is_one_sentence():
    view = shown(SimilarView(state_of(4)))
    for slider in view.sliders.values():
        slider.value = 0.0
    assert "all weights are 0" in view.notice.object
    next(iter(view.sliders.values())).value = 1.0
    assert view.notice.object == ""


def test_hits_can_be_selected():
    state = state_of(4)
    view = shown(SimilarView(state))
    view._select_hits()
    assert set(state.selection.to_rows()) == set(state.hits["row"])


def test_a_selection_is_given_more_like_it():
    state = state_of(4)
    view = shown(SimilarView(state))
    view.guard(view._select_more)
    assert "nothing is selected" in view.notice.object
    members = np.arange(3, 13)
    state.selection = Bitmap.from_rows(members, ROWS)
    expected = state.space.like_these(members, 100)
    view.guard(view._select_more)
    assert view.notice.object == ""
    assert len(expected)
    assert set(state.selection.to_rows()) == set(expected["row"])
    assert not set(state.selection.to_rows()) & set(members)
    state.selection = Bitmap.all(ROWS)
    view.guard(view._select_more)
    assert state.selection.count == ROWS
    assert "every neighbor" in state.status


def test_enrichment_compares_shares():
    codes = np.repeat(np.arange(3, dtype=np.int8), [10, 90, 0])
    classes = Classes(Column("class"), ("A", "B", "C"), codes, np.bincount(codes, minlength=3))
    rows = Bitmap.from_rows(np.concatenate([np.arange(5), np.arange(50, 55)]), 100)
    a, b = class_shares(classes, rows)
    assert (a.name, a.selected, a.total, a.fraction) == ("A", 5, 10, 0.5)
    assert a.ratio == pytest.approx(5)
    assert b.ratio == pytest.approx(0.5 / 0.9)


def test_missing_values_are_counted():
    bundle = fake_bundle()
    teff = bundle.catalog["teff"].to_numpy()
    found = spread(bundle, "teff", Bitmap.from_rows(np.arange(3, 9), ROWS))
    inside = teff[[3, 4, 6, 7, 8]]
    assert (found.low, found.median, found.high) == tuple(np.percentile(inside, (16, 50, 84)))
    assert (found.of_all, found.missing) == (np.nanmedian(teff), 1)
    assert spread(bundle, "teff", Bitmap.from_rows(np.array([5]), ROWS)) is None
    assert spread(bundle, "teff", Bitmap.all(ROWS)).median == found.of_all


def test_the_sample_is_the_same_for_the_same_selection():
    rows = Bitmap.from_rows(np.arange(0, 3000, 3), 3000)
    sample = sample_rows(rows)
    assert sample.tolist() == sample_rows(rows).tolist()
    assert len(set(sample)) == 300
    assert np.all(sample % 3 == 0)
    assert sample_rows(rows, 5000).tolist() == list(range(0, 3000, 3))


def test_the_whole_map_is_described_while_nothing_is_selected():
    view = shown(SelectionView(state_of()))
    assert "draw a lasso (l)" in view.head.object.lower()
    assert NASTY not in view.report.object
    assert "period" in view.columns.object.lower()
    assert view.csv.filename == f"fake_bundle-selection-{ROWS}.csv"


def test_a_selection_is_counted_listed_and_drawn():
    state = state_of()
    view = shown(SelectionView(state))
    state.select(np.array([3, 4, 9]), "new")
    ids = state.bundle.folder.catalog.source_id[[3, 4, 9]]
    assert "3 of 60 sources selected" in view.head.object
    assert view.members.value["source_id"].tolist() == [str(i) for i in ids]
    view._draw_medians()
    assert "3 of 3 members" in view.curves_note.object
    assert view.csv.callback().read().count(b"\n46116860184") == 3


def test_median_curves_take_the_middle_and_half_the_band():
    plot = CurvePlot()
    bundle = fake_bundle()
    many = [bundle.reconstructed(row, "xp_coefficients") for row in (0, 2, 3)]
    (median,) = median_curves(many)
    stack = np.stack([curves[0].y for curves in many])
    assert median.y == pytest.approx(np.median(stack, axis=0))
    assert np.mean(relative(many[0])[0].y) == pytest.approx(1)
    assert np.isnan(plot.show([], [median]))


def test_walking_starts_at_the_current_source_and_finds_it():
    state = state_of(7)
    view = shown(WalkView(state))
    assert view.latents == pytest.approx(state.space.latents[7])
    assert view._nearest_row == 7
    assert str(state.bundle.folder.catalog.source_id[7]) in view.nearest.object


def test_a_late_slider_event_leaves_no_ghost_behind_a_shut_tab():
    state = state_of(7)
    view = shown(WalkView(state))
    view.active = True
    view.active = False
    assert state.ghost is None
    view._flush()
    assert state.ghost is None


def test_sliders_are_clipped_and_the_far_end_is_named():
    view = shown(WalkView(state_of(7)))
    view._take(0, 1e9)
    assert view.latents[0] == pytest.approx(view.ranges[0, 1])
    view.guard(view._take, 0, float("nan"))
    assert "finite" in view.notice.object
    view._go(np.full(4, 50.0))
    assert "outside the training data" in view.nearest.object


def test_presets_are_class_medians():
    state = state_of(7)
    view = shown(WalkView(state))
    members = state.frame["class_label"].to_numpy() == "RR"
    view.preset.value = "RR"
    assert view.latents == pytest.approx(np.median(state.space.latents[members], axis=0), abs=1e-6)
    assert state.space.outside(np.array([[99.0] * 4])).tolist() == [True]


def test_the_map_says_how_it_was_made_and_what_it_keeps():
    umap = {"method": "umap", "epochs": 200, "full": True, "landmarks": 900, "placed": 0}
    assert trust({"neighbors_kept": 0.206, "neighbors": 15}, umap) == (
        "UMAP keeps 21 % of the 15 nearest"
    )
    assert trust({}, {"method": "imported"}) == "map: what it keeps was not measured"
    tsne = {"method": "tsne", "full": False, "landmarks": 200_000, "placed": 3_800_000}
    placed = {"neighbors_kept": 0.2341, "neighbors": 15, "sources": 3_800_000}
    quality = {"neighbors_kept": 0.24, "neighbors": 15, "placed": placed}
    assert trust(quality, tsne) == (
        "t-SNE of 200,000 landmarks, 3,800,000 placed: placed sources keep 23 % of the 15 nearest"
    )
    placed["trustworthiness_in_sample"] = 0.99
    said = how_made(tsne, quality)
    assert "placed (3,800,000): 23.4 % kept, trustworthiness 0.990" in said
    assert "landmarks 200,000" in said
    assert "full no" in said
