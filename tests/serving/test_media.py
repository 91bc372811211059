"""Media from strangers: what is too large, endless, no medium, or elsewhere is refused before it costs anything."""

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from vljepa.data.errors import MediaError
from vljepa.data.image import picture_info
from vljepa.data.media import read_clip
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.media import Given, Media
from vljepa.serving.service.refusals import Forbidden, NotFound, NotMedia, TooLarge
from vljepa.serving.service.roots import Roots
from vljepa.serving.service.shelf import Shelf


def nowhere(origin: str, name: str) -> Path:
    raise NotFound("there is nothing")


def media(**limits: float) -> Media:
    return Media(Limits(**limits), locate=nowhere, remote=False)


def clip(content: bytes, **limits: float) -> object:
    given = Given(origin="bytes", what=content)
    return media(**limits).clip(given, num_frames=4, side=32, sampling="seconds", deadline=time.monotonic() + 20)


def enormous_png(side: int) -> bytes:
    """A few kilobytes that claim side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side // 8 + 1) * side, 9) if side < 20_000 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(frames: int, side: int) -> bytes:
    content = io.BytesIO()
    # Frames that differ, or Pillow writes one.
    pictures = [Image.new("L", (side, side), 255 * (number % 2)) for number in range(frames)]
    pictures[0].save(content, "GIF", save_all=True, append_images=pictures[1:], duration=20, loop=0)
    return content.getvalue()


def empty_zip() -> bytes:
    content = io.BytesIO()
    zipfile.ZipFile(content, "w").close()
    return content.getvalue()


def test_enormous_pictures_are_refused_by_what_they_claim() -> None:
    for side in (9_000, 60_000):
        begin = time.monotonic()
        with pytest.raises((TooLarge, MediaError), match="pixels"):
            clip(enormous_png(side))
        assert time.monotonic() - begin < 2
    assert clip(enormous_png(512)) is not None


def test_an_endless_gif_is_counted_no_further_than_the_limit() -> None:
    content = gif(400, 64)
    assert picture_info(content, most_pixels=100 * 64 * 64).frames == 101
    assert picture_info(content, most_pixels=1000 * 64 * 64).frames == 400
    with pytest.raises(TooLarge, match="too many frames"):
        clip(content, moving_pixels=100 * 64 * 64)
    assert len(clip(content).frames) == 4


@pytest.mark.parametrize(
    "content",
    [empty_zip(), b"PK\x03\x04" + bytes(40), b"#!/bin/sh\nreboot\n", b"<svg xmlns='x'/>", b"GIF89a", bytes(5000)],
    ids=["empty zip", "zip", "script", "svg", "head of a gif", "zeros"],
)
def test_what_is_no_medium_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises((NotMedia, MediaError)):
        clip(content)


def test_long_and_heavy_videos_are_refused(video: Path) -> None:
    with pytest.raises(TooLarge, match="lasts 6 s and 5 s are read"):
        clip(video.read_bytes(), duration=5)
    with pytest.raises(TooLarge, match="64 x 48 pixels"):
        clip(video.read_bytes(), pixels=1000)
    with pytest.raises(TooLarge, match="bytes"):
        clip(video.read_bytes(), body=1000)


def test_decoding_gives_up_when_its_time_is_over(video: Path) -> None:
    with pytest.raises(MediaError, match="longer than 0 s to decode"):
        read_clip(video, num_frames=4, patience=0.0)
    assert len(read_clip(video, num_frames=4, patience=20.0).frames) == 4


def test_addresses_with_content_are_read_and_others_are_not(picture: Path) -> None:
    import base64

    coded = base64.b64encode(picture.read_bytes()).decode()
    for given in (Given(origin="base64", what=coded), Given(origin="url", what=f"data:image/jpeg;base64,{coded}")):
        assert media().source(given, deadline=time.monotonic() + 5) == picture.read_bytes()
    for wrong in ("data:image/png;base64", "data:;base64,%%%"):
        with pytest.raises(ValueError, match="base64"):
            media().source(Given(origin="url", what=wrong), deadline=time.monotonic() + 5)
    with pytest.raises(Forbidden, match="not fetched"):
        media().source(Given(origin="url", what="http://example.org/a.png"), deadline=time.monotonic() + 5)
    with pytest.raises(NotMedia, match="empty"):
        media().source(Given(origin="base64", what=""), deadline=time.monotonic() + 5)


def test_roots_hold_against_dots_links_and_absolute_paths(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "clip.mp4").write_bytes(b"clip")
    (outside / "secret.mp4").write_bytes(b"secret")
    (inside / "link.mp4").symlink_to(outside / "secret.mp4")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside / "loop")
    roots = Roots([inside])
    assert roots.find("clip.mp4") == roots.find(str(inside / "clip.mp4")) == inside / "clip.mp4"
    assert roots.find("sub/../clip.mp4") == inside / "clip.mp4"
    for path in ("../outside/secret.mp4", str(outside / "secret.mp4"), "link.mp4", "folder/secret.mp4", "/etc/passwd"):
        with pytest.raises(Forbidden, match="outside"):
            roots.find(path)
    for path in ("none.mp4", "loop", "a\0b", "x" * 5000):
        with pytest.raises((NotFound, Forbidden)):
            roots.find(path)
    with pytest.raises(Forbidden, match="--root"):
        Roots([]).find("clip.mp4")
    with pytest.raises(ValueError, match="no folder"):
        Roots([tmp_path / "missing"])


def test_uploads_are_kept_once_under_no_name_of_theirs_and_the_oldest_make_room() -> None:
    shelf = Shelf(most_bytes=250)
    first = shelf.put(b"a" * 100, name="../../etc/passwd", kind="video")
    assert first.path.parent == shelf._folder
    assert first.path.name == first.id
    assert shelf.put(b"a" * 100, name="again.mp4", kind="video") == first
    second = shelf.put(b"b" * 100, name="", kind="video")
    shelf.get(first.id)
    third = shelf.put(b"c" * 100, name="", kind="video")
    assert [path.name for path in sorted(shelf._folder.iterdir())] == sorted([first.id, third.id])
    with pytest.raises(NotFound, match="send the medium again"):
        shelf.get(second.id)
    with pytest.raises(TooLarge, match="send less"):
        shelf.put(b"d" * 300, name="", kind="video")
    shelf.close()
    assert not shelf._folder.exists()
