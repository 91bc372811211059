"""Pictures with Pillow: from a file or bytes to upright 8-bit RGB over white, whatever the format made of it.

Animated GIF, WebP, APNG and AVIF are footage (`Animation`): the FFmpeg that PyAV brings cannot read animated WebP.
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from vljepa.data.errors import MediaError, check_file, name_of
from vljepa.data.shots import TOLERANCE, Footage, Shot

MAX_PIXELS = 100_000_000
# Without the formats that call other programs (EPS), are drawings (WMF) or videos (MPEG).
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "TGA", "ICO", "QOI")
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Browsers show a frame that claims less than 20 ms for 100 ms; so do we.
_SHORTEST_FRAME, _DEFAULT_FRAME = 0.02, 0.1
_warnings_lock = threading.Lock()


def read_image(source: Path | bytes, *, size: int | None = None) -> UInt8[Tensor, "height width 3"]:
    """The picture upright in RGB, alpha over white, 16 bit scaled to 8; the short side `size` long if that is given.

    The first frame of an animation. MediaError for what is empty, damaged, cut short, no picture, or above
    MAX_PIXELS (JPEG is then read at half the size, up to the limit that Pillow itself sets).
    """
    check_file(source)
    with _opened(source) as image:
        _draft(image, size)
        try:
            upright = _upright(image)
        except (*_BROKEN, Image.DecompressionBombError) as error:
            raise MediaError(
                f"{name_of(source)}: the {image.format} picture is damaged or cut short ({error}): "
                "copy or download it again"
            ) from error
    return resize_short_side(rgb_over_white(upright), size)


def picture_suffixes() -> frozenset[str]:
    """Endings, in small letters and with the dot, that names of pictures have which we read."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in _FORMATS)


def is_image(source: Path | bytes) -> bool:
    """Whether the content, not the name, is a picture format that we read, moving or not."""
    try:
        with _opened(source):
            return True
    except _NotAPictureError:
        return False


def is_animation(source: Path | bytes) -> bool:
    """Whether the content is a picture format that holds several frames in time (not pages, not a stereo pair)."""
    with _opened(source) as image:
        try:
            return image.format in _ANIMATED and bool(getattr(image, "is_animated", False))
        except _BROKEN:
            return False  # a GIF cut inside its second frame is a picture of the first


@dataclass(frozen=True, kw_only=True)
class PictureInfo:
    """What a picture says of itself: its size as stored, and its frames in time (one where it does not move)."""

    width: int
    height: int
    frames: int


def picture_info(source: Path | bytes, *, most_pixels: int) -> PictureInfo:
    """Facts about a picture. The frames of a GIF are counted until all of them together have `most_pixels` pixels.

    Nobody knows how many a GIF holds before each of them was decoded: such a file could be made to last for ever.
    """
    moves = is_animation(source)
    with _opened(source) as image:
        width, height = image.size
        frames = 1
        if moves and image.format == "GIF":
            frames = _counted(image, most=most_pixels // max(width * height, 1) + 1)
        elif moves:
            frames = getattr(image, "n_frames", 1)
    return PictureInfo(width=width, height=height, frames=frames)


def _counted(image: Image.Image, *, most: int) -> int:
    for number in range(1, most):
        try:
            image.seek(number)
        except _BROKEN:
            return number
    return most


class _NotAPictureError(MediaError):
    """The content is none of the picture formats."""


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    """The picture with only its header read, checked for its number of pixels."""
    name = name_of(source)
    Image.init()  # before that Pillow knows five formats; which others it has depends on how it was built
    formats = [kind for kind in _FORMATS if kind in Image.OPEN]
    try:
        # Pillow only warns from 89 to 179 million pixels; the check below decides there.
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats)
    except Image.DecompressionBombError as error:
        raise MediaError(f"{name} is too large a picture ({error}): make it smaller than 100 megapixels") from error
    except _BROKEN as error:
        raise _NotAPictureError(f"{name} is not a picture that can be read: save it as PNG or JPEG") from error
    with image:
        pixels = image.width * image.height
        if pixels > MAX_PIXELS and image.format != "JPEG":
            raise MediaError(
                f"{name} is too large a picture ({image.width} x {image.height}): make it smaller than 100 megapixels"
            )
        yield image


