"""Pictures of every kind end as upright 8-bit RGB over white, or as one sentence."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vljepa.data.errors import MediaError
from vljepa.data.image import (
    Animation,
    is_animation,
    is_image,
    read_image,
    resize_short_side,
    rgb_over_white,
    short_side_shape,
)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def left_red_right_blue(width: int = 40, height: int = 20) -> Image.Image:
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width // 2, height))
    return image


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header claims this size and that holds one row."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 + 3 * width))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_file_and_its_bytes_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"  # the name says nothing
    path.write_bytes(saved(left_red_right_blue()))
    frame = read_image(path)
    assert frame.shape == (20, 40, 3)
    assert frame[5, 5].tolist() == [255, 0, 0] and frame[5, 35].tolist() == [0, 0, 255]
    assert torch.equal(frame, read_image(path.read_bytes()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = [255, 0, 0]
    upright[:8, 16:] = [0, 255, 0]
    upright[8:, :16] = [0, 0, 255]
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(np.ascontiguousarray(stored[orientation])), "PNG", exif=exif)
    assert np.array_equal(read_image(content).numpy(), upright)


def test_cmyk_becomes_rgb() -> None:
    content = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert (read_image(content).float() - torch.tensor([255.0, 0, 0])).abs().max() <= 4


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_sixteen_bit_and_float_are_scaled_not_clipped(dtype: type) -> None:
    ramp = np.linspace(0, 1, 64).reshape(1, 64).repeat(4, 0)
    values = ramp if dtype is np.float32 else np.round(ramp * 65535)
    content = saved(Image.fromarray(values.astype(dtype)), "TIFF")
    frame = read_image(content)
    assert (frame[0, :, 0].float() - torch.from_numpy(ramp[0] * 255).float()).abs().max() <= 0.51


def test_sixteen_bit_png_is_scaled() -> None:
    content = saved(Image.fromarray(np.full((8, 8), 32768, np.uint16)), "PNG")
    assert read_image(content).unique().tolist() == [128]


def test_alpha_shows_white_below() -> None:
    image = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 128))
    frame = read_image(saved(image))
    assert frame[5, 5].tolist() == [255, 255, 255]
    assert frame[0, 0].tolist() == [127, 127, 127]


def test_palette_with_a_transparent_colour() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 0, 200, 0])
    image.putpixel((0, 0), 0)
    frame = read_image(saved(image, "PNG", transparency=0))
    assert frame[0, 0].tolist() == [255, 255, 255] and frame[4, 4].tolist() == [0, 200, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "YCbCr"])
def test_other_modes_are_read(mode: str) -> None:
    image = Image.new("RGB", (8, 8), "white").convert(mode)
    assert read_image(saved(image, "JPEG" if mode == "YCbCr" else "PNG")).unique().tolist() == [255]


@pytest.mark.parametrize("size", [(20_000, 11_550), (11_000, 9_500)])
def test_an_enormous_header_is_refused_before_decoding(size: tuple[int, int]) -> None:
    with pytest.raises(MediaError, match=r"too large a picture .* smaller than 100 megapixels"):
        read_image(huge_png(*size))


def test_an_enormous_jpeg_is_read_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vljepa.data.image.MAX_PIXELS", 10_000)
    assert read_image(saved(left_red_right_blue(400, 200), "JPEG")).shape == (100, 200, 3)


def test_a_large_jpeg_is_drafted_and_looks_the_same() -> None:
    grid = np.mgrid[0:800, 0:1200].sum(0) % 256
    content = saved(
        Image.fromarray(np.repeat(np.abs(grid - 128)[..., None] * 2, 3, 2).clip(0, 255).astype(np.uint8)), "JPEG"
    )
    small = read_image(content, size=100)
    assert small.shape == (100, 150, 3)
    assert (small.float() - resize_short_side(read_image(content), 100).float()).abs().mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_cut_short_is_one_sentence(kind: str, tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path = tmp_path / "cut"
    content = saved(noise, kind)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaError, match=r"cut: |cut is not a picture") as caught:
        read_image(path)
    assert "again" in str(caught.value) or "save it" in str(caught.value)


def test_damaged_empty_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="empty"):
        read_image(b"")
    with pytest.raises(MediaError, match=r"absent\.png: there is no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(MediaError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(MediaError, match="not a picture"):
        read_image(b"hello, this is text")
    (tmp_path / "none.jpg").touch()
    with pytest.raises(MediaError, match=r"none\.jpg is empty"):
        read_image(tmp_path / "none.jpg")
    damaged = bytearray(saved(left_red_right_blue()))
    damaged[45:60] = bytes(15)
    with pytest.raises(MediaError, match="damaged"):
        read_image(bytes(damaged))


def test_programs_and_drawings_are_no_pictures() -> None:
    assert not is_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animation_is_told_from_a_still(kind: str) -> None:
    frames = [left_red_right_blue(), Image.new("RGB", (40, 20), "green")]
    assert is_animation(saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100))
    assert not is_animation(saved(frames[0], kind))


def test_pages_are_no_animation() -> None:
    pages = [left_red_right_blue(), Image.new("RGB", (40, 20), "green")]
    assert not is_animation(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))


def test_animation_composes_frames_and_adds_up_durations() -> None:
    frames = [Image.new("RGBA", (16, 16), (255, 0, 0, 255)), Image.new("RGBA", (16, 16), (0, 0, 0, 0))]
    frames.append(Image.new("RGBA", (16, 16), (0, 0, 255, 255)))
    content = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=[200, 500, 0])
    animation = Animation(content)
    shots = list(animation.shots_from(None))
    assert [round(shot.seconds, 3) for shot in shots] == [0.0, 0.2, 0.7]
    assert animation.duration == pytest.approx(0.8)  # no duration counts as 100 ms, as in browsers
    assert [shot.pixels()[8, 8].tolist() for shot in shots] == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


def test_resize_agrees_with_pillow() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (97, 131, 3), dtype=np.uint8)
    ours = resize_short_side(torch.from_numpy(noise), 48)
    tall, wide = short_side_shape(97, 131, size=48)
    theirs = np.asarray(Image.fromarray(noise).resize((wide, tall), Image.Resampling.BILINEAR))
    assert (ours.int() - torch.from_numpy(theirs.astype(np.int32))).abs().max() <= 1


def test_a_sliver_is_not_blown_up() -> None:
    with pytest.raises(MediaError, match="too narrow"):
        read_image(saved(Image.new("L", (1, 20_000))), size=224)


def test_big_endian_sixteen_bit() -> None:
    image = Image.fromarray(np.full((4, 4), 65535, dtype=">u2"))
    assert rgb_over_white(image).unique().tolist() == [255]
