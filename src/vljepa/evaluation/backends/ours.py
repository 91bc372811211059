"""A VL-JEPA model folder behind the protocol."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.config import as_dict
from vljepa.data.sampling import Sampling
from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.held_out import Frames, blinded, predicted
from vljepa.types import Clip

GREY_SIDE = 256


class Ours:
    """Frames' features by the X-Encoder, predictions by the Predictor, texts by the Y-Encoder."""

    asks = True
    sees = True
    libraries: tuple[str, ...] = ()

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.name = embedder.name
        self.mark = embedder.bundle.fingerprint
        self.resize = ", ".join(
            f"{name} {value}" for name, value in as_dict(embedder.bundle.processor.settings).items()
        )
        self.num_frames = embedder.num_frames
        self.sampling: Sampling | None = embedder.sampling
        self.dim = embedder.dim

    def clip(self, source: Path | bytes, *, start: float | None = None, end: float | None = None) -> Clip:
        """As every verb of the program reads it."""
        return self.embedder.clip(source, start=start, end=end)

    def see(self, clips: Sequence[Clip]) -> list[Frames]:
        """All frames together, then each clip's own again."""
        squares = [self.embedder.squares(clip) for clip in clips]
        frames = self.embedder.frame_features(torch.cat(squares)).float().cpu()
        return list(frames.split([len(some) for some in squares]))

    def blank(self, count: int) -> Frames:
        """Average features and no class, where the X-Encoder knows its averages; what it makes of grey elsewhere."""
        encoder = self.embedder.bundle.model.x_encoder
        if hasattr(encoder, "mean"):
            return blinded(encoder, torch.zeros(count, encoder.settings.frame_width)).float().cpu()
        side = self.embedder.side or GREY_SIDE
        grey = torch.full((count, side, side, 3), 127, dtype=torch.uint8)
        return self.see([Clip(frames=grey, times=torch.zeros(count))])[0]

    def predict(self, frames: Sequence[Frames], queries: Sequence[str]) -> Float[Tensor, "item dim"]:
        """Each clip with its own query."""
        return predicted(self.embedder, frames, queries)

    def texts(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """The Y-Encoder's view."""
        return self.embedder.texts(texts, cut=True).float().cpu()

    def cuts(self, texts: Sequence[str]) -> int:
        """By the target tokenizer."""
        return sum(self.embedder.bundle.target_tokenizer.cuts(text) for text in texts)
