"""`VLJEPAModel`: the four parts as a transformers model, opened by our own strict loader, saved in our own folders."""

import copy
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from vljepa.hub.card import model_card
from vljepa.hub.config import VLJEPAConfig
from vljepa.hub.places import folder_of, places_of, push_folder, replace_files
from vljepa.models.vljepa import VLJEPA
from vljepa.types import Tokens
from vljepa.weights.folder import (
    PARTS,
    Companions,
    Undrawn,
    load_folder,
    opening_dtype,
    save_companions,
    settings_of,
    write_check,
)
from vljepa.weights.untrained import refuse_untrained

# transformers passes them on from AutoModel; they decide nothing here.
_IGNORED = {"_from_auto", "trust_remote_code", "adapter_kwargs", "_commit_hash", "code_revision", "use_safetensors"}


@dataclass
class VLJEPAOutput(ModelOutput):  # type: ignore[misc]  # it looks untyped from here
    """What a forward pass gives: unit embeddings, and how well each text fits each clip.

    `prediction`: S^_Y of each clip (with its query). `target`: S_Y of each text. `logits`: a row a clip, a column a
    text, cosines times the scale that the folder has for pictures or clips, with a query or without.
    """

    prediction: Tensor | None = None
    target: Tensor | None = None
    logits: Tensor | None = None


