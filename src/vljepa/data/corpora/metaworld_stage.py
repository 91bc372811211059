"""Meta-World's robot arm at work: rollouts of its scripted policies, and pictures of them from any side.

The cameras are our own: Meta-World's `corner` stands upside down, and a named camera is one view where ranges are many.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from vljepa.data.corpora.metaworld_tasks import Task
from vljepa.data.corpora.physics_stage import COLOURS, View, gl_context_class, mujoco_camera

Manner = Literal["done", "half", "short", "beside"]

MOST_STEPS = 230
# Steps before the recording in which things that were put down in the air come to rest.
_SETTLING = 15
# Steps after success that are kept, so that the end can be seen; and the least that half of an act is told from.
_AFTER, _HALVES = 8, 8
# How far a thing may shift (metres) or turn (radians) and still count as untouched: a door creeps a degree by itself.
STILL, STILL_TURN = 0.012, 0.06
# How far beside the thing a misled hand reaches, in metres.
_BESIDE = 0.14
_ROBOT_JOINTS = ("right_j0", "right_j1", "right_j2", "right_j3", "right_j4", "right_j5", "right_j6")
_FINGERS = ("r_close", "l_close")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What the arm did: poses at each step (80 a second), the step at which the thing first moved, and how it ended.

    `moved` and `done` are steps, None where it never happened; `goal` are the places of the task's markers.
    """

    poses: Float[np.ndarray, "step position"]
    goal: tuple[tuple[str, Float[np.ndarray, "3"]], ...]
    moved: int | None
    done: int | None


