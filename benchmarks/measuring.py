"""What every benchmark shares: CPU time, figures beside the way others do it, one result file.

Machines are shared and busy, so a figure is the least CPU time of some repeats, and what counts
is the ratio of two figures of the same run. Three environment variables, set by bench.py, say how
large a run is and where its files go: BENCH_SIZE, BENCH_RESULTS and BENCH_BUNDLES.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

SIZES = {"tiny": 20_000, "small": 1_000_000, "full": 10_000_000}  # the most sources of a run
SIZE = os.environ.get("BENCH_SIZE", "full")
MOST = SIZES[SIZE]
RESULTS = Path(os.environ.get("BENCH_RESULTS", Path(__file__).parent / "results"))
LIBRARIES = (
    "numpy",
    "numba",
    "datashader",
    "holoviews",
    "panel",
    "bokeh",
    "faiss-cpu",
    "scikit-learn",
    "scipy",
    "umap-learn",
    "openTSNE",
    "torch",
    "gaiaxpy",
)


@dataclass(frozen=True)
class Figure:
    """One measured thing: `ours` in `unit`, beside `other` in the same unit, and its limit.

    `against` says what `other` is; `physical` that it is a limit of the machine, which nothing
    beats. Rates and shares are better when large, all else when small.
    """

    what: str
    ours: float
    unit: str = "ms"
    other: float | None = None
    against: str = ""
    limit: float | None = None
    physical: bool = False

    @property
    def is_rate(self) -> bool:
        return "/" in self.unit or self.unit in ("%", "times")

    @property
    def ratio(self) -> float | None:
        """How many times better than the other way; below 1 is worse."""
        if not self.other or not self.ours:
            return None
        return self.ours / self.other if self.is_rate else self.other / self.ours

    @property
    def missed(self) -> bool:
        if self.limit is None:
            return False
        return bool(self.ours < self.limit if self.is_rate else self.ours > self.limit)


def cpu_time(function: Callable[[], object], repeats: int = 5, calls: int = 1) -> float:
    """Return the least CPU seconds of one call, all threads counted."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(calls):
            function()
        best = min(best, (time.process_time() - start) / calls)
    return best


def cpu_times(function: Callable[[int], object], count: int) -> np.ndarray:
    """Return the CPU seconds of function(0) .. function(count - 1), for percentiles."""
    times = np.empty(count)
    for i in range(count):
        start = time.process_time()
        function(i)
        times[i] = time.process_time() - start
    return times


class Taken:
    """How much of this machine its other guests took since this was made.

    What runs by the clock, as a page does, is slower for it; only Linux tells (`steal`).
    """

    def __init__(self) -> None:
        self._since, self._before = time.monotonic(), self._stolen_s()

    @property
    def per_cent(self) -> float:
        cores = (time.monotonic() - self._since) * (os.cpu_count() or 1)
        return 100 * (self._stolen_s() - self._before) / cores

    @staticmethod
    def _stolen_s() -> float:
        stat = Path("/proc/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().split("\n", 1)[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def within(*counts: int) -> tuple[int, ...]:
    """Return the counts of sources that this run goes up to; its own most where none fits."""
    return tuple(count for count in counts if count <= MOST) or (MOST,)


def skip(name: str, reason: str) -> None:
    """Leave a benchmark out of this run, and say why in its result file."""
    print(f"{name} is left out: {reason}")
    write(name, {"skipped": reason})
    sys.exit(0)


def only_full(name: str, minutes: int) -> None:
    """Leave a long benchmark out of every run but a full one."""
    if SIZE != "full":
        skip(name, f"takes {minutes} minutes; a full run has it")


def bundle_of(count: int) -> Path:
    """Return a bundle of `count` made-up sources that the benchmarks of a run share."""
    from made_up_bundle import make_bundle

    home = Path(os.environ.get("BENCH_BUNDLES", Path(__file__).parents[1] / "build" / "bench"))
    path = home / f"made_up_{count}.bundle"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        make_bundle(count, path)
    return path


def report(name: str, figures: Sequence[Figure]) -> None:
    """Print the figures as a table and write them to <name>.json of the run's results."""
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "libraries": versions(),
    }
    listed = [
        {**_rounded(figure), "ratio": _short(figure.ratio), "missed": figure.missed}
        for figure in figures
    ]
    write(name, {**facts, "figures": listed})
    print("| what | ours | other way | ratio | limit |\n| --- | --- | --- | --- | --- |")
    for figure in figures:
        print(_row(figure))


def versions() -> dict[str, str]:
    """Return the versions of the libraries that figures depend on, where they are installed."""
    found = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def write(name: str, content: Mapping[str, object]) -> None:
    """Write a result file; a benchmark whose result is no list of figures may use it directly."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def _row(figure: Figure) -> str:
    other = ""
    if figure.other is not None:
        other = f"{_text(figure.other)} {figure.unit} {figure.against}"
    ratio = "" if figure.ratio is None else _text(figure.ratio)
    limit = "" if figure.limit is None else f"{_text(figure.limit)} {figure.unit}"
    verdict = " **missed**" if figure.missed else ""
    ours = f"{_text(figure.ours)} {figure.unit}".strip()
    return f"| {figure.what} | {ours} | {other.strip()} | {ratio} | {limit}{verdict} |"


def _text(value: float) -> str:
    return f"{_short(value):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _rounded(figure: Figure) -> dict[str, object]:
    given = asdict(figure).items()
    as_is = (str, bool, type(None))
    return {k: v if isinstance(v, as_is) else _short(v) for k, v in given}
