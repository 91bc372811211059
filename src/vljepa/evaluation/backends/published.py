"""Other people's models in their published folders, opened by their own libraries (extra `eval`), never downloaded."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vljepa.data.media import read_clip
from vljepa.data.sampling import Sampling
from vljepa.evaluation.benchmarks.held_out import Frames
from vljepa.types import Clip

FRAMES = 8
AT_ONCE = 32


class BackendError(ValueError):
    """A model that cannot be compared; the sentence says what is missing."""


class TwoTowers:
    """CLIP or SigLIP: a clip is the mean of its frames' embeddings, and a query changes nothing."""

    asks = False
    sees = True
    num_frames = FRAMES
    sampling: Sampling | None = "seconds"
    libraries: tuple[str, ...] = ("transformers",)

    def __init__(self, folder: Path, *, kinds: Sequence[str], device: torch.device) -> None:
        from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

        found = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
        if found not in kinds:
            raise BackendError(f"{folder} holds a model of type {found!r}, expected {' or '.join(map(repr, kinds))}")
        self.name = folder.name
        self.mark = folder_mark(folder)
        self._device = device
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model: Any = model.to(device).eval().requires_grad_(False)
        self._pictures: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        text = self._model.config.text_config
        self._most_tokens = int(text.max_position_embeddings)
        self.resize = f"the folder's own ({type(self._pictures).__name__})"
        self.dim = len(self.blank(1)[0])

    def clip(self, source: Path | bytes, *, start: float | None = None, end: float | None = None) -> Clip:
        """Frames as they are: the folder's own preprocessing does the rest."""
        return read_clip(source, num_frames=FRAMES, start=start, end=end)

    @torch.inference_mode()
    def see(self, clips: Sequence[Clip]) -> list[Frames]:
        """The embedding of each frame."""
        return [torch.cat([self._seen(some) for some in clip.frames.split(AT_ONCE)]) for clip in clips]

    def _seen(self, frames: Tensor) -> Frames:
        pixels = self._pictures(images=list(frames.numpy()), return_tensors="pt").to(self._device)
        found = self._model.get_image_features(**pixels).pooler_output
        return functional.normalize(found.float(), dim=-1).cpu()

    def blank(self, count: int) -> Frames:
        """A grey frame, so many times."""
        return self._grey.expand(count, -1)

    @cached_property
    @torch.inference_mode()
    def _grey(self) -> Frames:
        return self._seen(torch.full((1, 256, 256, 3), 127, dtype=torch.uint8))

    def predict(self, frames: Sequence[Frames], queries: Sequence[str]) -> Float[Tensor, "item dim"]:
        """Means over frames."""
        return functional.normalize(torch.stack([some.mean(0) for some in frames]), dim=-1)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """The text tower's view, padded as these models were trained: to their full length."""
        parts = []
        for first in range(0, len(texts), AT_ONCE):
            tokens = self._tokenizer(
                list(texts[first : first + AT_ONCE]),
                padding="max_length",
                max_length=self._most_tokens,
                truncation=True,
                return_tensors="pt",
            ).to(self._device)
            found = self._model.get_text_features(**tokens).pooler_output
            parts.append(functional.normalize(found.float(), dim=-1).cpu())
        return torch.cat(parts) if parts else torch.empty(0, self.dim)

    def cuts(self, texts: Sequence[str]) -> int:
        """By the tokenizer."""
        return sum(len(self._tokenizer(text)["input_ids"]) > self._most_tokens for text in texts)


class Sentences:
    """A sentence-transformers folder: texts alone."""

    asks = False
    sees = False
    num_frames = 0
    sampling: Sampling | None = None
    libraries: tuple[str, ...] = ("transformers", "sentence-transformers")
    resize = "none"

    def __init__(self, folder: Path, *, device: torch.device) -> None:
        from sentence_transformers import SentenceTransformer

        self.name = folder.name
        self.mark = folder_mark(folder)
        self._model: Any = SentenceTransformer(str(folder), device=str(device), local_files_only=True)
        self.dim = int(self._model.get_embedding_dimension())

    def texts(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """As the folder's modules embed them, without a prompt unless the folder sets one for all."""
        found = self._model.encode(
            list(texts), batch_size=AT_ONCE, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return found.float().cpu()

    def cuts(self, texts: Sequence[str]) -> int:
        """By the folder's tokenizer."""
        most = self._model.max_seq_length
        return sum(len(self._model.tokenizer(text)["input_ids"]) > most for text in texts)

    def clip(self, source: Path | bytes, *, start: float | None = None, end: float | None = None) -> Clip:
        """BackendError: there is no picture side."""
        raise self._blind()

    def see(self, clips: Sequence[Clip]) -> list[Frames]:
        """BackendError: there is no picture side."""
        raise self._blind()

    def blank(self, count: int) -> Frames:
        """BackendError: there is no picture side."""
        raise self._blind()

    def predict(self, frames: Sequence[Frames], queries: Sequence[str]) -> Float[Tensor, "item dim"]:
        """BackendError: there is no picture side."""
        raise self._blind()

    def _blind(self) -> BackendError:
        return BackendError(f"{self.name} reads texts and sees nothing: measure it on sugarcrepe++ or visla")


def folder_mark(folder: Path) -> str:
    """Twelve digits over a folder's files: names, sizes, and what stands at the beginning and end of each."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            size = path.stat().st_size
            digest.update(f"{path.relative_to(folder)} {size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(1 << 20))
                file.seek(max(0, size - (1 << 20)))
                digest.update(file.read())
    return digest.hexdigest()[:12]
