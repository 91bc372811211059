"""The one thread that computes: what waits is computed together, what is bad fails alone, and nothing is lost."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.serving.services import wait_for

from vljepa.serving.service.refusals import Busy
from vljepa.serving.service.worker import Kind, Worker

FAR = float("inf")


class Model:
    """Doubles numbers, slowly where a test wants it, and remembers what it was given together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.gate = threading.Event(), threading.Event()
        self.kind = Kind("double", self.doubled, 8)
        self.other = Kind("other", self.doubled, 8)

    def doubled(self, numbers: Sequence[int]) -> list[int]:
        self.begun.set()
        self.gate.wait(10)
        self.batches.append(list(numbers))
        if 113 in numbers:
            raise ValueError("113 is bad luck")
        return [2 * number for number in numbers]


@pytest.fixture
def model() -> Model:
    return Model()


def test_what_waits_is_computed_together_and_each_gets_its_own(model: Model) -> None:
    worker = Worker(most_waiting=100)
    with ThreadPoolExecutor(20) as pool:
        results = [pool.submit(worker.do, model.kind, [0], deadline=FAR)]
        model.begun.wait(10)
        results += [pool.submit(worker.do, model.kind, [number], deadline=FAR) for number in range(1, 20)]
        wait_for(lambda: worker.waiting == 19)
        model.gate.set()
        assert [result.result(10) for result in results] == [[2 * number] for number in range(20)]
    worker.close()
    assert len(model.batches[0]) == 1  # the first went at once, nobody waited for company
    assert [len(batch) for batch in model.batches[1:]] == [8, 8, 3]


def test_kinds_are_not_mixed_and_keep_their_order(model: Model) -> None:
    worker = Worker(most_waiting=100)
    with ThreadPoolExecutor(8) as pool:
        pool.submit(worker.do, model.kind, [0], deadline=FAR)
        model.begun.wait(10)
        for place, kind in enumerate((model.kind, model.other, model.kind, model.other), start=1):
            pool.submit(worker.do, kind, [place], deadline=FAR)
            wait_for(lambda count=place: worker.waiting == count)
        model.gate.set()
    worker.close()
    assert model.batches == [[0], [1, 3], [2, 4]]


def test_one_that_fails_takes_nobody_with_it(model: Model) -> None:
    worker = Worker(most_waiting=100)
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(worker.do, model.kind, [1], deadline=FAR)]
        model.begun.wait(10)
        results += [pool.submit(worker.do, model.kind, [number], deadline=FAR) for number in (12, 113, 14)]
        wait_for(lambda: worker.waiting == 3)
        model.gate.set()
        with pytest.raises(ValueError, match="bad luck"):
            results[2].result(10)
        assert [results[place].result(10) for place in (0, 1, 3)] == [[2], [24], [28]]
    worker.close()


def test_a_full_queue_and_a_late_answer_are_busy_and_leave_no_work(model: Model) -> None:
    worker = Worker(most_waiting=2)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(worker.do, model.kind, [0], deadline=FAR)
        model.begun.wait(10)
        late = pool.submit(worker.do, model.kind, [1], deadline=time.monotonic() + 0.05)
        with pytest.raises(Busy, match="too busy"):
            late.result(10)
        waiting = pool.submit(worker.do, model.kind, [2], deadline=FAR)
        wait_for(lambda: worker.waiting == 2)
        with pytest.raises(Busy, match="wait for the model"):
            worker.do(model.kind, [3], deadline=FAR)
        model.gate.set()
        assert (first.result(10), waiting.result(10)) == ([0], [4])
    worker.close()
    assert model.batches == [[0], [2]]  # the late one was not computed for nobody


def test_background_and_requests_take_turns(model: Model) -> None:
    worker = Worker(most_waiting=100)
    single = Kind("single", model.doubled, 1)
    with ThreadPoolExecutor(16) as pool:
        pool.submit(worker.do, single, [0], deadline=FAR)
        model.begun.wait(10)
        for number in (1, 2, 3):
            pool.submit(worker.do, single, [number], deadline=FAR)
            wait_for(lambda count=number: worker.waiting == count)
        for number in (101, 102):
            pool.submit(worker.do, single, [number], deadline=FAR, urgent=False)
            wait_for(lambda count=number - 97: worker.waiting == count)
        model.gate.set()
    worker.close()
    assert model.batches == [[0], [101], [1], [102], [2], [3]]


def test_closing_finishes_what_was_accepted_and_takes_no_more(model: Model) -> None:
    worker = Worker(most_waiting=100)
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(worker.do, model.kind, [0], deadline=FAR)]
        model.begun.wait(10)
        results += [pool.submit(worker.do, model.kind, [number], deadline=FAR) for number in range(1, 4)]
        wait_for(lambda: worker.waiting == 3)
        closing = pool.submit(worker.close)
        wait_for(lambda: not worker.alive)
        with pytest.raises(Busy, match="stopping"):
            worker.do(model.kind, [9], deadline=FAR)
        model.gate.set()
        closing.result(10)
        assert [result.result(10) for result in results] == [[0], [2], [4], [6]]
