"""How the cost of each thing that a hand asks for grows with the sources, 1 to 10 million.

One bundle of made-up sources a size, the calls that the screen and the pipeline make, and beside
each the machine's own limit: reading once, at the rate of memory, what must be looked at if
nothing is sorted or indexed, or the matrix products alone at the rate of a large square product.
A figure above the limit's rate has been spared the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from measuring import SIZE, Figure, bundle_of, cpu_time, cpu_times, report, within

from dashboard.layering import layers_of
from dashboard.picture import home
from dashboard.raster import View, draw
from dashboard.selecting import select_polygon
from dashboard.state import ExplorerState
from latent_core import Bundle
from latent_core.config import MapSettings
from latent_core.projection import place

COUNTS = (1_000_000, 2_000_000, 4_000_000, 10_000_000)
MOST_PLACED = 4_000_000
LANDMARKS = MapSettings().landmarks
CHUNK = 500_000  # encoded at a time, as memory is bounded by it
WIDTH, HEIGHT, CORNERS = 900, 700, 60
QUERIES = 10 if SIZE == "tiny" else 100
SQUARE = 2048


def reading(*arrays: np.ndarray) -> float:
    """Return the CPU ms of reading float32 arrays once."""
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    halves = [np.array_split(one, 2) for one in flat]
    return 1e3 * sum(cpu_time(lambda a=a, b=b: np.dot(a[: len(b)], b), 7, 3) for a, b in halves)


class Asked:
    """The screen's state over one bundle, and what is asked of it."""

    def __init__(self, count: int) -> None:
        self.bundle = Bundle.open(bundle_of(count))
        self.state = ExplorerState({self.bundle.name: self.bundle})
        self.space = self.bundle.space()
        self.drawing = self.state.drawing
        self.scan = reading(np.asarray(self.drawing.x), np.asarray(self.drawing.y))

    def outline(self, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Return a wavy closed outline about the middle of the map."""
        x0, x1, y0, y1 = self.drawing.extent
        turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        far = reach * (1 + 0.3 * np.sin(5 * turn))
        return (
            (x0 + x1) / 2 + far * (x1 - x0) * np.cos(turn),
            (y0 + y1) / 2 + far * (y1 - y0) * np.sin(turn),
        )

    def views(self) -> dict[str, View]:
        """Return the whole map, and an eighth of its width about its fullest place."""
        x0, x1, y0, y1 = home(self.drawing.extent)
        middle = int(self.drawing.offsets[np.argmax(np.diff(self.drawing.offsets))])
        x, y = float(self.drawing.x[middle]), float(self.drawing.y[middle])
        wide, high = (x1 - x0) / 16, (y1 - y0) / 16
        return {
            "whole map": View(x0, x1, y0, y1, WIDTH, HEIGHT),
            "zoomed in 8 x": View(x - wide, x + wide, y - high, y + high, WIDTH, HEIGHT),
        }


def redraws(asked: Asked, name: str) -> Iterator[Figure]:
    layers = layers_of(asked.state)
    for title, view in asked.views().items():
        ms = _ms(lambda view=view: draw(asked.drawing, layers, view))
        yield _figure(f"redraw, {name}, 25 classes, {title}", ms, asked.scan, "x and y")
    # a few classes hidden: what the picture is made of is made anew
    hidden = list(asked.state.colouring.names[:2])

    def relayer() -> None:
        asked.state.hidden_classes = [] if asked.state.hidden_classes else hidden
        layers_of(asked.state)

    yield Figure(f"redraw, {name}, layers sorted after two classes were hidden", _ms(relayer))
    asked.state.hidden_classes = []


def selections(asked: Asked, name: str, count: int) -> Iterator[Figure]:
    xs, ys = asked.outline(0.25)
    ms = _ms(lambda: select_polygon(asked.drawing, xs, ys, count))
    yield _figure(f"lasso, {name}, {CORNERS} corners", ms, asked.scan, "x and y")
    reaches = (0.15, 0.25, 0.2)
    found = [select_polygon(asked.drawing, *asked.outline(reach), count) for reach in reaches]

    def algebra() -> None:
        for rows, how in zip(found, ("new", "add", "subtract"), strict=True):
            asked.state.select(rows, how)

    masks = np.random.default_rng(0).random((3, count), np.float32) < 0.3

    def by_masks() -> None:
        ((masks[0] | masks[1]) & ~masks[2]).sum()

    stock = _ms(by_masks)
    what = f"selection algebra, {name}, set, add, subtract and count"
    yield Figure(what, _ms(algebra), "ms", stock, "numpy masks")


def similars(asked: Asked, name: str, count: int) -> Iterator[Figure]:
    ids = asked.bundle.folder.catalog.source_id
    rows = np.random.default_rng(0).integers(0, count, QUERIES)
    asked.space.similar(int(ids[0]), 10)
    times = 1e3 * cpu_times(lambda i: asked.space.similar(int(ids[rows[i]]), 10), QUERIES)
    limit = reading(np.asarray(asked.space.z, np.float32))
    for share in (50, 99):
        what = f"similarity, {name} x 15, 10 nearest, p{share}"
        yield _figure(what, float(np.percentile(times, share)), limit, "all latents")


def placings(asked: Asked, name: str, count: int) -> Iterator[Figure]:
    """Place everything on a map of landmarks."""
    z = np.asarray(asked.space.z, np.float32)
    xy = np.asarray(asked.space.projection().coordinates, np.float32)
    landmarks = np.random.default_rng(0).permutation(count)[: min(LANDMARKS, count // 5)]
    if count <= MOST_PLACED:
        seconds = cpu_time(lambda: place(z[landmarks], xy[landmarks], z), 1)
        what = f"placing, {name} on a map of {len(landmarks) // 1000} k landmarks"
        yield Figure(what, seconds, "s")


def encodings(name: str, count: int) -> Iterator[Figure]:
    """Encode spectra by the default scatter VAE, in chunks, as memory is bounded by them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from latent_core.encoding import encode
    from latent_core.models import make_model

    torch.set_num_threads(1)
    network = make_model("scatter", size=110, body="published").eval()
    rng, size = np.random.default_rng(0), min(CHUNK, count)
    chunk = {"x": rng.random((size, 110), np.float32), "error": np.full((size, 110), 0.1, "f4")}
    with FlopCounterMode(display=False) as counter:
        encode(network, {key: array[:64] for key, array in chunk.items()})
    flops = counter.get_total_flops() / 64 * count
    a = torch.randn(SQUARE, SQUARE)
    limit = flops * cpu_time(lambda: a @ a, 5) / (2 * SQUARE**3)
    seconds = cpu_time(lambda: [encode(network, chunk) for _ in range(count // size)], 1)
    said = "its matrix products at the rate of a 2,048-square one"
    yield Figure(f"encode, {name}, XP spectra", seconds, "s", limit, said, physical=True)


def _ms(function: Callable[[], object]) -> float:
    function()
    return 1e3 * cpu_time(function, 5)


def _figure(what: str, ms: float, limit: float, read: str) -> Figure:
    return Figure(what, ms, "ms", limit, f"reading {read} once", physical=True)


def measure(count: int) -> Iterator[Figure]:
    name, asked = f"{count:,} sources", Asked(count)
    yield from redraws(asked, name)
    yield from selections(asked, name, count)
    yield from similars(asked, name, count)
    yield from placings(asked, name, count)
    yield from encodings(name, count)


if __name__ == "__main__":
    report("growth", [figure for count in within(*COUNTS) for figure in measure(count)])
