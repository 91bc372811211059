"""A gate before any other model: it is asked again only when what is seen has moved, else its last answer stands."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vljepa.data.media import read_clip
from vljepa.embedder import Embedder
from vljepa.types import Clip

Answer = TypeVar("Answer")
Seen = Clip | Path | str | bytes | UInt8[Tensor, "height width 3"]


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """When the other model is asked again.

    `threshold`: cosine distance between what is seen now and what was seen when it was asked last. `at_least_every`:
    seconds after which it is asked in any case; None for never. `query`: what the embedding is to be an answer to.
    """

    threshold: float = 0.15
    at_least_every: float | None = None
    query: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 2:
            raise ValueError(f"the threshold is {self.threshold:g}: give a cosine distance from 0 to 2")
        if self.at_least_every is not None and not 0 < self.at_least_every < math.inf:
            raise ValueError(f"at_least_every is {self.at_least_every:g} s: give seconds above 0, or None for never")


class Movement:
    """Whether an embedding has moved since the one that was let through last."""

    def __init__(self, settings: GateSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._passed: Float[Tensor, "dim"] | None = None
        self._since = -math.inf

    def moved(self, embedding: Float[Tensor, "dim"]) -> bool:
        """Whether the other model has to be asked about this embedding (of length one)."""
        if self._passed is None:
            return True
        if self._settings.at_least_every is not None and self._clock() - self._since >= self._settings.at_least_every:
            return True
        return float(1 - embedding @ self._passed) >= self._settings.threshold

    def let_through(self, embedding: Float[Tensor, "dim"]) -> None:
        """The other model has answered about this embedding."""
        self._passed, self._since = embedding, self._clock()


class Gate(Generic[Answer]):
    """Stands for a function of a frame or clip, and calls it only where that promises another answer.

    `calls` counts how often it was asked, `saved` how often the last answer was good enough. Not for several threads.
    """

    def __init__(
        self,
        model_call: Callable[[Seen], Answer],
        *,
        embedder: Embedder,
        settings: GateSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.calls = self.saved = 0
        self._model_call, self._embedder = model_call, embedder
        self._settings = settings or GateSettings()
        self._movement = Movement(self._settings, clock=clock)
        self._answer: list[Answer] = []

    def __call__(self, seen: Seen) -> Answer:
        """The model's answer to what is seen, new or, where nothing has moved, its last one.

        What the model raises is raised here, and the next call asks it again. MediaError for what cannot be read.
        """
        self.calls += 1
        embedding = embedding_of([seen], self._embedder, query=self._settings.query)
        if self._answer and not self._movement.moved(embedding):
            self.saved += 1
            return self._answer[0]
        answer = self._model_call(seen)
        self._answer = [answer]
        self._movement.let_through(embedding)
        return answer


def gate(
    model_call: Callable[[Seen], Answer],
    *,
    embedder: Embedder | None = None,
    threshold: float = GateSettings.threshold,
    at_least_every: float | None = None,
    query: str = "",
) -> Gate[Answer]:
    """Put a function of a frame or clip (a call of another model, an upload ...) behind a gate.

    What goes in is a path, the bytes of a medium, a Clip, or a frame as (height, width, 3) uint8; it is handed on as it
    came. Without an `embedder` the shipped model is opened. ValueError for a setting that cannot be.
    """
    settings = GateSettings(threshold=threshold, at_least_every=at_least_every, query=query.strip())
    return Gate(model_call, embedder=embedder or Embedder.from_folder(), settings=settings)


def embedding_of(seen: Sequence[Seen], embedder: Embedder, *, query: str) -> Float[Tensor, "dim"]:
    """One embedding of one or several frames or clips, whose frames count as one clip; MediaError where unreadable."""
    clips = [_clip(one, embedder) for one in seen]
    frames = embedder.bundle.processor.squares
    squares = embedder.squares(clips[0]) if len(clips) == 1 else torch.cat([frames(clip.frames) for clip in clips])
    # No more frames than in training: those in even steps.
    places = torch.linspace(0, len(squares) - 1, min(len(squares), embedder.num_frames)).round().long()
    features = embedder.frame_features(squares[places])
    return embedder.predict(embedder.tokens_from_features(features[None]), query)[0].cpu()


def _clip(seen: Seen, embedder: Embedder) -> Clip:
    if isinstance(seen, Clip):
        return seen
    if isinstance(seen, Tensor):
        return Clip(frames=seen[None], times=torch.zeros(1))
    source = Path(seen) if isinstance(seen, str) else seen
    return read_clip(source, num_frames=embedder.num_frames, size=embedder.side)
