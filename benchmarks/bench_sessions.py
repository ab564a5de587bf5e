"""A served bundle: the first picture, what a further session weighs, twenty who pan at once.

`python benchmarks/bench_sessions.py [BUNDLE | SOURCES]`: a bundle of made-up sources, 4 million in
a full run, served by `gaia-latent serve` and looked at by a headless Chromium of 1440 x 900.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from devtools import chromium
from measuring import SIZE, Figure, Taken, bundle_of, report, skip, within
from sessions import AWAKE, Server, Visitors, answer_s, served

FURTHER, TOGETHER = 5, 20
PAN_EVERY_S, PANNING_S = 4.0, 60.0
LEFT_AFTER_S = 60.0  # sessions are destroyed 15 s after their page went, looked for every 17 s
FIRST_PICTURE_S, ONE_SESSION_MB, FURTHER_MB, PAN_MS, BACK_PER_CENT = 3.0, 1500.0, 25.0, 600.0, 5.0


def quiet(server: Server, most_s: float = 60.0) -> None:
    """Wait until the server has nothing to do: checking files and loading models are over."""
    end, before = time.monotonic() + most_s, server.cpu_s()
    while time.monotonic() < end:
        time.sleep(3)
        now = server.cpu_s()
        if now - before < 0.1:
            return
        before = now


def first_pictures(server: Server, visitors: Visitors) -> list[float]:
    """Return seconds to the first picture of three visitors of a warm server, who leave again."""
    taken = []
    for _ in range(4):
        taken.append(visitors.come())
        quiet(server)
        visitors.leave()
    return taken[1:]


def use(server: Server, visitors: Visitors) -> None:
    """Let one visitor pan and leave: what a first pan reads and compiles stays, for everybody."""
    visitors.come()
    quiet(server)
    visitors.pan(PAN_EVERY_S, PANNING_S)
    visitors.leave()
    time.sleep(LEFT_AFTER_S)


def further(server: Server, visitors: Visitors) -> tuple[float, float, float]:
    """Return resident MB with one session, and resident and private MB of each further one."""
    visitors.come()
    quiet(server)
    one = server.memory()
    for _ in range(FURTHER):
        visitors.come()
    quiet(server)
    more = server.memory()
    resident, private = ((more[n] - one[n]) / FURTHER for n in ("Rss", "Anonymous"))
    return one["Rss"], resident, private


def measure(bundle: Path, work: Path) -> list[Figure]:
    """Return the figures of one served bundle."""
    sources = f"{_sources(bundle):,} sources"
    with chromium(*AWAKE) as browser, served(bundle, work) as server:
        answer_s(server.address)
        quiet(server)
        visitors = Visitors(browser, server.address)
        taken = Taken()
        pictures, pictures_taken = first_pictures(server, visitors), taken.per_cent
        answer = statistics.median(answer_s(server.address) for _ in range(3))
        time.sleep(LEFT_AFTER_S)
        unused = server.memory()
        use(server, visitors)
        start = server.memory()
        one, resident, private = further(server, visitors)
        while len(visitors.pages) < TOGETHER:
            visitors.come()
        quiet(server)
        busy, taken = server.cpu_s(), Taken()
        pans = visitors.pan(PAN_EVERY_S, PANNING_S)
        busy, others = server.cpu_s() - busy, taken.per_cent
        full = server.memory()
        visitors.leave()
        time.sleep(LEFT_AFTER_S)
        left = server.memory()
        wrong = visitors.wrong + server.errors()
    print("\n".join(f"wrong: {line[:300]}" for line in wrong[:10]))
    for when, held in {
        "before anybody panned": unused,
        "at the start": start,
        f"with {TOGETHER}": full,
        "after they left": left,
    }.items():
        print(when, {name: round(value) for name, value in held.items()})
    back = 100 * (left["Rss"] / start["Rss"] - 1)
    many = f"{TOGETHER} sessions panning every {PAN_EVERY_S:.0f} s"
    return [
        Figure(
            f"first picture, {sources}", statistics.median(pictures), "s", limit=FIRST_PICTURE_S
        ),
        Figure("CPU that other guests of the machine took meanwhile", pictures_taken, "per cent"),
        Figure("the page's HTML alone", answer, "s"),
        Figure(f"resident, one session, {sources}", one, "MB", limit=ONE_SESSION_MB),
        Figure("each further session, resident", resident, "MB", limit=FURTHER_MB),
        Figure("each further session, not of files", private, "MB", limit=FURTHER_MB),
        Figure(f"{many}: p95", float(np.percentile(pans, 95)), "ms", limit=PAN_MS),
        Figure(f"{many}: median", float(np.median(pans)), "ms"),
        Figure("CPU that other guests took while they panned", others, "per cent"),
        Figure("server CPU of a pan", 1e3 * busy / len(pans), "ms"),
        Figure("pans", float(len(pans)), ""),
        Figure("errors", float(len(wrong)), "", limit=0.0),
        Figure(f"resident, {TOGETHER} sessions", full["Rss"], "MB"),
        Figure("resident, nobody there, before anybody panned", unused["Rss"], "MB"),
        Figure("resident, nobody there, after one had panned: the start", start["Rss"], "MB"),
        Figure("resident above the start after they left", back, "per cent", limit=BACK_PER_CENT),
    ]


def _sources(bundle: Path) -> int:
    from latent_core.bundle import Folder

    return len(Folder.open(bundle).own_catalog)


def chosen(arguments: list[str]) -> Path:
    """Return the bundle that the arguments name, by its folder or by a number of sources."""
    if not arguments:
        return bundle_of(within(1_000_000, 4_000_000)[-1])
    return bundle_of(int(arguments[0])) if arguments[0].isdigit() else Path(arguments[0])


if __name__ == "__main__":
    if SIZE == "tiny":
        skip(
            "sessions", "twenty visitors take minutes to come, pan and leave; a small run has them"
        )
    with tempfile.TemporaryDirectory() as folder:
        report("sessions", measure(chosen(sys.argv[1:]), Path(folder)))
