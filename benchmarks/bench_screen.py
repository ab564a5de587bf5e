"""From the hand to the picture in a headless Chromium: our screen beside stock HoloViews.

One map of 900 x 700, 25 classes; each step is one notch of the wheel or one drag, and counts from
the hand's last movement to the last new picture that it brought, painted (by the clock, so a busy
machine shows). Ours may show a coarse picture before that one, which has its own line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from devtools import Browser, chromium
from measuring import SIZE, Figure, Taken, bundle_of, report, within
from screen_probe import (
    LOST,
    QUIET_MS,
    NoPictureError,
    Screen,
    Step,
    memory_mb,
    server,
)
from screen_servers import STOCK_GESTURE

COUNTS = (1_000_000, 4_000_000, 10_000_000)
STEPS = 4 if SIZE == "tiny" else 32
WARMING = min(STEPS, 16)
LASSOS = 2 if SIZE == "tiny" else 6
CORNERS = 60
MOST_LASSOED = 4_000_000  # stock needs many seconds beyond
MOST_MS, LASSO_MS, GROWTH, LEAST_GAIN = 200.0, 250.0, 1.5, 4.0
TARGET = 4_000_000
STOCK = ("datashade", "rasterize")  # the second, whose classes are one colour, at one size
Gesture = Callable[[], Step]


def moves(screen: Screen, count: int) -> Iterator[Gesture]:
    """Zoom in, wander about and zoom out again, `count` steps in all."""
    rng = np.random.default_rng(0)
    for number in range(count):
        if number % 4 == 3:
            yield partial(screen.pan, *(60 * rng.choice([-1, 1], 2)))
        else:
            turn = -100 if number % 16 < 8 else 100
            yield partial(screen.wheel, turn, (0.35 + 0.3 * rng.random(), 0.5))


def lassos(screen: Screen, box: bool) -> Iterator[Gesture]:
    """Draw wavy closed outlines of 60 corners about the middle, or boxes of their width."""
    turn = np.linspace(0, 2 * np.pi, CORNERS)
    for number in range(LASSOS + 1):
        reach = (0.15 + 0.03 * (number % 5)) * (1 + 0.3 * np.sin(5 * turn))
        outline = 0.5 + np.column_stack([reach * np.cos(turn), reach * np.sin(turn)])
        ends = outline[[0, CORNERS // 2]] + [[0, 0.15], [0, -0.15]]
        yield partial(screen.lasso, ends if box else outline)


def kept(what: str, gestures: Iterable[Gesture]) -> list[Step]:
    """Return the steps of some gestures: where no picture came, ours counts all the patience it
    got, and stock, which may meet its own unfinished work, is let off.
    """
    steps = []
    for gesture in gestures:
        try:
            steps.append(gesture())
        except NoPictureError:
            if what == "ours":
                steps.append(LOST)
    if len(steps) < 2:
        raise RuntimeError(f"{what}: no picture followed the hand")
    return steps


def watched(browser: Browser, what: str, bundle: Path) -> tuple[list[Step], Screen, float]:
    with server(what, bundle) as (address, pid), closing(Screen(browser, address, pid)) as screen:
        screen.fit()
        screen.rest()
        kept(what, moves(screen, WARMING))  # compiles, fills caches
        return kept(what, moves(screen, STEPS)), screen, memory_mb(pid)


def lassoed(browser: Browser, what: str, bundle: Path) -> list[Step]:
    quiet = QUIET_MS if what == "ours" else 3 * QUIET_MS  # its histogram follows later
    with (
        server(what, bundle) as (address, pid),
        closing(Screen(browser, address, pid, quiet)) as screen,
    ):
        if what == "ours":
            screen.fit()
            screen.page.press("Lasso")
            screen.page.wait(500)
        box = what == "linked" and STOCK_GESTURE == "box_select"
        screen.rest()
        return kept(what, lassos(screen, box))[1:]


def percentile(steps: Sequence[Step], part: str, share: float) -> float:
    return float(np.percentile([getattr(step, part) for step in steps], share))


def compare_moves(browser: Browser, count: int) -> list[Figure]:
    bundle = bundle_of(count)
    name, taken = f"{count:,} sources, wheel or pan to painted", Taken()
    ours, screen, memory = watched(browser, "ours", bundle)
    others = taken.per_cent
    limit = MOST_MS if count == TARGET else None
    figures = []
    for other in STOCK if count == TARGET or SIZE != "full" else STOCK[:1]:
        theirs, there, their_memory = watched(browser, other, bundle)
        against = f"stock {other} + dynspread"
        for share, most in ((50, None), (95, limit)):
            values = [percentile(steps, "last", share) for steps in (ours, theirs)]
            what = f"{name}, p{share} (clock)"
            figures.append(Figure(what, values[0], "ms", values[1], against, most))
        if other == "datashade":
            gain = values[1] / values[0]
            least = LEAST_GAIN if count == TARGET else None
            figures.append(Figure(f"{name}, gain at p95", gain, "times", limit=least))
        values = [percentile(steps, "cpu", 50) for steps in (ours, theirs)]
        what = f"{count:,} sources, server CPU of such a step, p50"
        figures.append(Figure(what, values[0], "ms", values[1], against))
        what = f"{count:,} sources, page asked for to first picture (clock)"
        firsts = screen.first_picture_ms, there.first_picture_ms
        figures.append(Figure(what, firsts[0], "ms", firsts[1], against))
        what = f"{count:,} sources, resident memory of the server with one page"
        figures.append(Figure(what, memory, "MB", their_memory, against))
    first = percentile(ours, "first", 95)
    figures.append(Figure(f"{name}, first new picture, p95 (clock)", first, "ms"))
    what = f"{count:,} sources, CPU that other guests of the machine took from ours meanwhile"
    figures.append(Figure(what, others, "per cent"))
    return figures


def compare_lassos(browser: Browser, count: int) -> list[Figure]:
    bundle = bundle_of(count)
    ours, theirs = (lassoed(browser, what, bundle) for what in ("ours", "linked"))
    name = f"{count:,} sources, lasso of {CORNERS} corners released to"
    limit = LASSO_MS if count == TARGET else None
    against = f"link_selections, datashaded, {STOCK_GESTURE}"
    figures = []
    for part, what in (("last", "picture painted"), ("text", "last text changed")):
        values = [percentile(steps, part, 50) for steps in (ours, theirs)]
        figures.append(
            Figure(f"{name} {what}, p50 (clock)", values[0], "ms", values[1], against, limit)
        )
    return figures


def growth(figures: Sequence[Figure], counts: Sequence[int]) -> list[Figure]:
    """Say how much slower the largest map is than the map of four million."""
    large = max(counts)
    found = [
        next(
            f.ours
            for f in figures
            if f.what.startswith(f"{n:,} sources, wheel") and "p95" in f.what
        )
        for n in (TARGET, large)
        if n in counts
    ]
    if len(found) < 2 or large == TARGET:
        return []
    what = f"p95 at {large / 1e6:.0f} million over p95 at {TARGET / 1e6:.0f} million"
    return [Figure(what, found[1] / found[0], "", limit=GROWTH)]


def main() -> None:
    counts = within(*COUNTS)
    figures: list[Figure] = []
    with chromium() as browser:
        for count in counts:
            figures += compare_moves(browser, count)
            if count <= MOST_LASSOED:
                figures += compare_lassos(browser, count)
    report("screen", figures + growth(figures, counts))


if __name__ == "__main__":
    main()
