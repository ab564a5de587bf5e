"""Memory goes back to the system when visitors leave.

The C library keeps what was freed for later: pictures of 2 MB raise the size from which it asks
the system directly, up to 32 MB, and every thread gets a heap of its own. A server that twenty
visitors have left would hold their pages for good.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from threading import Lock, Timer

ALONE_FROM = 256 * 1024  # bytes from which an array is mapped alone, and unmapped when it is freed
HEAPS = 2
PAUSE_S = 2.0
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # mallopt's names of them, malloc.h
_WAITING = Lock()


def keep_heaps_small() -> bool:
    """Tell the C library to map large arrays alone; False where it is not glibc."""
    if not _is_glibc():
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_MMAP_THRESHOLD, ALONE_FROM) and libc.mallopt(_ARENA_MAX, HEAPS))


def give_back_soon(pause_s: float = PAUSE_S) -> None:
    """Give memory back after a pause, in a thread; once for all who leave meanwhile."""
    if _WAITING.acquire(blocking=False):
        timer = Timer(pause_s, _give_back_waiting)
        timer.daemon = True
        timer.start()


def _give_back_waiting() -> None:
    _WAITING.release()
    give_back()


def give_back() -> bool:
    """Free what nobody reaches and return free pages; False where the C library cannot."""
    gc.collect()
    if not _is_glibc():
        return False
    ctypes.CDLL(None).malloc_trim(0)
    return True


def _is_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")
