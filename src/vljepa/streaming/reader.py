"""Reading ahead on a thread of its own, so that decoding and computing overlap, through a queue that stays short."""

from collections import deque
from collections.abc import Generator
from threading import Condition, Thread
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Reader(Generic[Item]):
    """Runs a generator on a thread while the `with` statement lasts, at most `places` items ahead.

    Where nothing is taken for long, `drop` lets the oldest item go and counts it in `dropped`; without it the generator
    waits. The thread closes the generator; it is a daemon, so that a source which never answers holds up nobody's exit.
    """

    def __init__(self, items: Generator[Item, None, None], *, places: int, drop: bool) -> None:
        self.dropped = 0
        self._items, self._places, self._drop = items, places, drop
        self._held: deque[Item] = deque()
        self._changed = Condition()
        self._ended = self._stopped = False
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name="reader", daemon=True)

    def __enter__(self) -> "Reader[Item]":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=0.5)

    @property
    def waiting(self) -> int:
        """Items that could be taken now."""
        return len(self._held)

    def take(self, most: int, *, at_once: bool) -> list[Item]:
        """The oldest items, `most` (`places` at the most), or with `at_once` what there is, one at the least.

        Fewer at the end, and none after it; then what the generator raised, if it did, is raised here.
        """
        wanted = 1 if at_once else min(most, self._places)
        with self._changed:
            self._changed.wait_for(lambda: len(self._held) >= wanted or self._ended)
            taken = [self._held.popleft() for _ in range(min(most, len(self._held)))]
            self._changed.notify_all()
        if not taken and self._error is not None:
            raise self._error
        return taken

    def _run(self) -> None:
        try:
            for item in self._items:
                self._put(item)
                if self._stopped:
                    return
        except Exception as error:  # it is raised where the items are taken
            self._error = error
        finally:
            self._items.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item: Item) -> None:
        with self._changed:
            if self._drop and len(self._held) == self._places:
                self._held.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: len(self._held) < self._places or self._stopped)
            self._held.append(item)
            self._changed.notify_all()
