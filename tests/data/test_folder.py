"""A folder of frames: natural order, times from its fps, damage passed over, and only what is looked at is read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vljepa.data import folder as module
from vljepa.data.errors import MediaError
from vljepa.data.video import Video


def grey(path: Path, number: int) -> None:
    Image.fromarray(np.full((30, 40, 3), number * 10, np.uint8)).save(path)


def number_of(frame: torch.Tensor) -> int:
    return round(float(frame.float().mean()) / 10)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Twelve frames, frame1.png to frame12.png, among files that are none."""
    for number in range(1, 13):
        grey(tmp_path / f"frame{number}.png", number)
    grey(tmp_path / ".hidden.png", 25)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def seen(source: Path, *, rate: float, **options: float) -> list[tuple[float, int]]:
    with Video(source, fps=4.0) as video:
        return [(round(seconds, 3), number_of(frame)) for seconds, frame in video.iterate(rate=rate, **options)]


def test_frames_come_as_people_count_and_their_times_from_fps(frames: Path):
    assert seen(frames, rate=4.0) == [(index / 4, index + 1) for index in range(12)]


def test_start_and_end(frames: Path):
    assert seen(frames, rate=2.0, start=1.1, end=2.5) == [(1.1, 5), (1.6, 7), (2.1, 9)]
    with pytest.raises(MediaError, match="shows nothing from 100 s on: give seconds that lie in it"):
        seen(frames, rate=2.0, start=100.0)


def test_only_the_frames_on_screen_are_read(frames: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    real = module.read_image
    monkeypatch.setattr(module, "read_image", lambda path, size: read.append(path.name) or real(path, size=size))
    assert seen(frames, rate=1.0) == [(0.0, 1), (1.0, 5), (2.0, 9)]
    assert set(read) == {"frame1.png", "frame5.png", "frame9.png"}


def test_damaged_frames_are_counted_and_the_one_before_stays(frames: Path):
    for number in (1, 2, 6):
        whole = (frames / f"frame{number}.png").read_bytes()
        (frames / f"frame{number}.png").write_bytes(whole[: len(whole) // 2])
    with Video(frames, fps=4.0) as video:
        shown = [number_of(frame) for _, frame in video.iterate(rate=4.0)]
        assert video.skipped == 3
    assert shown == [3, 4, 5, 5, 7, 8, 9, 10, 11, 12]


def test_a_damaged_frame_is_counted_once_however_often_it_is_on_screen(frames: Path):
    for number in (1, 6):
        (frames / f"frame{number}.png").write_bytes(b"no picture")
    with Video(frames, fps=4.0) as video:
        assert len(list(video.iterate(rate=12.0))) > 30
        assert len(list(video.iterate(rate=4.0))) > 10
        assert video.skipped == 2


def test_frames_at_seconds_and_in_the_size_that_is_asked(frames: Path):
    with Video(frames, fps=4.0, size=15) as video:
        clip = video.frames_at([2.6, 0.3])
    assert clip.frames.shape == (2, 15, 20, 3)
    assert [number_of(frame) for frame in clip.frames] == [11, 2]
    assert clip.times.tolist() == [2.5, 0.25]


def test_what_is_no_folder_of_frames(frames: Path, tmp_path: Path, video: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for source, fps, sentence in (
        (frames, None, r"a folder of 12 frames without times: give the fps \(--fps\)"),
        (frames, 0.0, "the fps is 0: give the frames a second, above 0"),
        (empty, 4.0, "is a folder without pictures: give a folder of frames"),
        (video, 4.0, "has its own times: leave the fps \\(4\\) out"),
    ):
        with pytest.raises(MediaError, match=sentence):
            Video(source, fps=fps)


def test_a_folder_of_broken_pictures(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"no frame that can be decoded \(1 damaged\): save the pictures again"):
        next(iter(Video(tmp_path, fps=1.0).iterate(rate=1.0)))


def test_names_with_the_same_number_have_an_order():
    names = ["b1.png", "a10.png", "a2.png", "a02.png", "A1.png"]
    ordered = sorted(map(Path, names), key=module.natural_key)
    assert [path.name for path in ordered] == ["A1.png", "a02.png", "a2.png", "a10.png", "b1.png"]
