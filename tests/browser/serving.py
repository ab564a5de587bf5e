"""Serve bundles to a real Chromium, and watch the page: any console error, any foreign request."""

import json
import logging
import socket
import time
import urllib.request
from contextlib import contextmanager
from functools import wraps

from painted import PAINTED_FRAME, settle

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps"),
]
# Keeps the corners of each finished lasso or box as the browser sent them, in data units.
REMEMBER_GESTURES = """() => {
  const manager = window.Bokeh.documents[0].event_manager
  const send = manager.trigger
  manager.trigger = function (event) {
    if (event.geometry && event.final) {
      window.gesture = event.geometry
      window.gestures = (window.gestures ?? 0) + 1
    }
    return send.apply(this, arguments)
  }
}"""


@contextmanager
def serving(bundles, sessions, **options):
    """Serve bundles on a free port; yields the address. `sessions` gets each session's state."""
    from dashboard.app import serve

    count_answers()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = serve(bundles, port=port, opened=sessions.append, threaded=True, **options)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(address)
        yield address
    finally:
        running.stop()


def count_answers() -> None:
    """Let each state count the finished gestures that its server has answered."""
    from dashboard.gestures import Gestures
    from dashboard.histogram_plot import HistogramPlot

    for listener in (Gestures, HistogramPlot):
        if not hasattr(listener._drawn, "__wrapped__"):
            listener._drawn = counted(listener._drawn)


def counted(answer):
    @wraps(answer)
    def answered(self, event):
        answer(self, event)
        if event.final:
            self._state.answered = getattr(self._state, "answered", 0) + 1

    return answered


def wait_for(address: str) -> None:
    for _ in range(150):
        try:
            with urllib.request.urlopen(address, timeout=60):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{address} does not answer")


def wait_for_card(state) -> None:
    """Wait until the first card and its neighbors are drawn, which comes after the map."""
    for _ in range(300):
        if state.hits is not None:
            return
        time.sleep(0.1)
    raise RuntimeError("the first card was not drawn within half a minute")


class _Errors(logging.Handler):
    """Collects what the server logs as an error: a callback that raised shows nowhere else."""

    def __init__(self, wrong):
        super().__init__(logging.ERROR)
        self.wrong = wrong

    def emit(self, record):
        if "WebSocketClosedError" not in record.getMessage():  # a page that left meanwhile
            self.wrong.append(f"server: {record.getMessage()[-400:]}")


@contextmanager
def watched_page(browser, address, sessions):
    """Open the page in a fresh context; leaving it fails on any error that it logged."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page, wrong = context.new_page(), []
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: _foreign(r.url, address, wrong))
    errors = _Errors(wrong)
    logging.getLogger().addHandler(errors)
    before = len(sessions)
    page.goto(address)
    page.wait_for_function(f"{PAINTED_FRAME} > 0", timeout=60_000)
    assert len(sessions) > before
    page.state = sessions[-1]
    page.evaluate(REMEMBER_GESTURES)
    wait_for_card(page.state)
    page.get_by_text("Similar", exact=True).first.wait_for()
    settle(page)
    yield page
    context.close()
    logging.getLogger().removeHandler(errors)
    assert not wrong, json.dumps(wrong[:5], indent=1)


def _foreign(url: str, server: str, wrong: list[str]) -> None:
    host = server.removeprefix("http").rstrip("/")
    if not url.startswith(("data:", "blob:", f"http{host}", f"ws{host}")):
        wrong.append(f"request to another host: {url}")
