"""A jointed figure of a person and the motions that it was recorded in: pybullet's humanoid and its motion capture.

Only the files of the package are read; figure and floor are rendered as the physics scenes are.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

# The figure's own unit is a quarter of a metre.
SCALE = 0.25
# Joints in the order of the motion files, with how many numbers each has.
_RECORDED = (
    ("chest", 4),
    ("neck", 4),
    ("right_hip", 4),
    ("right_knee", 1),
    ("right_ankle", 4),
    ("right_shoulder", 4),
    ("right_elbow", 1),
    ("left_hip", 4),
    ("left_knee", 1),
    ("left_ankle", 4),
    ("left_shoulder", 4),
    ("left_elbow", 1),
)
_SHIRT = ("chest", "right_shoulder", "left_shoulder", "right_elbow", "left_elbow")
_SKIN = ("neck", "right_wrist", "left_wrist")
_SHOES = ("right_ankle", "left_ankle")


@lru_cache(maxsize=1)
def _files() -> Path:
    """The folder of the package's files; ImportError where pybullet (extra `corpus`) is not installed."""
    import pybullet_data

    return Path(pybullet_data.getDataPath())


@dataclass(frozen=True, kw_only=True)
class Dress:
    """Colours of a figure, as MJCF's four numbers."""

    shirt: str
    trousers: str
    skin: str
    shoes: str = ".15 .12 .1 1"

    def of(self, link: str) -> str:
        """The colour of one part of the body."""
        for names, colour in ((_SHIRT, self.shirt), (_SKIN, self.skin), (_SHOES, self.shoes)):
            if link in names:
                return colour
        return self.trousers


