"""The laboratory: clips that are made, not found, so that everything said of them is known to be true.

A seed and a scale fix all of it. Its contents hash is over what was decided (scenes, words, splits), not over pixels:
another OpenGL draws other pixels of the same scenes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vljepa.data.corpora.corpus import Corpus
from vljepa.data.corpora.lab_states import write_states
from vljepa.data.corpora.lab_streams import write_streams
from vljepa.data.corpora.prepare import Prepared, build
from vljepa.data.shards import read_corpus, record_from_sample, write_file
from vljepa.types import Sample

SETTINGS = "lab.json"
SOURCES = ("metaworld", "people", "physics", "sequences")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How many clips: attempts at each of Meta-World's tasks, scenes of people, physics scenes, sequences.

    `states` is how many state pairs there are at most, `streams` how many streams.
    """

    per_task: int
    people: int
    physics: int
    sequences: int
    states: int
    streams: int


SCALES: Mapping[str, Scale] = {
    "small": Scale(per_task=5, people=300, physics=300, sequences=200, states=60, streams=2),
    "default": Scale(per_task=40, people=2000, physics=4000, sequences=2000, states=400, streams=8),
    "large": Scale(per_task=200, people=10000, physics=16000, sequences=8000, states=2000, streams=30),
}


@dataclass(frozen=True, kw_only=True)
class Lab:
    """What was built, and the hash of its contents."""

    prepared: Prepared
    contents: str


def lab_sources(scale: Scale, *, seed: int = 0) -> dict[str, Corpus]:
    """The sources of a laboratory by name."""
    from vljepa.data.corpora.metaworld import MetaWorld
    from vljepa.data.corpora.people import People
    from vljepa.data.corpora.physics import Physics
    from vljepa.data.corpora.sequences import Sequences

    return {
        "metaworld": MetaWorld(per_task=scale.per_task, seed=seed),
        "people": People(total=scale.people, seed=seed),
        "physics": Physics(total=scale.physics, seed=seed),
        "sequences": Sequences(total=scale.sequences, seed=seed),
    }


def prepare_lab(into: Path, *, seed: int = 0, scale: str = "default", workers: int = 1, progress: bool = True) -> Lab:
    """Build what `into` lacks of the laboratory of a seed and a scale, and hash what it then holds.

    Raises ValueError where `into` holds another laboratory, or for an unknown scale.
    """
    if scale not in SCALES:
        raise ValueError(f"there is no scale {scale!r}; choose among {', '.join(SCALES)}")
    _claim(into, {"seed": seed, "scale": scale, **asdict(SCALES[scale])})
    sources = lab_sources(SCALES[scale], seed=seed)
    prepared = build(into, sources, cache=into / "packages", order=SOURCES, workers=workers, progress=progress)
    write_states(into / "states", read_corpus(into, split="test"), most=SCALES[scale].states, seed=seed)
    write_streams(into / "streams", read_corpus(into, split="test"), number=SCALES[scale].streams, seed=seed)
    return Lab(prepared=prepared, contents=contents_hash(read_corpus(into)))


def _claim(into: Path, settings: Mapping[str, object]) -> None:
    """Write down what is built here before anything is, and refuse to go on with something else."""
    path = into / SETTINGS
    if not path.exists():
        into.mkdir(parents=True, exist_ok=True)
        write_file(path, f"{json.dumps(settings, indent=1)}\n".encode())
    elif json.loads(path.read_text(encoding="utf-8")) != settings:
        raise ValueError(
            f"{into} holds another laboratory ({path.read_text(encoding='utf-8').split()}): give a new folder"
        )


def contents_hash(samples: Iterable[Sample]) -> str:
    """sha256 over the records of samples, whatever their order: words, questions, events, splits, and no pixels."""
    digests = sorted(
        hashlib.sha256(
            json.dumps([sample.key, record_from_sample(sample)], ensure_ascii=False, sort_keys=True).encode()
        ).hexdigest()
        for sample in samples
    )
    return hashlib.sha256("".join(digests).encode()).hexdigest()
