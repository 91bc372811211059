"""The verbs in Python, with the names that they have on the command line: `vljepa.load()` gives a Model."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.streaming.stream import Progress
from vljepa.streaming.watch import Event, WatchSettings
from vljepa.streaming.watch import watch as watch_stream
from vljepa.tasks.answer import Answer, answer
from vljepa.tasks.candidates import Ranking
from vljepa.tasks.caption import Caption, caption
from vljepa.tasks.classify import classify
from vljepa.types import Clip, check_text
from vljepa.weights.folder import PARTS

Medium = str | Path | bytes | Clip


class Model:
    """A VL-JEPA model that is ready to use. A medium is a path, the bytes of a file, or a Clip.

    `start` and `end` cut videos, in seconds. What cannot be read or makes no sense raises ValueError with one sentence.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed(
        self,
        medium: Medium | None = None,
        *,
        text: str | None = None,
        query: str = "",
        start: float | None = None,
        end: float | None = None,
    ) -> Float[Tensor, "dim"]:
        """The embedding, of length one, of a medium (of the answer to `query`, if there is one) or of a text."""
        if (medium is None) == (text is None):
            raise ValueError("embed takes a medium or a text: give one of the two")
        if text is not None:
            return self.embedder.texts([check_text(text, what="the text")])[0].cpu()
        assert medium is not None, "checked above"
        return self.embedder.predict_clips([self._clip(medium, start, end)], query.strip())[0].cpu()

    def classify(
        self,
        medium: Medium,
        labels: Sequence[str],
        *,
        query: str = "",
        start: float | None = None,
        end: float | None = None,
    ) -> Ranking:
        """The labels, best first, with calibrated probabilities, and the probability that it is none of them."""
        return classify(self.embedder, [self._clip(medium, start, end)], labels=labels, query=query)[0]

    def ask(
        self,
        medium: Medium,
        question: str,
        *,
        candidates: Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
    ) -> Answer:
        """The answer to a question: the best of the candidates, or decoded text where there are none."""
        clips = [self._clip(medium, start, end)]
        return answer(self.embedder, clips, question=question, candidates=candidates)[0]

    def caption(
        self, medium: Medium, *, query: str = "", start: float | None = None, end: float | None = None
    ) -> Caption:
        """What the model says of a medium, and how well that keeps the embedding's meaning."""
        return caption(self.embedder, [self._clip(medium, start, end)], query=query)[0]

    def watch(
        self,
        source: str | Path,
        *,
        settings: WatchSettings | None = None,
        progress: Progress = lambda seconds: None,
    ) -> Iterator[Event]:
        """The events of a video source: segments with captions, in time order, then a summary.

        A source is a video file, a folder of frames (with `fps` in the settings), an address, a camera (`camera:0`) or
        `-` for standard input.
        """
        return watch_stream(source, self.embedder, settings=settings, progress=progress)

    def _clip(self, medium: Medium, start: float | None, end: float | None) -> Clip:
        if isinstance(medium, Clip):
            return medium
        source = Path(medium) if isinstance(medium, str) else medium
        return self.embedder.clip(source, start=start, end=end)


def load(
    folder: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: torch.dtype | None = None,
    parts: Sequence[str] = PARTS,
) -> Model:
    """Open a model folder, or the model that comes with the package.

    `dtype`: the weights' number format (None: bfloat16 if the model is big, else what the device is fast in). `parts`:
    what is needed of "x_encoder", "predictor", "y_encoder", "y_decoder"; texts alone need ("y_encoder",).
    WeightsError, a ValueError, for a folder that is missing or incomplete.
    """
    opened = None if folder is None else Path(folder)
    return Model(Embedder.from_folder(opened, device=device, dtype=dtype, parts=parts))


def watch(
    source: str | Path,
    *,
    model: Model | None = None,
    settings: WatchSettings | None = None,
    progress: Progress = lambda seconds: None,
) -> Iterator[Event]:
    """The events of a video source, as `Model.watch`; without a model the one that comes with the package is opened."""
    return (model or load()).watch(source, settings=settings, progress=progress)
