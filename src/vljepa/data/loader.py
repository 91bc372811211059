"""Shards to decoded rows: a mixture of corpora, one shape a batch, each batch a pure function of its step.

Nothing of the position is saved, because there is none: step 731 of a stage is the same batch after any interruption
and with any number of worker processes. A sample that cannot be decoded is replaced by another of the same corpus,
which is again decided by the step alone, and counted by reason.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vljepa.data.asking import Asked, AskSettings, draw_asked
from vljepa.data.corpus_at import CorpusAt
from vljepa.data.errors import MediaError
from vljepa.data.media import read_clip
from vljepa.data.order import Order
from vljepa.data.processor import Processor
from vljepa.data.shards import sample_from
from vljepa.types import Sample

TRIES = 20


class LoaderError(ValueError):
    """Data that training cannot go on with; the message says how much of it and why."""


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """A corpus in a mixture: a folder or an address, its share of the steps, and frames of each of its clips."""

    corpus: str
    weight: float = 1.0
    frames: int = 8


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """`rows`: of one rank's batch; `workers`: processes that decode (0: none beside); `skip_budget`: share of samples
    that may fail to decode. `cache`: folder for shards from addresses; empty: one for temporary files."""

    sources: Mapping[str, SourceSettings]
    rows: int
    workers: int = 0
    skip_budget: float = 0.01
    asking: AskSettings = field(default_factory=AskSettings)
    seed: int = 0
    cache: str = ""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A batch before any network: frames as 8-bit squares, what each row asks, and what was skipped on the way."""

    step: int
    source: str
    keys: tuple[str, ...]
    frames: UInt8[Tensor, "batch time 3 height width"]
    asked: tuple[Asked, ...]
    skipped: Mapping[str, int]


class Mixture(Dataset[Decoded]):
    """The batches of a stage by number, for one rank."""

    def __init__(
        self, settings: LoaderSettings, processor: Processor, *, steps: int, rank: int = 0, ranks: int = 1
    ) -> None:
        check_settings(settings)
        self.settings, self.processor, self.steps = settings, processor, steps
        self._names = list(settings.sources)
        self._corpora = {
            name: CorpusAt(source.corpus, cache=Path(settings.cache) if settings.cache else None)
            for name, source in settings.sources.items()
        }
        self._orders = {
            name: Order([shard.count for shard in corpus.shards], seed=settings.seed, lane=rank, lanes=ranks)
            for name, corpus in self._corpora.items()
        }
        self._rank = rank
        shares = np.array([settings.sources[name].weight for name in self._names])
        # One draw a step, the same on every rank: shapes agree, and a longer stage begins like a shorter one.
        drawn = np.random.default_rng([settings.seed, 3]).random(steps)
        self._chosen = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], drawn, side="right")
        self._before = {k: np.cumsum(self._chosen == k) - (self._chosen == k) for k in range(len(self._names))}

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Decoded:
        """The batch of a step. LoaderError where one row's samples fail TRIES times in succession."""
        chosen = int(self._chosen[step])
        name = self._names[chosen]
        first = int(self._before[chosen][step]) * self.settings.rows
        skipped: Counter[str] = Counter()
        rows = [self._row(name, step, row, first + row, skipped) for row in range(self.settings.rows)]
        return Decoded(
            step=step,
            source=name,
            keys=tuple(sample.key for sample, _, _ in rows),
            frames=torch.stack([frames for _, frames, _ in rows]),
            asked=tuple(asked for _, _, asked in rows),
            skipped=dict(skipped),
        )

    def _row(
        self, name: str, step: int, row: int, place: int, skipped: Counter[str]
    ) -> tuple[Sample, UInt8[Tensor, "time 3 height width"], Asked]:
        """The sample at the place, or another one where it fails: a far place that the step and the row decide."""
        random = np.random.default_rng([self.settings.seed, step, row, self._rank])
        corpus, order = self._corpora[name], self._orders[name]
        why = ""
        for _ in range(TRIES):
            shard, number = order[place]
            record = corpus.record(corpus.shards[shard], number)
            sample = sample_from(record.fields, record.media, extension=record.extension, key=record.key)
            try:
                return sample, self._frames(sample, name), draw_asked(sample, self.settings.asking, random)
            except MediaError as error:
                skipped["cannot be decoded"] += 1
                why = str(error)
            except ValueError as error:
                skipped["nothing to ask"] += 1
                why = str(error)
            place = int(random.integers(sum(shard.count for shard in corpus.shards)))
        raise LoaderError(f"{TRIES} samples of {name} in succession cannot be used; the last one: {why}")

    def _frames(self, sample: Sample, name: str) -> UInt8[Tensor, "time 3 height width"]:
        """As many frames as the source gives every clip; a picture is repeated to fill them."""
        wanted = self.settings.sources[name].frames
        clip = read_clip(sample.media, num_frames=wanted, size=self.processor.settings.reading_size)
        squares = self.processor.frames_from_clip(clip)
        return squares if len(clip.frames) == wanted else squares[torch.arange(wanted) % len(squares)]


def check_settings(settings: LoaderSettings) -> None:
    """ValueError for a mixture that cannot be drawn from."""
    if not settings.sources:
        raise ValueError("the mixture has no source: set sources.NAME.corpus to a folder or an address")
    if settings.rows < 1 or settings.workers < 0:
        raise ValueError(f"rows is {settings.rows} and workers {settings.workers}: give at least 1 and 0")
    weights = [source.weight for source in settings.sources.values()]
    if min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"the weights of the mixture are {weights}: give numbers from 0, not all 0")
    if any(source.frames < 1 for source in settings.sources.values()):
        raise ValueError("a source of the mixture has fewer than one frame: give frames from 1")


def batches(mixture: Mixture, *, start: int = 0) -> Iterator[Decoded]:
    """The batches from a step on, in order, decoded ahead by the workers."""
    workers = mixture.settings.workers
    yield from DataLoader(
        mixture,
        sampler=range(start, mixture.steps),
        batch_size=None,
        generator=torch.Generator(),  # else it would take from the run's own random numbers, at another time on resume
        num_workers=workers,
        # A fork of a process that holds decoders and torch threads may hang.
        multiprocessing_context="forkserver" if workers else None,
    )
