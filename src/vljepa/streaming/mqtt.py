"""Events published to an MQTT broker, as home automation reads them; the network's thread never holds up the stream."""

import logging
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from vljepa.data.errors import name_of
from vljepa.json_line import json_line
from vljepa.streaming.watch import Event

logger = logging.getLogger(__name__)

# Seconds for what is still on its way when the stream is over; events that may wait for a broker that is away.
GRACE = 10.0
QUEUED_EVENTS = 256
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_AT_LEAST_ONCE = 1
_LONGEST_WAIT = 30


class Mqtt:
    """A sink that publishes every event as JSON under TOPIC/segment, TOPIC/trigger ... at least once, in order.

    `address` is mqtt://[user:password@]host[:port]/topic, or mqtts:// for TLS. Where the broker is away, QUEUED_EVENTS
    events wait for it, and it is tried again at growing distances. What does not fit, or has not arrived GRACE seconds
    after `close`, is counted in `undelivered` and told to the log. ValueError for an address that is none, and where
    the client package is missing.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._topic = unquote(parts.path).strip("/")
        if parts.scheme not in _PORTS or not parts.hostname or not self._topic or set("+#") & set(self._topic):
            raise ValueError(
                f"{name_of(address)} is no MQTT address: write mqtt://host/topic, the topic without + and #"
            )
        try:
            port = parts.port or _PORTS[parts.scheme]
        except ValueError as error:
            raise ValueError(
                f"{name_of(address)} has no usable port ({error}): write mqtt://host:1883/topic"
            ) from error
        self._name = name_of(address)
        self._given = self._delivered = self._lost = 0
        self._reason = "the broker did not answer"
        self._client = self._connected(
            parts.hostname, port, parts.username, parts.password, tls=parts.scheme == "mqtts"
        )

    @property
    def undelivered(self) -> int:
        """Events that were put and that the broker has not taken."""
        return self._given - self._delivered

    def put(self, event: Event) -> None:
        """Hand an event over; returns at once."""
        self._given += 1
        info = self._client.publish(f"{self._topic}/{event['event']}", json_line(event), qos=_AT_LEAST_ONCE)
        if info.rc == self._queue_full:
            self._lost += 1
            self._reason = "too many were waiting for it"

    def close(self) -> None:
        """Give what is on its way GRACE seconds, and tell how much did not arrive."""
        deadline = time.monotonic() + GRACE
        while self.undelivered > self._lost and time.monotonic() < deadline:
            time.sleep(0.02)
        self._client.disconnect()
        self._client.loop_stop()
        if self.undelivered:
            logger.warning(
                "%d of %d events did not reach %s (%s): check the broker and the password",
                self.undelivered,
                self._given,
                self._name,
                self._reason,
            )

    def _connected(self, host: str, port: int, user: str | None, password: str | None, *, tls: bool) -> Any:
        """A client whose thread connects, and connects again."""
        try:
            from paho.mqtt.client import MQTT_ERR_QUEUE_SIZE, Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise ValueError("publishing to MQTT needs paho-mqtt: install vljepa[mqtt], or leave --mqtt out") from error
        self._queue_full = MQTT_ERR_QUEUE_SIZE
        client = Client(CallbackAPIVersion.VERSION2)
        client.max_queued_messages_set(QUEUED_EVENTS)
        client.reconnect_delay_set(1, _LONGEST_WAIT)
        if user:
            client.username_pw_set(unquote(user), unquote(password or ""))
        if tls:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.connect_async(host, port)
        client.loop_start()
        return client

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._reason = f"it refused: {reason}"

    def _on_publish(self, *_told: Any) -> None:
        """The broker has taken one."""
        self._delivered += 1
