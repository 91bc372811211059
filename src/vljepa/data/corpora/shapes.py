"""Pictures of plain shapes, drawn by us: colours, counts, sides, yes and no, in many looks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.drawing import COLOURS, SHAPES, Placed, drawn
from vljepa.data.corpora.media import jpeg_from_picture
from vljepa.data.corpora.scene_words import Scene, SceneWords
from vljepa.data.packages import Package
from vljepa.types import Sample

TOTAL, A_PART = 6_000, 1_000
_ARRANGEMENTS = ("single", "pair", "group", "mixed")
_SHARES = (0.3, 0.3, 0.15, 0.25)


class Shapes:
    """Six thousand pictures of one to five shapes; looks of test pictures never occur in training."""

    name = "shapes"
    licence = "Apache-2.0"
    about = "plain shapes in many colours and looks, drawn by us"
    packages: tuple[Package, ...] = ()
    folders: tuple[str, ...] = ()

    def __init__(self, *, total: int = TOTAL) -> None:
        """A source with nothing left out yet; `total`: pictures."""
        self.total = total
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """One part for each thousand pictures."""
        return -(-self.total // A_PART)

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The pictures of one part, each drawn from its number alone."""
        for number in range(part * A_PART, min(self.total, (part + 1) * A_PART)):
            yield _sample(number)


def _sample(number: int) -> Sample:
    concept = f"shapes {number}"
    split = split_of(concept)
    random = np.random.default_rng([19, number])
    scene = arranged(random)
    words = SceneWords(scene, random)
    return Sample(
        key=f"shapes-{number:05d}",
        media=jpeg_from_picture(drawn(scene.things, random, unseen=split == "test")),
        extension="jpg",
        captions=words.captions(),
        negatives=words.negatives(),
        questions=words.questions(),
        source="shapes",
        licence="Apache-2.0",
        concept=concept,
        split=split,
        crops=0,
    )


def arranged(random: np.random.Generator) -> Scene:
    """One shape, two beside or above each other, several of one kind, or up to four of different kinds."""
    arrangement = str(random.choice(_ARRANGEMENTS, p=_SHARES))
    if arrangement == "pair":
        first, second = side_by_side(_kinds(2, random), random)
        return Scene(things=(first, second), relation=relation_of(first, second))
    count = {"single": 1, "group": int(random.integers(2, 6)), "mixed": int(random.integers(2, 5))}[arrangement]
    kinds = _kinds(count, random) if arrangement != "group" else _kinds(1, random) * count
    return Scene(things=scattered(kinds, random))


def _kinds(count: int, random: np.random.Generator) -> list[tuple[str, str]]:
    """So many different pairs of noun and colour, each as frequent as the others."""
    found: dict[tuple[str, str], None] = {}
    while len(found) < count:
        found[str(random.choice(SHAPES)), str(random.choice(COLOURS))] = None
    return list(found)


def side_by_side(kinds: Sequence[tuple[str, str]], random: np.random.Generator) -> tuple[Placed, Placed]:
    """Two things, clearly beside or clearly above each other."""
    upright = bool(random.random() < 0.5)
    near, far = random.uniform(0.2, 0.3), random.uniform(0.7, 0.8)
    places = []
    for along in (near, far) if random.random() < 0.5 else (far, near):
        across = random.uniform(0.42, 0.58)
        places.append((across, along) if upright else (along, across))
    first, second = (
        Placed(noun, colour, x, y, random.uniform(0.28, 0.42))
        for (noun, colour), (x, y) in zip(kinds, places, strict=True)
    )
    return first, second


def relation_of(first: Placed, second: Placed) -> str:
    """How the first stands to the second, along the axis on which they are farther apart."""
    across, down = first.x - second.x, first.y - second.y
    if abs(across) > abs(down):
        return "left" if across < 0 else "right"
    return "above" if down < 0 else "below"


def scattered(kinds: Sequence[tuple[str, str]], random: np.random.Generator) -> tuple[Placed, ...]:
    """Things on different places of a grid of 2 x 2 (or 3 x 3 for more than four), so that none hides another."""
    if len(kinds) == 1:
        noun, colour = kinds[0]
        middle = random.uniform(0.4, 0.6, 2)
        return (Placed(noun, colour, float(middle[0]), float(middle[1]), float(random.uniform(0.35, 0.75))),)
    side = 2 if len(kinds) <= 4 and random.random() < 0.5 else 3
    cells = random.permutation(side * side)[: len(kinds)]
    size = float(random.uniform(0.6, 0.85)) / side
    return tuple(
        Placed(
            noun,
            colour,
            (cell % side + 0.5) / side + float(random.uniform(-0.04, 0.04)),
            (cell // side + 0.5) / side + float(random.uniform(-0.04, 0.04)),
            size,
        )
        for (noun, colour), cell in zip(kinds, cells.tolist(), strict=True)
    )
