"""Media to embeddings in one pass: each is read and seen once, whatever it is asked and however it is spoiled.

The ways of looking: as it is, blind (nothing but the query), one frame (everything but motion), shuffled frames.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vljepa.data.errors import MediaError
from vljepa.data.packages import sha256_of
from vljepa.evaluation.backends.protocol import Backend
from vljepa.evaluation.benchmarks.held_out import Frames, middle, shuffled
from vljepa.evaluation.runners.store import Store, key_of
from vljepa.evaluation.sets.item import SetError
from vljepa.evaluation.sets.media import MediaFolder
from vljepa.runtime import num_cores
from vljepa.types import Clip

Way = Literal["whole", "blind", "one frame", "shuffled"]
WAYS: tuple[Way, ...] = ("whole", "blind", "one frame", "shuffled")
CLIPS_AT_ONCE = 8
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Look:
    """Media that are seen one after the other as one clip, the range to look at, and what is asked."""

    media: tuple[str, ...]
    start: float | None
    end: float | None
    query: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An embedding of each look for each way, `there` for those that could be read, and sentences about the others.

    `moves`: whether any clip has more than one frame; pictures have no ways but whole and blind.
    """

    embeddings: Mapping[Way, Float[Tensor, "look dim"]]
    there: Bool[Tensor, "look"]
    missing: int
    failed: tuple[str, ...]
    moves: bool

    def rows(self, some: Bool[Tensor, "look"]) -> dict[Way, Float[Tensor, "_ dim"]]:
        """Some of the looks, for each way."""
        return {way: rows[some] for way, rows in self.embeddings.items()}


@dataclass(frozen=True, kw_only=True)
class _Medium:
    """What is read at once: the same media and range, for all that is asked of them."""

    media: tuple[str, ...]
    start: float | None
    end: float | None


def see_all(
    backend: Backend,
    looks: Sequence[Look],
    *,
    folder: MediaFolder,
    store: Store,
    seed: int = 0,
    ways: Sequence[Way] = WAYS,
    tell: Callable[[str], None] = lambda line: None,
) -> Seen:
    """Embeddings of all looks; those that the store has are not computed again."""
    groups: OrderedDict[_Medium, list[int]] = OrderedDict()
    for place, look in enumerate(looks):
        groups.setdefault(_Medium(media=look.media, start=look.start, end=look.end), []).append(place)
    walk = _Pass(backend, folder, store, seed=seed, ways=ways)
    queries = [[looks[place].query for place in rows] for rows in groups.values()]
    reads: dict[_Medium, _Read] = {}
    for batch in _ahead(walk, list(groups), queries):
        walk.finish(batch)
        reads |= {read.medium: replace(read, clips=()) for read in batch}
        if len(reads) % 200 < len(batch):
            lost = sum(bool(read.problem) for read in reads.values())
            tell(f"seen {len(reads)} of {len(groups)}" + f", {lost} could not be read" * bool(lost))
    keys: dict[int, Keys] = {}
    for medium, rows in groups.items():
        if not reads[medium].problem:
            keys |= dict(zip(rows, reads[medium].keys, strict=True))
    problems = [read.problem for read in reads.values() if read.problem]
    counts = store.rows([read.count for read in reads.values() if not read.problem]) if keys else torch.ones(1, 1)
    return Seen(
        embeddings={way: _rows(store, keys, way, count=len(looks), dim=backend.dim) for way in ways},
        there=torch.tensor([place in keys for place in range(len(looks))]),
        missing=problems.count(_ABSENT),
        failed=tuple(problem for problem in problems if problem != _ABSENT),
        moves=bool((counts > 1).any()),
    )


def check_failed(seen: Seen, *, most: float, folder: Path) -> None:
    """SetError where more looks than allowed have nothing to see."""
    lost = int((~seen.there).sum())
    if lost > most * len(seen.there) or lost == len(seen.there):
        sentences = [f"{seen.missing} media are not below {folder}"] if seen.missing else []
        sentences += [f"{len(seen.failed)} cannot be read ({'; '.join(seen.failed[:SHOWN])})"] if seen.failed else []
        raise SetError(
            f"{lost} of {len(seen.there)} items have nothing to see, more than most_failed = {most:g} allows: "
            f"{' and '.join(sentences)}: fetch them, or allow more with --set most_failed=SHARE"
        )


