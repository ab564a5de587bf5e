"""The screen at several widths: nothing scrolls sideways, the map keeps its room, columns fold."""

import pytest
from gestures import until

pytestmark = pytest.mark.browser

SCROLLED = "document.documentElement.scrollWidth - window.innerWidth"


def map_width(page):
    return page.locator(".bk-Figure").first.bounding_box()["width"]


def resize(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(600)


@pytest.mark.parametrize(("width", "least"), [(1440, 700), (1200, 480), (1024, 480), (800, 480)])
def test_nothing_scrolls_and_the_map_keeps_its_room(page, width, least):
    resize(page, width)
    assert page.evaluate(SCROLLED) <= 0
    assert map_width(page) >= least
    for part in (".pill", "[role=status]"):
        box = page.locator(part).first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", [1440, 1366, 1280, 1200, 1024])
def test_every_tool_is_within_reach(page, width):
    resize(page, width)
    right = page.locator(".bk-Figure").first.bounding_box()
    for name in ("Pan", "Intersect", "Fit", "\N{SQUARE WITH RIGHT HALF BLACK}"):
        box = page.get_by_role("button", name=name).first.bounding_box()
        assert box["x"] + box["width"] <= right["x"] + right["width"] + 1, name
        assert box["y"] + box["height"] <= right["y"] + 1, name


def test_keys_fold_the_columns_away_and_back(page):
    before = map_width(page)
    for key, column in (("[", 280), ("]", 420)):
        page.keyboard.press(key)
        until(page, lambda wide=before + column: abs(map_width(page) - wide) <= 2)
        page.keyboard.press(key)
        until(page, lambda: abs(map_width(page) - before) <= 2)


def test_in_a_narrow_window_buttons_lay_the_columns_over_the_map(page):
    resize(page, 800)
    whole = map_width(page)
    assert not page.get_by_label("Colour by").is_visible()
    for sign, text in (
        ("\N{SQUARE WITH LEFT HALF BLACK}", "Colour by"),
        ("\N{SQUARE WITH RIGHT HALF BLACK}", "Similar"),
    ):
        button = page.get_by_role("button", name=sign).first
        shown = page.get_by_text(text, exact=True).first
        button.click()
        shown.wait_for(state="visible", timeout=30_000)
        assert map_width(page) == whole
        button.click()
        shown.wait_for(state="hidden", timeout=30_000)
