"""Events posted to servers that answer, refuse, fail for a while, or hang: the stream never waits for them."""

import base64
import json
import threading
import time
from typing import Any

import pytest
from tests.servers import Visit, serving

from vljepa.streaming import webhook
from vljepa.streaming.web import sendable
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
        self.paths: list[str] = []
        self.secrets: list[str | None] = []

    def __call__(self, visit: Visit) -> None:
        assert (visit.command, visit.headers["Content-Type"]) == ("POST", "application/json; charset=utf-8")
        self.arrived.append(json.loads(visit.body()))
        self.paths.append(visit.path)
        self.secrets.append(visit.headers["Authorization"])
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


def test_an_address_with_other_letters_and_a_password_is_sent_as_http_wants_it(caplog: pytest.LogCaptureFixture):
    answers = Answers(204, 403)
    with serving(answers) as address:
        host = address.removeprefix("http://")
        sink = Webhook(f"http://m%40e:gehe%3Aim@{host}/tür/a%20b?wort=ä#hier")
        sink.put(event(1))
        sink.put(event(2))
        sink.close()
    assert answers.paths == ["/t%C3%BCr/a%20b?wort=%C3%A4"] * 2
    assert answers.secrets == [f"Basic {base64.b64encode(b'm@e:gehe:im').decode()}"] * 2
    assert f"did not reach {address}/tür" in caplog.text and "gehe" not in caplog.text


def test_an_event_that_cannot_be_posted_costs_only_itself(caplog: pytest.LogCaptureFixture):
    answers = Answers(204)
    with serving(answers) as address:
        sink = Webhook(address)
        sink.put({"event": "clip", "start": float("nan")})
        sink.put(event(2))
        sink.close()
    assert answers.arrived == [event(2)]
    assert f"1 of 2 events did not reach {address} (ValueError: " in caplog.text


def test_a_file_whose_name_is_no_text_is_posted_and_read_back():
    answers, clip = Answers(204), {"event": "clip", "path": "\udcff.mp4"}
    with serving(answers) as address:
        sink = Webhook(address)
        sink.put(clip)
        sink.close()
    assert answers.arrived == [clip]


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


@pytest.mark.parametrize("address", ["host/path", "ftp://host/path", "http://", "", "http://[::1"])
def test_what_is_no_address(address: str):
    with pytest.raises(ValueError, match="is no address to post to: write http://host/path"):
        Webhook(address)


@pytest.mark.parametrize(
    ("address", "reason"), [(f"http://me:gehe@{'a' * 64}.de/", "label"), ("http://host:door/path", "[Pp]ort")]
)
def test_a_host_or_port_that_cannot_be_one_is_told_when_the_address_is_read(address: str, reason: str):
    with pytest.raises(ValueError, match=rf"has no usable host or port \(.*{reason}.*\): write http") as told:
        Webhook(address)
    assert "gehe" not in str(told.value)


def test_hosts_as_http_names_them():
    assert sendable("https://bücher.example:8443")[0] == "https://xn--bcher-kva.example:8443"
    assert sendable("http://[::1]:80/a") == ("http://[::1]:80/a", {})
