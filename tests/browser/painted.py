"""What the browser has painted: the map is found by its name, whatever lies around it."""

import time

import numpy as np

MAP_MODEL = "[...(window.Bokeh?.documents[0]?._all_models?.values() ?? [])]"
PAINTED_FRAME = f"({MAP_MODEL}.find(m => m.name === 'painted')?.tags?.[0] ?? 0)"
# where the axes of a plot stand on the page, in its own pixels
FRAME_BOX = """name => {
  const plot = MODELS.find(m => m.name === name)
  const view = window.Bokeh.index.find_one(plot)
  const { left, top } = view.el.getBoundingClientRect(), inner = view.frame.bbox
  return [left + inner.left, top + inner.top, inner.width, inner.height]
}""".replace("MODELS", MAP_MODEL)


def frame(page, name: str = "painted") -> int:
    return page.evaluate(PAINTED_FRAME.replace("painted", name))


def settle(page, quiet_s: float = 0.6, name: str = "painted") -> None:
    """Wait until no new picture came for a while."""
    last, since = frame(page, name), time.monotonic()
    while time.monotonic() - since < quiet_s:
        page.wait_for_timeout(60)
        now = frame(page, name)
        if now != last:
            last, since = now, time.monotonic()


def ranges(page, name="map"):
    return page.evaluate(
        f"(() => {{ const m = {MAP_MODEL}.find(m => m.name === '{name}');"
        "return [m.x_range.start, m.x_range.end, m.y_range.start, m.y_range.end] })()"
    )


def last_polygon(page):
    """Return the corners of the last gesture as the browser sent them, (V, 2)."""
    x, y = page.evaluate("[[...window.gesture.x], [...window.gesture.y]]")
    return np.column_stack([x, y])


def box_of(page):
    """Return the map's rectangle on the page and a function from data to page pixels."""
    box = page.locator(".bk-Figure").first.bounding_box()

    def pixel(x, y):
        x0, x1, y0, y1 = ranges(page)
        return (
            box["x"] + (x - x0) / (x1 - x0) * box["width"],
            box["y"] + (1 - (y - y0) / (y1 - y0)) * box["height"],
        )

    return box, pixel


def axes_of(page, name):
    """Return the rectangle between the axes of a named plot, and from data to page pixels."""
    x, y, width, height = page.evaluate(FRAME_BOX, name)

    def pixel(u, v):
        x0, x1, y0, y1 = ranges(page, name)
        return (x + (u - x0) / (x1 - x0) * width, y + (1 - (v - y0) / (y1 - y0)) * height)

    return {"x": x, "y": y, "width": width, "height": height}, pixel
