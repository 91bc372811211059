"""`VLJEPAProcessor`: clips, pictures, queries and texts as the tensors that `VLJEPAModel` takes, and back."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import BatchFeature, ProcessorMixin

from vljepa.data.image import read_image, rgb_over_white
from vljepa.data.media import read_clip
from vljepa.hub.places import folder_of
from vljepa.text import Tokenizer
from vljepa.types import Clip
from vljepa.weights.folder import Companions, load_companions, save_companions

_IGNORED = {"_from_auto", "trust_remote_code", "use_fast"}


class VLJEPAProcessor(ProcessorMixin):  # type: ignore[misc]  # it looks untyped from here
    """Preprocessing and tokenizers of a model folder.

    A video is a path, the bytes of a file, a Clip, frames as an array (time, height, width, 3) of 8 bit, or a list of
    pictures; a picture is a path, bytes, an array or Pillow's. Of a file as many frames are taken as the model was
    trained with; frames that are given are taken as they are.
    """

    def __init__(self, companions: Companions) -> None:
        super().__init__()
        self.companions = companions

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], **hub: Any) -> "VLJEPAProcessor":
        """Open a model folder, or a repository of the hub by its name, without its weights."""
        options = {key: value for key, value in hub.items() if key not in _IGNORED}
        return cls(load_companions(folder_of(pretrained_model_name_or_path, options, weights=False)))

    def save_pretrained(self, save_directory: str | os.PathLike[str], **_: Any) -> list[str]:
        """Write preprocessing and tokenizers; their settings stand in the model's `config.json`."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        save_companions(self.companions, folder)
        return [str(path) for path in sorted(folder.glob("*_tokenizer.json"))]

    def __call__(
        self,
        videos: Any = None,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        query: str | Sequence[str] | None = None,
        return_tensors: str = "pt",
    ) -> BatchFeature:
        """Tensors for the model: `text` are the texts to compare with, `query` what is asked of each clip or picture.

        One query is asked of all. ValueError for clips of different lengths, and for what is no medium.
        """
        if return_tensors != "pt":
            raise ValueError(f"return_tensors is {return_tensors!r}: only 'pt' is made here")
        clips = [self._clip(video) for video in _several(videos)] + [self._picture(image) for image in _several(images)]
        if videos is not None and images is not None:
            raise ValueError("give videos or images, not both: a batch has one shape")
        if not clips and text is None and query is None:
            raise ValueError("there is nothing to process: give videos, images, text or query")
        out: dict[str, Tensor] = {}
        if clips:
            pixels = self._pixels(clips)
            if videos is not None:
                out["pixel_values_videos"] = pixels
            else:
                out["pixel_values"] = pixels if pixels.shape[1] > 1 else pixels[:, 0]
        if query is not None:
            queries = [query] * max(1, len(clips)) if isinstance(query, str) else list(query)
            out |= _tokens(self.companions.query_tokenizer, queries, "query_ids", "query_attention_mask")
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            out |= _tokens(self.companions.target_tokenizer, texts, "input_ids", "attention_mask")
        return BatchFeature(out)

    def _clip(self, video: Any) -> Clip:
        companions = self.companions
        if isinstance(video, Clip):
            return video
        if isinstance(video, str | os.PathLike | bytes):
            settings = companions.processor.settings
            source = video if isinstance(video, bytes) else Path(video)
            return read_clip(
                source, num_frames=companions.frames, size=settings.reading_size, sampling=settings.sampling
            )
        if isinstance(video, list | tuple):
            return _clip_of(torch.stack([self._picture(frame).frames[0] for frame in video]))
        return _clip_of(_eight_bit(video, 4, "a video is frames (time, height, width, 3)"))

    def _picture(self, image: Any) -> Clip:
        if isinstance(image, str | os.PathLike | bytes):
            source = image if isinstance(image, bytes) else Path(image)
            return _clip_of(read_image(source, size=self.companions.processor.settings.reading_size)[None])
        if isinstance(image, Image.Image):
            return _clip_of(rgb_over_white(image)[None])
        return _clip_of(_eight_bit(image, 3, "a picture is (height, width, 3)")[None])

    def _pixels(self, clips: list[Clip]) -> Float[Tensor, "batch time 3 height width"]:
        counts = sorted({len(clip.frames) for clip in clips})
        if len(counts) > 1:
            raise ValueError(f"videos of {counts} frames make no batch: give videos of one length")
        processor = self.companions.processor
        return torch.stack([processor.pixels(processor.frames_from_clip(clip)) for clip in clips])

    def batch_decode(self, sequences: Sequence[Sequence[int]] | Tensor, **_: Any) -> list[str]:
        """Texts of the token numbers that `VLJEPAModel.decode` gives."""
        return [self.decode(ids) for ids in sequences]

    def decode(self, token_ids: Sequence[int] | Tensor, **_: Any) -> str:
        """The text of one row of token numbers."""
        ids = token_ids.tolist() if isinstance(token_ids, Tensor) else list(token_ids)
        return self.companions.decoder_tokenizer.text(ids)

    @property
    def model_input_names(self) -> list[str]:
        """What a call can give."""
        return [
            "pixel_values_videos", "pixel_values", "query_ids", "query_attention_mask", "input_ids", "attention_mask",
        ]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The settings of the preprocessing, for people who print a processor."""
        return {"processor_class": type(self).__name__, "settings": repr(self.companions.processor.settings)}


def _several(media: Any) -> list[Any]:
    """One medium or several as a list; a list of pictures is one video only inside of another list."""
    if media is None:
        return []
    return list(media) if isinstance(media, list | tuple) else [media]


def _eight_bit(frames: Any, axes: int, what: str) -> Tensor:
    tensor = frames if isinstance(frames, Tensor) else torch.from_numpy(np.array(frames))
    if tensor.ndim != axes or tensor.shape[-1] != 3 or tensor.dtype != torch.uint8:
        raise ValueError(f"{what} of 8 bit, not {tuple(tensor.shape)} of {tensor.dtype}")
    return tensor


def _clip_of(frames: Tensor) -> Clip:
    return Clip(frames=frames, times=torch.arange(len(frames), dtype=torch.float32))


def _tokens(tokenizer: Tokenizer, texts: list[str], ids: str, mask: str) -> dict[str, Tensor]:
    tokens = tokenizer(texts)
    return {ids: tokens.ids, mask: tokens.mask.long()}