class VLJEPAModel(PreTrainedModel):  # type: ignore[misc]  # it looks untyped from here
    """VL-JEPA for transformers; `network` is the model itself, whose numbers it gives unchanged.

    `companions`: preprocessing and tokenizers of the folder it came from, which are saved with it. Parts that nobody
    has trained (the configuration's `untrained`; all without a `network`) give nothing unless `allow_untrained`.
    """

    config_class = VLJEPAConfig
    main_input_name = "pixel_values_videos"
    _supports_sdpa = True

    def __init__(
        self,
        config: VLJEPAConfig,
        *,
        network: VLJEPA | None = None,
        companions: Companions | None = None,
        allow_untrained: bool = False,
    ) -> None:
        if network is None:
            config = copy.copy(config)  # which is the caller's
            config.settings = replace(config.settings, untrained=PARTS)
        super().__init__(config)
        self.network = VLJEPA(config.settings.model) if network is None else network
        self.companions = companions
        self.card = ""
        self.allow_untrained = allow_untrained
        self.post_init()

    def init_weights(self) -> None:
        """Nothing: every part has its weights, and transformers' own among them would be drawn anew."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        config: VLJEPAConfig | None = None,
        dtype: torch.dtype | str | None = None,
        attn_implementation: str | None = None,
        device_map: str | int | torch.device | Mapping[str, Any] | None = None,
        parts: Sequence[str] = PARTS,
        allow_untrained: bool = False,
        **hub: Any,
    ) -> "VLJEPAModel":
        """Open a model folder, or a repository of the hub by its name; strictly, tensor by tensor into its place.

        `dtype`: None or "auto" is what `vljepa.load` takes. `attn_implementation`: "sdpa" or "eager". `device_map`: a
        device, "auto", or a device for each part. `parts`: those that are needed. `allow_untrained`: parts that nobody
        has trained answer too, with a warning that names them. `hub`: revision, token, cache_dir, local_files_only,
        force_download, subfolder. ValueError for what is none of these.
        """
        folder = folder_of(pretrained_model_name_or_path, {k: v for k, v in hub.items() if k not in _IGNORED})
        places = places_of(folder, device_map, dtype=_dtype(dtype))
        chosen = _dtype(dtype) or opening_dtype(folder, places["x_encoder"])
        bundle = load_folder(folder, dtype=chosen, device=places, parts=parts)
        attention = attn_implementation or (None if config is None else config._attn_implementation)
        settings = settings_of(bundle, bundle.model.settings)
        config = VLJEPAConfig.of(settings, name_or_path=str(folder), attn_implementation=attention, dtype=chosen)
        drawn = [part for part in bundle.untrained if part in bundle.parts]
        if drawn and allow_untrained:
            warnings.warn(
                f"{folder}: nobody has trained {', '.join(drawn)}: what they give means nothing", stacklevel=2
            )
        model = cls(config, network=bundle.model, companions=bundle, allow_untrained=allow_untrained)
        card = folder / "README.md"
        model.card = card.read_text(encoding="utf-8") if card.is_file() else ""
        return model.eval()

    def forward(  # noqa: PLR0917  # transformers calls it by position
        self,
        pixel_values_videos: Float[Tensor, "batch time 3 height width"] | None = None,
        pixel_values: Float[Tensor, "batch *look 3 height width"] | None = None,
        query_ids: Int64[Tensor, "batch word"] | None = None,
        query_attention_mask: Int64[Tensor, "batch word"] | Bool[Tensor, "batch word"] | None = None,
        input_ids: Int64[Tensor, "text token"] | None = None,
        attention_mask: Int64[Tensor, "text token"] | Bool[Tensor, "text token"] | None = None,
        return_dict: bool | None = None,
    ) -> VLJEPAOutput | tuple[Tensor, ...]:
        """Embeddings of clips (or pictures) and of texts, and logits where there are both."""
        if pixel_values is not None:
            if pixel_values_videos is not None:
                raise ValueError(
                    "forward takes pixel_values_videos or pixel_values, not both: pictures and videos apart"
                )
            pixel_values_videos = _looks(pixel_values)
        if pixel_values_videos is None and input_ids is None:
            raise ValueError("forward got nothing to look at: give pixel_values_videos, pixel_values or input_ids")
        output = VLJEPAOutput()
        if pixel_values_videos is not None:
            output.prediction = self.get_video_features(pixel_values_videos, query_ids, query_attention_mask)
        if input_ids is not None:
            output.target = self.get_text_features(input_ids, attention_mask)
        if output.prediction is not None and output.target is not None:
            cosines = output.prediction @ output.target.to(output.prediction.device).T
            moving = pixel_values is None and pixel_values_videos is not None and pixel_values_videos.shape[1] > 1
            pair = self.config.settings.calibration.of(moving=moving, asked=query_ids is not None)
            output.logits = cosines * pair.scale
        return output.to_tuple() if return_dict is False else output

    def get_video_features(
        self,
        pixel_values_videos: Float[Tensor, "batch time 3 height width"],
        query_ids: Int64[Tensor, "batch word"] | None = None,
        query_attention_mask: Int64[Tensor, "batch word"] | Bool[Tensor, "batch word"] | None = None,
    ) -> Float[Tensor, "batch dim"]:
        """Unit embeddings S^_Y of the answers to each clip's query; without one, of what the clips show."""
        self._refuse_untrained("x_encoder", "predictor")
        query = _tokens(query_ids, query_attention_mask) if query_ids is not None else self._empty(pixel_values_videos)
        with self._attention():
            visual = self.network.x_encoder(_beside(self.network.x_encoder, pixel_values_videos))
            device = _beside(self.network.predictor, visual).device
            return self.network.predict(visual.to(device), query.to(device))

    def get_image_features(
        self,
        pixel_values: Float[Tensor, "batch *look 3 height width"],
        query_ids: Int64[Tensor, "batch word"] | None = None,
        query_attention_mask: Int64[Tensor, "batch word"] | Bool[Tensor, "batch word"] | None = None,
    ) -> Float[Tensor, "batch dim"]:
        """The same of pictures, in one look each or in as many as the processor makes."""
        return self.get_video_features(_looks(pixel_values), query_ids, query_attention_mask)

    def get_text_features(
        self,
        input_ids: Int64[Tensor, "text token"],
        attention_mask: Int64[Tensor, "text token"] | Bool[Tensor, "text token"] | None = None,
    ) -> Float[Tensor, "text dim"]:
        """Unit embeddings S_Y of texts."""
        self._refuse_untrained("y_encoder")
        texts = _tokens(input_ids, attention_mask)
        with self._attention():
            return self.network.encode_text(texts.to(_beside(self.network.y_encoder, texts.ids).device))

    @torch.no_grad()
    def decode(
        self, embeddings: Float[Tensor, "batch dim"], *, max_tokens: int = 40, beams: int = 1
    ) -> list[list[list[int]]]:
        """Token numbers of the likeliest texts of each embedding; `processor.batch_decode` makes text of them."""
        self._refuse_untrained("y_decoder")
        decoder = self.network.y_decoder
        embeddings = _beside(decoder, embeddings)
        table = self.network.token_table.weight.to(embeddings.device)
        with self._attention():
            found = decoder.generate(embeddings, table, max_tokens=max_tokens, beams=beams)
        return [[said.ids for said in texts] for texts in found]

    def get_input_embeddings(self) -> torch.nn.Module:
        """The token table of the query side."""
        return self.network.token_table

    def _refuse_untrained(self, *parts: str) -> None:
        if not self.allow_untrained:
            refuse_untrained(self.config.settings.untrained, *parts)

    def _attention(self) -> AbstractContextManager[None]:
        """PyTorch's choice of kernels ("sdpa"), or the plain one alone ("eager")."""
        return sdpa_kernel(SDPBackend.MATH) if self.config._attn_implementation == "eager" else nullcontext()

    def _empty(self, clips: Tensor) -> Tokens:
        """The query that asks nothing, for each clip."""
        start = self.config.settings.tokenizers["query"].start
        ids = torch.full((len(clips), 1), start, dtype=torch.int64)
        return Tokens(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool))

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        *,
        state_dict: Mapping[str, Tensor] | None = None,
        max_shard_size: int | str = "5GB",
        report: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        is_main_process: bool = True,
        **upload: Any,
    ) -> None:
        """Write a model folder that `vljepa.load` and `from_pretrained` open; files change when all are whole.

        With preprocessing and tokenizers where the model came from a folder, a card (with the scores of `report`, a
        file of `vljepa evaluate --json`, in its model-index), and `check.json`. `upload`: as for `push_to_hub`.
        """
        weights = {name.removeprefix("network."): value for name, value in (state_dict or self.state_dict()).items()}
        if weights.keys() != _all_names(self.config):
            raise ValueError("parts of this model were left out when it was opened: open all of it to save it")
        if not is_main_process:
            return
        into = Path(save_directory)
        into.mkdir(parents=True, exist_ok=True)
        # Aside, because the weights may be views of the very files that are about to be replaced.
        with tempfile.TemporaryDirectory(dir=into, prefix=".saving-") as folder:
            aside = Path(folder)
            super().save_pretrained(folder, state_dict=weights, max_shard_size=max_shard_size)
            (aside / "README.md").write_text(model_card(self.config.settings, self.card, report), encoding="utf-8")
            if self.companions is not None:
                save_companions(self.companions, aside)
                write_check(aside)
            replace_files(aside, into)
        if push_to_hub:
            push_folder(into, repo_id or into.name, **upload)

    def push_to_hub(self, repo_id: str, **saving: Any) -> str:
        """Save as `save_pretrained` does and upload; gives the commit's address.

        `saving`: report, max_shard_size; private, token, revision, commit_message, commit_description, create_pr.
        """
        how = {name: saving.pop(name) for name in ("report", "max_shard_size") if name in saving}
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, **how)
            return push_folder(Path(folder), repo_id, **saving)


def _dtype(name: torch.dtype | str | None) -> torch.dtype | None:
    """A number format by its name, None for "auto"."""
    if not isinstance(name, str):
        return name
    found = getattr(torch, name, None)
    if name != "auto" and not isinstance(found, torch.dtype):
        raise ValueError(f"dtype {name!r} is no number format: give torch.float32, torch.bfloat16 or 'auto'")
    return found


def _tokens(ids: Tensor, mask: Tensor | None) -> Tokens:
    return Tokens(ids=ids, mask=torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool())


def _beside(part: torch.nn.Module, tensor: Tensor) -> Tensor:
    """The tensor where the part's weights are."""
    return tensor.to(next(part.parameters(), tensor).device)


def _looks(pixel_values: Float[Tensor, "batch *look 3 height width"]) -> Float[Tensor, "batch look 3 height width"]:
    return pixel_values if pixel_values.dim() > 4 else pixel_values[:, None]


def _all_names(config: VLJEPAConfig) -> set[str]:
    with torch.device("meta"), Undrawn():
        return set(VLJEPA(config.settings.model).state_dict())
