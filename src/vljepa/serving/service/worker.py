"""The one thread that computes: what waits for it and is of one kind is computed together (micro-batching).

Nothing waits for a batch to fill. While one batch is computed the next one gathers, so batches grow with the load and
a lone request is never delayed.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any

from vljepa.serving.service.refusals import Busy

Observe = Callable[[str, int, float], None]


@dataclass(frozen=True, eq=False)
class Kind:
    """Work of one kind: at most `most` pieces are handed to `batch` together, which returns a result for each."""

    name: str
    batch: Callable[[Sequence[Any]], Sequence[Any]]
    most: int


@dataclass(eq=False)
class _Piece:
    kind: Kind
    given: Any
    result: Future[Any] = field(default_factory=Future)


class Worker:
    """Runs pieces of work one batch after the other; `do` may be called from any thread.

    Requests and background work (streams, jobs) take turns, so neither starves the other. `most_waiting` pieces of
    requests may wait; beyond that, and where a piece has waited until its deadline, Busy is raised.
    """

    def __init__(self, *, most_waiting: int, observe: Observe = lambda kind, size, seconds: None) -> None:
        self._most_waiting, self._observe = most_waiting, observe
        self._changed = threading.Condition()
        self._urgent: deque[_Piece] = deque()
        self._background: deque[_Piece] = deque()
        self._closed = self._last_was_urgent = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces that wait."""
        return len(self._urgent) + len(self._background)

    @property
    def alive(self) -> bool:
        """Whether it takes work."""
        return self._thread.is_alive() and not self._closed

    def do(self, kind: Kind, given: Sequence[Any], *, deadline: float, urgent: bool = True) -> list[Any]:
        """The results of some pieces of one kind, or what one of them raised; the worker's own thread may ask, too."""
        if threading.current_thread() is self._thread:
            return list(kind.batch(given))
        pieces = [_Piece(kind, one) for one in given]
        with self._changed:
            if self._closed:
                raise Busy("the service is stopping: try again later", after=5)
            if urgent and len(self._urgent) + len(pieces) > self._most_waiting:
                raise Busy(f"{len(self._urgent)} pieces of work wait for the model already: try again soon", after=2)
            (self._urgent if urgent else self._background).extend(pieces)
            self._changed.notify_all()
        try:
            return [piece.result.result(timeout=_left(deadline)) for piece in pieces]
        except FutureTimeout:
            raise Busy("the model is too busy to answer in time: try again later, or ask for less", after=5) from None
        finally:
            for piece in pieces:
                piece.result.cancel()

    def close(self) -> None:
        """Finish what waits, then end; nothing new is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while pieces := self._next():
            kind = pieces[0].kind
            begin = time.perf_counter()
            _compute(kind, pieces)
            self._observe(kind.name, len(pieces), time.perf_counter() - begin)

    def _next(self) -> list[_Piece]:
        """The oldest piece and all that wait of its kind; none when it is over."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closed or self.waiting)
                if not self.waiting:
                    return []
                self._last_was_urgent = bool(self._urgent) and not (self._last_was_urgent and self._background)
                pieces = _take(self._urgent if self._last_was_urgent else self._background)
                if pieces:
                    return pieces


def _left(deadline: float) -> float | None:
    """Seconds until then; None for no end."""
    return None if deadline == math.inf else max(deadline - time.monotonic(), 0.0)


def _take(queue: deque[_Piece]) -> list[_Piece]:
    """Pieces of the kind of the oldest one, without those that nobody waits for any more."""
    kind = queue[0].kind
    taken: list[_Piece] = []
    left: list[_Piece] = []
    while queue and len(taken) < kind.most:
        piece = queue.popleft()
        if piece.kind is not kind:
            left.append(piece)
        elif piece.result.set_running_or_notify_cancel():
            taken.append(piece)
    queue.extendleft(reversed(left))
    return taken


def _compute(kind: Kind, pieces: list[_Piece]) -> None:
    """Give each piece its result; where a batch fails each piece is tried alone, so that only the bad one fails."""
    try:
        results = kind.batch([piece.given for piece in pieces])
    except Exception as error:  # whatever it is, it belongs to those who asked
        if len(pieces) == 1:
            pieces[0].result.set_exception(error)
        else:
            for piece in pieces:
                _compute(kind, [piece])
        return
    for piece, result in zip(pieces, results, strict=True):
        piece.result.set_result(result)
