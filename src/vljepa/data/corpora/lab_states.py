"""State pairs: two pictures, and four clips of other recordings of which one leads from the first to the second.

Written in the form that `vljepa evaluate state-pairs` reads. What is asked for is the change, not the thing: colours,
places and cameras of the right clip are others than those of the pictures.
"""

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vljepa.data.corpora.media import jpeg_from_picture
from vljepa.data.corpora.metaworld_tasks import TASKS
from vljepa.data.corpora.metaworld_words import gerund
from vljepa.data.corpora.physics_verbs import VERBS
from vljepa.data.shards import write_file
from vljepa.types import Sample

STATES = "state_pairs.jsonl"
NUM_CANDIDATES = 4
# Changes that can be told from the first and the last picture; a thing that rolls or a person who jumps ends as it was.
_PHYSICS = ("falls", "rises", "opens", "closes", "topples over", "stands up", "enters", "leaves")
_PEOPLE = {
    "getting up from the belly": "lying down on the belly",
    "getting up from the back": "lying down on the back",
    "lying down on the belly": "getting up from the belly",
    "lying down on the back": "getting up from the back",
}


class StatePair(TypedDict):
    """A line of the file: pictures, clips, and the place of the right one."""

    id: str
    initial: str
    final: str
    candidates: list[str]
    answer: int


def _opposites() -> dict[tuple[str, str], str]:
    """Source and label of each change that can be asked for -> the label of its opposite, "" where there is none."""
    labels = {task.name: gerund(task.base.replace("{c}", "")) for task in TASKS.values()}
    found = {
        ("metaworld", labels[task.name]): labels.get(task.opposite, "") for task in TASKS.values() if not task.hand
    }
    found |= {("physics", verb): VERBS[verb].opposite for verb in _PHYSICS}
    return found | {("people", label): opposite for label, opposite in _PEOPLE.items()}


def write_states(folder: Path, samples: Iterable[Sample], *, most: int, seed: int) -> int:
    """Write up to `most` items and the media that they name, unless they are there already; how many there are.

    The wrong clips are the opposite change, where one was recorded, and changes of the same source.
    """
    path = folder / STATES
    if path.is_file():
        return len(path.read_text(encoding="utf-8").splitlines())
    opposites = _opposites()
    known = {one.key: one for one in samples if (one.source, one.label) in opposites}
    items = pick_states(known, opposites, most=most, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    for clip in {clip for item in items for clip in item["candidates"]}:
        write_file(folder / clip, known[clip.removesuffix(".mp4")].media)
    for item in items:
        frames = frames_of(known[item["id"]].media)
        for name, frame in ((item["initial"], frames[0]), (item["final"], frames[-1])):
            write_file(folder / name, jpeg_from_picture(Image.fromarray(frame)))
    write_file(path, "".join(f"{json.dumps(item)}\n" for item in items).encode())
    return len(items)


def pick_states(
    known: Mapping[str, Sample], opposites: Mapping[tuple[str, str], str], *, most: int, seed: int
) -> list[StatePair]:
    """The items: each of another recording, with the right clip at a place that is drawn."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in sorted(known):
        groups[known[key].source, known[key].label].append(key)
    rng = np.random.default_rng([seed, 11])
    items: list[StatePair] = []
    for key in rng.permutation(sorted(known)):
        one = known[str(key)]
        same = [other for other in groups[one.source, one.label] if other != one.key]
        wrong = _wrong_labels(rng, one, groups, opposites)
        if not same or len(wrong) < NUM_CANDIDATES - 1 or len(items) == most:
            continue
        chosen = [same[int(rng.integers(len(same)))]]
        chosen += [groups[one.source, label][int(rng.integers(len(groups[one.source, label])))] for label in wrong]
        order = rng.permutation(NUM_CANDIDATES)
        items.append(
            StatePair(
                id=one.key,
                initial=f"{one.key}-before.jpg",
                final=f"{one.key}-after.jpg",
                candidates=[f"{chosen[place]}.mp4" for place in order],
                answer=int(np.flatnonzero(order == 0)[0]),
            )
        )
    return items


def _wrong_labels(
    rng: np.random.Generator,
    one: Sample,
    groups: Mapping[tuple[str, str], Sequence[str]],
    opposites: Mapping[tuple[str, str], str],
) -> list[str]:
    """Three other changes of the source, the opposite first where it was recorded."""
    others = [label for source, label in groups if source == one.source and label != one.label]
    opposite = opposites[one.source, one.label]
    near = [opposite] if opposite in others else []
    far = [label for label in others if label not in near]
    return [*near, *(far[i] for i in rng.permutation(len(far)))][: NUM_CANDIDATES - 1]


def frames_of(media: bytes) -> UInt8[np.ndarray, "time height width 3"]:
    """All frames of a clip."""
    with av.open(io.BytesIO(media), "r") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
