"""An embedder for many threads: tasks, streams and the library use it as any other, and one thread computes."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vljepa.embedder import CANDIDATES, CLIPS_AT_ONCE, DECODES_AT_ONCE, TEXTS_AT_ONCE, Embedder
from vljepa.serving.service.worker import Kind, Worker
from vljepa.types import Clip

Result = TypeVar("Result")
# A clip's frames as the X-Encoder reads them, and what is asked of it.
_Asked = tuple[UInt8[Tensor, "time 3 height width"], str]

# Until when the calling thread wants its results, by the monotonic clock; and whether somebody waits for them.
_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)
_URGENT: ContextVar[bool] = ContextVar("urgent", default=True)


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """What this thread asks of a shared embedder is answered before then, or is Busy."""
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@contextmanager
def request(seconds: float) -> Iterator[float]:
    """A request that is to be answered in so many seconds: gives the moment, by the monotonic clock."""
    deadline = time.monotonic() + seconds
    with until(deadline):
        yield deadline


@contextmanager
def in_background() -> Iterator[None]:
    """What this thread asks of a shared embedder lets requests go first, every other time."""
    token = _URGENT.set(False)
    try:
        yield
    finally:
        _URGENT.reset(token)


class SharedEmbedder(Embedder):
    """The same parts as another embedder; everything that computes is done by the worker's thread.

    Texts, clips and decodings of different callers are computed together where they wait for it at the same time.
    """

    def __init__(self, embedder: Embedder, worker: Worker) -> None:
        self.__dict__ |= vars(embedder)
        self._own, self._worker = embedder, worker
        self.lock = nullcontext()
        self._texts = Kind("texts", self._text_rows, TEXTS_AT_ONCE)
        self._clips = Kind("clips", self._clip_rows, CLIPS_AT_ONCE)
        self._decodings = Kind("decode", self._decoded, DECODES_AT_ONCE)
        self._calls = Kind("call", lambda calls: [calls[0]()], 1)

    def texts(self, texts: Sequence[str], *, cut: bool = False) -> Float[Tensor, "batch dim"]:
        """As `Embedder.texts`."""
        if cut:
            return self._call(lambda: self._own.texts(texts, cut=True))
        (rows,) = self._do(self._texts, [tuple(texts)])
        return rows

    def predict_clips(self, clips: Sequence[Clip], query: str = "") -> Float[Tensor, "batch dim"]:
        """As `Embedder.predict_clips`; clips of several callers are seen together, whatever each is asked."""
        rows = self._do(self._clips, [(self.squares(clip), query) for clip in clips])
        return torch.stack(rows) if rows else torch.empty(0, self.dim, device=self.device)

    def decode(self, embeddings: Float[Tensor, "batch dim"], *, candidates: int = CANDIDATES) -> list[str]:
        """As `Embedder.decode`."""
        if candidates != CANDIDATES:
            return self._call(lambda: self._own.decode(embeddings, candidates=candidates))
        return self._do(self._decodings, list(embeddings))

    def fidelity(self, embeddings: Float[Tensor, "batch dim"], texts: Sequence[str]) -> list[float]:
        """As `Embedder.fidelity`."""
        return self._call(lambda: self._own.fidelity(embeddings, texts))

    def frame_features(self, frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame kept"]:
        """As `Embedder.frame_features`."""
        return self._call(lambda: self._own.frame_features(frames))

    def tokens_from_features(self, features: Float[Tensor, "batch time kept"]) -> Float[Tensor, "batch token width"]:
        """As `Embedder.tokens_from_features`."""
        return self._call(lambda: self._own.tokens_from_features(features))

    def predict(self, visual: Float[Tensor, "batch token width"], query: str = "") -> Float[Tensor, "batch dim"]:
        """As `Embedder.predict`."""
        return self._call(lambda: self._own.predict(visual, query))

    def _call(self, function: Callable[[], Result]) -> Result:
        result: Result = self._do(self._calls, [function])[0]
        return result

    def _do(self, kind: Kind, given: Sequence[Any]) -> list[Any]:
        return self._worker.do(kind, given, deadline=_DEADLINE.get(), urgent=_URGENT.get())

    def _text_rows(self, asked: Sequence[tuple[str, ...]]) -> list[Float[Tensor, "some dim"]]:
        rows = self._own.texts([text for texts in asked for text in texts])
        return list(rows.split([len(texts) for texts in asked]))

    def _clip_rows(self, asked: Sequence[_Asked]) -> list[Float[Tensor, "dim"]]:
        """Frames of all clips in one go, then clips of one length and one query together."""
        features = self._own.frame_features(torch.cat([frames for frames, _ in asked]))
        parts = features.split([len(frames) for frames, _ in asked])
        groups: dict[tuple[int, str], list[int]] = defaultdict(list)
        for place, (frames, query) in enumerate(asked):
            groups[len(frames), query].append(place)
        rows = torch.empty(len(asked), self.dim, device=self.device)
        for (_, query), places in groups.items():
            tokens = self._own.tokens_from_features(torch.stack([parts[place] for place in places]))
            rows[places] = self._own.predict(tokens, query)
        return list(rows)

    def _decoded(self, asked: Sequence[Float[Tensor, "dim"]]) -> list[str]:
        return self._own.decode(torch.stack(list(asked)))