@dataclass(frozen=True, kw_only=True)
class _Link:
    name: str
    geom: str
    children: tuple["_Joint", ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Joint:
    name: str
    kind: str
    origin: str
    axis: str
    child: _Link


@lru_cache(maxsize=1)
def _skeleton() -> _Link:
    """The tree of the figure's links from its URDF, in metres."""
    # The package's file ends with a byte that is no XML.
    text = (_files() / "humanoid" / "humanoid.urdf").read_bytes().partition(b"</robot>")
    robot = ElementTree.fromstring(text[0] + text[1])
    links = {link.attrib["name"]: link for link in robot.iter("link")}
    joints = [joint for joint in robot.findall("joint") if joint.attrib["name"] != "root"]

    def grown(name: str) -> _Link:
        below = [joint for joint in joints if _attribute(joint, "parent", "link") == name]
        children = tuple(
            _Joint(
                name=joint.attrib["name"],
                kind=joint.attrib["type"],
                origin=_metres(_attribute(joint, "origin", "xyz")),
                axis=_attribute(joint, "axis", "xyz") if joint.find("axis") is not None else "",
                child=grown(_attribute(joint, "child", "link")),
            )
            for joint in below
        )
        return _Link(name=name, geom=_geom(links[name]), children=children)

    return grown("root")


def _attribute(element: ElementTree.Element, tag: str, name: str) -> str:
    found = element.find(tag)
    assert found is not None, f"pybullet's humanoid.urdf has no {tag} where one is expected"
    return found.attrib[name]


def _metres(numbers: str) -> str:
    return " ".join(f"{SCALE * float(number):.5f}" for number in numbers.split())


def _geom(link: ElementTree.Element) -> str:
    """The MJCF attributes of a link's shape."""
    shape = link.find("collision/geometry")
    assert shape is not None
    one = shape[0]
    origin = link.find("collision/origin")
    assert origin is not None
    turned = " ".join(f"{math.degrees(float(angle)):.2f}" for angle in origin.attrib["rpy"].split())
    place = f'pos="{_metres(origin.attrib["xyz"])}" euler="{turned}"'
    if one.tag == "sphere":
        return f'type="sphere" size="{SCALE * float(one.attrib["radius"]):.5f}" {place}'
    if one.tag == "capsule":
        half = SCALE * float(one.attrib["length"]) / 2
        return f'type="capsule" size="{SCALE * float(one.attrib["radius"]):.5f} {half:.5f}" {place}'
    halves = " ".join(f"{SCALE * float(side) / 2:.5f}" for side in one.attrib["size"].split())
    return f'type="box" size="{halves}" {place}'


def figure_body(dress: Dress, name: str) -> str:
    """The MJCF body of a person; `name` is that of its root, which is free."""
    skeleton = _skeleton()
    inner = "".join(_jointed(joint, dress, name) for joint in skeleton.children)
    # Hips and chest are balls far apart: what lies between them is drawn too.
    waist = f'<geom type="capsule" size=".085" fromto="0 .02 0 0 .25 0" rgba="{dress.shirt}" {_MASSLESS}/>'
    return f'<body name="{name}"><freejoint/>{_shape(skeleton, dress)}{waist}{inner}</body>'


_MASSLESS = 'contype="0" conaffinity="0"'


def _shape(link: _Link, dress: Dress) -> str:
    return f'<geom {link.geom} rgba="{dress.of(link.name)}" {_MASSLESS}/>'


def _jointed(joint: _Joint, dress: Dress, name: str) -> str:
    own = {"spherical": '<joint type="ball"/>', "revolute": f'<joint type="hinge" axis="{joint.axis}"/>'}
    inner = "".join(_jointed(below, dress, name) for below in joint.child.children)
    return (
        f'<body name="{joint.name}-of-{name}" pos="{joint.origin}">{own.get(joint.kind, "")}'
        f"{_shape(joint.child, dress)}{inner}</body>"
    )


def _columns() -> list[int]:
    """Places in a recorded frame (after its duration) of the numbers that MuJoCo wants, in its order."""
    first, places = 7, {}
    for name, width in _RECORDED:
        places[name] = list(range(first, first + width))
        first += width
    order = list(range(7))

    def walk(joints: Sequence[_Joint]) -> None:
        for joint in joints:
            order.extend(places.get(joint.name, ()))
            walk(joint.child.children)

    walk(_skeleton().children)
    return order


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A recording: seconds of each frame, and poses as MuJoCo takes them (place, turn, joints), height upwards."""

    times: Float[np.ndarray, "frame"]
    poses: Float[np.ndarray, "frame position"]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.times[-1])

    def at(self, times: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time position"]:
        """Poses at any seconds between the first and the last, on the straight way between two recorded ones."""
        # Quaternions of neighbours may have opposite signs: aligned first, mixed, and made unit again by MuJoCo.
        poses = _signs_aligned(self.poses)
        return np.stack([np.interp(times, self.times, column) for column in poses.T], axis=-1)

    @property
    def travel(self) -> Float[np.ndarray, "2"]:
        """Where it goes on the ground from first to last frame, in metres."""
        return np.asarray(self.poses[-1, :2] - self.poses[0, :2])

    def moved(self, turn: float, to: Float[np.ndarray, "2"]) -> "Motion":
        """Turned by `turn` radians about the first frame's place, which then lies at `to`."""
        poses = self.poses.copy()
        cosine, sine = math.cos(turn), math.sin(turn)
        away = poses[:, :2] - poses[0, :2]
        poses[:, 0] = to[0] + cosine * away[:, 0] - sine * away[:, 1]
        poses[:, 1] = to[1] + sine * away[:, 0] + cosine * away[:, 1]
        poses[:, 3:7] = _product((math.cos(turn / 2), 0.0, 0.0, math.sin(turn / 2)), poses[:, 3:7])
        return Motion(times=self.times, poses=poses)

    def reversed(self) -> "Motion":
        """Played backwards."""
        return Motion(times=self.times[-1] - self.times[::-1], poses=self.poses[::-1])

    def faster(self, factor: float) -> "Motion":
        """Played `factor` times as fast."""
        return Motion(times=self.times / factor, poses=self.poses)

    def until(self, seconds: float) -> "Motion":
        """Its first seconds."""
        times = np.append(self.times[self.times < seconds], seconds)
        return Motion(times=times, poses=self.at(times))

    def then(self, other: "Motion", *, pause: float) -> "Motion":
        """This one and, `pause` seconds later, the other from where this one ends and the way that this one faces."""
        turn = facing(self.poses[-1]) - facing(other.poses[0])
        after = other.moved(turn, self.poses[-1, :2])
        return Motion(
            times=np.concatenate([self.times, self.times[-1] + pause + after.times]),
            poses=np.concatenate([self.poses, after.poses]),
        )


def facing(pose: Float[np.ndarray, "position"]) -> float:
    """The way (radians on the ground) that the figure's own x axis points."""
    w, x, y, z = pose[3:7]
    return math.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def _signs_aligned(poses: Float[np.ndarray, "frame position"]) -> Float[np.ndarray, "frame position"]:
    aligned = poses.copy()
    first = 3
    for width in (4, *(dict(_RECORDED)[name] for name in _order())):
        if width == 4:
            turns = aligned[:, first : first + 4]
            flips = np.sign(np.sum(turns[1:] * turns[:-1], axis=1))
            turns[1:] *= np.cumprod(np.where(flips == 0, 1.0, flips))[:, None]
        first += width
    return aligned


@lru_cache(maxsize=1)
def _order() -> tuple[str, ...]:
    """Names of the recorded joints in MuJoCo's order."""
    names: list[str] = []

    def walk(joints: Sequence[_Joint]) -> None:
        for joint in joints:
            names.extend([joint.name] if joint.name in dict(_RECORDED) else [])
            walk(joint.child.children)

    walk(_skeleton().children)
    return tuple(names)


def _product(
    one: tuple[float, float, float, float], others: Float[np.ndarray, "some 4"]
) -> Float[np.ndarray, "some 4"]:
    """Quaternion products of one with others."""
    a, b, c, d = one
    w, x, y, z = others.T
    return np.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        axis=-1,
    )


@lru_cache(maxsize=32)
def recorded(name: str) -> Motion:
    """The motion of a name ("walk"), from its file."""
    path = _files() / "data" / "motions" / f"humanoid3d_{name}.txt"
    content: Mapping[str, list[list[float]]] = json.loads(path.read_text(encoding="utf-8"))
    frames = np.array(content["Frames"], dtype=np.float64)
    durations = frames[:, 0]
    poses = frames[:, 1:].copy()
    # Height is the files' second axis: a quarter turn about the first makes it the third.
    poses[:, 1], poses[:, 2] = -frames[:, 3], frames[:, 2]
    half = math.sqrt(0.5)
    poses[:, 3:7] = _product((half, half, 0.0, 0.0), frames[:, 4:8])
    times = np.concatenate([[0.0], np.cumsum(durations[:-1])])
    return Motion(times=times, poses=poses[:, _columns()])
