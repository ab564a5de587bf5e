"""Run every benchmark here, one after another, and put what they found into one page.

    python benchmarks/bench.py [--size small] [--only NAME ...] [--skip NAME ...] [--out FOLDER]

Each bench_NAME.py runs in a process of its own, on one thread and in bounded time; one that fails
or takes too long is told on the page, and the others still run. Writes bench.json (everything) and
bench.html (ratios, limits, growth) after each of them. What does not run now is kept from an
earlier run of the same size, or from what was run by hand, each part with its own date;
bench_limits.py always runs. Exits 1 where a benchmark failed; a missed limit is told, no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from page import page_of, place

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIMITS = "limits"  # first, and in every run: the others are read against it
MOST_S = {"tiny": 300, "small": 600, "full": 2400}
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
Part = dict[str, Any]


def benchmarks(folder: Path) -> dict[str, Path]:
    """Return every bench_NAME.py of a folder by its name, in the order of the page."""
    found = {path.stem.removeprefix("bench_"): path for path in folder.glob("bench_*.py")}
    return {name: found[name] for name in sorted(found, key=place)}


def run(name: str, file: Path, size: str, work: Path) -> Part:
    """Run one benchmark; returns its state, what it took, and what it wrote."""
    results = work / "results" / name
    results.mkdir(parents=True, exist_ok=True)
    started, load = time.monotonic(), os.getloadavg()[0]
    log = work / f"{name}.log"
    code, cpu, peak = _run(file, size, work, results, log)
    written = {p.stem: json.loads(p.read_text("utf-8")) for p in sorted(results.glob("*.json"))}
    text = log.read_text("utf-8", "replace")
    part: Part = {
        "name": name,
        "about": _about(file),
        "state": "done",
        "reason": "",
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "wall_s": round(time.monotonic() - started, 1),
        "cpu_s": round(cpu, 1),
        "peak_mb": round(peak, 1),
        "load_before": round(load, 1),
        "results": written,
    }
    if code == -signal.SIGKILL:
        part |= {"state": "failed", "reason": f"ended after {MOST_S[size]} s, or by the system"}
    elif code or not written:
        last = [line for line in text.splitlines() if line.strip()][-1:]
        reason = last[0] if code and last else "wrote no result"
        part |= {"state": "failed", "reason": reason, "output": text[-4000:]}
    elif skipped := next((r["skipped"] for r in written.values() if "skipped" in r), None):
        part |= {"state": "skipped", "reason": skipped}
    return part


def _run(file: Path, size: str, work: Path, results: Path, log: Path) -> tuple[int, float, float]:
    """Return the exit code, CPU seconds and the largest memory in MB of any of its processes."""
    environment = {
        **os.environ,
        **{f"{name}_NUM_THREADS": "1" for name in THREADS},
        "BENCH_SIZE": size,
        "BENCH_RESULTS": str(results),
        "BENCH_BUNDLES": os.environ.get("BENCH_BUNDLES", str(work)),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT), *_given_paths()]),
    }
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, str(file)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        timer = threading.Timer(MOST_S[size], _end, (process.pid,))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
            _end(process.pid)  # servers that it may have left
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _given_paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _about(file: Path) -> str:
    """Return the first paragraph of a file's docstring."""
    parts = file.read_text("utf-8").split('"""')
    return " ".join(parts[1].split("\n\n")[0].split()) if len(parts) > 2 else ""


def machine() -> dict[str, Any]:
    """Return what a figure depends on beside the code."""
    from measuring import versions

    return {
        "processor": _line_of("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": versions(),
        "commit": _commit(),
    }


def _line_of(file: str, key: str) -> str:
    if not Path(file).exists():
        return ""
    lines = Path(file).read_text("utf-8").splitlines()
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith(key)), "")


def _memory() -> str:
    total = _line_of("/proc/meminfo", "MemTotal").split()
    return f"{int(total[0]) / 2**20:.0f} GiB" if total else ""


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    with suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def save(out: Path, size: str, parts: Iterable[Part]) -> dict[str, Any]:
    """Write bench.json and bench.html; returns what the first holds."""
    content = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "size": size,
        "machine": machine(),
        "parts": list(parts),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (out / "bench.html").write_text(page_of(content), encoding="utf-8")
    for part in content["parts"]:
        for name, result in part["results"].items() if part["state"] == "done" else ():
            file, text = out / f"{name}.json", json.dumps(result, indent=1) + "\n"
            if not file.exists() or json.loads(file.read_text("utf-8")) != result:
                file.write_text(text, encoding="utf-8")
    return content


def earlier(out: Path, size: str) -> dict[str, Part]:
    """Return the parts that an earlier run of the same size left in a folder."""
    file = out / "bench.json"
    content = json.loads(file.read_text("utf-8")) if file.exists() else {"size": size, "parts": []}
    if content["size"] != size:
        return {}
    parts = {part["name"]: part for part in content["parts"]}
    for path in out.glob("*.json"):
        held = parts.get(path.stem, {}).get("results", {}).get(path.stem)
        if path != file and held != json.loads(path.read_text("utf-8")):
            parts[path.stem] = _adopted(path.stem, path)  # run by hand since
    return parts


def _adopted(name: str, file: Path) -> Part:
    """Return a result that a benchmark wrote when it was run by hand as a part of the page."""
    content = json.loads(file.read_text("utf-8"))
    return {
        "name": name,
        "about": _about(HERE / f"bench_{name}.py") if (HERE / f"bench_{name}.py").exists() else "",
        "state": "done",
        "reason": "run by hand",
        "date": content.get("date", ""),
        **dict.fromkeys(("wall_s", "cpu_s", "peak_mb", "load_before")),
        "results": {name: content},
    }


def chosen(names: Iterable[str], only: Sequence[str], skipped: Sequence[str]) -> list[str]:
    """Return which benchmarks run; a name that does not exist is a mistake."""
    known = list(names)
    if unknown := sorted({*only, *skipped} - {*known}):
        sys.exit(f"no benchmark is called {unknown[0]}; there are {', '.join(known)}")
    wanted = {*only} or {*known} - {*skipped}
    return [name for name in known if name in wanted or name == LIMITS]


def run_all(names: Sequence[str], files: Mapping[str, Path], size: str, out: Path) -> list[Part]:
    """Run benchmarks in turn and renew the page after each; returns the parts of this run."""
    kept = earlier(out, size).items()
    parts = {n: part for n, part in kept if n not in names and (n in files or _is_there(out, n))}
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        for name in names:
            print(f"== {name}", flush=True)
            parts[name] = part = run(name, files[name], size, Path(work))
            print(f"   {part['state']} in {part['wall_s']:.0f} s  {part['reason']}", flush=True)
            save(out, size, parts.values())
    return [parts[name] for name in names]


def _is_there(out: Path, name: str) -> bool:
    return (out / f"{name}.json").exists()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=MOST_S, default="full")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--skip", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--out", type=Path, help="default: results/, build/bench unless full")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the benchmarks are")
    given = parser.parse_args(arguments)
    files = benchmarks(given.folder)
    names = chosen(files, given.only, given.skip)
    out = given.out or (HERE / "results" if given.size == "full" else ROOT / "build" / "bench")
    parts = run_all(names, files, given.size, out)
    failed = [part["name"] for part in parts if part["state"] == "failed"]
    print(f"{out / 'bench.html'}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
