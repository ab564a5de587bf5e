"""The map in a real browser: painted, coloured, zoomed, lassoed, clicked, searched."""

import io

import numpy as np
import pytest
from gestures import arm_lasso, armed, drag, inside, lasso, press, reads, until
from matplotlib.image import imread
from painted import frame, last_polygon, ranges, settle

pytestmark = pytest.mark.browser


def pixels(page, box):
    clip = {k: box[k] for k in ("x", "y", "width", "height")}
    return imread(io.BytesIO(page.screenshot(clip=clip)))[..., :3]


def pill(page):
    return page.locator(".pill").inner_text()


def test_opens_painted_with_a_showcase_and_its_card(page, map_box):
    picture = pixels(page, map_box[0])
    assert (picture.min(-1) < 0.8).mean() > 0.01
    row = page.state.current_row
    assert page.state.frame["macro_class"][row] == "ARRD|RRAB|RRC|RRD"
    reads(page, str(page.state.frame["source_id"][row]))
    until(page, lambda: page.state.hits is not None)
    reads(page, "simulated")
    assert "in view 3,993" in page.get_by_role("status").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_colour_by_changes_the_picture_and_says_what_is_missing(page, map_box):
    before, painted = pixels(page, map_box[0]), frame(page)
    page.get_by_label("Colour by").select_option(label="[alpha/M] [dex]")
    until(page, lambda: frame(page) > painted)
    settle(page)
    after = pixels(page, map_box[0])
    assert (np.abs(before - after).max(-1) > 0.1).mean() > 0.01
    missing = int(page.state.frame["alpha_m"].isna().sum())
    reads(page, f"{missing:,} shown have no [alpha/M]")


def test_ids_are_not_offered_as_colour(page):
    options = page.get_by_label("Colour by").locator("option").all_inner_texts()
    assert "source_id" not in options
    assert "latent_0" in options


def test_wheel_zooms_about_the_pointer(page, map_box):
    box, pixel = map_box
    before, wide = pixels(page, box), ranges(page)
    page.mouse.move(*pixel(0, 0))
    for _ in range(4):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(50)
    settle(page)
    near = ranges(page)
    assert near[1] - near[0] < 0.7 * (wide[1] - wide[0])
    assert (np.abs(pixels(page, box) - before).max(-1) > 0.1).mean() > 0.01
    x, y = page.state.space.projection().coordinates.T
    expected = ((x >= near[0]) & (x <= near[1]) & (y >= near[2]) & (y <= near[3])).sum()
    assert page.state.in_view == expected
    page.keyboard.press("f")
    until(page, lambda: ranges(page) == pytest.approx(wide))


def test_lasso_selects_the_rows_of_a_numpy_check_and_keys_combine(page, map_box):
    _, pixel = map_box
    arm_lasso(page)
    lasso(page, pixel, 0, 0)
    first = inside(page, last_polygon(page))
    assert first.sum() > 500
    assert np.array_equal(page.state.selection, first)
    until(page, lambda: pill(page).startswith(f"{first.sum():,} selected /"))

    lasso(page, pixel, 6, 0, keys=["Shift"])
    both = first | inside(page, last_polygon(page))
    assert np.array_equal(page.state.selection, both)

    lasso(page, pixel, 6, 0, radius=1.2, keys=["Alt"])
    rest = both & ~inside(page, last_polygon(page))
    assert np.array_equal(page.state.selection, rest)

    lasso(page, pixel, 0, 0, radius=1.0, keys=["Shift", "Alt"])
    assert np.array_equal(page.state.selection, rest & inside(page, last_polygon(page)))
    until(page, lambda: pill(page).startswith(f"{page.state.selection.count:,} selected /"))

    page.keyboard.press("Escape")
    until(page, lambda: not page.state.selection.any())
    until(page, lambda: pill(page) == "4,000 shown / 4,000 total")


