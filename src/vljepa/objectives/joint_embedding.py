"""The objective: predicted embeddings meet target embeddings (paper, section 2).

The loss is one of `menu`; the paper's is bidirectional InfoNCE: alignment of each prediction with its own target,
uniformity over the batch, which keeps the space from collapsing. `towards_classes` adds ConSE (Norouzi et al. 2014) as
a second, free target: what the frozen picture classifier believes, said in the shared space.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from vljepa.config import SettingsError
from vljepa.models.vljepa import VLJEPA
from vljepa.models.y_encoder import YEncoder
from vljepa.objectives.columns import all_columns
from vljepa.objectives.gather import sum_over_ranks
from vljepa.objectives.menu import Compared, LossSettings, choose
from vljepa.objectives.without_negatives import cosine
from vljepa.runtime import world_size
from vljepa.types import Batch, Losses, Tokens


@dataclass(frozen=True, kw_only=True)
class JointEmbeddingSettings(LossSettings):
    """CLIP's convention for what the paper leaves open: learnable temperature from 0.07, scale at most 100.

    `class_weight`: weight of the ConSE target; `alignment_weight`: weight of 1 - cosine of each pair by itself.
    `twin_weight`: weight of InfoNCE between texts, another wording of a target against all that predictions choose
    among, what is wrong by a word included. `keep_weight`: weight of 1 - cosine between what the Y-Encoder says of
    `keep_texts` targets of each rank and what it said before training: it is to stay a good encoder of all sentences.
    """

    temperature: float = 0.07
    learn_temperature: bool = True
    max_scale: float = 100.0
    class_weight: float = 0.0
    alignment_weight: float = 0.0
    twin_weight: float = 0.0
    keep_weight: float = 0.0
    keep_texts: int = 64


def towards_classes(
    predicted: Float[Tensor, "batch dim"],
    posterior: Float[Tensor, "batch classes"],
    names: Float[Tensor, "classes dim"],
    weight: Float[Tensor, "batch"],
) -> Float[Tensor, ""]:
    """Weighted mean of 1 - cosine to the ConSE vector, trusted as far as the classifier is sure of itself."""
    conse = functional.normalize(posterior @ names, dim=-1)
    trust = posterior.max(-1).values * weight
    of_all_ranks = sum_over_ranks(trust.sum()) / world_size()
    return (trust * (1 - (predicted * conse).sum(-1))).sum() / of_all_ranks.clamp(min=1e-6)


def told_apart(
    twins: Float[Tensor, "twin dim"],
    targets: Float[Tensor, "column dim"],
    own: Int64[Tensor, "twin"] | None,
    scale: Float[Tensor, "1"],
    *,
    keys: Int64[Tensor, "column"] | None = None,
) -> Float[Tensor, ""]:
    """Each other wording must pick its own target among all ranks' and what is wrong by a word; 0 without any.

    `keys`: see `all_columns`. The mean over ranks is the mean over all wordings; ranks without one take part.
    """
    columns, place = all_columns(targets, targets.new_zeros(0, dtype=torch.long) if own is None else own, keys)
    of_all_ranks = sum_over_ranks(torch.tensor(len(place), device=targets.device))
    missed = functional.cross_entropy(scale * twins @ columns.T, place, reduction="sum")
    return world_size() * missed / of_all_ranks.clamp(min=1)


def by_length(
    encode: Callable[[Tokens], Float[Tensor, "part dim"]], texts: Tokens, *, parts: int = 4
) -> Float[Tensor, "batch dim"]:
    """Embeddings of texts in their order, computed in parts of like length so that little padding is.

    Always in so many parts, since ranks that share weights must call the encoder equally often: with fewer texts than
    parts, one text passes through for nothing.
    """
    lengths = texts.mask.sum(1)
    order = lengths.argsort(stable=True)
    rows = []
    for part in order.tensor_split(parts):
        some = part if len(part) else order[:1]
        width = int(lengths[some].max())
        encoded = encode(Tokens(ids=texts.ids[some, :width], mask=texts.mask[some, :width]))
        rows.append(encoded[: len(part)])
    return torch.cat(rows)[order.argsort()]


class JointEmbedding(nn.Module):
    """Model and loss in one module, so that whatever wraps it sees a single forward."""

    class_names: Tensor

    def __init__(self, model: VLJEPA, settings: JointEmbeddingSettings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.choice = choose(settings.loss)
        # FSDP2 cannot shard a parameter without axes, so the temperature has one.
        self.log_scale = nn.Parameter(
            torch.tensor([math.log(1 / settings.temperature)]),
            requires_grad=settings.learn_temperature and "scale" in self.choice.learns,
        )
        self.bias = nn.Parameter(torch.tensor([settings.bias]), requires_grad="bias" in self.choice.learns)
        # In a tuple, so that it is no part of what is trained, saved or sharded.
        kept = (copy.deepcopy(model.y_encoder).eval().requires_grad_(False),) if settings.keep_weight else ()
        self._before: tuple[YEncoder, ...] = kept
        if settings.class_weight and not model.x_encoder.classes:
            raise ValueError("objective.class_weight needs an X-Encoder with a picture classifier: set it to 0")
        self.register_buffer("class_names", torch.zeros(model.x_encoder.classes, model.settings.predictor.shared))

    def forward(self, batch: Batch) -> Losses:
        """Losses of one batch."""
        return self.compare(self.predict(batch.frames, batch.query), self.encode(batch.targets), batch)

    def predict(self, frames: Float[Tensor, "batch time *kept"], query: Tokens) -> Float[Tensor, "batch dim"]:
        """Raw predictions; each depends on its own row alone. From pixels where the X-Encoder learns."""
        encoder = self.model.x_encoder
        return self.model.predict_raw(encoder(frames) if frames.ndim == 5 else encoder.tokens(frames), query)

    def encode(self, texts: Tokens) -> Float[Tensor, "text dim"]:
        """Raw targets; each depends on its own text alone."""
        return by_length(self.model.encode_text_raw, texts)

    def compare(
        self, raw_predicted: Float[Tensor, "batch dim"], raw_targets: Float[Tensor, "text dim"], batch: Batch
    ) -> Losses:
        """Losses of a batch whose raw embeddings are known."""
        self._refuse_collapse()
        columns = len(raw_targets) - (0 if batch.twins is None else len(batch.twins))
        texts = functional.normalize(raw_targets, dim=-1)
        predicted, targets = functional.normalize(raw_predicted, dim=-1), texts[:columns]
        scale = self.log_scale.exp().clamp(max=self.settings.max_scale)
        seen = Compared(
            predicted=predicted,
            targets=targets,
            raw_predicted=raw_predicted,
            raw_targets=raw_targets[:columns],
            labels=batch.labels,
            keys=batch.keys,
            scale=scale,
            bias=self.bias,
        )
        total = self.choice.compute(seen, self.settings)
        parts: dict[str, Tensor] = {self.settings.loss: total}
        if self.settings.alignment_weight:
            parts["alignment"] = cosine(*seen.unit_pairs)
            total = total + self.settings.alignment_weight * parts["alignment"]
        if self.settings.twin_weight:
            parts["twins"] = told_apart(texts[columns:], targets, batch.twins, scale.detach(), keys=batch.keys)
            total = total + self.settings.twin_weight * parts["twins"]
        if self.settings.keep_weight:
            parts["kept"] = self._moved(targets, batch.targets)
            total = total + self.settings.keep_weight * parts["kept"]
        if self.settings.class_weight:
            if batch.frames.ndim == 5:
                raise SettingsError("objective.class_weight needs an X-Encoder that stays frozen: set it to 0")
            posterior = batch.frames[..., -len(self.class_names) :].mean(1)
            parts["classes"] = towards_classes(predicted, posterior, self.class_names, batch.query_free)
            total = total + self.settings.class_weight * parts["classes"]
        parts["scale"] = scale
        parts["correct"] = _share_correct(predicted, targets, batch.labels, self.settings.rows_at_once)
        parts["spread"] = predicted.std(0).mean() * predicted.shape[-1] ** 0.5
        return Losses(total=total, parts={name: value.detach() for name, value in parts.items()})

    def _moved(self, targets: Float[Tensor, "column dim"], texts: Tokens) -> Float[Tensor, ""]:
        """Mean of 1 - cosine between this rank's first targets and the same texts before training."""
        (before,) = self._before
        some = slice(min(self.settings.keep_texts, len(targets)))
        with torch.no_grad():
            first = functional.normalize(by_length(lambda part: before(part).float(), texts.rows(some)), dim=-1)
        return cosine(targets[some], first)

    def _refuse_collapse(self) -> None:
        learns = any(parameter.requires_grad for parameter in self.model.y_encoder.parameters())
        if learns and not self.choice.spreads:
            raise SettingsError(
                f"loss {self.settings.loss} with a Y-Encoder that learns maps every text to one point: freeze the "
                "Y-Encoder, as in the paper's ablation, or choose a loss that keeps texts apart (info_nce, vicreg ...)"
            )

    @torch.no_grad()
    def refresh_class_names(self, names: Tokens) -> None:
        """Say the classes in the shared space as it is now; the Y-Encoder moves slowly, so now and then is enough."""
        self.class_names.copy_(by_length(self.model.encode_text, names))


@torch.no_grad()
def _share_correct(
    predicted: Float[Tensor, "batch dim"],
    targets: Float[Tensor, "text dim"],
    labels: Int64[Tensor, "batch"],
    rows_at_once: int,
) -> Float[Tensor, ""]:
    """Share of rows whose own target is the nearest of this rank's."""
    nearest = torch.cat([(some @ targets.T).argmax(-1) for some in predicted.split(rows_at_once)])
    return (nearest == labels).float().mean()
