"""Memory goes back to the system when it is freed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dashboard import memory

MEASURED = """
import sys
from threading import Barrier, Thread
import numpy as np
from dashboard.memory import give_back, keep_heaps
keep_heaps()

def anonymous():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("Anonymous"))

before = anonymous()
kept, gone = [], []
"""
FREED = """
full = anonymous()
gone.clear()
give_back()
print(before, full, anonymous())
"""
# what stays lies between what goes, as pages of visitors do
ARRAYS = """
for _ in range(3000):
    gone.append(np.ones(100_000, np.uint8))
    kept.append(np.ones(200, np.uint8))
"""
OBJECTS = """
together = Barrier(4)
def visit():
    together.wait()
    for turn in range(300):
        gone.append([str(turn * 1000 + n) * 5 for n in range(1000)])
        kept.append(str(turn) * 7)
threads = [Thread(target=visit) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def until(true):
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("not within ten seconds")


def freed(work, environment=()):
    """Return the share of what `work` filled that is still held after it was given back."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED + work + FREED],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **dict(environment)},
    )
    before, full, after = map(int, done.stdout.split())
    assert full - before > 90_000
    return (after - before) / (full - before)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_freed_between_what_stays_goes_back():
    assert freed(ARRAYS) < 0.1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_small_objects_of_several_threads_go_back_where_the_server_started_lean():
    lean, plain = freed(OBJECTS, memory.LEAN), freed(OBJECTS, {"PYTHONMALLOC": "pymalloc"})
    assert lean < 0.15
    assert lean < plain


def test_only_the_command_itself_starts_anew_and_once(monkeypatch):
    started = []
    monkeypatch.setattr(memory.os, "execve", lambda *given: started.append(given))
    monkeypatch.setattr(memory, "_is_glibc", lambda: True)
    for name in memory.LEAN:
        monkeypatch.delenv(name, raising=False)
    memory.start_lean()
    assert not started
    monkeypatch.setattr(sys, "argv", ["/somewhere/gaia-latent", "serve", "a"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "/somewhere/gaia-latent", "serve", "a"])
    memory.start_lean()
    (program, arguments, environment) = started.pop()
    assert (program, arguments) == (sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for name, value in memory.LEAN.items():
        monkeypatch.setenv(name, environment[name])
        assert environment[name] == value
    memory.start_lean()
    assert not started


LASTING = """
import gc
from dashboard.memory import keep_what_lasts, somebody_came
keep_what_lasts()
first = gc.get_freeze_count()
kept = [[] for _ in range(1000)]
keep_what_lasts()
second = gc.get_freeze_count()
somebody_came()
visitor = [[] for _ in range(1000)]
keep_what_lasts()
print(first, second - first, gc.get_freeze_count() - second)
"""


def test_what_was_there_before_anybody_came_is_not_looked_through_again():
    said = subprocess.run(
        [sys.executable, "-c", LASTING], check=True, capture_output=True, text=True
    ).stdout
    first, second, third = map(int, said.split())
    assert first > 1000
    assert second > 1000
    assert third == 0


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


def waiting():
    return [thread for thread in threading.enumerate() if thread.name == memory.THREAD]


def test_who_leave_one_by_one_are_cleaned_up_after_once_more_not_each(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "give_back", lambda: calls.append(1))
    for n in range(4):
        memory.give_back_soon(0.0)
        until(lambda n=n: len(calls) > n and len(waiting()) == 1)
    assert len(calls) == 4
