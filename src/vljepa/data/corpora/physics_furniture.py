"""Doors, boxes with lids, cabinets with drawers and trays, as MJCF bodies with at most one joint."""

import math
from dataclasses import dataclass

import numpy as np

from vljepa.data.corpora.physics_stage import Thing, rgba


@dataclass(frozen=True, kw_only=True)
class Furniture:
    """One body with one joint, and the two joint positions between which it moves (the second is the more open one)."""

    body: str
    interval: tuple[float, float]


def _box(centre: tuple[float, float, float], half: tuple[float, float, float], colour: str) -> str:
    position, size = (" ".join(f"{x:.4f}" for x in xs) for xs in (centre, half))
    return f'<geom type="box" pos="{position}" size="{size}" rgba="{rgba(colour)}" contype="0" conaffinity="0"/>'


def _knob(centre: tuple[float, float, float], colour: str) -> str:
    shade = ".15 .15 .15 1" if colour != "black" else ".8 .8 .8 1"
    x, y, z = centre
    return f'<geom type="sphere" pos="{x} {y} {z}" size=".04" rgba="{shade}" contype="0" conaffinity="0"/>'


def _open_box(colour: str, *, width: float, depth: float, low: float, high: float, wall: float = 0.03) -> str:
    """Floor and four walls; half width, half depth, bottom and top in metres."""
    middle, half = (low + high) / 2, (high - low) / 2
    return (
        _box((0, 0, low + wall / 2), (width, depth, wall / 2), colour)
        + "".join(_box((side * width, 0, middle), (wall, depth + wall, half), colour) for side in (-1, 1))
        + "".join(_box((0, side * depth, middle), (width, wall, half), colour) for side in (-1, 1))
    )


def furniture(
    subject: Thing, frame: Thing, *, rng: np.random.Generator, place: tuple[float, float], yaw: float
) -> Furniture:
    """The door, lid or drawer that `subject` names, in its frame, which faces the camera at `yaw` (radians)."""
    low, span = rng.uniform(0, 0.25), rng.uniform(0.5, 0.9)
    maker = {"door": _door, "lid": _lid, "drawer": _drawer}[subject.shape]
    inner, limit = maker(subject.colour, frame.colour, rng)
    degrees = f"{math.degrees(yaw):.3f}"
    body = f'<body name="p0" pos="{place[0]:.4f} {place[1]:.4f} 0" euler="0 0 {degrees}">{inner}</body>'
    return Furniture(body=body, interval=(limit * low, limit * min(low + span, 1.0)))


def _door(colour: str, frame: str, rng: np.random.Generator) -> tuple[str, float]:
    side, inward = rng.choice([-1, 1], 2)
    posts = "".join(_box((x, 0, 0.57), (0.06, 0.06, 0.57), frame) for x in (-0.46, 0.46))
    lintel = _box((0, 0, 1.17), (0.52, 0.06, 0.06), frame)
    panel = _box((-side * 0.39, 0, 0.56), (0.39, 0.025, 0.54), colour) + "".join(
        _knob((-side * 0.7, y, 0.55), colour) for y in (-0.05, 0.05)
    )
    joint = f'<joint type="hinge" axis="0 0 {side * inward}"/>'
    return f'{posts}{lintel}<body pos="{side * 0.4} 0 0">{joint}{panel}</body>', math.radians(110)


def _lid(colour: str, frame: str, rng: np.random.Generator) -> tuple[str, float]:
    high = rng.uniform(0.4, 0.6)
    lid = _box((0, -0.36, 0.025), (0.5, 0.4, 0.025), colour) + _knob((0, -0.77, 0.025), colour)
    joint = '<joint type="hinge" axis="-1 0 0"/>'
    walls = _open_box(frame, width=0.46, depth=0.34, low=0.0, high=high)
    inner = f'{walls}<body pos="0 .36 {high:.4f}">{joint}{lid}</body>'
    return inner, math.radians(115)


def _drawer(colour: str, frame: str, rng: np.random.Generator) -> tuple[str, float]:
    height = rng.choice([0.22, 0.58])
    shell = "".join(_box((x, 0, 0.42), (0.03, 0.33, 0.42), frame) for x in (-0.47, 0.47))
    shell += "".join(_box((0, 0, z), (0.5, 0.33, 0.03), frame) for z in (0.03, 0.42, 0.81))
    shell += _box((0, 0.32, 0.42), (0.47, 0.02, 0.4), frame)
    if height < 0.4:
        shell += _box((0, -0.3, 0.615), (0.47, 0.02, 0.17), frame)
    else:
        shell += _box((0, -0.3, 0.225), (0.47, 0.02, 0.17), frame)
    pulled = _box((0, -0.33, 0), (0.43, 0.025, 0.165), colour) + _knob((0, -0.38, 0), colour)
    pulled += "".join(_box((x, -0.02, -0.03), (0.02, 0.3, 0.11), colour) for x in (-0.4, 0.4))
    pulled += _box((0, -0.02, -0.13), (0.4, 0.3, 0.01), colour) + _box((0, 0.27, -0.03), (0.4, 0.02, 0.11), colour)
    return f'{shell}<body pos="0 0 {height:.3f}"><joint type="slide" axis="0 -1 0"/>{pulled}</body>', 0.55


def tray_bodies(tray: Thing, *, place: tuple[float, float], yaw: float, half: float) -> tuple[str, ...]:
    """An open tray on the floor, `half` metres from its middle to each wall."""
    inner = _open_box(tray.colour, width=half, depth=half, low=0.0, high=0.17)
    return (
        f'<body name="p0" pos="{place[0]:.4f} {place[1]:.4f} 0" euler="0 0 {math.degrees(yaw):.3f}">{inner}</body>',
    )
