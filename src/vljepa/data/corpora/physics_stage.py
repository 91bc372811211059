"""The stage of the physics scenes: things and cameras in, a simulated take and its rendered frames out.

One OpenGL context serves all scenes of a process: every model declares the same textures, so only the model changes.
"""

import atexit
import importlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import mujoco
import numpy as np
from jaxtyping import Bool, Float, UInt8

NUM_FRAMES = 8
FRAME_RATE = 4.0
TIME_STEP = 0.005
SUBSTEPS = 5
STEPS_PER_FRAME = round(1 / FRAME_RATE / TIME_STEP / SUBSTEPS)
HALF_FIELD = math.tan(math.radians(45 / 2))
LOOK_AT_HEIGHT = 0.4

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.06, 0.06),
    "orange": (1.0, 0.45, 0.0),
    "yellow": (0.98, 0.88, 0.05),
    "green": (0.05, 0.55, 0.12),
    "blue": (0.05, 0.15, 0.85),
    "purple": (0.5, 0.08, 0.65),
    "white": (0.97, 0.97, 0.97),
    "black": (0.04, 0.04, 0.04),
}
SHAPES = ("ball", "cube", "cylinder", "capsule", "egg")

Place = TypeVar("Place", float, np.ndarray)
Quaternion = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that a caption can name; `shape` is one of `SHAPES` or a furniture word such as "door"."""

    shape: str
    colour: str
    large: bool = True

    @property
    def radius(self) -> float:
        """Half of its typical extent in metres."""
        return 0.38 if self.large else 0.24

    @property
    def height(self) -> float:
        """Height of the centre above the floor when it stands upright, in metres."""
        return self.radius * {"cube": 0.85, "cylinder": 0.95, "capsule": 1.2, "egg": 1.2}.get(self.shape, 1.0)

    @property
    def lying_height(self) -> float:
        """Height of the centre above the floor when its long axis is level, in metres."""
        return self.radius * {"cube": 0.85, "cylinder": 0.75, "capsule": 0.55, "egg": 0.75}.get(self.shape, 1.0)

    def geom(self, extra: str = "") -> str:
        """The MJCF element of its body."""
        r = self.radius
        size = {
            "ball": f'type="sphere" size="{r}"',
            "cube": f'type="box" size="{0.85 * r} {0.85 * r} {0.85 * r}"',
            "cylinder": f'type="cylinder" size="{0.75 * r} {0.95 * r}"',
            "capsule": f'type="capsule" size="{0.55 * r} {0.65 * r}"',
            "egg": f'type="ellipsoid" size="{0.75 * r} {0.75 * r} {1.2 * r}"',
        }[self.shape]
        return f'<geom {size} rgba="{rgba(self.colour)}" {extra}/>'


def rgba(colour: str) -> str:
    """A named colour as an MJCF attribute."""
    return " ".join(f"{part:.3f}" for part in COLOURS[colour]) + " 1"


@dataclass(frozen=True, kw_only=True)
class View:
    """A camera aimed at a point above the stage; degrees (negative elevation looks down) and metres."""

    azimuth: float
    elevation: float
    distance: float
    look_at: tuple[float, float, float] = (0.0, 0.0, LOOK_AT_HEIGHT)

    @property
    def half_width(self) -> float:
        """Half of what is visible across the middle of the stage, in metres."""
        return self.distance * HALF_FIELD

    def yaw(self, local: float = 0.0) -> float:
        """World yaw (radians) of something turned by `local` radians; 0 is: its x axis points right in the picture."""
        return math.radians(self.azimuth - 90) + local

    def ground(self, right: Place, depth: Place) -> tuple[Place, Place]:
        """World x and y of the place `right` of the middle and `depth` further away than it, as the camera sees it."""
        cosine, sine = math.cos(self.yaw()), math.sin(self.yaw())
        return right * cosine - depth * sine, right * sine + depth * cosine

    @cached_property
    def _axes(self) -> Float[np.ndarray, "3 3"]:
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        forward = np.array(
            [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
        )
        right = np.array([math.sin(azimuth), -math.cos(azimuth), 0.0])
        return np.stack([right, np.cross(right, forward), forward])

    def project(self, points: Float[np.ndarray, "*some 3"]) -> Float[np.ndarray, "*some 3"]:
        """Picture coordinates (across, down; 0 to 1 inside it) and distance along the line of sight in metres."""
        local = (points - np.array(self.look_at) + self.distance * self._axes[2]) @ self._axes.T
        across = local[..., 0] / (2 * HALF_FIELD * local[..., 2])
        upwards = local[..., 1] / (2 * HALF_FIELD * local[..., 2])
        return np.stack([0.5 + across, 0.5 - upwards, local[..., 2]], axis=-1)


def upright(yaw: float) -> Quaternion:
    """Orientation of a standing thing turned by `yaw` radians."""
    return (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))


def lying(heading: float) -> Quaternion:
    """Orientation whose long axis is level and points along `heading` (radians in the world)."""
    half, cosine, sine = math.sqrt(0.5), math.cos(heading / 2), math.sin(heading / 2)
    return (cosine * half, -sine * half, cosine * half, sine * half)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A thing at a place on the stage; `free` things obey physics, the others are part of the floor."""

    thing: Thing
    position: tuple[float, float, float]
    orientation: Quaternion = (1.0, 0.0, 0.0, 0.0)
    free: bool = False
    physics: str = ""

    def body(self, name: str) -> str:
        """The MJCF element."""
        joint = "<freejoint/>" if self.free else ""
        position, orientation = (" ".join(f"{x:.5f}" for x in xs) for xs in (self.position, self.orientation))
        return (
            f'<body name="{name}" pos="{position}" quat="{orientation}">{joint}{self.thing.geom(self.physics)}</body>'
        )


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colours, floor pattern and light of a scene, as MJCF elements for the world."""

    elements: str

    @classmethod
    def draw(cls, rng: np.random.Generator, view: View) -> "Look":
        """A muted floor and wall, so that every named colour stands out, and a light from anywhere above."""
        pattern = ("plain", "checker", "speckle")[rng.integers(3)]
        floor, wall = (" ".join(f"{x:.3f}" for x in _muted(rng)) + " 1" for _ in range(2))
        x, y = view.ground(0.0, 6.0)
        light = rng.uniform(-1, 1, 2)
        bright = rng.uniform(0.35, 0.6)
        return cls(
            elements=f'<light directional="true" castshadow="false" dir="{light[0]:.3f} {light[1]:.3f} -1.2" '
            f'diffuse="{bright:.3f} {bright:.3f} {bright:.3f}" specular=".2 .2 .2" ambient="0 0 0"/>'
            f'<geom name="floor" type="plane" size="9 9 .1" material="{pattern}" rgba="{floor}"/>'
            f'<geom type="box" pos="{x:.3f} {y:.3f} 3.5" euler="0 0 {math.degrees(view.yaw()):.3f}" size="14 .05 4" '
            f'rgba="{wall}" contype="0" conaffinity="0"/>'
        )


def _muted(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    return np.clip(rng.uniform(0.42, 0.68) + rng.uniform(-0.07, 0.07, 3), 0, 1)


_HEAD = """<mujoco><compiler angle="degree"/><option timestep="{step}" gravity="0 0 -{gravity}"/><size memory="2M"/>
<visual><global offwidth="{size}" offheight="{size}" fovy="45"/><quality offsamples="0" numslices="24" numstacks="16"/>
<headlight ambient=".42 .42 .42" diffuse=".38 .38 .38" specular=".1 .1 .1"/><map znear="0.02" zfar="40"/></visual>
<asset><texture name="plain" type="2d" builtin="flat" rgb1="1 1 1" width="16" height="16"/>
<texture name="checker" type="2d" builtin="checker" rgb1=".86 .86 .86" rgb2="1 1 1" width="64" height="64"/>
<texture name="speckle" type="2d" builtin="flat" rgb1="1 1 1" mark="random" markrgb=".85 .85 .85"
 random=".1" width="64" height="64"/>
