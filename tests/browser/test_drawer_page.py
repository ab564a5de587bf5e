"""The drawer in a real browser: it draws, and a hand in it changes the one selection."""

import io

import numpy as np
import pytest
from corners import CENTRES, write_bundle
from gestures import arm_lasso, drag, lasso, press, reads, until
from matplotlib.image import imread
from matplotlib.path import Path
from painted import axes_of, frame, last_polygon, ranges, settle
from serving import serving

from latent_core import Bundle

pytestmark = pytest.mark.browser
PLANE = "plane painted"


def columns(rng, code):
    """Colour and absolute magnitude follow the clumps; a tenth has no parallax above 0."""
    size = len(code)
    parallax = rng.uniform(0.5, 4, size)
    absolute = CENTRES[code][:, 1] + rng.normal(0, 0.4, size)
    return {
        "bp_rp": CENTRES[code][:, 0] / 3 + rng.normal(0, 0.1, size),
        "parallax": np.where(rng.random(size) < 0.1, -1.0, parallax),
        "phot_g_mean_mag": absolute - 5 * np.log10(parallax) + 10,
        "ra": rng.uniform(0, 360, size),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, size))),
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory, sessions):
    """Serve corners that have colours, magnitudes and places on the sky, but no periods."""
    folder = write_bundle(tmp_path_factory.mktemp("drawer") / "corners.bundle", more=columns)
    with serving({"corners": Bundle.open(folder)}, sessions) as address:
        yield address


def diagram(page):
    """Return colour and absolute magnitude of all sources by a formula of their own, (N, 2)."""
    frame = page.state.frame
    parallax = frame["parallax"].where(frame["parallax"] > 0).to_numpy()
    y = frame["phot_g_mean_mag"].to_numpy() + 5 * np.log10(parallax) - 10
    return np.stack([frame["bp_rp"].to_numpy(), y], 1).astype(np.float32)


def open_plane(page, title):
    before = frame(page, PLANE)
    press(page, title)
    until(page, lambda: frame(page, PLANE) > before, 30)
    settle(page, name=PLANE)
    return axes_of(page, "plane")


def pixels(page, box):
    return imread(io.BytesIO(page.screenshot(clip=box)))[..., :3]


def inked(page, box):
    return (pixels(page, box).min(-1) < 0.75).mean()


def plots(page):
    script = "[...window.Bokeh.documents[0]._all_models.values()].map(m => m.name)"
    return [name for name in page.evaluate(script) if name in ("plane", "histogram")]


def test_a_shut_drawer_holds_no_plot_and_a_key_opens_it(page):
    assert plots(page) == []
    page.keyboard.press("j")
    until(page, lambda: "histogram" in plots(page))
    reads(page, "Bars: 4,000 shown.", 20_000)
    page.keyboard.press("j")
    until(page, lambda: not page.get_by_text("Bars: 4,000 shown.").is_visible())
    assert not page.state.drawer_open
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_a_lasso_in_the_diagram_selects_the_rows_of_a_numpy_check_everywhere(page):
    box, pixel = open_plane(page, "CMD/HRD")
    assert inked(page, box) > 0.005
    known = np.isfinite(diagram(page)).all(1)
    reads(page, f"{(~known).sum():,} of 4,000 sources have no place here")
    x0, x1, y0, y1 = ranges(page, "plane")
    assert x0 < x1
    assert y0 > y1  # magnitudes run downwards
    arm_lasso(page)
    on_the_map, here = frame(page), pixels(page, box)
    angle = np.linspace(0, 2 * np.pi, 9)[:-1] + 0.2
    drag(page, [pixel(2 + 0.4 * np.cos(a), 0 + 1.6 * np.sin(a)) for a in angle])
    settle(page, name=PLANE)
    expected = known & Path(last_polygon(page)).contains_points(np.nan_to_num(diagram(page)))
    assert expected.sum() > 500
    assert np.array_equal(np.asarray(page.state.selection), expected)
    pill = page.locator(".pill")
    until(page, lambda: pill.inner_text().startswith(f"{expected.sum():,} selected /"))
    until(page, lambda: frame(page) > on_the_map)
    assert (np.abs(pixels(page, box) - here).max(-1) > 0.1).mean() > 0.005
    # the clump keeps its colour where it was drawn: the picture is not upside down
    u, v = pixel(2, 0)
    clump = pixels(page, {"x": u - 3, "y": v - 3, "width": 6, "height": 6})
    assert (clump.max(-1) - clump.min(-1)).max() > 0.3
    lasso(page, pixel, 0, 0, radius=0.3, keys=["Shift"])
    both = expected | (
        known & Path(last_polygon(page)).contains_points(np.nan_to_num(diagram(page)))
    )
    assert np.array_equal(np.asarray(page.state.selection), both)


