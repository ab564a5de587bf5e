"""A real Chromium over a small bundle; any console error or foreign request fails the test."""

import pytest
from chromium import find_chromium
from corners import write_bundle
from painted import box_of
from playwright.sync_api import sync_playwright
from serving import ARGUMENTS, serving, watched_page

from latent_core import Bundle


@pytest.fixture(scope="session")
def corners(tmp_path_factory):
    """The bundle that the server shows, opened."""
    return Bundle.open(write_bundle(tmp_path_factory.mktemp("browser") / "corners.bundle"))


@pytest.fixture(scope="session")
def sessions():
    """States of the sessions that were opened, latest last: what the server believes."""
    return []


@pytest.fixture(scope="session")
def server(corners, sessions):
    """Serve the bundle on a free port; yields its address."""
    with serving({"corners": corners}, sessions) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """Start one Chromium; a machine without one fails, it does not skip."""
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser, server, sessions):
    """Open the page in a fresh context and watch it: see the module's first line."""
    with watched_page(browser, server, sessions) as opened:
        yield opened


@pytest.fixture
def map_box(page):
    """Return the map's rectangle on the page and a function from data to page pixels."""
    return box_of(page)
