"""Ingesting a bulk file of XP spectra: the rate beside gunzip alone, and the memory it takes.

The file is made up as the archive's are (gaia-archive.md, 3): ECSV header, 26 columns, arrays as
JSON lists, 1,485 correlations a band, 37 kB a row, 16 kB packed.
"""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import SIZE, Figure, report

from latent_core.release import load_release

ROWS, REPEATS = {"tiny": 200, "small": 1_000, "full": 5_000}[SIZE], 3
DISTINCT = 400  # rows of other numbers; the file repeats them, far beyond gzip's window of 32 kB
INGEST = """
import resource, sys, time
from pathlib import Path
from latent_core.surveys.gaia_files import ingest
for _ in range(int(sys.argv[3])):  # the first one also waits for imports
    start, cpu = time.perf_counter(), time.process_time()
    ingest([Path(sys.argv[1])], Path(sys.argv[2]), overwrite=True)
    seconds = time.perf_counter() - start, time.process_time() - cpu
    print(*seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
ARRAYS = ("coefficients", "coefficient_errors", "coefficient_correlations")
SCALARS = ("degrees_of_freedom", "n_measurements", "n_rejected_measurements", "n_parameters")


def header() -> str:
    """Return the ECSV header of the archive's XP files, and the line of column names."""
    columns = {"source_id": "int64", "solution_id": "int64"}
    for band in load_release().xp.bands:
        columns |= {f"{band}_basis_function_id": "int16"}
        columns |= {f"{band}_{name}": "int16" for name in SCALARS}
        columns |= {f"{band}_standard_deviation": "float64", f"{band}_chi_squared": "float32"}
        columns |= {f"{band}_{name}": "string" for name in ARRAYS}
        columns |= {f"{band}_n_relevant_bases": "int16", f"{band}_relative_shrinking": "float32"}
    lines = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
    for name, kind in columns.items():
        subtype = ", subtype: 'float64[null]'" if kind == "string" else ""
        lines.append(f"- {{name: {name}, datatype: {kind}{subtype}}}")
    return "".join(f"# {line}\n" for line in lines) + ",".join(columns) + "\n"


def row_text(rng: np.random.Generator) -> str:
    """Return the cells of one row after its source_id."""
    xp = load_release().xp
    cells: list[str] = ["369295549951641967"]
    for band, basis in enumerate(xp.basis_function_ids):
        n = xp.coefficients[band]
        cells += [str(basis), "1000", str(rng.integers(300, 900)), "3", str(n)]
        cells += [repr(float(rng.uniform(0.8, 1.5))), f"{rng.uniform(800, 1500):.6g}"]
        scale = 1000.0 / (1 + np.arange(n)) ** 1.5
        values = (rng.normal(size=n) * scale).tolist()
        errors = [float(f"{x:.7g}") for x in rng.uniform(0.1, 1, n)]
        correlations = [float(f"{x:.7g}") for x in rng.normal(0, 0.2, n * (n - 1) // 2)]
        cells += [f'"{json.dumps(list_)}"' for list_ in (values, errors, correlations)]
        cells += [str(rng.integers(3, n)), f"{rng.uniform(0, 1):.7g}"]
    return ",".join(cells)


def bulk_file(path: Path) -> int:
    """Write the made-up file; returns its unpacked bytes."""
    rng = np.random.default_rng(0)
    rows = [row_text(rng) for _ in range(DISTINCT)]
    ids = np.sort(rng.choice(2**40, ROWS, replace=False)) * 2**22
    text = header()
    size = len(text)
    with gzip.open(path, "wt", compresslevel=6, encoding="ascii") as stream:
        stream.write(text)
        for number, source in enumerate(ids.tolist()):
            line = f"{source + number},{rows[number % DISTINCT]}\n"
            size += len(line)
            stream.write(line)
    return size


def main() -> None:
    program = shutil.which("gunzip") or "gunzip"
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as name:
        path, out = Path(name) / "XpContinuousMeanSpectrum_000000.csv.gz", Path(name) / "my.survey"
        size = bulk_file(path)

        def gunzip() -> tuple[float, ...]:
            start, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            subprocess.run([program, "-c", path], stdout=subprocess.DEVNULL, check=True)
            used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu
            return time.perf_counter() - start, used

        def ours() -> tuple[float, ...]:
            done = subprocess.run(
                [sys.executable, "-c", INGEST, path, out, str(REPEATS)],
                capture_output=True,
                text=True,
                check=True,
            )
            lines = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
            return (*min(lines)[:2], max(line[2] for line in lines))

        wall_gunzip, cpu_gunzip = map(min, zip(*(gunzip() for _ in range(REPEATS)), strict=True))
        wall, cpu, peak = ours()
        packed = path.stat().st_size
    rate, other = ROWS / wall, ROWS / wall_gunzip
    what = f"ingest of {ROWS:,} XP rows, {size // ROWS // 1000} kB a row"
    share = 100 * wall_gunzip / wall
    report(
        "ingest",
        [
            Figure(what, rate, "rows/s", other, "gunzip alone", None, True),
            Figure("its rate over gunzip's", share, "%", limit=60.0),
            Figure(
                "the same", ROWS / cpu, "rows/CPU s", ROWS / cpu_gunzip, "gunzip alone", None, True
            ),
            Figure("packed size of a row", packed / ROWS / 1000, "kB"),
            Figure("peak memory", peak, "MB", limit=1000.0),
        ],
    )


if __name__ == "__main__":
    main()
