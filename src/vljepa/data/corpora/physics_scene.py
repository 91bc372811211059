"""A physics scene, and the layout in which its story looks for places.

Left and right are those of the picture, never those of the world.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from vljepa.data.corpora.physics_cast import Cast
from vljepa.data.corpora.physics_stage import (
    HALF_FIELD,
    Look,
    Placed,
    Take,
    Thing,
    View,
    compile_model,
    perform,
    upright,
)

SPOTS = 40
OFFSTAGE = ("comes into view", "goes out of view")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A cast, the camera that saw it and the recording that confirms it."""

    cast: Cast
    view: View
    take: Take
    actors: tuple[Placed, ...] = ()
    furniture: tuple[str, ...] = ()

    @property
    def shadows(self) -> tuple[float, ...]:
        """Radii of the discs below the things, in metres."""
        return tuple(0.8 * placed.thing.radius for placed in self.actors)

    def picture_path(self, thing: int) -> Float[np.ndarray, "time 3"]:
        """Where in the picture a thing is at each frame: across, down (0 to 1) and distance in metres."""
        return self.view.project(self.take.centres[:, thing])


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One attempt: the random source, the camera, the look and the cast for which places have to be found."""

    rng: np.random.Generator
    view: View
    look: Look
    cast: Cast

    @property
    def sign(self) -> int:
        """1 where the cast goes right, -1 where it goes left."""
        return {"left": -1, "right": 1}[self.cast.way]

    def heading(self, local: float, spread: float = 0.0) -> float:
        """World heading (radians) of what points `local` as the camera sees the ground, give or take `spread`."""
        return self.view.yaw(local + self.rng.uniform(-spread, spread))

    def scene(self, take: Take, actors: Sequence[Placed], furniture_bodies: tuple[str, ...] = ()) -> Scene:
        """The recording of the actors, still without bystanders."""
        return Scene(cast=self.cast, view=self.view, take=take, actors=tuple(actors), furniture=furniture_bodies)

    def model(self, actors: Sequence[Placed], *, gravity: float = 9.81, furniture_bodies: tuple[str, ...] = ()) -> Any:
        """The model of these actors and pieces of furniture."""
        bodies = [placed.body(f"t{number}") for number, placed in enumerate(actors)]
        return compile_model(self.look, [*bodies, *furniture_bodies], gravity=gravity)

    def populated(self, scene: Scene) -> Scene | None:
        """The scene with the bystanders of its cast where they touch and cover nothing, if there are places."""
        everyone, centres = list(scene.actors), scene.take.centres
        for thing in self.cast.things[len(everyone) :]:
            spots = self._spots(thing)
            free = self._free(thing, spots, centres)
            if not free.any():
                return None
            spot = spots[int(free.argmax())]
            x, y, height = (float(value) for value in spot)
            turned = upright(self.rng.uniform(0, 2 * math.pi))
            everyone.append(Placed(thing=thing, position=(x, y, height), orientation=turned))
            centres = np.concatenate([centres, np.broadcast_to(spot, (len(centres), 1, 3))], axis=1)
        model = self.model(everyone, furniture_bodies=scene.furniture)
        take = perform(model, scene.take.poses, touched=scene.take.touched)
        return replace(scene, take=take, actors=tuple(everyone))

    def _spots(self, thing: Thing) -> Float[np.ndarray, "spot 3"]:
        """Places anywhere on the visible floor."""
        depth = self.rng.uniform(-0.8, 1.9, SPOTS)
        reach = self.view.half_width * (1 + depth / self.view.distance) - thing.radius
        x, y = self.view.ground(self.rng.uniform(-1, 1, SPOTS) * reach, depth)
        return np.stack([x, y, np.full(SPOTS, thing.height)], axis=-1)

    def _free(
        self, thing: Thing, spots: Float[np.ndarray, "spot 3"], centres: Float[np.ndarray, "time thing 3"]
    ) -> Bool[np.ndarray, "spot"]:
        """At which spots the thing is in the picture and away from all that is there at any time."""
        spot, spot_radius = self._seen(spots, np.array(thing.radius))
        sizes = self._sizes(centres.shape[1])
        others, radii = self._seen(centres, sizes)
        across = np.linalg.norm(spot[:, None, None, :2] - others[..., :2], axis=-1)
        apart = across > 0.95 * (spot_radius[:, None, None] + radii)
        ground = np.linalg.norm(spots[:, None, None] - centres, axis=-1)
        apart &= ground > 1.25 * (thing.radius + sizes)
        return apart.all(axis=(1, 2)) & (_margin(spot) > 0.95 * spot_radius)

    def _sizes(self, number: int) -> Float[np.ndarray, "thing"]:
        """Radii of the first things in metres; whatever goes into a tray keeps others away from all of it."""
        sizes = np.array([thing.radius for thing in self.cast.things[:number]])
        if self.cast.other is not None and self.cast.other.shape == "tray":
            sizes[0] = 0.6
        return sizes

    def _seen(
        self, centres: Float[np.ndarray, "*some 3"], sizes: Float[np.ndarray, "*sizes"]
    ) -> tuple[Float[np.ndarray, "*some 3"], Float[np.ndarray, "*some"]]:
        """Picture coordinates, and radii as shares of the picture's width."""
        seen = self.view.project(centres)
        return seen, sizes / (2 * HALF_FIELD * seen[..., 2])

    def seen(
        self, centres: Float[np.ndarray, "time thing 3"]
    ) -> tuple[Float[np.ndarray, "time thing 3"], Float[np.ndarray, "time thing"]]:
        """Where in the picture the actors are (as `View.project` tells it), and their radii as shares of its width."""
        return self._seen(centres, np.array([thing.radius for thing in self.cast.things[: centres.shape[1]]]))

    def in_picture(self, centres: Float[np.ndarray, "time thing 3"]) -> bool:
        """Whether all actors are in the picture all the time; who comes or goes need not be."""
        seen, radii = self.seen(centres)
        first = 1 if self.cast.verb in OFFSTAGE else 0
        return bool((_margin(seen) > 0.95 * radii)[:, first:].all())

    def fits(self, *paths: tuple[tuple[float, float, float], ...]) -> bool:
        """Whether these places of the first, second ... thing are in the picture; asked before the dear simulation."""
        return self.in_picture(np.array(paths).swapaxes(0, 1))


def _margin(seen: Float[np.ndarray, "*some 3"]) -> Float[np.ndarray, "*some"]:
    """How far points are from the picture's nearest edge; negative outside."""
    return np.asarray(np.minimum(seen[..., :2], 1 - seen[..., :2]).min(-1))