def test_box_and_buttons_combine_without_keys(page, map_box):
    _, pixel = map_box
    page.keyboard.press("b")
    armed(page, "BoxSelectTool")
    drag(page, [pixel(-1, -1), pixel(1, 1)])
    until(page, lambda: page.state.selection.any())
    first = page.state.selection
    x, y = page.state.space.projection().coordinates.T
    assert abs(first.count - int(((abs(x) < 1) & (abs(y) < 1)).sum())) < 30
    press(page, "Add")
    until(page, lambda: page.state.combine == "add")
    drag(page, [pixel(5, 5), pixel(7, 7)])
    until(page, lambda: page.state.selection is not first)
    assert (page.state.selection & first) == first
    assert page.state.selection.count > first.count


def test_a_hand_that_holds_still_before_it_draws_or_lets_go_is_understood(page, map_box):
    _, pixel = map_box
    xy = page.state.space.projection().coordinates
    row = int(np.nanargmin(np.hypot(xy[:, 0] - 6, xy[:, 1] - 6)))
    page.mouse.click(*map(float, pixel(*xy[row])), delay=600)
    until(page, lambda: page.state.current_row == row)
    arm_lasso(page)
    drag(page, [pixel(-2, 0), pixel(0, 2), pixel(2, 0), pixel(0, -2)], hold_ms=600)
    until(page, lambda: page.state.selection.any())


def test_an_empty_lasso_keeps_the_selection(page, map_box):
    _, pixel = map_box
    arm_lasso(page)
    lasso(page, pixel, 0, 0)
    kept = page.state.selection
    lasso(page, pixel, 3, -1.6, radius=0.2)
    reads(page, "the old selection stays")
    assert page.state.selection is kept


def test_click_opens_the_nearest_source_and_empty_does_nothing(page, map_box):
    _, pixel = map_box
    xy = page.state.space.projection().coordinates
    row = int(np.nanargmin(np.hypot(xy[:, 0] - 6, xy[:, 1] - 6)))
    page.mouse.click(*map(float, pixel(*xy[row])))
    until(page, lambda: page.state.current_row == row)
    x0, x1, y0, y1 = ranges(page)
    reads(page, str(page.state.frame["source_id"][row]))
    page.mouse.click(*pixel(x1 - 0.02 * (x1 - x0), y0 + 0.02 * (y1 - y0)))
    page.wait_for_timeout(400)
    assert page.state.current_row == row


def test_legend_isolates_and_escapes_names(page, map_box):
    assert "<img src=x onerror=alert(1)>" in page.locator(".legend").inner_text()
    assert page.locator(".legend img").count() == 0
    rows = page.locator(".legend .row")
    assert rows.last.inner_text().startswith("no label")
    before = frame(page)
    page.locator(".legend .main").nth(1).click()
    until(page, lambda: frame(page) > before)
    settle(page)
    counts = page.state.classes.counts
    until(page, lambda: pill(page) == f"{counts[1]:,} shown / 4,000 total")
    assert page.state.in_view <= counts[1]
    page.locator(".legend .main").nth(1).click()
    until(page, lambda: not page.state.hidden_classes)
    settle(page)
    until(page, lambda: pill(page) == "4,000 shown / 4,000 total")


def test_search_centres_on_a_source_with_about_a_thousand_in_view(page):
    row = 1234
    source_id = int(page.state.frame["source_id"][row])
    box = page.get_by_placeholder("source_id")
    box.fill(f"Gaia DR3 {source_id}")
    box.press("Enter")
    until(page, lambda: page.state.current_row == row and page.state.in_view < 4000)
    settle(page)
    x, y = page.state.place(row)
    x0, x1, y0, y1 = ranges(page)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((x, y), abs=1e-4)
    assert 950 <= page.state.in_view <= 1050


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("12345", "source 12345 is not in this bundle"),
        ("42958O6720", "'O' is not a digit"),
        ("9" * 20, "above 2^63 - 1"),
    ],
)
def test_search_says_what_is_wrong(page, text, answer):
    before = page.state.current_row
    box = page.get_by_placeholder("source_id")
    box.fill(text)
    box.press("Enter")
    reads(page, answer)
    assert page.state.current_row == before


def test_keys_do_nothing_while_typing(page):
    box = page.get_by_placeholder("source_id")
    box.click()
    page.keyboard.type("l5/s")
    page.wait_for_timeout(200)
    assert box.input_value() == "l5/s"
    pressed = page.locator(".bk-btn.bk-active").all_inner_texts()
    assert "Pan" in pressed
