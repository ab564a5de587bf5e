"""What every benchmark shares: CPU time, figures beside the way others do it, one result file.

Machines are shared and busy, so a figure is the least CPU time of some repeats, and what counts
is the ratio of two figures of the same run.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("numpy", "numba", "datashader", "faiss-cpu", "scikit-learn", "torch", "gaiaxpy")


@dataclass(frozen=True)
class Figure:
    """One measured thing: `ours` in `unit`, beside `other` in the same unit, and its limit.

    `against` says what `other` is. Rates and shares are better when large, all else when small.
    """

    what: str
    ours: float
    unit: str = "ms"
    other: float | None = None
    against: str = ""
    limit: float | None = None

    @property
    def is_rate(self) -> bool:
        return "/" in self.unit or self.unit == "%"

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


def report(name: str, figures: Sequence[Figure]) -> None:
    """Print the figures as a table and write them to results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "libraries": {library: version(library) for library in LIBRARIES},
        "figures": [
            {**_rounded(figure), "ratio": _short(figure.ratio), "missed": figure.missed}
            for figure in figures
        ],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("| what | ours | other way | ratio | limit |\n| --- | --- | --- | --- | --- |")
    for figure in figures:
        print(_row(figure))


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
    return {k: v if v is None or isinstance(v, str) else _short(v) for k, v in given}
