"""Memory goes back to the system when visitors leave.

The C library keeps what was freed for later, and every thread gets a heap of its own. While
visitors draw that is well: asking the system for the 40 MB of each picture anew would take as long
as drawing it. A server that they have left would hold their pages for good, unless told.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Timer

MIB = 1024 * 1024
ALONE_FROM = 32 * MIB  # from which an array is mapped alone, and unmapped when it is freed
KEPT = 256 * MIB  # that a heap keeps while it is used
COMMAND = "gaia-latent"
# Read when a process starts, and by no call later: small objects on the C library's heap, of which
# there is one. Python's own heap keeps a MB for each object in it that lasts, and heaps of further
# threads keep what is free at their ends: 170 MB after twenty visitors, 6 MB with these.
LEAN = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
PAUSE_S = 2.0
# Sessions end one after the other: what the last of twenty freed while the first were cleared up
# was 40 MB, and stayed until somebody asked again
AGAIN_S = 8.0
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's names of them, malloc.h
_WAITING, _SOMEBODY = Lock(), Event()
_AGAIN: list[Timer] = []  # the one that waits, if any
THREAD = "giving memory back"


def keep_heaps() -> bool:
    """Tell the C library to keep what its heaps hold; False where it is not glibc."""
    if not _is_glibc():
        return False
    chosen = ((_MMAP_THRESHOLD, ALONE_FROM), (_TRIM_THRESHOLD, KEPT))
    return all([ctypes.CDLL(None).mallopt(name, value) for name, value in chosen])


def start_lean() -> None:
    """Start the command gaia-latent anew, once, as LEAN says; nothing under any other command."""
    if not _is_glibc() or Path(sys.argv[0]).name != COMMAND or LEAN.keys() <= os.environ.keys():
        return
    arguments = [sys.executable, *sys.orig_argv[1:]]
    lean = {**LEAN, **os.environ}
    os.execve(sys.executable, arguments, lean)  # noqa: S606 - our own program, no shell


def somebody_came() -> None:
    """Say that a visitor's objects are here from now on: nothing more lasts as long as we do."""
    _SOMEBODY.set()


def keep_what_lasts() -> None:
    """Let collections pass over what is here already, unless a visitor's objects are among it.

    To look through half a million objects of libraries took 0.3 s of every third page that was
    made, and of each time that memory was given back.
    """
    if not _SOMEBODY.is_set():
        gc.collect()
        gc.freeze()


def give_back_soon(pause_s: float = PAUSE_S) -> None:
    """Give memory back after a pause, in a thread, once for all who leave meanwhile.

    And again, when nobody has left for some seconds.
    """
    if _WAITING.acquire(blocking=False):
        _in(pause_s, _give_back_waiting)


def _give_back_waiting() -> None:
    _WAITING.release()
    give_back()
    while _AGAIN:
        _AGAIN.pop().cancel()
    _AGAIN.append(_in(AGAIN_S, give_back))


def _in(pause_s: float, work: Callable[[], object]) -> Timer:
    timer = Timer(pause_s, work)
    timer.daemon, timer.name = True, THREAD
    timer.start()
    return timer


def give_back() -> bool:
    """Free what nobody reaches and return free pages; False where the C library cannot."""
    gc.collect()
    if not _is_glibc():
        return False
    ctypes.CDLL(None).malloc_trim(0)
    return True


def _is_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")
