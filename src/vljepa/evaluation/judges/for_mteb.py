"""MTEB's view of a model folder: `Encoder("small", None)`, and `metadata` for a leaderboard (extra `eval`).

Texts pass through the Y-Encoder; pictures and videos through X-Encoder and Predictor, asked `query`; a medium with a
text is asked that text. Videos are decoded here, so torchcodec and torchvision are not needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta
from torch import Tensor
from torch.utils.data import DataLoader

from vljepa.embedder import Embedder
from vljepa.evaluation.judges.media import clip_from

if TYPE_CHECKING:
    from numpy import ndarray

SHIPPED = "vljepa/small"
CLIPS_AT_ONCE = 16


class Encoder(AbsEncoder):  # type: ignore[misc]
    """`model_name`: the shipped model's name or a model folder; `query`: what media without a text are asked."""

    def __init__(
        self,
        model_name: str = SHIPPED,
        revision: str | None = None,
        *,
        device: str | None = None,
        query: str = "",
        **_: Any,
    ) -> None:
        folder = None if model_name == SHIPPED else Path(model_name)
        self.model = Embedder.from_folder(folder, device=device or "auto")
        self.query = query
        self.mteb_model_meta = metadata(self.model)

    def encode(self, inputs: DataLoader[Any], **_: Any) -> "ndarray":
        """A row for each input, of length one."""
        rows: list[Tensor] = [self._embedded(batch) for batch in _undecoded(inputs)]
        return torch.cat(rows).numpy()

    def _embedded(self, batch: list[dict[str, Any]]) -> Tensor:
        kind = next((name for name in ("video", "image") if batch[0].get(name) is not None), None)
        if kind is None:
            return self.model.texts([row["text"] for row in batch], cut=True).float().cpu()
        clips = [clip_from(row[kind], num_frames=self.model.num_frames) for row in batch]
        queries = [row.get("text") or self.query for row in batch]
        out = torch.empty(len(batch), self.model.dim)
        for query in dict.fromkeys(queries):
            places = [place for place, own in enumerate(queries) if own == query]
            out[places] = self.model.predict_clips([clips[place] for place in places], query).float().cpu()
        return out


def _undecoded(inputs: DataLoader[Any]) -> DataLoader[Any]:
    """The same rows in lists, videos as their files: `datasets` would want torchcodec to decode them."""
    dataset: Any = inputs.dataset
    if "video" in getattr(dataset, "column_names", ()):
        from datasets import Video

        dataset = dataset.cast_column("video", Video(decode=False))
    return DataLoader(dataset, batch_size=inputs.batch_size or CLIPS_AT_ONCE, collate_fn=list)


def metadata(embedder: Embedder) -> ModelMeta:
    """What MTEB writes beside scores. None of its tasks' data were trained on."""
    parameters = sum(weight.numel() for weight in embedder.bundle.model.parameters())
    return ModelMeta(
        loader=Encoder,
        name=f"vljepa/{embedder.name}",
        revision=embedder.bundle.fingerprint,
        release_date=None,
        languages=["eng-Latn"],
        n_parameters=parameters,
        memory_usage_mb=parameters * 4 / 2**20,
        max_tokens=embedder.bundle.target_tokenizer.settings.max_tokens,
        embed_dim=embedder.dim,
        license="apache-2.0",
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name="cosine",
        use_instructions=True,
        training_datasets=set(),
        modalities=["text", "image", "video"],
    )
