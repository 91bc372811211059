"""MQTT against a real broker: everything arrives once the broker is there, and one that is away holds up nobody."""

import json
import logging
import time
from collections.abc import Callable

import pytest
from tests.brokers import brokering, free_port, listening

from vljepa.streaming import mqtt
from vljepa.streaming.mqtt import Mqtt

SEGMENT = {"event": "segment", "start": 0.0, "end": 2.0, "time": 1.0, "caption": "тест ä", "fidelity": 0.5}
SUMMARY = {"event": "summary", "windows": 3, "decodes": 1}


def wait_until(true: Callable[[], bool], *, seconds: float = 90.0) -> None:
    """On a busy machine a broker needs long to begin, and the client tries again after 1, 2, 4 ... 30 seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_events_arrive_in_order_under_their_kind() -> None:
    port = free_port()
    with brokering(port), listening(port, "house/door/#") as heard:
        sink = Mqtt(f"mqtt://127.0.0.1:{port}/house/door/")
        for event in (SEGMENT, SEGMENT | {"start": 2.0}, SUMMARY):
            sink.put(event)
        sink.close()
        wait_until(lambda: len(heard) == 3)
        assert sink.undelivered == 0
    assert [topic for topic, _ in heard] == ["house/door/segment", "house/door/segment", "house/door/summary"]
    assert [json.loads(text) for _, text in heard] == [SEGMENT, SEGMENT | {"start": 2.0}, SUMMARY]


def test_what_waits_for_a_broker_that_comes_late_arrives() -> None:
    port = free_port()
    sink = Mqtt(f"mqtt://127.0.0.1:{port}/late")
    sink.put(SEGMENT)  # it returns, though there is nobody yet
    assert sink.undelivered == 1
    with brokering(port), listening(port, "late/#") as heard:
        wait_until(lambda: len(heard) == 1 and sink.undelivered == 0)
        sink.close()
    assert [topic for topic, _ in heard] == ["late/segment"]


def test_a_broker_that_never_comes_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(mqtt, "GRACE", 0.2)
    monkeypatch.setattr(mqtt, "QUEUED_EVENTS", 5)
    sink = Mqtt(f"mqtt://me:secret@127.0.0.1:{free_port()}/away")
    begin = time.monotonic()
    for _ in range(8):
        sink.put(SEGMENT)
    with caplog.at_level(logging.WARNING):
        sink.close()
    assert time.monotonic() - begin < 3
    assert sink.undelivered == 8
    assert "8 of 8 events did not reach mqtt://127.0.0.1" in caplog.text
    assert "too many were waiting" in caplog.text
    assert "secret" not in caplog.text


def test_a_refused_password_is_the_reason(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(mqtt, "GRACE", 0.2)
    port = free_port()
    with brokering(port, anonymous=False):
        sink = Mqtt(f"mqtt://127.0.0.1:{port}/closed")
        sink.put(SEGMENT)
        wait_until(lambda: "refused" in sink._reason)
        with caplog.at_level(logging.WARNING, logger="vljepa"):
            sink.close()
    assert "it refused: Not authorized" in caplog.text


@pytest.mark.parametrize(
    "address", ["broker.local/topic", "mqtt://broker", "mqtt://broker/", "http://broker/a", "mqtt://broker/a/+/b"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="write mqtt://host/topic"):
        Mqtt(address)


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no usable port"):
        Mqtt("mqtt://broker:99999999/topic")
