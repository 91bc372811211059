"""Plain shapes drawn in many looks, so that what is learned of them is no one renderer's.

A shape is a mask, a look fills it, a ground lies behind. Looks and grounds named `unseen` are kept for test scenes.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from vljepa.data.corpora.media import SIDE

# Drawn twice as large and shrunk: edges without steps.
CANVAS = 2 * SIDE
Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


class Placed(NamedTuple):
    """A thing and where it is: middle and height as shares of the picture's side, counted from its top left."""

    noun: str
    colour: str
    x: float
    y: float
    size: float


# Hue, saturation and value of 255 from which each colour is drawn: what most people would call by its name.
_SHADES = {
    "red": ((250, 259), (190, 255), (170, 245)),
    "orange": ((16, 24), (215, 255), (235, 255)),
    "yellow": ((36, 43), (180, 255), (235, 255)),
    "green": ((76, 100), (140, 255), (110, 220)),
    "blue": ((148, 170), (170, 255), (150, 250)),
    "purple": ((190, 205), (130, 230), (110, 200)),
    "pink": ((228, 243), (85, 150), (235, 255)),
    "brown": ((14, 21), (150, 215), (85, 135)),
    "black": ((0, 255), (0, 40), (0, 35)),
    "white": ((0, 255), (0, 12), (242, 255)),
    "grey": ((0, 255), (0, 20), (110, 160)),
}
COLOURS = tuple(_SHADES)


def shade(colour: str, random: np.random.Generator) -> Colour:
    """One of the many colours that go by this name."""
    hue, saturation, value = (int(random.integers(low, high + 1)) for low, high in _SHADES[colour])
    red, green, blue = Image.new("HSV", (1, 1), (hue % 256, saturation, value)).convert("RGB").getpixel((0, 0))  # type: ignore[misc]
    return int(red), int(green), int(blue)


def _regular(corners: int, *, inner: float = 1.0) -> Points:
    """A regular polygon on the unit circle, a corner on top; with `inner` below 1 every second corner lies inside."""
    angles = [2 * math.pi * k / corners for k in range(corners)]
    radii = [1.0 if k % 2 == 0 else inner for k in range(corners)]
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for angle, radius in zip(angles, radii, strict=True)]


def _round(width: float) -> Points:
    return [(width * x, y) for x, y in _regular(72)]


