"""A real MQTT broker on this machine, as long as a `with` statement lasts."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from amqtt.broker import Broker

PLUGIN = "amqtt.plugins.authentication.AnonymousAuthPlugin"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def brokering(port: int, *, anonymous: bool = True) -> Iterator[None]:
    """A broker at a port; without `anonymous` it refuses all who give no name."""
    up, loop, ending = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {PLUGIN: {"allow_anonymous": anonymous}},
            }
        )
        await broker.start()
        up.set()
        await ending.wait()
        await broker.shutdown()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert up.wait(90), "the broker did not start"
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(90)
        loop.close()


@contextmanager
def listening(port: int, topic: str) -> Iterator[list[tuple[str, str]]]:
    """What is published under a topic while the `with` statement lasts, as topic and text."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    heard: list[tuple[str, str]] = []
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _userdata, message: heard.append((message.topic, message.payload.decode()))
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe(topic, 1)
    assert subscribed.wait(90)
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()