class Workbench:
    """The environment and the policy of one task; making it costs a tenth of a second."""

    def __init__(self, task: Task) -> None:
        self.task = task
        with _quiet():
            from metaworld.env_dict import ALL_V3_ENVIRONMENTS
            from metaworld.policies import ENV_POLICY_MAP

            self._new_policy = ENV_POLICY_MAP[task.name]
            self.env = ALL_V3_ENVIRONMENTS[task.name]()
        # What Meta-World's own benchmarks set from a pickled task: every reset draws places anew, from the seed.
        self.env._partially_observable = False
        self.env._freeze_rand_vec = False
        self.env._set_task_called = True
        self.env.seeded_rand_vec = True
        self.env.__dict__.pop("sawyer_observation_space", None)
        self.model = self.env.model
        self._things = self._thing_positions()

    def _thing_positions(self) -> tuple[list[int], list[float]]:
        """Joint positions of all that is not the robot (of free bodies their place, not how they are turned).

        And with each, how much of it still counts as none.
        """
        found: list[int] = []
        still: list[float] = []
        for joint in range(self.model.njnt):
            if self.model.joint(joint).name not in (*_ROBOT_JOINTS, *_FINGERS):
                first = int(self.model.jnt_qposadr[joint])
                width = 3 if self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE else 1
                turns = self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE
                found.extend(range(first, first + width))
                still.extend([STILL_TURN if turns else STILL] * width)
        return found, still

    def shifts(self, poses: Float[np.ndarray, "step position"]) -> Float[np.ndarray, "step"]:
        """How far any thing is from where it was at first, as a multiple of what counts as none."""
        places, still = self._things
        return np.asarray((np.abs(poses[:, places] - poses[0, places]) / np.array(still)).max(axis=1))

    def rollout(self, manner: Manner, *, seed: int) -> Rollout | None:
        """One attempt of the policy, or None where what happened is not what `manner` says.

        done: the thing is moved and the task succeeds. half: it is moved and the arm stops before the task succeeds.
        short: the arm stops before the thing has moved. beside: the arm is misled and never moves the thing.
        """
        with _quiet():
            poses, done = self._act(seed=seed, beside=manner == "beside")
        goal = tuple((str(name), np.array(place)) for name, place in self.env._target_site_config)
        moved = self._first_move(poses)
        if manner == "beside":
            return Rollout(poses=poses, goal=goal, moved=None, done=None) if moved is done is None else None
        if self.task.hand and done is not None:
            moved = 0
        if done is None or moved is None or done < moved or (moved < 8 and not self.task.hand):
            return None
        if manner == "done":
            return Rollout(poses=poses, goal=goal, moved=moved, done=done)
        if done - moved < _HALVES:
            return None
        stop = max(moved - 4, 6) if manner == "short" else moved + (done - moved) // 2
        held = np.concatenate([poses[: stop + 1], np.repeat(poses[stop : stop + 1], stop // 3, axis=0)])
        return Rollout(poses=held, goal=goal, moved=moved if manner == "half" else None, done=None)

    def _act(self, *, seed: int, beside: bool) -> tuple[Float[np.ndarray, "step position"], int | None]:
        """Poses until success (and a few more where it lasts) or until steps run out, and the step of success."""
        env, policy = self.env, self._new_policy()
        env.seed(seed)
        seen, _ = env.reset()
        side = np.zeros_like(seen)
        if beside:
            # A hand that believes to be elsewhere ends up beside the thing that it reaches for.
            side[[0, 18]] = _BESIDE * (1 if seed % 2 else -1)
        for _ in range(_SETTLING):
            seen, *_ = env.step(np.array([0.0, 0.0, 0.0, -1.0]))
        poses, done = [env.data.qpos.copy()], None
        for step in range(1, MOST_STEPS + 1):
            seen, _, _, _, told = env.step(np.clip(policy.get_action(seen + side), -1, 1))
            poses.append(env.data.qpos.copy())
            if told["success"] and done is None:
                done = step
            elif done is not None and not told["success"]:
                return np.array(poses[: done + 1]), done
            if done is not None and step - done == _AFTER:
                break
        return np.array(poses), done

    def _first_move(self, poses: Float[np.ndarray, "step position"]) -> int | None:
        """The step at which the thing has left its place."""
        away = self.shifts(poses) > 1
        return int(away.argmax()) if away.any() else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Policies warn of actions beyond what the arm can do, which are clipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Pictures:
    """Renders rollouts of one workbench; to be closed before the next one is made."""

    def __init__(self, bench: Workbench, *, size: int) -> None:
        model = bench.model
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        self._model, self._data = model, mujoco.MjData(model)
        self._gl = gl_context_class()(size, size)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene = mujoco.MjvScene(model, 1000)
        self._rectangle = mujoco.MjrRect(0, 0, size, size)
        self._size = size
        self._names = [_names(model, geom) for geom in range(model.ngeom)]
        self._marks(shown=bench.task.marker)

    def _marks(self, *, shown: bool) -> None:
        """Sites tell what the task is without any motion: they are hidden, but for the marker that some tasks need."""
        for site in range(self._model.nsite):
            visible = shown and self._model.site(site).name == "goal"
            self._model.site_rgba[site, 3] = 1.0 if visible else 0.0

    def paint(self, names: Sequence[str], colour: str) -> None:
        """Give all shapes that bear these names, or whose material or body does, one named colour."""
        for geom, known in enumerate(self._names):
            if known & set(names) and self._model.geom_rgba[geom, 3] > 0:
                self._model.geom_matid[geom] = -1
                self._model.geom_rgba[geom] = (*COLOURS[colour], 1.0)

    def frames(self, rollout: Rollout, steps: Sequence[int], *, view: View) -> UInt8[np.ndarray, "time height width 3"]:
        """The pictures at some steps."""
        self._gl.make_current()
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        camera, option = mujoco_camera(view), mujoco.MjvOption()
        pixels = np.empty((len(steps), self._size, self._size, 3), dtype=np.uint8)
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        for step, picture in zip(steps, pixels, strict=True):
            self._data.qpos[:] = rollout.poses[step]
            mujoco.mj_kinematics(self._model, self._data)
            mujoco.mj_camlight(self._model, self._data)
            for name, place in rollout.goal:
                self._data.site(name).xpos[:] = place
            mujoco.mjv_updateScene(self._model, self._data, option, None, camera, everything, self._scene)
            mujoco.mjr_render(self._rectangle, self._scene, self._context)
            mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return np.ascontiguousarray(pixels[:, ::-1])

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()


def _names(model: Any, geom: int) -> set[str]:
    """The names of a shape, of its body and of its material, before it is painted."""
    material = int(model.geom_matid[geom])
    found = {model.geom(geom).name, model.body(model.geom_bodyid[geom]).name}
    return found | ({model.mat(material).name} if material >= 0 else set())
