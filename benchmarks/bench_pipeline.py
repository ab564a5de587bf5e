"""Catalog to latents with given weights: copy, prepare, encode, trust, join; rates and memory.

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import SIZE, Figure, report

from latent_core import pipeline, space_stages, stages
from latent_core.bundle import Folder
from latent_core.config import BuildSettings
from latent_core.executors import Workers, workers
from latent_core.modalities.xp_operator import shipped
from latent_core.surveys.simulated import simulate

MEMORY_LIMIT_GB = 6.0
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
    """Wall and CPU seconds of named steps, CPU of ended and living children included."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), _cpu()
        yield
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - wall
        self.cpu[name] = self.cpu.get(name, 0.0) + _cpu() - cpu
        print(f"{name}: {self.wall[name]:.1f} s, {self.cpu[name]:.1f} CPU s", flush=True)


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


def run(survey: Path, out: Path, work: Workers, clock: Clock) -> Folder:
    source = Folder.open(survey, "survey")
    text, settings = pipeline._settings(source, shipped("simulated.toml"))
    with clock.step("copy"):
        folder = pipeline.start(out, source, text, workers=work)
    encode(folder, settings, work, clock)
    with clock.step("flag"):
        stages.flag_sources(folder, settings.models)
    for name in settings.spaces:
        with clock.step("join and index"):
            space_stages.join_space(folder, settings, name)
    return folder


def encode(folder: Folder, settings: BuildSettings, work: Workers, clock: Clock) -> None:
    for name in settings.models:
        with clock.step(f"prepare {name}"):
            stages.prepare(folder, settings, name, workers=work)
        stages.train_model(folder, settings, name)
        with clock.step(f"encode {name}"):
            stages.encode_sources(folder, settings, name, workers=work)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--survey", type=Path)
    parser.add_argument("--sources", type=int, default=SOURCES)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="where the bundle grows")
    parser.add_argument("--name", default="pipeline")
    options = parser.parse_args()
    clock, peak = Clock(), Peak()
    with tempfile.TemporaryDirectory(dir=options.scratch) as place:
        survey = options.survey or simulate(options.sources, 5, Path(place) / "a.survey")
        peak.start()
        with workers(options.jobs) as work:
            folder = run(survey, Path(place) / "a.bundle", work, clock)
        memory, count = peak.stop(), len(folder.array("spaces/spectra/latents.npy"))
        written = sum(f.stat().st_size for f in Path(place).rglob("*") if f.stat().st_nlink == 1)
        shutil.rmtree(Path(place) / "a.bundle")
    what = f"{count:,} sources, {options.jobs} processes"
    whole, cpu = sum(clock.wall.values()), sum(clock.cpu.values())
    figures = [
        Figure(f"{what}: catalog to latents and index", whole, "s"),
        Figure("the same, CPU of all processes", cpu, "CPU s"),
        Figure("memory of all processes at the peak", memory, "GB", limit=MEMORY_LIMIT_GB),
        Figure("bytes written beyond links", written / 1e9, "GB"),
    ]
    figures += [Figure(n, count / s, "sources/CPU s") for n, s in clock.cpu.items() if s > 0]
    figures += [Figure(f"{n}, wall", s, "s") for n, s in clock.wall.items()]
    report(options.name, figures)


if __name__ == "__main__":
    main()
