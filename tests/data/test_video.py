"""Videos made badly on purpose: times come from pts, pixels stand upright, damage is skipped and counted."""

import gc
import itertools
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.stream import VideoStream

from vljepa.data.decoding import Decoder
from vljepa.data.encode import encode_mp4
from vljepa.data.errors import MediaError
from vljepa.data.video import Video, frames_at, iterate, probe


def numbered(count: int, *, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames whose grey level says which they are: `number_of` reads it back."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames += (np.arange(count, dtype=np.uint8) * 4)[:, None, None, None]
    return frames


def number_of(frame: torch.Tensor) -> int:
    return round(float(frame.float().mean()) / 4)


def numbers_of(frames: torch.Tensor) -> list[int]:
    return [number_of(frame) for frame in frames]


def written(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 10,
    milliseconds: Sequence[int] | None = None,
    rotation: int | None = None,
    mirrored: bool = False,
    codec_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A video file in the container of the path's suffix, with the options that the test is about."""
    layout = "rgba" if frames.shape[-1] == 4 else "rgb24"
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for index, pixels_of_frame in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels_of_frame, format=layout)
            if milliseconds is not None:
                frame.pts, frame.time_base = milliseconds[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_damaged_packets(path: Path, *, first: int, count: int) -> Path:
    """Overwrite the bytes of some packets, by their place in the file."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place, size in places[first : first + count]:
        assert place is not None
        content[place : place + size] = bytes(size)
    path.write_bytes(content)
    return path


GROUPS = {"g": "12", "bf": "3", "crf": "12"}


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.avi", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_seeking_gives_the_frames_of_a_full_decode(name: str, codec: str, tmp_path: Path) -> None:
    options = {"g": "12"} if codec == "libvpx-vp9" else GROUPS
    path = written(tmp_path / name, numbered(60), codec=codec, codec_options=options)
    with Video(path) as video:
        full = list(video.iterate(rate=10.0))
    assert [number_of(frame) for _, frame in full] == list(range(60))
    for number in (0, 1, 11, 12, 13, 29, 35, 47, 59):
        with Video(path) as video:
            clip = video.frames_at([number / 10])
        assert numbers_of(clip.frames) == [number]
        assert torch.equal(clip.frames[0], full[number][1])
        assert clip.times.tolist() == pytest.approx([number / 10], abs=1e-3)


def test_open_groups_are_exact_too(tmp_path: Path) -> None:
    path = written(tmp_path / "open.mp4", numbered(60), codec_options={**GROUPS, "x264-params": "open-gop=1"})
    full = frames_at(path, [index / 10 for index in range(60)])
    for number in (10, 11, 12, 21, 22, 23, 24, 46):
        assert torch.equal(frames_at(path, [number / 10]).frames[0], full.frames[number])


def test_distant_frames_are_sought_not_decoded_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "long.mp4", numbered(60), codec_options=GROUPS)
    decoded = []
    frames_of = Decoder._frames

    def counted(decoder: Decoder) -> Iterator[av.VideoFrame]:
        for frame in frames_of(decoder):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(Decoder, "_frames", counted)
    assert numbers_of(frames_at(path, [0.0, 0.1, 5.0]).frames) == [0, 1, 50]
    assert len(decoded) < 12


def test_times_may_come_in_any_order_and_twice() -> None:
    clip = frames_at(encode_mp4(numbered(20), fps=10.0), [1.5, 0.2, 1.5, 0.26, 9.0])
    assert numbers_of(clip.frames) == [15, 2, 15, 3, 19]
    assert clip.times.tolist() == pytest.approx([1.5, 0.2, 1.5, 0.3, 1.9])


def test_no_times_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        frames_at(encode_mp4(numbered(3), fps=10.0), [])


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_variable_rate_uses_the_time_of_each_frame(name: str, tmp_path: Path) -> None:
    shown = [0, 40, 80, 1000, 1040, 4000, 4500]
    path = written(tmp_path / name, numbered(7), milliseconds=shown)
    clip = frames_at(path, [0.05, 0.6, 1.02, 2.4, 2.6, 4.2, 4.4])
    assert numbers_of(clip.frames) == [1, 3, 3, 4, 5, 5, 6]
    assert clip.times.tolist() == pytest.approx([0.04, 1.0, 1.0, 1.04, 4.0, 4.0, 4.5], abs=2e-3)


def test_second_zero_is_where_the_file_begins(tmp_path: Path) -> None:
    path = written(tmp_path / "late.ts", numbered(20), milliseconds=[7000 + 100 * i for i in range(20)])
    clip = frames_at(path, [0.0, 1.0])
    assert numbers_of(clip.frames) == [0, 10]
    assert clip.times.tolist() == pytest.approx([0.0, 1.0], abs=2e-3)


def test_a_picture_that_sets_in_after_the_sound_keeps_its_delay(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        stream = container.add_stream("libx264", rate=10)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for index in range(60):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 16_000, 1024 * index, Fraction(1, 16_000)
            container.mux(sound.encode(silence))
        for index, pixels in enumerate(numbered(10)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = 20 + index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    clip = frames_at(path, [0.0, 2.5])
    assert numbers_of(clip.frames) == [0, 5]
    assert clip.times.tolist() == pytest.approx([2.0, 2.5], abs=0.1)


def test_raw_stream_without_any_times_counts_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "raw.h264", numbered(30), rate=25, codec_options=GROUPS)
    assert numbers_of(frames_at(path, [0.0, 0.4, 1.0]).frames) == [0, 10, 25]
    assert numbers_of(frames_at(path, [0.8]).frames) == [20]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotation_is_applied(rotation: int, mirrored: bool, tmp_path: Path) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:16, :32] = 255
    stored = np.rot90(upright[:, ::-1] if mirrored else upright, -rotation // 90)  # players turn, then mirror
    path = written(tmp_path / "turned.mp4", np.stack([stored] * 3), rotation=rotation, mirrored=mirrored)
    frame = frames_at(path, [0.0]).frames[0]
    assert frame.shape == (32, 64, 3)
    assert frame[4, 4, 0] > 240 and frame[4, 60, 0] < 15 and frame[28, 4, 0] < 15
    facts = probe(path)
    assert (facts.width, facts.height) == (64, 32)


def test_frames_are_freed_as_soon_as_they_are_read(tmp_path: Path) -> None:
    """Not only when Python looks for circles, which in a stream is after thousands of them."""
    path = written(tmp_path / "freed.mp4", numbered(20), rotation=90)

    def frames_held() -> int:
        return sum(type(held) is av.VideoFrame for held in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = frames_held()
        shapes = [pixels.shape for _, pixels in iterate(path, rate=10.0)]
        assert len(shapes) >= 10 and set(shapes) == {(64, 48, 3)}
        assert frames_held() == before
    finally:
        gc.enable()


def test_probe_tells_what_the_file_says(tmp_path: Path) -> None:
    facts = probe(written(tmp_path / "facts.mp4", numbered(20), rotation=90))
    assert (facts.width, facts.height, facts.num_frames, facts.rate, facts.rotation) == (48, 64, 20, 10.0, 90)
    assert facts.duration == pytest.approx(2.0)
    without_count = probe(written(tmp_path / "facts.mkv", numbered(20)))
    assert without_count.num_frames is None and without_count.duration == pytest.approx(2.0, abs=0.01)
    assert probe(written(tmp_path / "facts.h264", numbered(50), rate=25)).duration == pytest.approx(2.0)


@pytest.mark.parametrize(("height", "width"), [(47, 63), (1, 1), (2, 301)])
def test_odd_sizes(height: int, width: int, tmp_path: Path) -> None:
    path = written(tmp_path / "odd.mkv", numbered(4, height=height, width=width), codec="ffv1", pixels="yuv444p")
    clip = frames_at(path, [0.0, 0.3])
    assert clip.frames.shape == (2, height, width, 3) and numbers_of(clip.frames) == [0, 3]
    encoded = frames_at(encode_mp4(numbered(3, height=height, width=width), fps=5.0), [0.4])
    assert encoded.frames.shape == (1, height + height % 2, width + width % 2, 3)


def test_ten_bit_is_scaled(tmp_path: Path) -> None:
    path = written(tmp_path / "ten.mkv", numbered(40), codec="ffv1", pixels="yuv420p10le")
    assert numbers_of(frames_at(path, [0.0, 1.5, 3.9]).frames) == [0, 15, 39]


def test_alpha_shows_white_below(tmp_path: Path) -> None:
    frames = np.zeros((3, 16, 16, 4), np.uint8)
    frames[:, :, 8:] = [0, 0, 255, 255]
    frame = frames_at(written(tmp_path / "alpha.mov", frames, codec="qtrle", pixels="argb"), [0.1]).frames[0]
    assert frame[8, 2].tolist() == [255, 255, 255] and frame[8, 12].tolist() == [0, 0, 255]


def test_colours_and_full_range_survive() -> None:
    colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]
    frames = np.zeros((5, 32, 32, 3), np.uint8) + np.array(colours, np.uint8)[:, None, None]
    decoded = frames_at(encode_mp4(frames, fps=5.0), [index / 5 for index in range(5)]).frames
    assert (decoded.float().mean((1, 2)) - torch.tensor(colours).float()).abs().max() <= 4


def test_size_scales_while_decoding() -> None:
    content = encode_mp4(numbered(5, height=96, width=160), fps=5.0)
    assert frames_at(content, [0.0], size=24).frames.shape == (1, 24, 40, 3)
    assert next(iterate(content, rate=1.0, size=24))[1].shape == (24, 40, 3)


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path) -> None:
    options = {"g": "10", "bf": "0", "crf": "12"}
    path = written(tmp_path / "holes.mp4", numbered(60), codec_options=options)
    with_damaged_packets(path, first=23, count=3)
    with Video(path) as video:
        seen = [number_of(frame) for _, frame in video.iterate(rate=10.0)]
        assert video.skipped == 3
    assert seen[:23] == list(range(23)) and seen[30:] == list(range(30, 60))
    with Video(path) as video:
        clip = video.frames_at([2.4, 4.5])
        assert clip.times[1].item() == pytest.approx(4.5) and 2.2 <= clip.times[0].item() <= 2.6
        video.frames_at([2.4])
        assert video.skipped == 3  # the same packets, not counted again


def test_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (60, 48, 64, 3), dtype=np.uint8) + numbered(60) // 2
    path = written(tmp_path / "cut.mp4", noise, codec_options=GROUPS, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Video(path) as video:
        times = [seconds for seconds, _ in video.iterate(rate=10.0)]
        assert 1.0 < times[-1] < 5.0
        # The index names sixty packets; a decoder holds back some of the last that it was given.
        missing = video.skipped
        assert 60 - len(times) - 5 <= missing <= 60 - len(times)
        clip = video.frames_at([5.5])
        assert video.skipped == missing  # not counted again
    assert 1.0 < clip.times.item() < 5.0


def test_the_sentences_for_what_is_no_video(tmp_path: Path) -> None:
    whole = encode_mp4(numbered(20), fps=10.0)
    without_index = tmp_path / "cut.mp4"
    without_index.write_bytes(whole[: len(whole) // 2])
    sentences = {
        without_index: "cut.mp4 is an MP4 whose index is missing, so it was cut short",
        sound_only(tmp_path / "song.m4a"): "song.m4a has no video track (only sound)",
        tmp_path / "absent.mp4": "absent.mp4: there is no such file",
        tmp_path: "is a folder",
    }
    (tmp_path / "text.mp4").write_text("no video at all\n" * 50)
    sentences[tmp_path / "text.mp4"] = "text.mp4 is not a video that can be read"
    (tmp_path / "empty.mp4").touch()
    sentences[tmp_path / "empty.mp4"] = "empty.mp4 is empty"
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n")
    sentences[tmp_path / "list.m3u8"] = "list.m3u8 is not a video that can be read"
    for source, sentence in sentences.items():
        with pytest.raises(MediaError, match=re.escape(sentence)):
            frames_at(source, [0.0])
    with pytest.raises(MediaError, match="medium is empty"):
        probe(b"")


def test_a_video_track_without_a_frame(tmp_path: Path) -> None:
    path = written(tmp_path / "none.mkv", numbered(1))
    with_damaged_packets(path, first=0, count=1)
    for attempt in (lambda: frames_at(path, [0.0]), lambda: probe(path), lambda: list(iterate(path, rate=1.0))):
        with pytest.raises(MediaError, match=r"none\.mkv has no frame that can be decoded"):
            attempt()


def test_cover_pictures_are_no_video(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        assert isinstance(cover, VideoStream)
        cover.height, cover.width, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(1, height=16, width=16)[0], format="rgb24")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with pytest.raises(MediaError, match="no video track"):
        probe(path)


def test_iterate_gives_what_is_on_screen(tmp_path: Path) -> None:
    path = written(tmp_path / "slides.mkv", numbered(4), milliseconds=[0, 300, 2000, 2100])
    seen = [(round(seconds, 2), number_of(frame)) for seconds, frame in iterate(path, rate=2.0)]
    assert seen == [(0.0, 0), (0.5, 1), (1.0, 1), (1.5, 1), (2.0, 2)]


def test_iterate_from_start_until_before_end() -> None:
    content = encode_mp4(numbered(60), fps=10.0)
    seen = [(round(seconds, 3), number_of(frame)) for seconds, frame in iterate(content, rate=5.0, start=2.0, end=3.0)]
    assert seen == [(2.0, 20), (2.2, 22), (2.4, 24), (2.6, 26), (2.8, 28)]
    with pytest.raises(ValueError, match=r"rate is 0\.0"):
        next(iterate(content, rate=0.0))


def test_iterate_does_not_run_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    converted = []
    with Video(encode_mp4(numbered(60), fps=10.0)) as video:
        shots = video._footage.shots_from

        def counted(seconds: float | None) -> object:
            for shot in shots(seconds):
                converted.append(shot.seconds)
                yield shot

        monkeypatch.setattr(video._footage, "shots_from", counted)
        taken = list(itertools.islice(video.iterate(rate=10.0), 5))
    assert len(taken) == 5 and len(converted) <= 6


def test_files_are_closed_even_when_the_reader_stops(tmp_path: Path) -> None:
    path = written(tmp_path / "some.mp4", numbered(30))

    def open_files() -> int:
        return sum(str(path) == str(link.resolve()) for link in Path("/proc/self/fd").iterdir())

    frames = iterate(path, rate=10.0)
    next(frames)
    assert open_files() == 1
    frames.close()
    assert open_files() == 0
    with pytest.raises(MediaError):
        probe(sound_only(path))
    assert open_files() == 0


def test_names_that_look_like_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("concat:a|b").write_bytes(encode_mp4(numbered(3), fps=10.0))
    assert probe(Path("concat:a|b")).num_frames == 3
