"""Pointing at the map: hover card, polygon, count of an unfinished lasso, fine screens."""

import numpy as np
import pytest
from gestures import arm_lasso, inside, until
from painted import MAP_MODEL, PAINTED_FRAME, last_polygon, ranges, settle

pytestmark = pytest.mark.browser


def model(page, name, attribute):
    return page.evaluate(f"{MAP_MODEL}.find(m => m.name === '{name}').{attribute}")


def hover_texts(page):
    return model(page, "hover", "data.text")


def a_lonely_row(page):
    """Return a row with no other within twice the reach of the pointer, inside the view."""
    x0, x1, y0, y1 = ranges(page)
    xy = (page.state.space.projection().coordinates - [x0, y0]) / [x1 - x0, y1 - y0] * [740, 770]
    there = np.flatnonzero(np.isfinite(xy).all(1) & (xy > 60).all(1) & (xy < 680).all(1))
    gaps = [np.sort(np.hypot(*(xy[there] - xy[row]).T))[1] for row in there[:400]]
    return int(there[int(np.argmax(gaps))])


def test_a_resting_pointer_shows_the_card_of_the_nearest_source(page, map_box):
    _, pixel = map_box
    row = a_lonely_row(page)
    x, y = pixel(*page.state.place(row))
    page.mouse.move(x + 4, y - 3)
    until(page, lambda: hover_texts(page))
    lines = hover_texts(page)[0].split("\n")
    assert lines[0] == f"Gaia DR3 {page.state.frame['source_id'][row]}"
    assert len(lines) == 3
    assert "mag" in lines[2]
    page.mouse.move(x + 60, y - 60)
    assert hover_texts(page) == []


def test_hover_names_the_value_that_colours_the_map_with_its_unit(page, map_box):
    _, pixel = map_box
    page.get_by_label("Colour by").select_option(label="[alpha/M] [dex]")
    settle(page)
    known = page.state.frame["alpha_m"].notna().to_numpy()
    row = next(r for r in np.flatnonzero(known) if page.state.place(int(r)))
    page.mouse.move(*map(float, pixel(*page.state.place(int(row)))))
    until(page, lambda: hover_texts(page))
    assert "[alpha/M]: " in hover_texts(page)[0].split("\n")[-1]


# Moved inside the page: a busy machine's pauses between commands would be a resting pointer.
# The next move is always due before the pointer counts as resting.
MOVING = """async ([x, y]) => {
  let target = document.elementFromPoint(x, y), moves = 0
  for (let inner; (inner = target.shadowRoot?.elementFromPoint(x, y)); ) target = inner
  for (; moves < 40; moves++) {
    const place = {clientX: x + 8 * moves, clientY: y, bubbles: true, composed: true}
    target.dispatchEvent(new PointerEvent("pointermove", {...place, pointerType: "mouse"}))
    await new Promise(done => setTimeout(done, 10))
  }
  target.dispatchEvent(new PointerEvent("pointerleave", {bubbles: true, composed: true}))
  return moves
}"""


def test_a_moving_pointer_asks_the_server_nothing(page, map_box):
    box, _ = map_box
    told = []
    page.state.param.watch(told.append, list(page.state.param))
    moves = page.evaluate(MOVING, [box["x"] + 100, box["y"] + 200])
    assert moves == 40
    assert hover_texts(page) == []
    assert told == []


def test_empty_places_have_no_card(page, map_box):
    box, _ = map_box
    page.mouse.move(box["x"] + 6, box["y"] + 6)
    page.wait_for_timeout(500)
    assert hover_texts(page) == []


def test_a_polygon_selects_and_its_corners_open_no_source(page, map_box):
    _, pixel = map_box
    before = page.state.current_row
    page.keyboard.press("g")
    page.wait_for_timeout(200)
    for corner in ((-2, -2), (2, -2), (2, 2), (-2, 2)):
        page.mouse.click(*map(float, pixel(*corner)))
        page.wait_for_timeout(350)
    page.keyboard.press("Enter")
    until(page, lambda: page.state.selection.any())
    assert np.array_equal(page.state.selection, inside(page, last_polygon(page)))
    assert page.state.current_row == before


def test_an_unfinished_lasso_says_how_many_it_holds(page, map_box):
    _, pixel = map_box
    arm_lasso(page)
    page.mouse.move(*map(float, pixel(-2, -2)))
    page.mouse.down()
    for corner in ((2, -2), (2, 2), (-2, 2)):
        page.mouse.move(*map(float, pixel(*corner)), steps=6)
    until(page, lambda: page.state.status.startswith("drawing: "))
    assert not page.state.selection.any()
    page.mouse.up()
    until(page, lambda: page.state.selection.any())
    until(page, lambda: page.state.status.startswith("selected "))


def test_labels_follow_the_zoom(page, map_box):
    _, pixel = map_box
    before = model(page, "labels", "data.x")
    page.mouse.move(*map(float, pixel(0, 0)))
    for _ in range(4):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(60)
    settle(page)
    page.wait_for_timeout(300)
    after, (x0, x1, *_) = model(page, "labels", "data.x"), ranges(page)
    assert after != before
    assert all(x0 <= x <= x1 for x in after)


@pytest.mark.parametrize("ratio", [2.0, 3.0])
def test_a_fine_screen_gets_a_fine_picture(browser, server, ratio):
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, device_scale_factor=ratio
    )
    page = context.new_page()
    page.goto(server)
    page.wait_for_function(f"{PAINTED_FRAME} > 0", timeout=60_000)
    settle(page)
    box = page.locator(".bk-Figure").first.bounding_box()
    fine = [2 * round(box["height"]), 2 * round(box["width"])]
    image = f"{MAP_MODEL}.find(m => m.data?.image).data.image[0]"
    until(page, lambda: page.evaluate(f"[...{image}.shape]") == fine)
    context.close()
