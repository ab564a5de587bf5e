"""`gaia-latent simulate`: rows a CPU second, memory and bytes; what 4 million sources then need.

Beside it stands what no simulator can beat: copying the same bytes to the same disk and hashing
them, which a survey needs too. `--sources` sets the size of the run, by default 100,000; memory
is compared with a run of a tenth of it. Times of 4 million are extrapolated, not measured.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measuring import SIZE, Figure, report

from latent_core.bundle import Folder, sha256_of

SOURCES = {"tiny": 2_000, "small": 20_000, "full": 100_000}[SIZE]
LARGE = 4_000_000
CORES, MINUTES, MEMORY_MB, DISK_GB = 2, 30.0, 4096.0, 12.0
_MEASURE = """
import resource, sys
from latent_core.cli import main
try:
    main(sys.argv[1:])
finally:
    own = resource.getrusage(resource.RUSAGE_SELF)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    print(cpu, own.ru_maxrss, workers.ru_maxrss)
"""


@dataclass(frozen=True)
class Run:
    """What one command took: CPU seconds of all processes, and the largest sum of their memory."""

    rows: int
    cpu_s: float
    peak_mb: float


def simulate(rows: int, out: Path, jobs: int) -> Run:
    """Run the command in a process of its own; each worker counts with its own peak."""
    arguments = ["simulate", "--sources", str(rows), "--jobs", str(jobs), "--out", str(out)]
    # a file, because workers import the main module anew
    script = out.with_suffix(".py")
    body = "".join(f"    {line}\n" for line in _MEASURE.splitlines())
    script.write_text('if __name__ == "__main__":\n' + body, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    cpu, own, worker = done.stdout.split()[-3:]
    workers = jobs if jobs > 1 else 0
    peak = (float(own) + workers * float(worker)) / 1024.0
    return Run(rows, float(cpu), peak)


def copied(folder: Path, to: Path) -> float:
    """CPU seconds of copying a folder's files to the disk and hashing them."""
    start = resource.getrusage(resource.RUSAGE_SELF)
    for source in sorted(p for p in folder.rglob("*") if p.is_file()):
        target = to / source.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        with target.open("rb+") as stream:
            os.fsync(stream.fileno())
        sha256_of(target)
    end = resource.getrusage(resource.RUSAGE_SELF)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def loaded_mb(folder: Path) -> float:
    """Memory that opening a survey's products takes beside the pages of its files."""
    code = (
        "import re, sys\n"
        "from latent_core.bundle import Folder\n"
        "from latent_core.products import PRODUCTS, load_product\n"
        "def own():\n"
        "    text = open('/proc/self/status').read()\n"
        "    return int(re.search(r'RssAnon:\\s+(\\d+)', text).group(1)) / 1024\n"
        "folder = Folder.open(sys.argv[1])\n"
        "before = own()\n"
        "kept = [load_product(folder, kind) for kind in PRODUCTS.values()]\n"
        "print(own() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=SOURCES)
    sources = parser.parse_args().sources
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        small = simulate(sources // 10, root / "small.survey", CORES)
        run = simulate(sources, root / "large.survey", CORES)
        folder = Folder.open(root / "large.survey")
        size = sum(record.size for record in folder.manifest.files.values())
        floor = copied(folder.path, root / "copy")
        opened = loaded_mb(folder.path)
    rate, per_row = run.rows / run.cpu_s, size / run.rows
    longest = MINUTES * 60 * CORES
    millions = f"{LARGE / 1e6:.0f} million"
    report(
        "simulate",
        [
            Figure(f"simulate {run.rows:,} sources, of a CPU second", rate, "rows/s",
                   run.rows / floor, "copying and hashing the same bytes", LARGE / longest, True),
            Figure(f"{millions} on {CORES} cores, extrapolated from CPU time",
                   LARGE / rate / CORES / 60, "min", None, "", MINUTES),
            Figure("peak memory of all processes", run.peak_mb, "MB", small.peak_mb,
                   f"with {small.rows:,} sources", MEMORY_MB),
            Figure("bytes of a source", per_row, "B"),
            Figure(f"{millions} on the disk, extrapolated", per_row * LARGE / 1e9, "GB", None, "",
                   DISK_GB),
            Figure("own memory of opening all products", opened, "MB"),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
