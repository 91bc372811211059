"""Standard input and cameras: what is no file and no address."""

from pathlib import Path
from typing import Any

import av
import pytest
from tests.data.made_videos import noisy, remuxed
from tests.servers import standard_input

from vljepa.data import container
from vljepa.data.errors import MediaError
from vljepa.data.sources import open_footage
from vljepa.data.video import Video, iterate


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv", "clip.mp4"])
def test_standard_input_gives_what_the_file_gives(name: str, video: Path, tmp_path: Path):
    options = {"movflags": "faststart"} if name == "clip.mp4" else {}
    content = remuxed(video.read_bytes(), tmp_path / name, **options).read_bytes()
    expected = [(round(seconds, 3), int(frame.sum())) for seconds, frame in iterate(video, rate=4.0)]
    with standard_input(content), Video("-") as piped:
        assert not piped.real_time  # it waits for whoever reads
        shown = [(round(seconds, 3), int(frame.sum())) for seconds, frame in piped.iterate(rate=4.0)]
    assert shown == expected


def test_what_standard_input_cannot_be(picture: Path, monkeypatch: pytest.MonkeyPatch):
    for content in (b"", b"no video at all\n" * 50, picture.read_bytes()):
        with standard_input(content), pytest.raises(MediaError, match="standard input holds no video that can be read"):
            Video("-")
    index_last = noisy(40, rate=10.0)
    with standard_input(index_last), pytest.raises(MediaError, match=r"standard input .*an MP4 whose index"):
        list(iterate("-", rate=1.0))
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    with pytest.raises(MediaError, match=r"standard input is a terminal: send a video into it \(cat clip.mp4"):
        Video("-")


@pytest.mark.parametrize("name", ["camera:0", "camera:00", "/dev/video0"])
def test_a_camera(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """FFmpeg's test picture stands for the device; everything after opening is the real path."""
    asked: list[tuple[str, str]] = []

    def opened(file: str, *, format: str, **_: float) -> Any:
        asked.append((file, format))
        return av.open("testsrc=size=64x48:rate=10", format="lavfi")

    (tmp_path / "video0").touch()
    monkeypatch.setattr(container, "_DEVICES", tmp_path)
    monkeypatch.setattr(container, "_opened", opened)
    footage = open_footage(name)
    assert asked == [(str(tmp_path / "video0"), "v4l2")]
    assert footage.real_time and footage.live
    shots = footage.shots_from(None)
    assert [round(next(shots).seconds, 2) for _ in range(3)] == [0.0, 0.1, 0.2]
    footage.close()


def test_cameras_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(container, "_DEVICES", tmp_path)
    with pytest.raises(MediaError, match=r"there is no camera .*video7 \(here: none\): plug it in, or give a file"):
        Video("camera:7")
    (tmp_path / "video2").touch()
    with pytest.raises(MediaError, match=r"there is no camera .*video0 \(here: .*video2\)"):
        Video("/dev/video0")
    with pytest.raises(MediaError, match=r"the camera .*video2 cannot be used .*: close the program that holds it"):
        Video("camera:2")
    with pytest.raises(MediaError, match="camera:front names no camera: write camera:0"):
        Video("camera:front")
