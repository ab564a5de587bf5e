"""Many blocks on several cores, in their order: what comes out does not depend on the cores."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

from latent_core.errors import LatentError
from latent_core.surveys.simulated.anomalies import SHARE, plant
from latent_core.surveys.simulated.block import Block, make_block
from latent_core.surveys.simulated.missing import Xp

_AHEAD = 3  # blocks a worker that may be made before they are written: 3 MB each


@dataclass(frozen=True)
class Options:
    """How a survey is made.

    `xp` says which sources have spectra, `anomalies` which share of all rows has one planted;
    `jobs`, the number of processes, changes no byte.
    """

    xp: Xp = Xp.DR3
    anomalies: float = SHARE
    jobs: int = 1


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_blocks(seed: int, numbers: Sequence[int], options: Options) -> Iterator[Block]:
    """Make blocks one after another, in the order of `numbers`.

    Raises LatentError where a worker was killed from outside.
    """
    jobs = min(options.jobs, len(numbers))
    if jobs <= 1:
        for number in numbers:
            yield _make(seed, number, options)
        return
    # spawn: a forked child of a process with threads may hang
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_deaf)
    try:
        yield from _in_order(pool, seed, numbers, options)
    except BrokenProcessPool as error:
        raise LatentError(
            "a worker was killed from outside, perhaps for want of memory; run it again with "
            "--jobs 1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, seed: int, numbers: Sequence[int], options: Options
) -> Iterator[Block]:
    waiting: deque[Future[Block]] = deque()
    for number in numbers:
        waiting.append(pool.submit(_make, seed, number, options))
        if len(waiting) >= _AHEAD * options.jobs:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _make(seed: int, number: int, options: Options) -> Block:
    from threadpoolctl import threadpool_limits

    # one thread: products of matrices may differ in the last bit with the number of threads
    with threadpool_limits(1, "blas"):
        return plant(make_block(seed, number, options.xp), seed, options.anomalies)


def _deaf() -> None:
    """Leave Ctrl-C to the parent, which then ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
