"""What is kept of a video's windows: when they were, how far each is from the last, and how segments merge."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vljepa.streaming.segment import MergeTree
from vljepa.streaming.selective import change_curve, segments
from vljepa.types import Segment


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """Windows from start to end in seconds, the curve of change over them, and the tree that cuts them into segments.

    `embeddings` are there where the library keeps them (`keep_windows`), in 16 bits.
    """

    times: Float[ndarray, "window 2"]
    change: Float[ndarray, "window"]
    tree: MergeTree
    embeddings: Float[ndarray, "window dim"] | None = None

    def cut(self, rate: float) -> list[Segment]:
        """Segments of one meaning, `rate` of them a second on average; nothing is computed anew but the cut."""
        blank = torch.zeros(len(self.times), 1)
        return segments(blank, [(float(a), float(b)) for a, b in self.times], decodes_per_second=rate, tree=self.tree)

    def to_bytes(self) -> bytes:
        """Packed for a row of the library."""
        packed = io.BytesIO()
        arrays: dict[str, Any] = {
            "times": self.times.astype(np.float64),
            "change": self.change.astype(np.float16),
            "merges": self.tree.merges.astype(np.int32),
            "costs": self.tree.costs.astype(np.float32),
            "boundaries": self.tree.boundaries.astype(np.int32),
        }
        if self.embeddings is not None:
            arrays["embeddings"] = self.embeddings.astype(np.float16)
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, packed: bytes) -> "Timeline":
        """Unpacked again."""
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            tree = MergeTree(
                merges=arrays["merges"].astype(np.int64),
                costs=arrays["costs"].astype(np.float64),
                boundaries=arrays["boundaries"].astype(np.int64),
            )
            kept = arrays["embeddings"].astype(np.float32) if "embeddings" in arrays else None
            return cls(times=arrays["times"], change=arrays["change"].astype(np.float32), tree=tree, embeddings=kept)


def timeline_of(
    embeddings: Float[Tensor, "window dim"], times: list[tuple[float, float]], tree: MergeTree, *, keep: bool
) -> Timeline:
    """The timeline of a video that was watched to its end."""
    return Timeline(
        times=np.array(times, np.float64),
        change=change_curve(embeddings).numpy(),
        tree=tree,
        embeddings=embeddings.float().numpy() if keep else None,
    )
