"""My sources in a real browser: ids light up, spectra are placed, damage is one sentence."""

import numpy as np
import pytest
from gestures import press, reads, tab, until
from painted import box_of, settle
from serving import serving, watched_page

from latent_core import Bundle
from latent_core.pipeline import build
from latent_core.products import XpCoefficients, load_product
from latent_core.surveys.simulated import simulate

pytestmark = pytest.mark.browser
SETTINGS = """
[models.xp_coefficients]
kind = "scatter"
sizes = { size = 110, latents = 4, body = "residual", width = 16, depth = 1, scatter_start = -3.0 }
training = { epochs = 4, batch = 64, learning_rate = 2e-3 }

[spaces.xp]
title = "XP"
blocks = { xp = "xp_coefficients" }

[map]
epochs = 20
"""
NASTY = "<img src=x onerror=alert(1)>"
NEW = 2**61


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "c.toml").write_text(SETTINGS, encoding="utf-8")
    survey = simulate(300, 5, folder / "s.survey")
    return Bundle.open(build(survey, folder / "s.bundle", config=folder / "c.toml"))


@pytest.fixture
def own(browser, bundle):
    """Open a page over a bundle that can encode, with the tab of own sources."""
    states = []
    with serving({"s": bundle}, states) as server, watched_page(browser, server, states) as page:
        tab(page, "My sources")
        yield page


@pytest.fixture
def spectra(bundle, tmp_path):
    """Write spectra of catalog sources: the first under its own id, others new, one nonsense."""
    product = load_product(bundle.folder, XpCoefficients)
    lines = ["source_id,bp_coefficients,bp_coefficient_errors,rp_coefficients,"
             "rp_coefficient_errors,phot_g_mean_mag,label"]  # fmt: skip
    catalog = bundle.folder.catalog
    known = np.flatnonzero(np.isin(product.rows, bundle.space().present))[:8]
    for number, item in enumerate(known):
        values = np.array(product.values[item])
        if number == 3:
            values[30:] = 50 * np.abs(values).max()
        halves = (values[:55], product.errors[item][:55], values[55:], product.errors[item][55:])
        cells = ['"(' + ", ".join(f"{v:.7g}" for v in half) + ')"' for half in halves]
        if number == 5:
            cells[0] = '"(1, 2)"'
        row = product.rows[item]
        source_id = catalog.source_id[row] if number == 0 else NEW + number
        mag = catalog.frame["phot_g_mean_mag"][row]
        lines.append(f"{source_id},{','.join(cells)},{mag},{NASTY}")
    file = tmp_path / "xp.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def drop(page, file):
    page.locator("input[type=file]").set_input_files(file)


def test_pasted_ids_light_up_and_are_selected_only_when_asked(page):
    tab(page, "My sources")
    state = page.state
    ids = state.bundle.folder.catalog.source_id[100:140]
    text = "\n".join(f"Gaia DR3 {i}" for i in ids) + "\n12345\n42958O6720"
    page.get_by_label("My sources").fill(text)
    press(page, "Light up")
    reads(page, "41 of mine: 40 in the catalog, 1 not in this bundle")
    reads(page, "'O' is not a digit")
    lit = "[...window.Bokeh.documents[0]._all_models.values()].find(m => m.name === 'mine lit')"
    until(page, lambda: page.evaluate(f"{lit}.data.x.length") == 40)
    assert "40 of mine" in page.get_by_role("status").first.inner_text()
    assert page.locator(".pill").inner_text() == "4,000 shown / 4,000 total"
    press(page, "Select known")
    until(page, lambda: state.selection.count == 40)
    assert set(state.selection.to_rows()) == set(range(100, 140))
    press(page, "Clear mine")
    until(page, lambda: state.mine is None)
    until(page, lambda: page.evaluate(f"{lit}.data.x.length") == 0)


def test_dropped_spectra_are_placed_carded_and_flagged(own, spectra):
    state = own.state
    size, dialogs = state.size, []
    own.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    drop(own, spectra)
    until(own, lambda: state.mine is not None, seconds=90)
    mine = state.mine
    assert len(mine) == 7
    assert mine.placed.in_catalog.sum() == 1
    reads(own, "7 of mine:")
    reads(own, "xp.csv, row 6: column bp_coefficients: the array has 2 values, 55 expected")
    odd = int(np.flatnonzero(mine.placed.source_id == NEW + 3)[0])
    assert not mine.placed.inside[odd]
    same = int(np.flatnonzero(mine.placed.in_catalog)[0])
    assert mine.placed.coordinates[same] == pytest.approx(mine.own_places[same], abs=0.5)

    settle(own)
    x, y = mine.placed.coordinates[odd]
    own.mouse.click(*map(float, box_of(own)[1](x, y)))
    until(own, lambda: state.current_mine == odd)
    reads(own, f"mine: {NEW + 3}")
    reads(own, "OUTSIDE the training data")
    reads(own, "Not in the catalog: placed by")
    own.get_by_text(NASTY).first.wait_for()
    assert own.locator("img[src=x]").count() == 0
    assert dialogs == []
    assert (state.size, state.selection.count) == (size, 0)

    press(own, "‹ All my sources")
    with own.expect_download() as download:
        own.get_by_text("CSV", exact=True).last.click()
    with open(download.value.path(), encoding="utf-8") as file:  # noqa: PTH123
        written = file.read()
    assert f"\n{NEW + 3}," in written
    assert "no part of the bundle" in written


def test_a_damaged_file_is_one_sentence(own, tmp_path):
    file = tmp_path / "broken.parquet"
    file.write_bytes(b"PAR1" + bytes(400))
    drop(own, file)
    reads(own, "broken.parquet: the Parquet file is cut or damaged", timeout_ms=60_000)
    assert own.get_by_text("Traceback").count() == 0
    assert own.state.mine is None
