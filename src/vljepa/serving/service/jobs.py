"""Work that takes longer than a request: one after the other on a thread of its own, told about while it goes on."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Queue
from typing import Any, Literal

from vljepa.serving.service.refusals import Busy, NotFound
from vljepa.serving.service.shared import in_background

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Tell = Callable[[dict[str, Any]], None]
Work = Callable[[Tell], dict[str, Any]]
OVER: tuple[State, ...] = ("done", "failed", "cancelled")
MOST_WAITING, KEPT_JOBS = 16, 256

logger = logging.getLogger(__name__)


class _Cancelled(Exception):
    """Raised inside the work, where it tells how far it is."""


@dataclass(eq=False)
class Job:
    """One piece of long work: what it is, how far it is (`progress`), and in the end what came out of it."""

    id: str
    work: Work = field(repr=False)
    state: State = "waiting"
    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: str | None = None
    cancelled: bool = False
    since: float = field(default_factory=time.monotonic)

    def facts(self) -> dict[str, Any]:
        """What is known of it, ready for JSON."""
        names = ("id", "state", "progress", "result", "error")
        return {name: getattr(self, name) for name in names}


class Jobs:
    """A queue of jobs and the thread that does them."""

    def __init__(self, name: str) -> None:
        self._jobs: dict[str, Job] = {}
        self._queue: Queue[Job | None] = Queue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, work: Work, *, key: str | None = None) -> Job:
        """Put work into the queue, once for each key until it is done; failed work is not tried again under its key.

        Busy where too much waits.
        """
        with self._lock:
            key = key or secrets.token_hex(8)
            if key in self._jobs and self._jobs[key].state not in ("done", "cancelled"):
                return self._jobs[key]
            if self._queue.qsize() >= MOST_WAITING:
                raise Busy(f"{MOST_WAITING} jobs wait already: try again when some are done", after=30, own=True)
            for old in [job.id for job in self._jobs.values() if job.state in OVER][:-KEPT_JOBS]:
                del self._jobs[old]
            job = self._jobs[key] = Job(key, work)
            self._queue.put(job)
            return job

    def get(self, key: str) -> Job:
        """NotFound where there is none of that id."""
        job = self._jobs.get(key)
        if job is None:
            raise NotFound(f"there is no job {key!r}: list the jobs, or start one")
        return job

    def all(self) -> list[Job]:
        """Those that wait and run, and the latest that are over."""
        with self._lock:
            return list(self._jobs.values())

    def cancel(self, key: str) -> Job:
        """Ask a job to end where it is."""
        job = self.get(key)
        job.cancelled = True
        return job

    def close(self) -> None:
        """Cancel all and wait for the one that runs."""
        for job in self.all():
            job.cancelled = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        with in_background():
            while (job := self._queue.get()) is not None:
                self._do(job)

    def _do(self, job: Job) -> None:
        def tell(progress: dict[str, Any]) -> None:
            job.progress = progress
            if job.cancelled:
                raise _Cancelled

        try:
            tell({})
            job.state = "running"
            job.result = job.work(tell)
            job.state = "done"
        except _Cancelled:
            job.state = "cancelled"
        except (ValueError, OSError) as error:
            job.state, job.error = "failed", str(error)
        except Exception as error:  # a mistake of ours ends this job alone
            logger.exception("the job %s failed", job.id)
            job.state, job.error = "failed", f"a mistake of ours, {type(error).__name__}: please report it"
