"""The harness of the benchmarks: goes on after a failure, tells all on one page."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
GOOD = """
from measuring import Figure, report, within
report("good", [
    Figure(f"{n:,} points, drawn", n / 1e4, "ms", n / 1e3, "stock", limit=250.0)
    for n in (1_000_000, 2_000_000, 4_000_000)
] + [Figure("<b>hostile</b>", 1.0, "rows/s", 4.0, "reading", physical=True),
     Figure(f"most {within(10, 10**9)}", 1.0)])
"""
BAD = "from measuring import report\nraise SystemExit('the disk is full')"
SILENT = "print('nothing was measured')"
LONG = "from measuring import only_full\nonly_full('long', 15)\nraise SystemExit('ran')"
SERVER = """
import subprocess, sys
from pathlib import Path
from measuring import Figure, report
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(__file__).with_suffix(".pid").write_text(str(child.pid))
report("server", [Figure("process", 1.0)])
"""


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--size", "tiny", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("benchmarks")
    for name, text in (("good", GOOD), ("bad", BAD), ("silent", SILENT), ("long", LONG)):
        (made / f"bench_{name}.py").write_text(text, encoding="utf-8")
    (made / "bench_server.py").write_text(SERVER, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """Run five small benchmarks, two of which fail; returns what happened and where."""
    out = tmp_path_factory.mktemp("out")
    done = bench("--folder", str(folder), "--out", str(out))
    content = json.loads((out / "bench.json").read_text("utf-8"))
    return done, content, out


def part(run, name):
    return next(p for p in run[1]["parts"] if p["name"] == name)


def test_a_failing_benchmark_stops_no_other_and_fails_the_run(run):
    done, content, _ = run
    assert done.returncode == 1
    assert "failed: bad, silent" in done.stdout
    states = {p["name"]: p["state"] for p in content["parts"]}
    assert states == {
        **{"bad": "failed", "good": "done", "long": "skipped"},
        **{"server": "done", "silent": "failed"},
    }
    assert part(run, "bad")["reason"] == "the disk is full"
    assert part(run, "silent")["reason"] == "wrote no result"
    assert part(run, "long")["reason"] == "takes 15 minutes; a full run has it"


def test_figures_carry_ratio_limit_and_cost(run):
    good = part(run, "good")
    first, *_, last, hostile, most = good["results"]["good"]["figures"]
    assert first["ratio"] == 10
    assert not first["missed"]
    assert last["missed"]
    assert hostile["ratio"] == 0.25
    assert hostile["physical"] is True
    assert most["what"] == "most (10,)"
    assert good["cpu_s"] > 0
    assert good["peak_mb"] > 10
    assert json.loads((run[2] / "good.json").read_text("utf-8"))["figures"][0] == first


def test_the_page_tells_misses_failures_shares_and_growth_and_loads_nothing(run):
    page = (run[2] / "bench.html").read_text("utf-8")
    assert "2 of 3 limits reached, 1 missed" in page
    assert 'class="MISSED"' in page
    assert "the disk is full" in page
    assert "25 % of it" in page
    assert "<b>hostile" not in page
    assert "&lt;b&gt;hostile" in page
    assert page.count("<svg") == 1
    assert "N points, drawn" in page
    for word in ("http://127", "src=", "<script", "<link", "url(http"):
        assert word not in page


def test_nothing_that_a_benchmark_started_outlives_it(run, folder):
    pid = int((folder / "bench_server.pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split(")")[1].split()[0] == "Z"


def test_a_part_is_renewed_alone_and_the_others_stay(run, folder):
    _, before, out = run
    (folder / "bench_bad.py").write_text(GOOD.replace('"good"', '"bad"'), encoding="utf-8")
    done = bench("--folder", str(folder), "--out", str(out), "--only", "bad")
    assert done.returncode == 0
    after = json.loads((out / "bench.json").read_text("utf-8"))
    states = {p["name"]: p["state"] for p in after["parts"]}
    assert states["bad"] == "done"
    assert states["silent"] == "failed"
    kept = [next(p for p in c["parts"] if p["name"] == "good") for c in (before, after)]
    assert kept[0] == kept[1]


def test_a_result_that_was_written_by_hand_gets_its_place_on_the_page(folder, tmp_path):
    content = {"date": "2026-01-02", "figures": []}
    (tmp_path / "long.json").write_text(json.dumps(content), encoding="utf-8")
    bench("--folder", str(folder), "--out", str(tmp_path), "--only", "good")
    parts = json.loads((tmp_path / "bench.json").read_text("utf-8"))["parts"]
    assert [(p["name"], p["date"][:10]) for p in parts if p["name"] == "long"] == [
        ("long", "2026-01-02")
    ]
    assert "run by hand" in (tmp_path / "bench.html").read_text("utf-8")


def test_a_wrong_name_is_told(folder, tmp_path):
    done = bench("--folder", str(folder), "--out", str(tmp_path), "--only", "drawng")
    assert done.returncode == 1
    assert "no benchmark is called drawng; there are bad, good" in done.stderr


@pytest.mark.parametrize("name", ["limits", "growth"])
def test_our_own_benchmarks_run_at_a_tiny_size(name, tmp_path):
    done = bench("--out", str(tmp_path), "--only", name)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    own = next(p for p in content["parts"] if p["name"] == name)
    figures = own["results"][name]["figures"]
    assert len(figures) >= 4
    assert all(figure["ours"] > 0 for figure in figures)


@pytest.mark.parametrize("file", sorted(BENCHMARKS.glob("bench_*.py")), ids=lambda f: f.stem)
def test_every_benchmark_says_what_it_measures_and_writes_a_result(file):
    tree = ast.parse(file.read_text("utf-8"))
    assert ast.get_docstring(tree)
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & {"report", "write"}