def _draft(image: Image.Image, size: int | None) -> None:
    """Let a JPEG decode at 1/2, 1/4 or 1/8 where at least twice the wanted size is left, or where it is enormous."""
    if image.format != "JPEG":
        return
    if image.width * image.height > MAX_PIXELS:
        image.draft(None, (image.width // 2, image.height // 2))
    if size is not None:
        image.draft(None, (2 * size, 2 * size))


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    turn = _UPRIGHT.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    return image.copy() if turn is None else image.transpose(turn)


def rgb_over_white(image: Image.Image) -> UInt8[Tensor, "height width 3"]:
    """Pixels of a loaded picture of any mode as 8-bit RGB; what is transparent shows white."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_eight_bit(np.asarray(image)))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return over_white(np.asarray(image.convert("RGBA")))
    return torch.from_numpy(np.array(image.convert("RGB")))


def _eight_bit(grey: np.ndarray) -> UInt8[np.ndarray, "height width"]:
    """Grey values of 16 bit, 32 bit or floating point on the scale 0..255.

    16 bit and 0..1 have a known white; other ranges are stretched between their least and greatest value.
    """
    values = np.nan_to_num(grey.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if grey.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif grey.dtype.kind != "f" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    return np.round((values - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)


def over_white(rgba: UInt8[np.ndarray, "height width 4"]) -> UInt8[Tensor, "height width 3"]:
    """Colours laid over a white ground by their alpha."""
    alpha = rgba[..., 3:].astype(np.uint16)
    blended = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return torch.from_numpy(blended.astype(np.uint8))


def resize_short_side(frame: UInt8[Tensor, "height width 3"], size: int | None) -> UInt8[Tensor, "tall wide 3"]:
    """The frame with its short side `size` long (antialiased, never cropped); as it is for None."""
    height, width = frame.shape[:2]
    if size is None or min(height, width) == size:
        return frame
    return resize_to(frame, *short_side_shape(height, width, size=size))


def resize_to(frame: UInt8[Tensor, "height width 3"], tall: int, wide: int) -> UInt8[Tensor, "{tall} {wide} 3"]:
    """The frame scaled to exactly this height and width, antialiased."""
    if frame.shape[:2] == (tall, wide):
        return frame
    # In this order of axes the pixels lie as a batch in channels-last memory, which is scaled without a copy.
    planes = interpolate(frame[None].permute(0, 3, 1, 2), (tall, wide), mode="bilinear", antialias=True)
    return planes[0].permute(1, 2, 0).contiguous()


def short_side_shape(height: int, width: int, *, size: int, cut: bool = False) -> tuple[int, int]:
    """Height and width after scaling the short side to `size`; MediaError where a sliver would become enormous.

    The long side is rounded, or `cut` to the whole pixels below.
    """
    short = min(height, width)
    whole = int if cut else round
    tall, wide = (max(size, whole(size * side / short)) for side in (height, width))
    if tall * wide > MAX_PIXELS:
        raise MediaError(f"a frame of {width} x {height} is too narrow to be scaled to {size}: crop it first")
    return tall, wide


class Animation(Footage):
    """An animated picture as footage; frames are composed by Pillow, one after the other."""

    def __init__(self, source: Path | bytes, *, size: int | None = None) -> None:
        self.name = name_of(source)
        self.skipped = 0
        self._source, self._size = source, size
        self._times: list[float] | None = None
        self._end = 0.0

    @property
    def rate(self) -> float:
        """Mean frames a second."""
        return len(self.times(None, None)) / self.duration

    @property
    def duration(self) -> float:
        """Seconds of one round; the file has to be read through for it."""
        self.times(None, None)
        return max(self._end, _SHORTEST_FRAME)

    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        """All shots from the first: animations are short, and each frame builds on the one before."""
        elapsed, damaged = 0.0, 0
        with _opened(self._source) as image:
            for index in range(getattr(image, "n_frames", 1)):
                try:
                    image.seek(index)
                    still = image.copy()
                except _BROKEN:
                    damaged += 1
                    continue
                yield Shot(seconds=elapsed, pixels=lambda still=still: self._pixels(still))  # type: ignore[misc]
                lasts = float(image.info.get("duration", 0) or 0) / 1000
                elapsed += lasts if lasts >= _SHORTEST_FRAME else _DEFAULT_FRAME
        self.skipped, self._end = damaged, elapsed

    def _pixels(self, still: Image.Image) -> UInt8[Tensor, "height width 3"]:
        return resize_short_side(rgb_over_white(still), self._size)

    def seek_pays(self, position: float, seconds: float) -> bool:
        """Never: there is nothing to seek by."""
        return False

    def times(self, start: float | None, end: float | None) -> list[float]:
        """Seconds of the frames from start to end, both included."""
        if self._times is None:
            self._times = [shot.seconds for shot in self.shots_from(None)]
        low = float("-inf") if start is None else start - TOLERANCE
        high = float("inf") if end is None else end + TOLERANCE
        return [seconds for seconds in self._times if low <= seconds <= high]

    def close(self) -> None:
        """Nothing stays open between two readings."""
