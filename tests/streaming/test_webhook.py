"""Events posted to servers that answer, refuse, fail for a while, or hang: the stream never waits for them."""

import json
import threading
import time
from typing import Any

import pytest
from tests.servers import Visit, serving

from vljepa.streaming import webhook
from vljepa.streaming.webhook import Webhook


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WAITS", (0.01, 0.02))
    monkeypatch.setattr(webhook, "TIMEOUT", 10.0)
    monkeypatch.setattr(webhook, "GRACE", 20.0)


def event(number: int) -> dict[str, Any]:
    return {"event": "segment", "start": float(number), "caption": "Bär"}


class Answers:
    """Keeps what arrives; answers each visit with the next of the statuses, then with the last of them."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.arrived = list(statuses), []

    def __call__(self, visit: Visit) -> None:
        assert (visit.command, visit.headers["Content-Type"]) == ("POST", "application/json; charset=utf-8")
        self.arrived.append(json.loads(visit.body()))
        visit.send(status=self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


def test_events_arrive_in_order(caplog: pytest.LogCaptureFixture):
    answers = Answers(204)
    with serving(answers) as address:
        sink = Webhook(address + "/path?key=1")
        for number in range(10):
            sink.put(event(number))
        sink.close()
    assert answers.arrived == [event(number) for number in range(10)]
    assert sink.undelivered == 0
    assert caplog.text == ""


def test_a_server_that_fails_for_a_while_gets_the_event_again():
    answers = Answers(503, 429, 200)
    with serving(answers) as address:
        sink = Webhook(address)
        sink.put(event(1))
        sink.put(event(2))
        sink.close()
    assert answers.arrived == [event(1), event(1), event(1), event(2)]
    assert sink.undelivered == 0


def test_tries_are_bounded_and_what_did_not_arrive_is_told(caplog: pytest.LogCaptureFixture):
    answers = Answers(500)
    with serving(answers) as address:
        sink = Webhook(address)
        sink.put(event(1))
        sink.close()
    assert len(answers.arrived) == 3
    assert sink.undelivered == 1
    assert f"1 of 1 events did not reach {address} (it answered 500): check the server" in caplog.text


@pytest.mark.parametrize("status", [404, 302])
def test_what_is_refused_is_not_posted_again(status: int, caplog: pytest.LogCaptureFixture):
    answers = Answers(status)
    with serving(answers) as address:
        sink = Webhook(address)
        sink.put(event(1))
        sink.close()
    assert len(answers.arrived) == 1
    assert f"it answered {status}" in caplog.text


def test_a_server_that_hangs_never_blocks_the_stream(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(webhook, "GRACE", 0.3)
    monkeypatch.setattr(webhook, "TIMEOUT", 20.0)
    monkeypatch.setattr(webhook, "QUEUED_EVENTS", 5)
    woken = threading.Event()
    with serving(lambda visit: woken.wait(20) and None) as address:
        sink = Webhook(address)
        begin = time.monotonic()
        for number in range(100):
            sink.put(event(number))
        assert time.monotonic() - begin < webhook.TIMEOUT  # a hundred events in less than one
        sink.close()
        assert time.monotonic() - begin < webhook.TIMEOUT
        woken.set()
    assert sink.undelivered == 100
    assert "100 of 100 events did not reach" in caplog.text


def test_nobody_listens(caplog: pytest.LogCaptureFixture):
    with serving(Answers(200)) as address:
        pass
    sink = Webhook(address)
    sink.put(event(1))
    sink.close()
    assert "1 of 1 events did not reach" in caplog.text and "Connection refused" in caplog.text


@pytest.mark.parametrize("address", ["host/path", "ftp://host/path", "http://", ""])
def test_what_is_no_address(address: str):
    with pytest.raises(ValueError, match="is no address to post to: write http://host/path"):
        Webhook(address)
