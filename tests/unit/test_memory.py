"""Memory goes back to the system when it is freed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dashboard import memory

HELD = """
import sys
import numpy as np
from dashboard.memory import give_back, keep_heaps_few
keep_heaps_few()

def anonymous():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("Anonymous"))

before = anonymous()
kept, gone = [], []
for _ in range(3000):  # what stays lies between what goes, as pages of visitors do
    gone.append(np.ones(100_000, np.uint8))
    kept.append(np.ones(200, np.uint8))
full = anonymous()
gone.clear()
give_back()
print(before, full, anonymous())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_freed_between_what_stays_goes_back():
    done = subprocess.run(
        [sys.executable, "-c", HELD],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    before, full, after = map(int, done.stdout.split())
    assert full - before > 250_000
    assert after - before < 0.1 * (full - before)


def test_many_who_leave_at_once_are_one_cleaning(monkeypatch):
    cleaned = threading.Event()
    calls = []
    monkeypatch.setattr(memory, "give_back", lambda: calls.append(1) or cleaned.set())
    for _ in range(5):
        memory.give_back_soon(0.05)
    assert cleaned.wait(10)
    assert len(calls) == 1
    cleaned.clear()
    memory.give_back_soon(0.0)
    assert cleaned.wait(10)