_ABSENT = "not there"
Keys = dict[Way, str]


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A medium after reading: where its rows are or will be for each query, and its clips unless all are known.

    `problem` says why there is nothing; `count` is where the number of its frames is kept.
    """

    medium: _Medium
    queries: Sequence[str]
    problem: str = ""
    content: str = ""
    keys: tuple[Keys, ...] = ()
    count: str = ""
    clips: tuple[Clip, ...] = ()


class _Pass:
    """One walk over the media."""

    def __init__(self, backend: Backend, folder: MediaFolder, store: Store, *, seed: int, ways: Sequence[Way]) -> None:
        self.backend, self.folder, self.store, self.seed, self.ways = backend, folder, store, seed, ways
        self._hash = lru_cache(maxsize=4096)(sha256_of)
        self._blind: dict[str, Float[Tensor, "dim"]] = {}

    def read(self, medium: _Medium, queries: Sequence[str]) -> _Read:
        """In a thread: nothing is decoded whose rows are all known."""
        found = [place for place in map(self.folder.find, medium.media) if place is not None]
        if len(found) < len(medium.media):
            return _Read(medium=medium, queries=queries, problem=_ABSENT)
        content = " ".join(
            self._hash(place) if isinstance(place, Path) else hashlib.sha256(place).hexdigest() for place in found
        )
        view = (content, medium.start, medium.end, self.backend.mark, self.backend.num_frames)
        keys = tuple({way: self._key(way, view, query) for way in self.ways} for query in queries)
        read = _Read(medium=medium, queries=queries, content=content, keys=keys, count=key_of("frames", *view))
        wanted = {read.count, *(key for one in keys for key in one.values())}
        if self.store.have(wanted) == wanted:
            return read
        try:
            clips = tuple(self.backend.clip(place, start=medium.start, end=medium.end) for place in found)
        except MediaError as error:
            return replace(read, problem=str(error))
        return replace(read, clips=clips)

    def _key(self, way: Way, view: tuple[object, ...], query: str) -> str:
        return key_of(way, self.seed if way == "shuffled" else "", query if self.backend.asks else "", *view)

    def finish(self, batch: Sequence[_Read]) -> None:
        """Compute and keep the rows of what was decoded."""
        new = [read for read in batch if read.clips]
        if not new:
            return
        frames = iter(self.backend.see([clip for read in new for clip in read.clips]))
        inputs: dict[str, tuple[Frames, str]] = {}
        source: dict[str, str] = {}  # which input's row stands under which key
        counts: dict[str, Tensor] = {}
        for read in new:
            parts = [(next(frames), len(clip.frames) == 1) for clip in read.clips]
            whole, still = _joined(parts, self.backend.num_frames), len(parts) == 1 and parts[0][1]
            counts[read.count] = torch.tensor([1.0 if still else float(len(whole))])
            for query, keys in zip(read.queries, read.keys, strict=True):
                for way, key in keys.items():
                    source[key] = self._source(way, keys["whole"] if still else key, len(whole), query)
                    inputs.setdefault(source[key], (self._looked(way, whole, read.content), query))
        rows = self._predicted({name: some for name, some in inputs.items() if name not in self._blind})
        self.store.put(
            counts | {key: rows[name] if name in rows else self._blind[name] for key, name in source.items()}
        )

    def _source(self, way: Way, own: str, count: int, query: str) -> str:
        """Where nothing is seen, the medium does not matter."""
        if way == "blind":
            return f"blind {count} {query if self.backend.asks else ''}"
        return own

    def _looked(self, way: Way, whole: Frames, content: str) -> Frames:
        if way == "blind":
            return self.backend.blank(len(whole))
        if way == "one frame":
            return middle(whole)
        return shuffled(whole, seed=self.seed + int(content[:8], 16)) if way == "shuffled" else whole

    def _predicted(self, inputs: Mapping[str, tuple[Frames, str]]) -> dict[str, Float[Tensor, "dim"]]:
        # Questions of like length together, so that little padding is computed.
        names = sorted(inputs, key=lambda name: len(inputs[name][1]))
        if not names:
            return {}
        found = self.backend.predict([inputs[name][0] for name in names], [inputs[name][1] for name in names])
        rows = dict(zip(names, found, strict=True))
        self._blind |= {name: row for name, row in rows.items() if name.startswith("blind ")}
        return rows


def _ahead(walk: _Pass, media: Sequence[_Medium], queries: Sequence[Sequence[str]]) -> Iterator[list[_Read]]:
    """Batches of read media; threads read the next ones while the model looks at these."""
    with ThreadPoolExecutor(max(1, num_cores())) as pool:
        jobs = iter(zip(media, queries, strict=True))
        waiting: list[Future[_Read]] = []
        while True:
            for job in jobs:
                waiting.append(pool.submit(walk.read, *job))
                if len(waiting) >= 3 * CLIPS_AT_ONCE:
                    break
            if not waiting:
                return
            yield [future.result() for future in waiting[:CLIPS_AT_ONCE]]
            waiting = waiting[CLIPS_AT_ONCE:]


def _joined(parts: Sequence[tuple[Frames, bool]], num_frames: int) -> Frames:
    """Several media, each with whether it is a picture, as one clip of as many frames as the model looks at.

    Pictures are repeated to fill their part of it.
    """
    if len(parts) == 1:
        return parts[0][0]
    each = max(1, num_frames // len(parts))
    return torch.cat([part[torch.arange(each) % len(part)] if still else part for part, still in parts])


def _rows(store: Store, keys: Mapping[int, Keys], way: Way, *, count: int, dim: int) -> Float[Tensor, "look dim"]:
    out = torch.zeros(count, dim)
    if keys:
        places = list(keys)
        out[places] = store.rows([keys[place][way] for place in places])
    return out
