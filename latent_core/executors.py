"""Where chunks of work run: here, on processes of this machine, or on a Dask cluster.

The last two are a `concurrent.futures.Executor`; every task runs with one thread and its own
chunk only: what comes out is the same, byte for byte, whichever is chosen.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from latent_core.errors import LatentError

Task = TypeVar("Task")
Result = TypeVar("Result")
# Tasks handed out before their turn: a worker that is done must not wait for the slowest
AHEAD = 2
CONNECT_SECONDS = 30


def _alone(function: Callable[[Task], Result], task: Task) -> Result:
    """Run a task with one thread in its libraries: sums by two threads end in other bytes."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return function(task)


class Workers:
    """Runs a function over tasks; results come in the tasks' order, whoever ran them.

    The executor is made when it is first needed: a single task runs in this process.
    """

    def __init__(self, make: Callable[[], tuple[Executor, int]] | None = None) -> None:
        self._make = make
        self._executor: Executor | None = None
        self._many = 1

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield function(task) of each task; at most AHEAD tasks a worker are under way.

        Raises LatentError where a worker was lost.
        """
        if self._make is None or len(tasks) < 2:
            yield from (_alone(function, task) for task in tasks)
            return
        if self._executor is None:
            self._executor, self._many = self._make()
        executor, ahead = self._executor, AHEAD * self._many
        waiting: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                waiting.append(executor.submit(_alone, function, task))
                if len(waiting) >= ahead:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    @property
    def parallel(self) -> bool:
        """Whether several tasks run at a time, outside this process."""
        return self._make is not None

    def close(self) -> None:
        """Let the workers go; a second call is nothing."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None


SERIAL = Workers()


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise LatentError(
            "a worker process was killed from outside, perhaps for want of memory; the same "
            "command goes on from the last whole stage, try it with --jobs 1"
        ) from error
    except (CancelledError, OSError) as error:
        if type(future).__module__.startswith("distributed"):
            raise LatentError(f"the Dask cluster was lost ({error}); run it again") from error
        raise


@contextmanager
def workers(jobs: int = 1, dask: str = "") -> Iterator[Workers]:
    """Lend workers: `jobs` processes, or those of the Dask scheduler at the address `dask`.

    Raises LatentError where `distributed` is not installed or nobody answers at the address.
    """
    if dask:
        with _dask(dask) as lent:
            yield lent
        return
    lent = Workers(lambda: (_processes(jobs), jobs)) if jobs > 1 else Workers()
    try:
        yield lent
    finally:
        lent.close()


def cores() -> int:
    """Return how many cores this process may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


def _processes(jobs: int) -> Executor:
    from multiprocessing import get_context

    # a fork of a process whose libraries have started threads may hang
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_settle)


def _settle() -> None:
    """Prepare a worker: Ctrl-C is its parent's, and it ends when its parent is killed."""
    import signal
    from multiprocessing import parent_process
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def _dask(address: str) -> Iterator[Workers]:
    try:
        from distributed import Client
    except ImportError as error:
        raise LatentError(
            "--dask needs the package distributed; pip install 'gaia-latent[dask]'"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise LatentError(
            f"no Dask scheduler answers at {address}; give the address that it printed when it "
            "was started, such as tcp://127.0.0.1:8786"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise LatentError(f"the Dask cluster at {address} has no workers; start some first")
        lent = Workers(lambda: (client.get_executor(pure=False), threads))
        try:
            yield lent
        finally:
            lent.close()
