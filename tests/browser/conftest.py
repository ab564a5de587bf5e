"""A real Chromium over a small bundle; any console error or foreign request fails the test."""

import json
import socket
import threading
import time
import urllib.request

import pytest
from chromium import find_chromium
from corners import write_bundle
from painted import PAINTED_FRAME, ranges, settle

from latent_core import Bundle

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps"),
]
# Keeps the corners of each finished lasso or box as the browser sent them, in data units.
REMEMBER_GESTURES = """() => {
  const manager = window.Bokeh.documents[0].event_manager
  const send = manager.trigger
  manager.trigger = function (event) {
    if (event.geometry && event.final) window.gesture = event.geometry
    return send.apply(this, arguments)
  }
}"""


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
    from dashboard.app import serve

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = serve({"corners": corners}, port=port, opened=sessions.append, threaded=True)
    address = f"http://127.0.0.1:{port}/"
    wait_for(address)
    yield address
    running.stop()


def wait_for(address: str) -> None:
    for _ in range(150):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{address} does not answer; threads: {threading.enumerate()}")


@pytest.fixture(scope="session")
def browser():
    """Start one Chromium; a machine without one fails, it does not skip."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser, server, sessions):
    """Open the page in a fresh context and watch it: see the module's first line."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, wrong = context.new_page(), []
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: foreign(r.url, server, wrong))
    before = len(sessions)
    page.goto(server)
    page.wait_for_function(f"{PAINTED_FRAME} > 0", timeout=60_000)
    assert len(sessions) > before
    page.state = sessions[-1]
    page.evaluate(REMEMBER_GESTURES)
    settle(page)
    yield page
    context.close()
    assert not wrong, json.dumps(wrong[:5], indent=1)


def foreign(url: str, server: str, wrong: list[str]) -> None:
    host = server.removeprefix("http").rstrip("/")
    if not url.startswith(("data:", "blob:", f"http{host}", f"ws{host}")):
        wrong.append(f"request to another host: {url}")


@pytest.fixture
def map_box(page):
    """Return the map's rectangle on the page and a function from data to page pixels."""
    box = page.locator(".bk-Figure").first.bounding_box()

    def pixel(x, y):
        x0, x1, y0, y1 = ranges(page)
        return (
            box["x"] + (x - x0) / (x1 - x0) * box["width"],
            box["y"] + (1 - (y - y0) / (y1 - y0)) * box["height"],
        )

    return box, pixel
