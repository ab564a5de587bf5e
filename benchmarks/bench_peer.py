"""Beside embedding-atlas, on the same places, classes and numbers: start, memory, queries.

It needs an environment of its own (its pandas is newer than ours). Make one and name its python:

    python -m venv atlas && atlas/bin/pip install embedding-atlas
    EMBEDDING_ATLAS=$PWD/atlas/bin/python python benchmarks/bench_peer.py

Its server answers SQL from DuckDB (`--duckdb server`, the way for data that a browser cannot
hold); ours is asked in its own process for the same numbers. All times are by the clock, medians.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from measuring import SIZE, Figure, bundle_of, report, skip, within
from screen_probe import cpu_ms, memory_mb

COUNTS = (1_000_000, 4_000_000)
REPEATS = 3 if SIZE == "tiny" else 15
PATIENCE_S = 600
NEIGHBORS = 10
HERE = Path(__file__).resolve().parent
LATENTS = 15


def environment() -> Path:
    """Return the python that has embedding-atlas; without one this benchmark is left out."""
    named = os.environ.get("EMBEDDING_ATLAS", "")
    if not named or not Path(named).exists():
        skip("peer", "embedding-atlas has no environment here; bench_peer.py says how to make one")
    return Path(named)


def table(bundle: Path, file: Path) -> np.ndarray:
    """Write the columns that both sides show as Parquet; returns the scaled latents (N, 15)."""
    from latent_core import Bundle

    opened = Bundle.open(bundle)
    space = opened.space()
    columns = ["source_id", "phot_g_mean_mag", "bp_rp", "teff", "best_class_name"]
    frame = opened.catalog[columns].astype({"best_class_name": object, "source_id": str})
    frame["x"], frame["y"] = space.projection().coordinates.T
    for number, values in enumerate(np.asarray(space.z).T):
        frame[f"z{number}"] = values
    frame.to_parquet(file)
    return np.asarray(space.z)


@contextmanager
def running(command: list[str], port: int) -> Iterator[tuple[int, float, float]]:
    """Run a server; yields its process, and ms by the clock and of CPU until it answered."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not _answers(port):
                if process.poll() is not None or time.monotonic() - start > PATIENCE_S:
                    log.seek(0)
                    raise RuntimeError(f"it did not start: {log.read()[-500:]!r}")
                time.sleep(0.05)
            yield process.pid, 1e3 * (time.monotonic() - start), cpu_ms(process.pid)
        finally:
            process.terminate()
            process.wait(60)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            return bool(answer.read(1))
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(port: int, sql: str) -> list[dict[str, object]]:
    """Ask the other server for rows."""
    body = json.dumps({"type": "json", "sql": sql}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/data/query", body)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return list(json.loads(answer.read()))


def clock_ms(function: Callable[[], object]) -> float:
    """Return the median time of a call by the clock, the first one left out."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


class Ours:
    """The same questions to our own code, in this process."""

    def __init__(self, bundle: Path) -> None:
        from dashboard.selecting import select_box
        from latent_core import Bundle

        self.bundle = Bundle.open(bundle)
        self.space = self.bundle.space()
        self.drawing = self.space.projection().drawing
        self.box = select_box
        self.ids = self.bundle.folder.catalog.source_id

    def in_box(self, x0: float, x1: float, y0: float, y1: float) -> int:
        return self.box(self.drawing, x0, x1, y0, y1, len(self.ids)).count

    def faint_red(self) -> int:
        frame = self.bundle.catalog
        mag, colour = frame["phot_g_mean_mag"].to_numpy(), frame["bp_rp"].to_numpy()
        return int(((mag > 17) & (colour > 1)).sum())

    def similar(self, row: int) -> list[str]:
        found = self.space.similar(int(self.ids[row]), NEIGHBORS)
        return [str(i) for i in found["source_id"]]


def questions(ours: Ours, z: np.ndarray, port: int, name: str) -> Iterator[Figure]:
    """Ask both for the same; a difference of the answers is an error, not a figure."""
    x0, x1, y0, y1 = ours.drawing.extent
    box = (x0 + (x1 - x0) / 3, x0 + (x1 - x0) / 2, y0 + (y1 - y0) / 3, y0 + (y1 - y0) / 2)
    row = len(z) // 2
    gaps = " + ".join(f"pow(z{k} - {value!r}, 2)" for k, value in enumerate(z[row].tolist()))
    own = f"source_id <> '{ours.ids[row]}'"
    sql = {
        "count in a box": "SELECT count(*) n FROM dataset WHERE x BETWEEN {} AND {} "
        "AND y BETWEEN {} AND {}".format(*box),
        "count by two numbers": "SELECT count(*) n FROM dataset WHERE phot_g_mean_mag > 17 "
        "AND bp_rp > 1",
        f"{NEIGHBORS} nearest in {LATENTS} latents": f"SELECT source_id FROM dataset WHERE {own} "
        f"ORDER BY {gaps} LIMIT {NEIGHBORS}",
    }
    mine: list[Callable[[], object]] = [
        lambda: ours.in_box(*box),
        ours.faint_red,
        lambda: ours.similar(row),
    ]
    for (what, text), call in zip(sql.items(), mine, strict=True):
        rows = asked(port, text)
        theirs = [r["source_id"] for r in rows] if "nearest" in what else rows[0]["n"]
        if theirs != call():
            raise RuntimeError(f"{what}: {theirs} there, {call()} here")
        other = clock_ms(lambda text=text: asked(port, text))
        said = "embedding-atlas, SQL over HTTP"
        yield Figure(f"{name}, {what} (clock)", clock_ms(call), "ms", other, said)


def measure(python: Path, count: int, work: Path) -> list[Figure]:
    bundle, file = bundle_of(count), work / f"{count}.parquet"
    z, name = table(bundle, file), f"{count:,} sources"
    port = free_port()
    ours = [sys.executable, str(HERE / "screen_servers.py"), "ours", str(bundle), str(port)]
    with running(ours, port) as (pid, start, cpu):
        memory = memory_mb(pid)
    port = free_port()
    theirs = [str(python.parent / "embedding-atlas"), str(file), "--x", "x", "--y", "y"]
    theirs += ["--disable-projection", "--duckdb", "server", "--host", "127.0.0.1"]
    with running([*theirs, "--port", str(port)], port) as (pid, their_start, their_cpu):
        asked(port, "SELECT count(*) n FROM dataset")
        their_memory = memory_mb(pid)
        asking = list(questions(Ours(bundle), z, port, name))
    against = "embedding-atlas, data in its server"
    start_what = f"{name}, server started to its first answer (clock)"
    return [
        Figure(start_what, start, "ms", their_start, against),
        Figure(f"{name}, CPU of the server until then", cpu, "ms", their_cpu, against),
        Figure(f"{name}, memory of the server then", memory, "MB", their_memory, against),
        *asking,
    ]


def main() -> None:
    python = environment()
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as work:
        figures = [f for count in within(*COUNTS) for f in measure(python, count, Path(work))]
    report("peer", figures)


if __name__ == "__main__":
    main()
