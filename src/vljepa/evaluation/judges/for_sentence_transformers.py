"""A model folder as the first and only module of a SentenceTransformer (extra `eval`).

    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(modules=[VLJEPAModule.from_folder()])
    model.encode(["a red ball"])
    model.encode(["clip.mp4"])
    model.encode([{"video": "clip.mp4", "text": "what is it?"}])

Whoever opens a saved one with sentence-transformers 6 has to say trust_remote_code=True, since this module is ours.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from sentence_transformers.base.modules.input_module import InputModule

from vljepa.embedder import shipped_folder
from vljepa.evaluation.judges.media import clip_from
from vljepa.text import Tokenizer
from vljepa.types import Tokens
from vljepa.weights.folder import Bundle, load_folder, save_folder

MEDIA = ("video", "image")


class VLJEPAModule(InputModule):  # type: ignore[misc]
    """Texts, pictures, videos, and media that are asked something, into one space; rows are of length one."""

    config_file_name = "vljepa_module.json"
    config_keys = ["query"]  # noqa: RUF012 - the name and form that the library prescribes
    save_in_root = False

    def __init__(self, bundle: Bundle, *, query: str = "") -> None:
        super().__init__()
        self.bundle = bundle
        self.query = query
        self.model = bundle.model

    @classmethod
    def from_folder(cls, folder: Path | None = None, *, query: str = "") -> "VLJEPAModule":
        """A model folder, or the shipped model; `query`: what media without a text are asked."""
        return cls(load_folder(folder or shipped_folder()), query=query)

    @property
    def modalities(self) -> list[Any]:
        """What `encode` takes."""
        asked = [pair for medium in MEDIA for pair in ((medium, "text"), ("text", medium))]
        return ["text", *MEDIA, *asked]

    def get_embedding_dimension(self) -> int:
        """Numbers in a row."""
        return self.model.settings.predictor.shared

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """Tensors of one kind of input; the library sorts kinds apart. A prompt stands before texts and questions."""
        rows = [one if isinstance(one, dict) and not one.keys().isdisjoint(MEDIA) else _named(one) for one in inputs]
        if rows[0].keys().isdisjoint(MEDIA):
            return _tensors("text", self.bundle.target_tokenizer, [(prompt or "") + row["text"] for row in rows])
        clips = [
            clip_from(next(row[name] for name in MEDIA if name in row), num_frames=self.bundle.frames) for row in rows
        ]
        frames = [self.bundle.processor.frames_from_clip(clip) for clip in clips]
        queries = [(prompt or "") + row["text"] if "text" in row else self.query for row in rows]
        return {"frames": torch.stack(frames)} | _tensors("query", self.bundle.query_tokenizer, queries)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds `sentence_embedding`."""
        if "frames" not in features:
            return features | {"sentence_embedding": self.model.encode_text(_tokens("text", features))}
        frames = features["frames"]
        pixels = self.bundle.processor.pixels(rearrange(frames, "batch time ... -> (batch time) ..."))
        kept = self.model.x_encoder.features(pixels).unflatten(0, frames.shape[:2])
        predicted = self.model.predict(self.model.x_encoder.tokens(kept), _tokens("query", features))
        return features | {"sentence_embedding": predicted}

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """The model folder inside the module's own, in float32."""
        save_folder(self.bundle, Path(output_path) / "model", card=f"# {self.bundle.name}\n", int8=False)
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> "VLJEPAModule":
        """What `save` wrote, from a folder or a hub."""
        known = {
            name: kwargs[name] for name in ("token", "cache_folder", "revision", "local_files_only") if name in kwargs
        }
        place = cls.load_dir_path(model_name_or_path, subfolder=subfolder, **known)
        config = cls.load_config(model_name_or_path, subfolder=subfolder, **known)
        return cls(load_folder(Path(str(place)) / "model"), query=str(config.get("query", "")))


def _named(one: Any) -> dict[str, Any]:
    """A text that is no path, or a medium, by its kind."""
    from sentence_transformers.base.modality import infer_modality

    kind = infer_modality(one, supported_modalities=["text", "image", "video"])
    return {str(kind): one}


def _tensors(name: str, tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, Any]:
    tokens = tokenizer(texts)
    return {f"{name}_ids": tokens.ids, f"{name}_mask": tokens.mask}


def _tokens(name: str, features: dict[str, Any]) -> Tokens:
    return Tokens(ids=features[f"{name}_ids"], mask=features[f"{name}_mask"])
