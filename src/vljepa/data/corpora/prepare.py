"""Builds a corpus folder from its sources, one shard a part, and goes on where it was interrupted.

A part is listed in `shards.json` only after its shard is whole, so stopping at any moment loses at most one part.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress, TaskID

from vljepa.data.corpora.corpus import Corpus, CountsSkipped
from vljepa.data.corpora.names import NAMES, corpora
from vljepa.data.packages import fetch
from vljepa.data.parallel import in_order
from vljepa.data.shards import ShardError, listed_whole, read_shard, write_listing, write_shard
from vljepa.lock import writer_lock
from vljepa.types import Sample

_PICTURES = ("jpg", "png", "webp")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a corpus folder holds after preparing: samples by source and split, what was left out and why, and notes."""

    folder: Path
    counts: Mapping[str, Mapping[str, int]]
    skipped: Mapping[str, Mapping[str, int]]
    notes: Sequence[str] = ()
    built: int = 0
    reused: int = 0

    @property
    def total(self) -> int:
        """Samples of all sources and splits."""
        return sum(sum(splits.values()) for splits in self.counts.values())


class _Part(NamedTuple):
    corpus: Corpus
    number: int

    @property
    def shard(self) -> str:
        return f"{self.corpus.name}-{self.number:03d}.tar"


class _Built(NamedTuple):
    samples: list[Sample]
    skipped: dict[str, int]


@dataclass
class _State:
    """The listing so far, in which order of sources it is to be, and the hashes of the pictures in it."""

    folder: Path
    entries: dict[str, dict[str, Any]]
    order: Sequence[str]
    seen: set[bytes] = field(default_factory=set)

    def sorted(self) -> list[dict[str, Any]]:
        """The entries in the order of their sources, then by name."""
        places = {name: place for place, name in enumerate(self.order)}
        return sorted(
            self.entries.values(), key=lambda entry: (places.get(entry["source"], len(places)), entry["name"])
        )


def prepare(
    into: Path,
    *,
    cache: Path,
    sources: Sequence[str] = NAMES,
    photos: Path | None = None,
    clips: Path | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Prepared:
    """Build each part of each source that `into` does not hold yet, and say what it then holds.

    Sources whose folder (`photos`, `clips`) is not given are left out with a note. Pictures whose bytes occur twice are
    kept once. `workers` processes build parts side by side; the shards are the same for every number of them.
    Raises PackageError, ShardError, or ValueError for an unknown source.
    """
    given = {name: path for name, path in (("photos", photos), ("clips", clips)) if path is not None}
    return build(
        into, corpora(tuple(sources)), cache=cache, order=NAMES, given=given, workers=workers, progress=progress
    )


def build(
    into: Path,
    sources: Mapping[str, Corpus],
    *,
    cache: Path,
    order: Sequence[str],
    given: Mapping[str, Path] | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Prepared:
    """The same for any sources; the listing names shards in the `order` of their sources.

    ShardError where another process builds in the same folder: each would leave out of the listing what the other made.
    """
    given = given or {}
    chosen, notes = _chosen(sources, given)
    into.mkdir(parents=True, exist_ok=True)
    with writer_lock(into, error=ShardError):
        state = _State(into, listed_whole(into), order)
        parts = [_Part(corpus, number) for corpus in chosen for number in range(corpus.parts())]
        todo = [part for part in parts if not _is_built(state, part)]
        for entry in state.entries.values():
            state.seen.update(_hash(sample) for sample in read_shard(into / entry["name"]) if _is_picture(sample))
        with Progress(console=Console(stderr=True), disable=not progress) as bar:
            task = bar.add_task("preparing", total=len(parts), completed=len(parts) - len(todo))
            files = {corpus.name: _files(corpus, cache, given, bar) for corpus in _unique(todo)}
            for part, built in _build(todo, files, workers=workers):
                _store(state, part, built)
                bar.update(task, advance=1, description=f"prepared {part.shard}")
        return _summary(state, notes=notes, built=len(todo), reused=len(parts) - len(todo))


def _chosen(found: Mapping[str, Corpus], given: Mapping[str, Path]) -> tuple[list[Corpus], list[str]]:
    chosen, notes = [], []
    for corpus in found.values():
        lacking = [name for name in corpus.folders if name not in given]
        if lacking:
            notes.append(f"{corpus.name} is left out: it needs --{lacking[0]} FOLDER")
        else:
            chosen.append(corpus)
    return chosen, notes


def _is_built(state: _State, part: _Part) -> bool:
    return part.shard in state.entries


def _unique(parts: Sequence[_Part]) -> list[Corpus]:
    return list({part.corpus.name: part.corpus for part in parts}.values())


def _files(corpus: Corpus, cache: Path, given: Mapping[str, Path], bar: Progress) -> dict[str, Path]:
    files = {name: given[name] for name in corpus.folders}
    for package in corpus.packages:
        task: TaskID = bar.add_task(f"fetching {package.name}", total=None)
        files[package.name] = fetch(package, cache)
        bar.remove_task(task)
    return files


def _build(
    parts: Sequence[_Part], files: Mapping[str, Mapping[str, Path]], *, workers: int
) -> Iterator[tuple[_Part, _Built]]:
    """The parts in their order, whatever the number of processes."""
    jobs = [(part, files[part.corpus.name]) for part in parts]
    for (part, _), built in in_order(_samples, jobs, workers=workers):
        yield part, built


def _samples(job: tuple[_Part, Mapping[str, Path]]) -> _Built:
    part, files = job
    samples = list(part.corpus.samples(part.number, files))
    skipped = dict(part.corpus.skipped) if isinstance(part.corpus, CountsSkipped) else {}
    return _Built(samples, skipped)


def _store(state: _State, part: _Part, built: _Built) -> None:
    """Write the shard without pictures that the corpus already holds, then list it."""
    skipped = Counter(built.skipped)
    kept: list[Sample] = []
    for sample in built.samples:
        digest = _hash(sample) if _is_picture(sample) else b""
        if digest in state.seen:
            skipped["picture twice"] += 1
            continue
        if digest:
            state.seen.add(digest)
        kept.append(sample)
    entry = write_shard(state.folder, part.shard, samples=kept)
    about = {"licence": part.corpus.licence, "source": part.corpus.name}
    state.entries[part.shard] = entry | about | {"skipped": {key: n for key, n in sorted(skipped.items()) if n}}
    write_listing(state.folder, state.sorted())


def _is_picture(sample: Sample) -> bool:
    return sample.extension in _PICTURES


def _hash(sample: Sample) -> bytes:
    return hashlib.sha256(sample.media).digest()


def _summary(state: _State, *, notes: Sequence[str], built: int, reused: int) -> Prepared:
    counts: dict[str, Counter[str]] = {}
    skipped: dict[str, Counter[str]] = {}
    for entry in state.sorted():
        counts.setdefault(entry["source"], Counter()).update(entry.get("splits", {}))
        skipped.setdefault(entry["source"], Counter()).update(entry.get("skipped", {}))
    return Prepared(folder=state.folder, counts=counts, skipped=skipped, notes=notes, built=built, reused=reused)