def _heart() -> Points:
    angles = np.linspace(0, 2 * math.pi, 72)
    x = np.sin(angles) ** 3
    y = -(13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles)) / 16
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _crescent() -> Points:
    """A disc less one that is shifted; both arcs meet in the two tips."""
    outer = [(math.sin(angle), -math.cos(angle)) for angle in np.linspace(0.2, -1.2, 40) * math.pi]
    shift, (x, y) = 0.45, outer[0]
    radius, tip = math.hypot(x - shift, y), math.atan2(x - shift, -y)
    angles = np.linspace(-math.pi - tip, tip, 40)
    return outer + [(shift + radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles]


_ARM = 0.34
_CROSS = [(-_ARM, -1.0), (_ARM, -1.0), (_ARM, -_ARM), (1.0, -_ARM), (1.0, _ARM), (_ARM, _ARM)]
_CROSS += [(-x, -y) for x, y in _CROSS]
OUTLINES: dict[str, Points] = {
    "circle": _round(1.0),
    "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "triangle": _regular(3),
    "rectangle": [(-1.0, -0.5), (1.0, -0.5), (1.0, 0.5), (-1.0, 0.5)],
    "oval": [(y, x) for x, y in _round(0.6)],
    "star": _regular(10, inner=0.42),
    "heart": _heart(),
    "cross": _CROSS,
    "diamond": [(0.0, -1.0), (0.65, 0.0), (0.0, 1.0), (-0.65, 0.0)],
    "pentagon": _regular(5),
    "hexagon": _regular(6),
    "crescent": _crescent(),
}
SHAPES = tuple(OUTLINES)

Mask = Image.Image
Look = Callable[[Mask, Colour, np.random.Generator], tuple[Image.Image, Mask]]


def mask_of(thing: Placed, random: np.random.Generator) -> Mask:
    """Where the thing is on the canvas, turned a little; rectangles stand or lie."""
    turn = math.radians(random.uniform(-12, 12)) + (math.pi / 2 if _stands(thing.noun, random) else 0.0)
    half = thing.size * CANVAS / 2
    points = [
        (
            thing.x * CANVAS + half * (x * math.cos(turn) - y * math.sin(turn)),
            thing.y * CANVAS + half * (x * math.sin(turn) + y * math.cos(turn)),
        )
        for x, y in OUTLINES[thing.noun]
    ]
    mask = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(mask).polygon(points, fill=255)
    return mask


def _stands(noun: str, random: np.random.Generator) -> bool:
    return noun in ("rectangle", "oval") and bool(random.random() < 0.5)


def _plain(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    return _flat(colour), mask


def _bordered(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    """Filled, with an edge of the same colour made much darker, or lighter where it is dark already."""
    dark = sum(colour) < 180
    edge = tuple(int(part + (255 - part) * 0.6) if dark else int(part * 0.35) for part in colour)
    return Image.composite(_flat(colour), _flat(edge), _shrunk(mask, random.uniform(2, 6))), mask


def _outlined(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    """Its edge alone: the ground shows through."""
    return _flat(colour), ImageChops.subtract(mask, _shrunk(mask, random.uniform(8, 16)))


def _gradient(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    angle = random.uniform(0, 2 * math.pi)
    rows, columns = _mesh()
    return _between(colour, (rows * math.sin(angle) + columns * math.cos(angle)) / CANVAS), mask


def _shaded(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    """Bulging, with light from the upper left."""
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    rows, columns = _mesh()
    down = (rows - top) / max(1, bottom - top) - 0.35
    across = (columns - left) / max(1, right - left) - 0.35
    return _between(colour, 1.4 * np.hypot(down, across)), mask


def _striped(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    return _patterned(colour, _stripes(random), 0.3), mask


def _dotted(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    step = random.uniform(20, 36)
    rows, columns = _mesh()
    dots = (rows % step - step / 2) ** 2 + (columns % step - step / 2) ** 2 < (step / 4) ** 2
    return _patterned(colour, dots, 0.35), mask


def _grained(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    noise = random.normal(0, 22, (CANVAS // 2, CANVAS // 2, 1))
    return _from_numbers(np.array(colour) + noise), mask


def _checked(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    step = random.uniform(16, 30)
    rows, columns = _mesh()
    return _patterned(colour, (rows // step + columns // step) % 2 == 0, 0.3), mask


def _sketched(mask: Mask, colour: Colour, random: np.random.Generator) -> tuple[Image.Image, Mask]:
    """As with a pen: a thin edge drawn twice, and hatching within."""
    edge = ImageChops.subtract(mask, _shrunk(mask, 5))
    twice = ImageChops.lighter(edge, ImageChops.offset(edge, int(random.integers(-6, 7)), int(random.integers(-6, 7))))
    hatching = Image.fromarray((_stripes(random, thin=0.35) * 255).astype(np.uint8))
    return _flat(colour), ImageChops.lighter(twice, ImageChops.multiply(mask, hatching))


LOOKS: tuple[Look, ...] = (_plain, _plain, _bordered, _outlined, _gradient, _shaded, _striped, _dotted, _grained)
UNSEEN_LOOKS: tuple[Look, ...] = (_checked, _sketched)


def ground(shades: Sequence[Colour], random: np.random.Generator, *, unseen: bool) -> Image.Image:
    """What lies behind: white, plain, a gradient, noise, stripes (unseen: clouds), far from each of the `shades`."""
    tone = _far_from(shades, random)
    if unseen:
        return _clouds(tone, random)
    draw = random.random()
    if draw < 0.5:
        return _flat(tone)
    if draw < 0.7:
        return _gradient(Image.new("L", (1, 1)), tone, random)[0]
    if draw < 0.85:
        return _grained(Image.new("L", (1, 1)), tone, random)[0]
    return _patterned(tone, _stripes(random), 0.08)


def drawn(things: Sequence[Placed], random: np.random.Generator, *, unseen: bool) -> Image.Image:
    """The picture of a scene; all its things have one look, as in a drawing by one hand, or each has its own."""
    shades = [shade(thing.colour, random) for thing in things]
    canvas = ground(shades, random, unseen=unseen)
    looks = UNSEEN_LOOKS if unseen else LOOKS
    shared = looks[int(random.integers(len(looks)))] if random.random() < 0.6 else None
    shadow = random.random() < 0.2
    for thing, colour in zip(things, shades, strict=True):
        look = shared or looks[int(random.integers(len(looks)))]
        filling, where = look(mask_of(thing, random), colour, random)
        if shadow:
            below = ImageChops.offset(where, 10, 12).filter(ImageFilter.GaussianBlur(8)).point(lambda v: v // 3)
            canvas.paste((30, 30, 30), (0, 0), below)
        canvas.paste(filling, (0, 0), where)
    return canvas.resize((SIDE, SIDE), Image.Resampling.BOX)


def _far_from(shades: Sequence[Colour], random: np.random.Generator) -> Colour:
    """A ground on which everything is seen: white or pale mostly, and never near a shade in brightness and hue."""
    for _ in range(40):
        draw = random.random()
        low, high = (252, 256) if draw < 0.3 else (195, 256) if draw < 0.7 else (15, 70) if draw < 0.85 else (70, 200)
        red, green, blue = (int(part) for part in random.integers(low, high, 3))
        if all(abs(red - r) + abs(green - g) + abs(blue - b) > 160 for r, g, b in shades):
            return red, green, blue
    # White beside black beside grey leaves little room: a weak blue differs from all three.
    return 120, 175, 215


def _flat(colour: Sequence[int]) -> Image.Image:
    return Image.new("RGB", (CANVAS, CANVAS), tuple(colour))


def _mesh() -> tuple[Float[np.ndarray, "row 1"], Float[np.ndarray, "1 column"]]:
    places = np.arange(CANVAS, dtype=np.float32)
    return places[:, None], places[None]


def _between(colour: Colour, share: Float[np.ndarray, "row column"]) -> Image.Image:
    """From a lighter to a darker tone of the colour, by shares from 0 to 1."""
    towards = Image.fromarray((share.clip(0, 1) * 255).astype(np.uint8))
    return Image.composite(_flat(_towards(colour, 0, 0.3)), _flat(_towards(colour, 255, 0.35)), towards)


def _towards(colour: Colour, end: int, share: float) -> Colour:
    red, green, blue = (int(part + (end - part) * share) for part in colour)
    return red, green, blue


def _shrunk(mask: Mask, width: float) -> Mask:
    """The mask without a border of about `width`."""
    return mask.filter(ImageFilter.GaussianBlur(width)).point(lambda value: 255 if value > 225 else 0)


def _patterned(colour: Colour, where: Bool[np.ndarray, "row column"], strength: float) -> Image.Image:
    """The colour with a pattern of itself made lighter, or darker where it is light already."""
    end = 0 if sum(colour) > 560 else 255
    pattern = Image.fromarray((where * 255).astype(np.uint8))
    return Image.composite(_flat(_towards(colour, end, strength)), _flat(colour), pattern)


def _stripes(random: np.random.Generator, *, thin: float = 0.5) -> Bool[np.ndarray, "row column"]:
    angle, step = random.uniform(0, math.pi), random.uniform(14, 40)
    rows, columns = _mesh()
    found: Bool[np.ndarray, "row column"] = (rows * math.sin(angle) + columns * math.cos(angle)) % step < thin * step
    return found


def _clouds(tone: Colour, random: np.random.Generator) -> Image.Image:
    soft = Image.fromarray(random.integers(0, 256, (7, 7), dtype=np.uint8)).resize(
        (CANVAS, CANVAS), Image.Resampling.BICUBIC
    )
    return Image.composite(_flat(_towards(tone, 255, 0.25)), _flat(_towards(tone, 0, 0.12)), soft)


def _from_numbers(pixels: Float[np.ndarray, "row column 3"]) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize((CANVAS, CANVAS))
