"""What a model has to do to be measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from vljepa.data.sampling import Sampling
from vljepa.evaluation.benchmarks.held_out import Frames
from vljepa.types import Clip


@runtime_checkable
class Backend(Protocol):
    """Pictures and texts in one space.

    `mark` changes with weights and preprocessing; `asks` tells whether a query changes what is predicted, `sees`
    whether there is a picture side at all, `sampling` which frames of a video are looked at, `libraries` which packages
    do the work. All embeddings are of length one, in float32 on the CPU.
    """

    name: str
    mark: str
    resize: str
    num_frames: int
    sampling: Sampling | None
    dim: int
    asks: bool
    sees: bool
    libraries: tuple[str, ...]

    def clip(self, source: Path | bytes, *, start: float | None = None, end: float | None = None) -> Clip:
        """A picture, or as many frames of a video as the model looks at. Called from threads."""
        ...

    def see(self, clips: Sequence[Clip]) -> list[Frames]:
        """What the model keeps of each frame by itself."""
        ...

    def blank(self, count: int) -> Frames:
        """So many frames that show nothing."""
        ...

    def predict(self, frames: Sequence[Frames], queries: Sequence[str]) -> Float[Tensor, "item dim"]:
        """An embedding for each row of frames and its query."""
        ...

    def texts(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """Embeddings of texts; what is too long for the model is cut."""
        ...

    def cuts(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than the model reads."""
        ...