def test_wheel_and_click_work_in_the_diagram_as_on_the_map(page):
    box, pixel = open_plane(page, "CMD/HRD")
    wide, before = ranges(page, "plane"), pixels(page, box)
    page.mouse.move(*pixel(1, 3))
    for _ in range(4):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(60)
    settle(page, name=PLANE)
    near = ranges(page, "plane")
    assert near[1] - near[0] < 0.7 * (wide[1] - wide[0])
    assert (np.abs(pixels(page, box) - before).max(-1) > 0.1).mean() > 0.005
    x, y = diagram(page).T
    x0, x1, y1, y0 = near
    inside = ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).sum()
    reads(page, f"In view {inside:,}.")
    known = np.flatnonzero(np.isfinite(y))
    row = int(known[np.argmin(np.hypot(x[known] - 1, y[known] - 3))])
    page.mouse.click(*map(float, pixel(x[row], y[row])))
    until(page, lambda: page.state.current_row == row)
    page.get_by_role("button", name="Fit", exact=True).last.click()
    until(page, lambda: ranges(page, "plane") == pytest.approx(wide))


def test_a_brush_in_the_histogram_selects_its_range_and_keys_combine(page):
    page.keyboard.press("j")
    reads(page, "Bars: 4,000 shown.", 20_000)
    page.get_by_label("Column").select_option(label="[alpha/M] [dex]")
    values = page.state.frame["alpha_m"].to_numpy()
    reads(page, f"{np.isnan(values).sum():,} have no [alpha/M].")
    page.wait_for_timeout(500)
    _, pixel = axes_of(page, "histogram")
    _, _, y0, y1 = ranges(page, "histogram")
    middle = (y0 + y1) / 2

    def brushed(low, high, keys=()):
        drag(page, [pixel(low, middle), pixel(high, middle)], keys)
        until(page, lambda: page.state.selection.any())
        a, b = page.evaluate("[window.gesture.x0, window.gesture.x1]")
        return (values >= min(a, b)) & (values <= max(a, b))

    first = brushed(-0.1, 0)
    assert first.sum() > 300
    assert np.array_equal(np.asarray(page.state.selection), first)
    reads(page, f"{first.sum():,} of them selected")
    second = brushed(0.05, 0.12, keys=["Shift"])
    assert np.array_equal(np.asarray(page.state.selection), first | second)


def test_every_other_tab_draws_or_says_what_is_missing(page):
    box, _ = open_plane(page, "Sky")
    assert inked(page, box) > 0.01
    x0, x1, y0, y1 = ranges(page, "plane")
    assert (x1 - x0) / (y1 - y0) == pytest.approx(box["width"] / box["height"], rel=0.02)
    box, _ = open_plane(page, "Latent pair")
    assert inked(page, box) > 0.005
    before, pictures = pixels(page, box), frame(page, PLANE)
    page.get_by_label("x", exact=True).select_option(label="latent_2")
    until(page, lambda: frame(page, PLANE) > pictures, 30)
    settle(page, name=PLANE)
    assert page.state.drawer_choice["x"] == "latent_2"
    assert (np.abs(pixels(page, box) - before).max(-1) > 0.1).mean() > 0.005
    press(page, "Period-amplitude")
    reads(page, "this catalog has no period_d (nor frequency)")


@pytest.mark.parametrize("width", [1440, 1024])
def test_nothing_scrolls_sideways_with_the_drawer_open(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    box, _ = open_plane(page, "CMD/HRD")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert box["width"] > 250
    assert box["x"] + box["width"] <= width
    assert page.locator(".bk-Figure").first.bounding_box()["height"] >= 400
