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
from vljepa.data.corpora.prepare import Prepared, build
from vljepa.data.shards import read_corpus, record_from_sample, write_file
from vljepa.types import Sample

SETTINGS = "lab.json"
SOURCES = ("physics", "metaworld")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How many clips: physics scenes, and attempts at each of Meta-World's tasks."""

    physics: int
    per_task: int


SCALES: Mapping[str, Scale] = {
    "small": Scale(physics=500, per_task=5),
    "default": Scale(physics=4000, per_task=40),
    "large": Scale(physics=16000, per_task=200),
}


@dataclass(frozen=True, kw_only=True)
class Lab:
    """What was built, and the hash of its contents."""

    prepared: Prepared
    contents: str


def lab_sources(scale: Scale, *, seed: int = 0) -> dict[str, Corpus]:
    """The sources of a laboratory by name."""
    from vljepa.data.corpora.metaworld import MetaWorld
    from vljepa.data.corpora.physics import Physics

    return {
        "physics": Physics(total=scale.physics, seed=seed),
        "metaworld": MetaWorld(per_task=scale.per_task, seed=seed),
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
