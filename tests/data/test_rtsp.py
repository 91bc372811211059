"""RTSP from a real server: the frames with their seconds, a name that it does not know, and one that goes away."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection

import pytest
from tests.brokers import free_port
from tests.data.made_videos import noisy, number_of

from vljepa.data import network
from vljepa.data.errors import MediaError
from vljepa.data.video import Video

SERVER = """
import asyncio, sys
from aio_rtsp_toolkit import server
asyncio.run(server.serve(sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]), control_port=int(sys.argv[3])))
"""
COUNT, RATE = 30, 10.0


@contextmanager
def publishing(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of a server of the folder's files, which are played in real time, and its process."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), str(port), str(free_port())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"rtsp://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "door.mp4").write_bytes(noisy(COUNT, rate=RATE))
    return tmp_path


def test_frames_come_in_order_with_their_seconds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WAITS", ())
    with publishing(folder) as (address, _), Video(f"{address}/door.mp4") as video:
        assert video.real_time and video.endless
        shots = []
        for second, frame in video.iterate(rate=RATE):
            shots.append((second, number_of(frame)))
            if len(shots) == COUNT - 8:
                break
    numbers = [number for _, number in shots]
    assert numbers == sorted(numbers) and len(set(numbers)) > COUNT / 2
    first_second, first_number = shots[0]
    assert all(abs((second - first_second) - (number - first_number) / RATE) < 0.15 for second, number in shots)


def test_what_the_server_does_not_know_is_one_sentence(folder: Path) -> None:
    with publishing(folder) as (address, _), pytest.raises(MediaError, match=r"window\.mp4 cannot be opened .*404"):
        Video(f"{address}/window.mp4")


def test_a_server_that_goes_away_is_told_after_some_tries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WAITS", (0.01, 0.01))
    with publishing(folder) as (address, process), Video(f"{address}/door.mp4") as video:
        seen = 0
        with pytest.raises(MediaError, match=r"did not come back .*see to the camera or server"):
            for _ in video.iterate(rate=RATE):
                seen += 1
                if seen == 5:
                    process.kill()
    assert seen >= 5
