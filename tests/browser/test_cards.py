"""The right column in a real browser: exact ids, lists, live folding, files, hostile text."""

import io
import socket

import numpy as np
import panel as pn
import pytest
from astropy.io.votable import parse
from fake_bundle import fake_bundle
from gestures import tab, until

from dashboard.state import ExplorerState
from dashboard.views.source import SourceView

pytestmark = pytest.mark.browser
ID_CELLS = ".tabulator-cell[tabulator-field=source_id]"


def test_the_card_shows_the_exact_id_and_that_it_is_simulated(page):
    state = page.state
    source_id = int(state.bundle.folder.catalog.source_id[state.current_row])
    page.get_by_text(str(source_id)).first.wait_for()
    assert page.get_by_text("SIMULATED").first.is_visible()
    assert page.get_by_text("nothing can be decoded").first.is_visible()


def test_a_hostile_class_is_text_in_every_tab(page):
    names = page.state.frame["macro_class"].to_numpy(object)
    row = int(np.flatnonzero(names == "<img src=x onerror=alert(1)>")[50])
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    source_id = str(page.state.bundle.folder.catalog.source_id[row])
    page.get_by_placeholder("source_id").fill(source_id)
    page.keyboard.press("Enter")
    until(page, lambda: page.state.current_row == row)
    for name in ("Source", "Similar", "Selection", "Walk"):
        tab(page, name)
    assert page.get_by_text("<img src=x onerror=alert(1)>").count() > 0
    assert dialogs == []
    assert page.locator("img[src=x]").count() == 0


def test_hits_in_the_list_are_the_hits_of_the_space(page):
    tab(page, "Similar")
    state = page.state
    until(page, lambda: page.locator(ID_CELLS).count() > 5)
    expected = [str(i) for i in state.hits["source_id"]]
    shown = page.locator(ID_CELLS).all_inner_texts()
    assert shown[:5] == expected[:5]
    page.locator(ID_CELLS).nth(3).click()
    until(page, lambda: state.current_row == state.hits["row"].iloc[3])
    page.get_by_role("button", name="Select hits").click()
    until(page, lambda: state.selection.count == len(expected))


def test_the_file_holds_the_same_ids_as_the_selection(page):
    state = page.state
    tab(page, "Similar")
    until(page, lambda: state.hits is not None)
    page.get_by_role("button", name="Select hits").click()
    until(page, lambda: state.selection.count == 24)
    tab(page, "Selection")
    page.get_by_text("24 of 4,000 sources selected").first.wait_for(timeout=30_000)
    with page.expect_download() as download:
        page.get_by_text("VOTable", exact=True).first.click()
    assert download.value.suggested_filename == "corners-selection-24.vot"
    with open(download.value.path(), "rb") as file:  # noqa: PTH123 - a path of the browser
        table = parse(io.BytesIO(file.read())).get_first_table()
    ids = np.asarray(table.array["source_id"])
    rows = state.selection.to_rows()
    assert ids.tolist() == state.bundle.folder.catalog.source_id[rows].tolist()


def test_a_sorted_list_opens_the_row_that_was_clicked(page):
    tab(page, "Selection")
    header = page.locator(".tabulator-sortable[tabulator-field=source_id]:visible")
    for _ in range(2):
        header.click()
        page.wait_for_timeout(500)
    members = page.locator(".tabulator", has_text="macro_class")  # not the hits, in a shut tab
    cell = members.locator(ID_CELLS).nth(2)
    clicked = int(cell.inner_text())
    cell.click()
    ids = page.state.bundle.folder.catalog.source_id
    until(page, lambda: int(ids[page.state.current_row]) == clicked)


def test_walking_leaves_a_ghost_only_while_its_tab_is_open(page):
    tab(page, "Walk")
    until(page, lambda: page.state.ghost is not None)
    handle = page.locator(".bk-input-group", has_text="latent_0").locator(".noUi-handle").first
    handle.focus()
    before = page.state.ghost
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    until(page, lambda: page.state.ghost != before)
    tab(page, "Source")
    until(page, lambda: page.state.ghost is None)


@pytest.fixture
def card(browser):
    """Serve the card of a source whose models are formulas."""
    bundle = fake_bundle()

    def app():
        state = ExplorerState({"fake bundle": bundle})
        state.current_row = 2
        return pn.Column(SourceView(state), width=420)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = pn.serve({"card": app}, port=port, show=False, threaded=True)
    page = browser.new_page(viewport={"width": 440, "height": 1000})
    page.goto(f"http://localhost:{port}/card", timeout=60_000)
    page.get_by_text("XP spectrum").first.wait_for(timeout=30_000)
    yield page
    page.close()
    running.stop()


def test_the_period_tools_fold_again_and_say_what_the_latents_used(card):
    card.get_by_role("button", name="×2").click()
    card.get_by_text("The stored latents used P = 0.5 d").first.wait_for(timeout=30_000)
    card.get_by_role("button", name="Reset").click()
    until(card, lambda: card.get_by_text("The stored latents").count() == 0)
    card.get_by_role("button", name="Raw").click()
    card.get_by_role("button", name="Folded").wait_for(timeout=30_000)
