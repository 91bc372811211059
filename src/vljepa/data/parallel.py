"""Jobs for several processes, results in the order of the jobs: what is made does not depend on how many there are."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int) -> Iterator[tuple[Job, Result]]:
    """Each job with its result; at most `workers` results wait in memory."""
    if workers <= 1:
        yield from ((job, work(job)) for job in jobs)
        return
    # Spawned, not forked: renderers and torch threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
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
