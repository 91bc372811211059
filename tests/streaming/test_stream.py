"""Watching what is no plain file: the same embeddings, bounded queues, and an end that still tells what was seen."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.made_videos import noisy, remuxed
from tests.servers import serving

from vljepa.data import network
from vljepa.data.errors import MediaError
from vljepa.data.shots import Footage, Shot
from vljepa.data.video import Video, iterate
from vljepa.embedder import Embedder
from vljepa.streaming import stream as module
from vljepa.streaming.stream import WindowSettings, embedded_stream
from vljepa.streaming.watch import WatchSettings, watch


def test_a_folder_of_frames_is_seen_like_the_video(tiny_embedder: Embedder, video: Path, tmp_path: Path):
    for number, (_, frame) in enumerate(iterate(video, rate=8.0)):
        Image.fromarray(frame.numpy()).save(tmp_path / f"{number}.png")
    from_file = embedded_stream(video, tiny_embedder, settings=WindowSettings())
    from_folder = embedded_stream(str(tmp_path), tiny_embedder, settings=WindowSettings(fps=8.0))
    assert from_folder.times == from_file.times
    torch.testing.assert_close(from_folder.embeddings, from_file.embeddings)


def test_an_address_is_seen_like_the_file(tiny_embedder: Embedder, video: Path, tmp_path: Path):
    content = remuxed(video.read_bytes(), tmp_path / "front.mp4", movflags="faststart").read_bytes()
    expected = embedded_stream(video, tiny_embedder, settings=WindowSettings())
    with serving(lambda visit: visit.send(content)) as address:
        found = embedded_stream(address, tiny_embedder, settings=WindowSettings())
    torch.testing.assert_close(found.embeddings, expected.embeddings)


class Camera(Footage):
    """Footage of a grey that grows, four frames a second; at `pause_at` it calls back and may wait or fail."""

    name, skipped, live, duration, real_time = "a camera", 0, True, None, True
    rate = 4.0

    def __init__(self, count: int, *, pause_at: int | None = None, pause=lambda: None) -> None:
        self.count, self.pause_at, self.pause = count, pause_at, pause
        self.closed = threading.Event()

    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        for number in range(self.count):
            if number == self.pause_at:
                self.pause()
            frame = torch.full((32, 32, 3), number % 250, dtype=torch.uint8)
            yield Shot(seconds=number / 4, pixels=lambda frame=frame: frame)  # type: ignore[misc]

    def seek_pays(self, position: float, seconds: float) -> bool:
        return False

    def times(self, start: float | None, end: float | None) -> list[float]:
        return []

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def as_source(monkeypatch: pytest.MonkeyPatch):
    """Makes footage what every source opens."""
    return lambda camera: monkeypatch.setattr("vljepa.data.video.open_footage", lambda *_, **__: camera)


def slowly(embedder: Embedder, monkeypatch: pytest.MonkeyPatch, *, until: threading.Event) -> None:
    """The model takes so long for its first frames that the whole source has been read meanwhile."""
    features = embedder.frame_features

    def slow(frames: torch.Tensor) -> torch.Tensor:
        assert until.wait(20)
        return features(frames)

    monkeypatch.setattr(embedder, "frame_features", slow)


def test_frames_that_a_slow_model_cannot_follow_are_dropped_and_counted(
    other_embedder: Embedder, as_source, monkeypatch: pytest.MonkeyPatch
):
    camera = Camera(160)  # 40 seconds; two frames a second are looked at
    as_source(camera)
    monkeypatch.setattr(module, "QUEUED_FRAMES", 8)
    slowly(other_embedder, monkeypatch, until=camera.closed)
    *_, summary = watch("camera:0", other_embedder, settings=WatchSettings(decode="never"))
    assert 80 - 2 * 8 <= summary["dropped_frames"] <= 80 - 8
    assert summary["windows"] < 20
    assert not summary["interrupted"]


def test_a_source_that_has_to_wait_loses_nothing(other_embedder: Embedder, as_source, monkeypatch: pytest.MonkeyPatch):
    as_source(Camera(160))
    monkeypatch.setattr(module, "QUEUED_FRAMES", 8)
    slow = threading.Event()
    slowly(other_embedder, monkeypatch, until=slow)
    threading.Timer(0.3, slow.set).start()
    settings = WatchSettings(decode="never", when_slow="wait", hop=2.0)
    *_, summary = watch("camera:0", other_embedder, settings=settings)
    assert summary["dropped_frames"] == 0
    assert summary["windows"] == 20


def test_recordings_wait_and_cameras_drop_unless_told_otherwise(
    tiny_embedder: Embedder, video: Path, as_source, monkeypatch: pytest.MonkeyPatch
):
    drops: list[bool] = []

    class Noted(module.Reader):
        def __init__(self, items, *, places: int, drop: bool) -> None:
            drops.append(drop)
            super().__init__(items, places=places, drop=drop)

    monkeypatch.setattr(module, "Reader", Noted)
    embedded_stream(video, tiny_embedder, settings=WindowSettings())
    embedded_stream(video, tiny_embedder, settings=WindowSettings(when_slow="drop"))
    as_source(Camera(8))
    embedded_stream("camera:0", tiny_embedder, settings=WindowSettings())
    assert drops == [False, True, True]


def test_what_was_seen_before_a_source_broke_off_is_told(
    tiny_embedder: Embedder, as_source, caplog: pytest.LogCaptureFixture
):
    def fail() -> None:
        raise MediaError("the camera was unplugged: plug it in")

    as_source(Camera(100, pause_at=41, pause=fail))
    *segments, summary = watch("camera:0", tiny_embedder, settings=WatchSettings(decode="never"))
    assert summary["interrupted"]
    assert summary["windows"] == 16  # of 2 s, two a second; how long the last frame was on screen is not known
    assert segments[-1]["end"] == 9.5
    assert "the camera was unplugged" in caplog.text


def test_a_source_that_never_begins_is_an_error(tiny_embedder: Embedder, as_source):
    def fail() -> None:
        raise MediaError("the camera was unplugged: plug it in")

    as_source(Camera(100, pause_at=0, pause=fail))
    with pytest.raises(MediaError, match="unplugged"):
        list(watch("camera:0", tiny_embedder))


def test_ctrl_c_while_a_camera_is_silent_still_tells_what_was_seen(tiny_embedder: Embedder, as_source):
    woken = threading.Event()
    as_source(Camera(100, pause_at=41, pause=lambda: woken.wait(20)))

    def interrupt_soon(seconds: float) -> None:
        if seconds == 9.5:  # the last window before the silence
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    *segments, summary = watch(
        "camera:0", tiny_embedder, settings=WatchSettings(decode="never"), progress=interrupt_soon
    )
    woken.set()
    assert summary["interrupted"]
    assert summary["windows"] == 16
    assert segments


def test_the_source_is_closed_in_the_end(tiny_embedder: Embedder, as_source):
    camera = Camera(30)
    as_source(camera)
    embedded_stream("camera:0", tiny_embedder, settings=WindowSettings())
    assert camera.closed.wait(10)


def test_a_stream_that_breaks_off_for_good(
    tiny_embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(network, "WAITS", (0.01,))
    clip = remuxed(noisy(40, rate=10.0), tmp_path / "clip.ts").read_bytes()
    visits: list[str] = []

    def answer(visit) -> None:
        visits.append(visit.path)
        visit.send_endless(clip) if len(visits) == 1 else visit.send(status=404)

    with serving(answer) as address:
        *_, summary = watch(address, tiny_embedder, settings=WatchSettings(decode="never"))
    # Three windows are whole; whether the last frames make one more depends on where the connection broke.
    assert summary["interrupted"] and summary["windows"] in (3, 4)
    assert "try 1 of 1" in caplog.text and "did not come back" in caplog.text


def test_settings_of_sources_are_checked(tmp_path: Path):
    settings = WindowSettings()
    object.__setattr__(settings, "when_slow", "hurry")  # while tests run, types are checked before values
    with pytest.raises(ValueError, match="unknown policy 'hurry' for a slow model: write drop or wait"):
        settings.__post_init__()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(MediaError, match="give the fps"):
        Video(tmp_path)
