"""What a hand does: press a button, open a tab, drag, draw a lasso; and what an eye waits for."""

from itertools import pairwise

import numpy as np
from matplotlib.path import Path
from painted import MAP_MODEL, settle


def press(page, text):
    page.get_by_role("button", name=text, exact=True).first.click()
    page.wait_for_timeout(150)


def armed(page, tool, plot="map"):
    """Wait until a plot's drags belong to a tool: buttons and keys go by way of the server."""
    active = f"(() => {{ const m = {MAP_MODEL}.find(m => m.name === '{plot}');"
    active += f"return m.toolbar.tools.find(t => t.type === '{tool}').active }})()"
    page.wait_for_function(active)


def arm_lasso(page, plot="map"):
    press(page, "Lasso")
    armed(page, "LassoSelectTool", plot)


def tab(page, name):
    page.locator(".bk-tab", has_text=name).first.click()
    page.wait_for_timeout(800)


def reads(page, text, timeout_ms=30_000):
    """Wait until a text can be read on the page, shadow trees included."""
    page.get_by_text(text).first.wait_for(timeout=timeout_ms)


def until(page, reached, seconds=30):
    """Wait until a condition on the server's state holds."""
    for _ in range(seconds * 20):
        if reached():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"the page did not get there within {seconds} s")


def drag(page, corners, keys=(), hold_ms=40):
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.wait_for_timeout(hold_ms)
    for a, b in pairwise(corners):
        for step in np.linspace(0, 1, 6)[1:]:
            page.mouse.move(*(np.array(a) + step * (np.array(b) - np.array(a))))
            page.wait_for_timeout(12)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)
    page.wait_for_timeout(200)
    finished = page.evaluate("window.gestures ?? 0")
    until(page, lambda: getattr(page.state, "answered", 0) >= finished)
    settle(page)


def lasso(page, pixel, x, y, radius=2.0, keys=()):
    angle = np.linspace(0, 2 * np.pi, 9)[:-1] + 0.2
    drag(page, [pixel(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angle], keys)


def inside(page, corners):
    """Return the rows within a polygon by an implementation that is not ours."""
    xy = page.state.space.projection(page.state.projection_name).coordinates
    known = np.isfinite(xy).all(1)
    return known & Path(corners).contains_points(np.nan_to_num(xy))
