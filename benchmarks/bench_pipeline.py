"""From a catalog to a bundle that can be served, models given: seconds of each stage, and memory.

    python benchmarks/bench_pipeline.py [--survey FOLDER] [--sources 20000] [--jobs 2]
                                        [--name pipeline]

Walls are of the machine as it is; the peak is the resident memory of all processes together,
sampled ten times a second. Without a survey one is simulated. The bundle is removed again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from measuring import SIZE, Figure, report

from latent_core import pipeline
from latent_core.bundle import Folder
from latent_core.chunks import source_count
from latent_core.executors import workers
from latent_core.modalities.xp_operator import shipped
from latent_core.surveys.simulated import simulate

MEMORY_LIMIT_GB = 6.0
LIMIT_S, TARGET = 600.0, 4_000_000
SOURCES = 600 if SIZE == "tiny" else 20_000


class Peak(threading.Thread):
    """Watches how much memory this process and its children hold together."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self._stop_it = 0, threading.Event()

    def run(self) -> None:
        import psutil

        own = psutil.Process()
        while not self._stop_it.wait(0.1):
            held = 0
            for process in (own, *own.children(recursive=True)):
                try:
                    memory = process.memory_info()
                    # mapped files are the system's cache, not the program's
                    held += memory.rss - memory.shared
                except psutil.Error:
                    continue
            self.most = max(self.most, held)

    def stop(self) -> float:
        """Return the peak in GB."""
        self._stop_it.set()
        return self.most / 1e9


class Clock:
    """Wall and CPU seconds of a build's stages, CPU of ended and living children included."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._stage = "start"
        self._since = time.perf_counter(), _cpu()

    def __call__(self, stage: str, done: int, total: int, text: str) -> None:
        """Take what a build reports: whatever passed since the last word was that stage's."""
        wall, cpu = time.perf_counter(), _cpu()
        before = self._stage
        self.wall[before] = self.wall.get(before, 0.0) + wall - self._since[0]
        self.cpu[before] = self.cpu.get(before, 0.0) + cpu - self._since[1]
        self._stage, self._since = stage, (wall, cpu)
        if stage != before:
            print(f"{before}: {self.wall[before]:.1f} s, {self.cpu[before]:.1f} CPU s", flush=True)


def _cpu() -> float:
    import psutil

    total = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--survey", type=Path)
    parser.add_argument("--sources", type=int, default=SOURCES)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="where the bundle grows")
    parser.add_argument("--name", default="pipeline")
    options = parser.parse_args()
    peak = Peak()
    with tempfile.TemporaryDirectory(dir=options.scratch) as place:
        survey = options.survey or simulate(options.sources, 5, Path(place) / "a.survey")
        out = Path(place) / "a.bundle"
        peak.start()
        clock = Clock()
        with workers(options.jobs) as work:
            pipeline.build(
                survey, out, config=shipped("simulated.toml"), report=clock, workers=work
            )
        clock("end", 0, 0, "")
        memory, count = peak.stop(), source_count(Folder.open(out))
        written = sum(f.stat().st_size for f in Path(place).rglob("*") if f.stat().st_nlink == 1)
        shutil.rmtree(out)
    what = f"{count:,} sources, {options.jobs} processes"
    whole, cpu = sum(clock.wall.values()), sum(clock.cpu.values())
    limit = LIMIT_S if count == TARGET else None
    figures = [
        Figure(f"{what}: catalog to a bundle ready to serve", whole, "s", limit=limit),
        Figure("the same, CPU of all processes", cpu, "CPU s"),
        Figure("memory of all processes at the peak", memory, "GB", limit=MEMORY_LIMIT_GB),
        Figure("bytes written beyond links", written / 1e9, "GB"),
    ]
    figures += [Figure(n, seconds, "s") for n, seconds in clock.wall.items()]
    figures += [Figure(f"{n}, CPU", seconds, "CPU s") for n, seconds in clock.cpu.items()]
    report(options.name, figures)


if __name__ == "__main__":
    main()
