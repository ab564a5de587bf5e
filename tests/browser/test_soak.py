"""Sessions that come and go leave nothing behind: no state, no model, no thread."""

import gc
import threading
import time
import weakref

import pytest
from bokeh.model import Model
from painted import PAINTED_FRAME, settle
from serving import serving

from dashboard import bringing, later, memory, picture, plane_store, raster

WARM, CLOSED = 2, 10
AT_ONCE = {
    "unused_session_lifetime_milliseconds": 3000,
    "check_unused_sessions_milliseconds": 500,
}


# whose workers come when they are first needed, and stay
POOLS = (picture._POOL, raster._HELPERS, bringing._POOL, plane_store.POOL, later._POOL)


class Seen:
    """The states of sessions, not kept alive."""

    def __init__(self):
        self.states = []

    def append(self, state):
        self.states.append(weakref.ref(state))

    def alive(self):
        gc.collect()
        return [state() for state in self.states if state() is not None]


def fill(pool):
    """Let all workers of a pool come."""
    together = threading.Barrier(pool._max_workers)
    for done in [pool.submit(together.wait) for _ in range(pool._max_workers)]:
        done.result(timeout=60)


def threads():
    """Count the threads once no memory waits to be given back, which a thread of its own does."""
    for _ in range(300):
        alive = threading.enumerate()
        if all(thread.name != memory.THREAD for thread in alive):
            return len(alive)
        time.sleep(0.1)
    raise AssertionError("memory still waits to be given back")


def models():
    """Count the Bokeh models that are alive, of any page."""
    gc.collect()
    # by type: asking some of torch's objects for their __class__ warns of their deprecation
    return sum(issubclass(type(thing), Model) for thing in gc.get_objects())


def visit(browser, address):
    """Open the page, look at the map and the cards, and leave."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, wrong = context.new_page(), []
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.goto(address)
    page.wait_for_function(f"{PAINTED_FRAME} > 0", timeout=60_000)
    page.get_by_text("Similar", exact=True).first.wait_for(timeout=60_000)
    settle(page)
    context.close()
    assert not wrong, wrong[:3]


def gone(seen):
    for _ in range(300):
        if not seen.alive():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.timeout(600)
def test_closed_sessions_leave_nothing_behind(browser, corners):
    seen = Seen()
    with serving({"corners": corners}, seen, **AT_ONCE) as address:
        for _ in range(WARM):
            visit(browser, address)
        assert gone(seen), "a state outlives its session"
        for pool in POOLS:
            fill(pool)
        running, before = threads(), models()
        for _ in range(CLOSED):
            visit(browser, address)
        assert gone(seen), "a state outlives its session"
        assert models() <= before
        assert threads() <= running
    assert len(seen.states) > WARM + CLOSED  # one more when it was asked whether it answers
