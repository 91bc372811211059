"""The stories of the physics scenes: each seeks a layout in which its verb verifiably happens, in the recorded state.

Most motions are played backwards in half of the scenes (falls and rises, opens and closes), so that the places taken in
single frames do not tell which of the two it is.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from vljepa.data.corpora.physics_cast import draw_cast
from vljepa.data.corpora.physics_furniture import furniture, tray_bodies
from vljepa.data.corpora.physics_scene import Layout, Scene
from vljepa.data.corpora.physics_stage import (
    FRAME_RATE,
    NUM_FRAMES,
    SUBSTEPS,
    TIME_STEP,
    Look,
    Placed,
    Take,
    Thing,
    View,
    compile_model,
    lying,
    perform,
    simulate,
    upright,
)

DURATION = (NUM_FRAMES - 1) / FRAME_RATE
ATTEMPTS = 3000
POPULATIONS = 4
SLIPPERY = 'friction=".0001 0 0" priority="1"'


def _rolling(thing: Thing, heading: float) -> tuple[float, tuple[float, float, float, float], str]:
    """Height, orientation and friction of a thing that is to roll (a cube: slide) along `heading`."""
    if thing.shape == "cube":
        return thing.height, upright(heading), SLIPPERY
    return thing.lying_height, lying(heading + math.pi / 2), ""


def mover(thing: Thing, place: tuple[float, float], heading: float) -> Placed:
    """A thing that rolls (a cube: slides) along `heading` when it is launched."""
    height, turned, physics = _rolling(thing, heading)
    physics += ' density="2500"'
    return Placed(thing=thing, position=(*place, height), orientation=turned, free=True, physics=physics)


def launch(thing: Thing, heading: float, speed: float) -> list[float]:
    """Linear velocity (world) and angular velocity (own axes) of a thing that rolls or slides along `heading`.

    A lying thing turns about its own long axis; that axis points 90 degrees left of its heading, as its spin does.
    """
    spin = 0.0 if thing.shape == "cube" else speed / thing.lying_height
    return [speed * math.cos(heading), speed * math.sin(heading), 0.0, 0.0, 0.0, spin]


def moves(layout: Layout) -> Scene | None:
    """Family: one thing rolls or slides left, right, towards the camera or away from it."""
    rng, view, thing, way = layout.rng, layout.view, layout.cast.subject, layout.cast.way
    right, depth = rng.uniform(-0.6, 0.6) * view.half_width, rng.uniform(-0.5, 0.9)
    if way in ("left", "right"):
        heading, length = (
            layout.heading(0.0 if way == "right" else math.pi, 0.35),
            rng.uniform(0.55, 1.1) * view.half_width,
        )
    else:
        sight = math.atan2(depth + view.distance * math.cos(math.radians(view.elevation)), right)
        heading, length = view.yaw(sight if way == "away from the camera" else sight + math.pi), rng.uniform(1.0, 1.8)
    x, y = view.ground(right, depth)
    start = (x - math.cos(heading) * length / 2, y - math.sin(heading) * length / 2)
    actor = mover(thing, start, heading)
    end = (2 * x - start[0], 2 * y - start[1], actor.position[2])
    if not layout.fits((actor.position, end)):
        return None
    take = simulate(layout.model([actor]), launch(thing, heading, length / DURATION))
    scene = layout.scene(take, [actor])
    return scene if layout.in_picture(take.centres) and went(scene.picture_path(0)) == way else None


def went(path: Float[np.ndarray, "time 3"]) -> str:
    """Which way a path goes in the picture; empty where it is clearly neither across nor along the line of sight."""
    across, along = path[-1, 0] - path[0, 0], path[-1, 2] - path[0, 2]
    if abs(across) > 0.13 and abs(along) < 0.9 * abs(across) * path[0, 2]:
        return "right" if across > 0 else "left"
    if abs(along) > 0.6 and abs(across) < 0.07:
        return "away from the camera" if along > 0 else "towards the camera"
    return ""


def falls(layout: Layout) -> Scene | None:
    """Family: a thing falls from the air, rises into it (a fall played backwards), or bounces."""
    rng, view, thing, verb = layout.rng, layout.view, layout.cast.subject, layout.cast.verb
    top, depth = rng.uniform(1.0, 0.35 + view.half_width), rng.uniform(-0.5, 0.9)
    x, y = view.ground(rng.uniform(-0.7, 0.7) * view.half_width, depth)
    level = thing.shape in ("capsule", "egg")
    rest = thing.lying_height if level else thing.height
    seconds = rng.uniform(0.6, 0.95) if verb == "bounces" else rng.uniform(0.9, 1.4)
    release = 0.0 if verb == "bounces" else rng.uniform(0.0, 0.3)
    orientation = (lying if level else upright)(rng.uniform(0, 6.28))
    physics = 'solref="-3000 -4" priority="1"' if verb == "bounces" else ""
    actor = Placed(thing=thing, position=(x, y, top), orientation=orientation, free=True, physics=physics)
    model = layout.model([actor], gravity=2 * (top - rest) / seconds**2)

    def hold(data: Any) -> None:
        if data.time < release:
            data.qpos[:3], data.qvel[:6] = (x, y, top), 0.0

    take = simulate(model, [0.0] * 6, hold)
    height = take.centres[:, 0, 2]
    fell = height[0] - height[-1] > 0.5 and height[-1] < rest + 0.05 and (np.diff(height) < 0.03).all()
    bounced = height.min() < rest + 0.35 and height[int(height.argmin()) :].max() - height.min() > 0.3
    if not (bounced if verb == "bounces" else fell) or not layout.in_picture(take.centres):
        return None
    take = take.reversed() if verb == "rises" else take
    return layout.scene(take, [actor])


def hits(layout: Layout) -> Scene | None:
    """Family: a thing runs into another one and pushes it, or stops before it."""
    rng, view, cast = layout.rng, layout.view, layout.cast
    first, second = cast.things[:2]
    heading = layout.heading(0.0 if layout.sign > 0 else math.pi, 0.2)
    gap = first.radius + second.radius + rng.uniform(0.35, 0.65) * view.half_width
    middle, depth = rng.uniform(-0.3, 0.3) * view.half_width, rng.uniform(-0.4, 0.6)
    x, y = view.ground(middle, depth)
    dx, dy = math.cos(heading) * gap / 2, math.sin(heading) * gap / 2
    pushed = mover(second, (x + dx, y + dy), heading)
    actors = [mover(first, (x - dx, y - dy), heading), replace(pushed, physics=pushed.physics.replace("2500", "900"))]
    if not layout.fits((actors[0].position,) * 2, (actors[1].position,) * 2):
        return None
    model = layout.model(actors)
    free_way = gap - first.radius - second.radius
    if cast.verb == "hits":
        take = simulate(model, launch(first, heading, free_way / rng.uniform(0.5, 0.8)))
    else:
        take = _braked(model, first, heading, free_way - rng.uniform(0.1, 0.3))
    scene = layout.scene(take, actors)
    return scene if layout.in_picture(take.centres) and _collided(scene, layout.sign) == cast.verb else None


def _braked(model: Any, thing: Thing, heading: float, length: float) -> Take:
    """The thing comes to rest after `length` metres: it runs at constant speed and then slows down."""
    rate, cruise = 6.0, 0.9
    speed = max(length, 0.0) / (cruise + 1 / rate)

    def brake(data: Any) -> None:
        if data.time > cruise:
            data.qvel[:6] *= math.exp(-rate * SUBSTEPS * TIME_STEP)

    return simulate(model, launch(thing, heading, speed), brake)


def _collided(scene: Scene, sign: int) -> str:
    """The verb that the recorded contact and motion bear out, if any."""
    first, second = scene.picture_path(0), scene.picture_path(1)
    advance, push = (sign * (path[-1, 0] - path[0, 0]) for path in (first, second))
    if scene.take.touched[-1] and not scene.take.touched[1] and push > 0.1:
        return "hits"
    if not scene.take.touched[-1] and advance > 0.08 and abs(push) < 0.01 and abs(first[-1, 0] - first[-2, 0]) < 0.01:
        return "stops before"
    return ""


def opens(layout: Layout) -> Scene | None:
    """Family: a door, lid or drawer in a coloured frame opens, or closes (the same played backwards)."""
    rng, view, cast = layout.rng, layout.view, layout.cast
    assert cast.other is not None
    x, y = view.ground(rng.uniform(-0.35, 0.35) * view.half_width, rng.uniform(-0.2, 0.7))
    piece = furniture(cast.subject, cast.other, rng=rng, place=(x, y), yaw=view.yaw(rng.uniform(-0.6, 0.6)))
    model = compile_model(layout.look, [piece.body])
    begin, end = rng.uniform(0.0, 0.4), rng.uniform(1.2, DURATION)
    progress = np.clip((np.arange(NUM_FRAMES) / FRAME_RATE - begin) / (end - begin), 0, 1)
    low, high = piece.interval
    take = perform(model, (low + (high - low) * progress)[:, None])
    take = take.reversed() if cast.verb == "closes" else take
    grew = take.poses[-1, 0] > take.poses[0, 0]
    return layout.scene(take, [], (piece.body,)) if grew == (cast.verb == "opens") else None


def spins(layout: Layout) -> Scene | None:
    """Family: a thing turns on the spot, or stands there."""
    rng, view, cast = layout.rng, layout.view, layout.cast
    thing = cast.subject
    x, y = view.ground(rng.uniform(-0.7, 0.7) * view.half_width, rng.uniform(-0.6, 0.9))
    pose, height = (upright, thing.height) if thing.shape == "cube" else (lying, thing.lying_height)
    step = math.radians(rng.uniform(14, 32)) * rng.choice([-1, 1]) if cast.verb == "spins" else 0.0
    begin = rng.uniform(0, 2 * math.pi)
    actor = Placed(thing=thing, position=(x, y, height), free=True)
    take = perform(
        layout.model([actor]), np.array([[x, y, height, *pose(begin + step * frame)] for frame in range(NUM_FRAMES)])
    )
    return layout.scene(take, [actor]) if layout.in_picture(take.centres) else None


def topples(layout: Layout) -> Scene | None:
    """Family: something upright is tipped over to the left or right, or stands up (the same played backwards)."""
    rng, view, cast = layout.rng, layout.view, layout.cast
    thing = cast.subject
    x, y = view.ground(rng.uniform(-0.6, 0.6) * view.half_width, rng.uniform(-0.6, 0.9))
    heading = layout.heading(0.0 if layout.sign > 0 else math.pi, 0.5)
    push = rng.uniform(0.8, 3.2)
    actor = Placed(
        thing=thing,
        position=(x, y, thing.height),
        free=True,
        physics='condim="6" friction="1 .05 .03" priority="1"',
    )
    model = layout.model([actor], gravity=rng.uniform(2.0, 4.0))
    speed = push * thing.height
    take = simulate(
        model,
        [
            speed * math.cos(heading),
            speed * math.sin(heading),
            0,
            -push * math.sin(heading),
            push * math.cos(heading),
            0,
        ],
    )
    tilt, path = take.tilt[:, 0], view.project(take.centres[:, 0])
    toppled = tilt[0] > 0.99 and tilt[-1] < 0.25 and ((tilt > 0.3) & (tilt < 0.97)).sum() >= 2
    if not toppled or layout.sign * (path[-1, 0] - path[0, 0]) < 0.04 or not layout.in_picture(take.centres):
        return None
    take = take.reversed() if cast.verb == "stands up" else take
    return layout.scene(take, [actor])


def passes(layout: Layout) -> Scene | None:
    """Family: a thing passes in front of another one or behind it."""
    rng, view, cast = layout.rng, layout.view, layout.cast
    first, second = cast.things[:2]
    nearer = -1 if cast.verb == "passes in front of" else 1
    middle, depth = rng.uniform(-0.25, 0.25) * view.half_width, rng.uniform(-0.2, 0.4)
    heading, length = layout.heading(0.0 if layout.sign > 0 else math.pi, 0.12), rng.uniform(1.0, 1.4) * view.half_width
    x, y = view.ground(
        middle + rng.uniform(-0.15, 0.15), depth + nearer * (first.radius + second.radius + rng.uniform(0.08, 0.3))
    )
    start = (x - math.cos(heading) * length / 2, y - math.sin(heading) * length / 2)
    stand = Placed(
        thing=second, position=(*view.ground(middle, depth), second.height), orientation=upright(rng.uniform(0, 6))
    )
    actors = [mover(first, start, heading), stand]
    take = simulate(layout.model(actors), launch(first, heading, length / DURATION))
    scene = layout.scene(take, actors)
    side = layout.sign * (scene.picture_path(0)[:, 0] - scene.picture_path(1)[:, 0])
    depths = scene.picture_path(0)[:, 2] - scene.picture_path(1)[:, 2]
    passed = side[0] < -0.1 and side[-1] > 0.1 and (nearer * depths > 0).all() and not take.touched.any()
    return scene if passed and layout.in_picture(take.centres) else None


def enters(layout: Layout) -> Scene | None:
    """Family: a thing hops into an open tray, or out of it (the same played backwards)."""
    rng, view, cast = layout.rng, layout.view, layout.cast
    assert cast.other is not None
    thing, half = cast.subject, 0.42
    middle, depth = rng.uniform(-0.5, 0.5) * view.half_width, rng.uniform(-0.4, 0.5)
    inside = np.array(view.ground(middle, depth))
    away = view.yaw(rng.uniform(0, 2 * math.pi))
    outside = inside + rng.uniform(0.8, 1.2) * np.array([math.cos(away), math.sin(away)])
    trayed = tray_bodies(cast.other, place=(inside[0], inside[1]), yaw=view.yaw(rng.uniform(0, 1.5)), half=half)
    height = thing.height
    actor = Placed(thing=thing, position=(0, 0, height), free=True)
    model = layout.model([actor], furniture_bodies=trayed)
    begin, end = rng.uniform(0.0, 0.3), rng.uniform(1.2, DURATION)
    progress = np.clip((np.arange(NUM_FRAMES) / FRAME_RATE - begin) / (end - begin), 0, 1)[:, None]
    ground = outside + (inside - outside) * progress
    rise = height + 0.02 * progress + rng.uniform(0.6, 0.9) * 4 * progress * (1 - progress)
    turn = np.tile(upright(rng.uniform(0, 6)), (NUM_FRAMES, 1))
    take = perform(model, np.concatenate([ground, rise, turn], axis=1))
    take = take.reversed() if cast.verb == "leaves" else take
    within = np.linalg.norm(take.centres[:, 0, :2] - inside, axis=-1) < half - thing.radius * 0.5
    happened = within[-1] > within[0] if cast.verb == "enters" else within[0] > within[-1]
    return layout.scene(take, [actor], trayed) if happened and layout.in_picture(take.centres) else None


def comes(layout: Layout) -> Scene | None:
    """Family: a thing comes into view from one side, or goes out of view to it (the same played backwards)."""
    rng, view, cast = layout.rng, layout.view, layout.cast
    thing, depth = cast.subject, rng.uniform(-0.4, 0.8)
    edge = view.half_width * (1 + depth / view.distance)
    inside = view.ground(layout.sign * rng.uniform(-0.1, 0.45) * view.half_width, depth)
    outside = view.ground(layout.sign * (edge + 1.5 * thing.radius + rng.uniform(0.0, 0.2)), depth)
    offset = np.array(inside) - np.array(outside)
    heading, length = math.atan2(offset[1], offset[0]), float(np.linalg.norm(offset))
    actor = mover(thing, outside, heading)
    take = simulate(layout.model([actor]), launch(thing, heading, length / DURATION))
    take = take.reversed() if cast.verb == "goes out of view" else take
    scene = layout.scene(take, [actor])
    across = layout.sign * (scene.picture_path(0)[:, 0] - 0.5)
    out, here = (0, -1) if cast.verb == "comes into view" else (-1, 0)
    return scene if across[out] > 0.54 and across[here] < 0.4 and layout.in_picture(take.centres) else None


def stands(layout: Layout) -> Scene | None:
    """Family: nothing moves; things to count, to name and to relate."""
    return layout.scene(perform(layout.model([]), np.zeros((NUM_FRAMES, 0))), [])


STORIES: dict[str, Callable[[Layout], Scene | None]] = {
    "rolls": moves,
    "slides": moves,
    "falls": falls,
    "rises": falls,
    "bounces": falls,
    "hits": hits,
    "stops before": hits,
    "opens": opens,
    "closes": opens,
    "spins": spins,
    "topples over": topples,
    "stands up": topples,
    "passes in front of": passes,
    "passes behind": passes,
    "enters": enters,
    "leaves": enters,
    "comes into view": comes,
    "goes out of view": comes,
}


def direct(rng: np.random.Generator, view: View, family: int) -> Scene:
    """A scene of the family whose recorded state confirms what its cast says; deterministic in the random source."""
    cast = draw_cast(rng, family)
    story = stands if cast.arrangement else STORIES.get(cast.verb, spins)
    layout = Layout(rng=rng, view=view, look=Look.draw(rng, view), cast=cast)
    for _ in range(ATTEMPTS):
        played = story(layout)
        if played is None:
            continue
        for _ in range(POPULATIONS):
            scene = layout.populated(played)
            if scene is not None and _related(scene):
                return scene
    raise RuntimeError(f"no layout was found for {cast} seen from {view}; a rule of its story cannot be met")


def _related(scene: Scene) -> bool:
    """Whether the subject of a still scene is on the side of the other thing that the cast tells, if it tells one."""
    if scene.cast.arrangement != "relation":
        return True
    gap = scene.picture_path(0)[0, 0] - scene.picture_path(1)[0, 0]
    return bool(gap * (1 if scene.cast.way == "right" else -1) > 0.15)