<material name="plain" texture="plain" specular="0"/>
<material name="checker" texture="checker" texrepeat="2 2" texuniform="true" specular="0"/>
<material name="speckle" texture="speckle" texrepeat="1 1" texuniform="true" specular="0"/></asset>"""


def compile_model(look: Look, bodies: Sequence[str], *, gravity: float = 9.81, size: int = 224) -> Any:
    """The MuJoCo model of the given MJCF bodies on a floor, before a wall."""
    head = _HEAD.format(step=TIME_STEP, gravity=gravity, size=size)
    return mujoco.MjModel.from_xml_string(f"{head}<worldbody>{look.elements}{''.join(bodies)}</worldbody></mujoco>")


@dataclass(frozen=True, kw_only=True)
class Take:
    """What happened: joint positions at every frame, where the things t0, t1 ... were, whether t0 had touched t1.

    `tilt` is the height component of each thing's own long axis (1: upright, 0: lying).
    """

    model: Any
    poses: Float[np.ndarray, "time position"]
    centres: Float[np.ndarray, "time thing 3"]
    tilt: Float[np.ndarray, "time thing"]
    touched: Bool[np.ndarray, "time"]

    def reversed(self) -> "Take":
        """The same recording played backwards."""
        return self._part(slice(None, None, -1))

    def until(self, frame: int) -> "Take":
        """The recording without that frame and those after it."""
        return self._part(slice(frame))

    def _part(self, part: slice) -> "Take":
        kept = {name: getattr(self, name)[part] for name in ("poses", "centres", "tilt", "touched")}
        return replace(self, **kept)


def simulate(
    model: Any,
    velocity: Sequence[float],
    brake: Callable[[Any], None] | None = None,
    *,
    num_frames: int = NUM_FRAMES,
) -> Take:
    """Let physics run from the given joint velocities (free bodies first); `brake` may change it every 25 ms."""
    data = mujoco.MjData(model)
    data.qvel[: len(velocity)] = velocity
    poses: list[Float[np.ndarray, "position"]] = []
    touched: list[bool] = []
    contact = False
    for step in range((num_frames - 1) * STEPS_PER_FRAME + 1):
        if step % STEPS_PER_FRAME == 0:
            poses.append(data.qpos.copy())
            touched.append(contact)
        if brake is not None:
            brake(data)
        mujoco.mj_step(model, data, nstep=SUBSTEPS)
        contact = contact or _things_touch(model, data)
    return perform(model, np.array(poses), touched=np.array(touched))


def _things_touch(model: Any, data: Any) -> bool:
    """Whether the bodies t0 and t1 (numbers 1 and 2) touch each other now."""
    if data.ncon == 0:
        return False
    pairs = model.geom_bodyid[data.contact.geom]
    return bool(((pairs.min(1) == 1) & (pairs.max(1) == 2)).any())


def perform(
    model: Any, poses: Float[np.ndarray, "time position"], touched: Bool[np.ndarray, "time"] | None = None
) -> Take:
    """A take of given joint positions, one row a frame."""
    data = mujoco.MjData(model)
    names = [i for i in range(model.nbody) if model.body(i).name.startswith("t")]
    centres: list[Float[np.ndarray, "thing 3"]] = []
    tilt: list[Float[np.ndarray, "thing"]] = []
    for pose in poses:
        data.qpos[:] = pose
        mujoco.mj_kinematics(model, data)
        centres.append(data.xpos[names].copy())
        tilt.append(np.abs(data.xmat[names, 8]))
    if touched is None:
        touched = np.zeros(len(poses), dtype=bool)
    return Take(model=model, poses=poses, centres=np.array(centres), tilt=np.array(tilt), touched=touched)


@lru_cache(maxsize=1)
def gl_context_class() -> Any:
    """The off-screen OpenGL of this machine: the one that MUJOCO_GL names, else EGL, else OSMesa."""
    if os.environ.get("MUJOCO_GL"):
        return importlib.import_module("mujoco.gl_context").GLContext
    try:
        return importlib.import_module("mujoco.egl").GLContext
    except (ImportError, AttributeError):
        os.environ.pop("PYOPENGL_PLATFORM", None)
        return importlib.import_module("mujoco.osmesa").GLContext


class Renderer:
    """Renders takes of any model that `compile_model` made, at `size` by `size` pixels, in one OpenGL context."""

    def __init__(self, size: int = 224) -> None:
        self.size = size
        self._gl = gl_context_class()(size, size)
        self._gl.make_current()
        template = compile_model(Look(elements='<geom type="plane" size="9 9 .1"/>'), [], size=size)
        self._context = mujoco.MjrContext(template, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._rectangle = mujoco.MjrRect(0, 0, size, size)
        atexit.register(self.close)

    def close(self) -> None:
        """Give the OpenGL context back; the interpreter's end is too late for that."""
        self._context.free()
        self._gl.free()

    def frames(self, take: Take, *, view: View, shadows: Sequence[float]) -> UInt8[np.ndarray, "time height width 3"]:
        """The pictures of a take; `shadows` are the radii of the soft discs drawn on the floor below the things."""
        self._gl.make_current()
        data = mujoco.MjData(take.model)
        scene = mujoco.MjvScene(take.model, 100)
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        camera, option = mujoco_camera(view), mujoco.MjvOption()
        pixels = np.empty((len(take.poses), self.size, self.size, 3), dtype=np.uint8)
        for pose, centres, picture in zip(take.poses, take.centres, pixels, strict=True):
            data.qpos[:] = pose
            mujoco.mj_kinematics(take.model, data)
            mujoco.mj_camlight(take.model, data)
            mujoco.mjv_updateScene(take.model, data, option, None, camera, mujoco.mjtCatBit.mjCAT_ALL.value, scene)
            _add_shadows(scene, centres, shadows)
            mujoco.mjr_render(self._rectangle, scene, self._context)
            mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return np.ascontiguousarray(pixels[:, ::-1])


def mujoco_camera(view: View) -> Any:
    """The view as MuJoCo's free camera."""
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = view.look_at
    camera.azimuth, camera.elevation, camera.distance = view.azimuth, view.elevation, view.distance
    return camera


def _add_shadows(scene: Any, centres: Float[np.ndarray, "thing 3"], radii: Sequence[float]) -> None:
    """Flat dark discs on the floor; without them a falling thing and a departing one look alike."""
    for (x, y, height), radius in zip(centres, radii, strict=True):
        if radius > 0:
            spread = radius * (1 + 0.15 * min(height, 2.0))
            mujoco.mjv_initGeom(
                scene.geoms[scene.ngeom],
                mujoco.mjtGeom.mjGEOM_CYLINDER,
                np.array([spread, 0.001, 0]),  # of a cylinder: radius, half its height
                np.array([x, y, 0.003]),
                np.eye(3).flatten(),
                np.array([0, 0, 0, 0.35], dtype=np.float32),
            )
            scene.ngeom += 1
