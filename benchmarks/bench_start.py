"""What a command costs before it does anything."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from measuring import Figure, report

COMMAND = str(Path(sys.executable).parent / "gaia-latent")
REPEATS = 7
LIMIT = 300.0


def cpu_of(*command: str) -> float:
    """Return the least CPU milliseconds of a command, user and system."""
    best = float("inf")
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, 1e3 * spent)
    return best


if __name__ == "__main__":
    start = cpu_of(COMMAND, "--help")
    bare = cpu_of(sys.executable, "-c", "pass")
    pandas = cpu_of(sys.executable, "-c", "import pandas")
    report(
        "start",
        [
            Figure("gaia-latent --help", start, "ms", bare, "python -c pass", LIMIT),
            Figure("gaia-latent --help", start, "ms", pandas, "python -c 'import pandas'", LIMIT),
        ],
    )
