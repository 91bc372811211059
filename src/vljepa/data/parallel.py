"""Jobs for several processes, results in the order of the jobs: what is made does not depend on how many there are."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int) -> Iterator[tuple[Job, Result]]:
    """Each job with its result; at most `workers` results wait in memory."""
    if workers <= 1:
        yield from ((job, work(job)) for job in jobs)
        return
    with spawned(workers) as pool:
        waiting: deque[tuple[Job, Future[Result]]] = deque()
        try:
            for job in jobs:
                waiting.append((job, pool.submit(work, job)))
                if len(waiting) >= workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for job, future in waiting:
                yield job, future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def spawned(workers: int, *, begin: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Processes that end with this one, however it ends; each calls `begin` first.

    Spawned, not forked: renderers and torch threads do not survive a fork.
    """
    return ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin_with_parent, initargs=(begin,)
    )


def _begin_with_parent(begin: Callable[[], None] | None) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin()


def _end_with_parent() -> None:
    """A killed parent tells nobody; whoever went on would write beside the next run. SIGTERM lets a training save, and
    comes again until it ends the process: after its training a worker would wait for ever for the next one."""
    parent = parent_process()
    if parent is None:
        return
    parent.join()
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
