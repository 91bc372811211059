"""One call for every medium: what it is is decided by content, which frames come by the sampling rule."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vljepa.data.encode import encode_mp4
from vljepa.data.media import MediaError, media_kind, read_clip


def numbered_mp4(count: int, *, fps: float = 10.0) -> bytes:
    frames = np.zeros((count, 32, 48, 3), np.uint8)
    return encode_mp4(frames + (np.arange(count, dtype=np.uint8) * 4)[:, None, None, None], fps=fps)


def numbers_of(frames: torch.Tensor) -> list[int]:
    return [round(float(frame.float().mean()) / 4) for frame in frames]


def animated(kind: str, count: int) -> bytes:
    frames = [Image.new("RGB", (24, 16), (index * 40,) * 3) for index in range(count)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=200, lossless=True)
    return buffer.getvalue()


def test_a_picture_is_one_frame_at_second_zero() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "PNG")
    clip = read_clip(buffer.getvalue(), num_frames=8, start=3.0, size=10)
    assert clip.frames.shape == (1, 10, 15, 3) and clip.times.tolist() == [0.0]


@pytest.mark.parametrize(
    ("count", "num_frames", "expected"),
    [
        (17, 5, [0, 4, 8, 12, 16]),
        (10, 4, [0, 3, 6, 9]),
        (16, 8, [0, 2, 4, 6, 9, 11, 13, 15]),
        (9, 1, [4]),
        (8, 8, list(range(8))),
        (3, 6, [0, 1, 2, 2, 2, 2]),
        (1, 4, [0, 0, 0, 0]),
        (1, 1, [0]),
    ],
)
def test_the_sampling_rule(count: int, num_frames: int, expected: list[int]) -> None:
    clip = read_clip(numbered_mp4(count), num_frames=num_frames)
    assert numbers_of(clip.frames) == expected
    assert clip.times.tolist() == pytest.approx([number / 10 for number in expected], abs=1e-3)


def test_start_and_end_cut_and_are_included() -> None:
    content = numbered_mp4(60)
    assert numbers_of(read_clip(content, num_frames=3, start=2.0, end=3.0).frames) == [20, 25, 30]
    assert numbers_of(read_clip(content, num_frames=2, start=5.5).frames) == [55, 59]
    assert numbers_of(read_clip(content, num_frames=2, end=1.0).frames) == [0, 10]
    assert numbers_of(read_clip(content, num_frames=2, end=99.0).frames) == [0, 59]
    assert numbers_of(read_clip(content, num_frames=2, start=2.02, end=2.08).frames) == [20, 20]


def test_ranges_that_cannot_be() -> None:
    content = numbered_mp4(20)
    with pytest.raises(MediaError, match=r"ends at 2\.00 s: start before that, not at 7 s"):
        read_clip(content, num_frames=2, start=7.0)
    with pytest.raises(MediaError, match="lies before the start"):
        read_clip(content, num_frames=2, start=1.0, end=0.5)
    with pytest.raises(MediaError, match="give 0 or more"):
        read_clip(content, num_frames=2, start=-1.0)
    with pytest.raises(ValueError, match="at least one frame"):
        read_clip(content, num_frames=0)


def test_a_long_video_is_sampled_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    path.write_bytes(numbered_mp4(63, fps=0.5))  # 126 s
    assert numbers_of(read_clip(path, num_frames=3).frames) == [0, 31, 62]
    path.write_bytes(encode_mp4(np.zeros((1300, 16, 16, 3), np.uint8), fps=20.0))
    clip = read_clip(path, num_frames=3)
    assert clip.times.tolist() == pytest.approx([0.0, 32.45, 64.95])  # a tie goes to the earlier frame


def test_a_long_video_that_was_cut_ends_where_it_ends(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (700, 16, 16, 3), dtype=np.uint8)
    content = encode_mp4(noise, fps=10.0)
    movie = content.index(b"moov") - 4
    # What `faststart` does, without moving the offsets: the index first, in a file whose picture data are cut.
    path = tmp_path / "cut.mp4"
    hollow = bytearray(content)
    hollow[movie // 2 : movie] = bytes(movie - movie // 2)
    path.write_bytes(hollow)
    clip = read_clip(path, num_frames=4)
    assert clip.times[0].item() == 0 and 20 < clip.times[-1].item() < 50


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animated_picture_is_a_video(kind: str) -> None:
    content = animated(kind, 5)
    assert media_kind(content) == "video"
    clip = read_clip(content, num_frames=3)
    assert clip.frames[:, 8, 8, 0].tolist() == [0, 80, 160]
    assert clip.times.tolist() == pytest.approx([0.0, 0.4, 0.8])
    assert read_clip(content, num_frames=7).frames[:, 8, 8, 0].tolist() == [0, 40, 80, 120, 160, 160, 160]


def test_kind_is_decided_by_content(tmp_path: Path) -> None:
    video, picture = tmp_path / "clip.jpg", tmp_path / "picture.mp4"
    video.write_bytes(numbered_mp4(2))
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    assert (media_kind(video), media_kind(picture)) == ("video", "image")


def test_what_is_no_medium_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing to see " * 100)
    for call in (lambda: media_kind(path), lambda: read_clip(path, num_frames=1)):
        with pytest.raises(MediaError, match=r"notes\.txt is not a video that can be read .* convert it to MP4"):
            call()
    picture = path.rename(tmp_path / "notes.JPG")
    with pytest.raises(MediaError, match=r"notes\.JPG is not a picture that can be read .* convert it to PNG"):
        media_kind(picture)
    with pytest.raises(MediaError, match=r"absent\.mp4: there is no such file: check the path"):
        media_kind(tmp_path / "absent.mp4")
    with pytest.raises(MediaError, match="empty"):
        media_kind(b"")
