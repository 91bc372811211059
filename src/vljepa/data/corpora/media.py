"""Pictures for shards, encoded the same way each time: on a plain ground, short side 256, JPEG."""

import hashlib
import io

from PIL import Image

SIDE = 256
# The packages' largest sane drawing has 45 million pixels; one has 231 million and would take a gigabyte to open.
MAX_PIXELS = 60_000_000


def pale_colour(seed: bytes) -> tuple[int, int, int]:
    """A background: white for one picture in three, else a pale colour, both chosen by the content's hash."""
    digest = hashlib.sha256(seed).digest()
    if digest[0] % 3 == 0:
        return (255, 255, 255)
    red, green, blue = (200 + digest[i] % 56 for i in (1, 2, 3))
    return (red, green, blue)


def on_colour(picture: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """The picture in RGB, what was transparent filled with `colour`."""
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, (*colour, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")


def trimmed(picture: Image.Image, *, margin: float = 0.08) -> Image.Image:
    """An RGBA picture cut to what is not transparent, with a margin: small drawings lie on huge empty sheets."""
    box = picture.getchannel("A").getbbox()
    if box is None:
        return picture
    left, top, right, bottom = box
    edge = round(margin * max(right - left, bottom - top))
    width, height = picture.size
    return picture.crop((max(0, left - edge), max(0, top - edge), min(width, right + edge), min(height, bottom + edge)))


def shrunk(picture: Image.Image, side: int = SIDE) -> Image.Image:
    """The picture with its short side at most `side`; smaller ones stay as they are, long strips fit whole."""
    width, height = picture.size
    scale = side / min(width, height)
    # A strip 20 times as long as wide would stay enormous: the long side never exceeds four short ones.
    scale = min(1.0, scale, 4 * side / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0) if size != picture.size else picture


def jpeg_from_picture(picture: Image.Image) -> bytes:
    """JPEG bytes, quality 90, without metadata."""
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=90, optimize=True)
    return stream.getvalue()
