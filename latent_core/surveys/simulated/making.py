"""Many blocks on several cores, in their order: what comes out does not depend on the cores."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess

from latent_core.errors import LatentError
from latent_core.surveys.simulated.anomalies import SHARE, plant
from latent_core.surveys.simulated.block import Block, make_block
from latent_core.surveys.simulated.missing import Xp


@dataclass(frozen=True)
class Options:
    """How a survey is made.

    `xp` says which sources have spectra, `anomalies` which share of all rows has one planted;
    `jobs`, the number of processes, changes no byte.
    """

    xp: Xp = Xp.DR3
    anomalies: float = SHARE
    jobs: int = 1


def make_blocks(seed: int, numbers: Sequence[int], options: Options) -> Iterator[Block]:
    """Make blocks one after another, in the order of `numbers`.

    Worker k of n makes every n-th block, and waits until it is taken: no more than one block a
    worker is ahead. Raises LatentError where a worker was killed from outside.
    """
    jobs = min(options.jobs, len(numbers))
    if jobs <= 1:
        for number in numbers:
            yield _make(seed, number, options)
        return
    workers = [_started(seed, numbers[place::jobs], options) for place in range(jobs)]
    try:
        for place in range(len(numbers)):
            yield _received(*workers[place % jobs])
    finally:
        for worker, blocks in workers:
            blocks.close()
            worker.terminate()
            worker.join()


def _started(seed: int, numbers: Sequence[int], options: Options) -> tuple[BaseProcess, Pipe]:
    """Start a worker with a pipe of its own.

    A pool shares one pipe among its workers, and waits for ever for the rest of a block whose
    maker was killed while sending it; a pipe that nobody else holds ends with its worker.
    """
    context = get_context("spawn")  # a forked child of a process with threads may hang
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(seed, numbers, options, theirs), daemon=True)
    worker.start()
    theirs.close()
    return worker, ours


def _work(seed: int, numbers: Sequence[int], options: Options, blocks: Pipe) -> None:
    # Ctrl-C is the parent's, which then ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the parent may go without a word
    with suppress(BrokenPipeError):
        for number in numbers:
            blocks.send(_make(seed, number, options))


def _received(worker: BaseProcess, blocks: Pipe) -> Block:
    try:
        block: Block = blocks.recv()
    except (EOFError, OSError) as error:
        worker.join()
        if (worker.exitcode or 0) > 0:
            raise RuntimeError("a worker failed, as it says above") from error
        raise LatentError(
            "a worker was killed from outside, perhaps for want of memory; run it again with "
            "--jobs 1"
        ) from error
    return block


def _make(seed: int, number: int, options: Options) -> Block:
    from threadpoolctl import threadpool_limits

    # one thread: products of matrices may differ in the last bit with the number of threads
    with threadpool_limits(1, "blas"):
        return plant(make_block(seed, number, options.xp), seed, options.anomalies)
