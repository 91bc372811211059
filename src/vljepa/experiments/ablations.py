"""The groups of the paper's Table 7 and ours: each varies one thing of the same cell; what the paper printed beside it.

The paper's rows: SFT-stage data, 10,000 steps of 512 rows, constant rate; classification is the mean top-1 of its 8
sets, retrieval the mean R@1 of 8, VQA the mean of CLEVR, GQA and both parts of TallyQA. Other data and scores than
ours: what can be compared is which way a change goes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from vljepa.experiments.settings import Cell, DecoderSettings
from vljepa.objectives.menu import LossName

Printed = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`change` makes the cell from the group's default; `paper`: classification, retrieval, VQA in percent."""

    name: str
    change: Callable[[Cell], Cell]
    paper: Printed | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """The first variant is what the others are compared with; `letter`: the paper's group, empty for ours."""

    about: str
    letter: str
    variants: tuple[Variant, ...]


def _same(cell: Cell) -> Cell:
    return cell


def _y_rate(factor: float) -> Callable[[Cell], Cell]:
    return lambda cell: replace(cell, y_encoder="full", optim=replace(cell.optim, y_encoder_factor=factor))


def _loss(name: LossName) -> Callable[[Cell], Cell]:
    return lambda cell: replace(cell, y_encoder="frozen", objective=replace(cell.objective, loss=name))


def _predictor(**choices: Any) -> Callable[[Cell], Cell]:
    return lambda cell: replace(cell, predictor=replace(cell.predictor, **choices))


def _objective(**choices: Any) -> Callable[[Cell], Cell]:
    return lambda cell: replace(cell, objective=replace(cell.objective, **choices))


def _y_weights(name: Literal["published", "shipped", "random"]) -> Callable[[Cell], Cell]:
    return lambda cell: replace(cell, y_encoder="head", y_weights=name)


def _conditioned(share: float) -> Callable[[Cell], Cell]:
    def change(cell: Cell) -> Cell:
        own = replace(cell.decoder or DecoderSettings(), predicted=share)
        return replace(cell, y_encoder="frozen", own_decoder=own)

    return change


GROUPS: Mapping[str, Group] = {
    "pretraining": Group(
        about="as many steps on captions alone first",
        letter="a",
        variants=(
            Variant(name="without", change=_same, paper=(27.3, 30.2, 42.5)),
            Variant(name="with", change=lambda cell: replace(cell, before=cell.steps), paper=(49.0, 47.5, 46.1)),
        ),
    ),
    "y-encoder-rate": Group(
        about="the Y-Encoder's rate as a share of the Predictor's; 0: its head alone learns",
        letter="b",
        variants=(
            Variant(name="0.05", change=_y_rate(0.05), paper=(27.3, 30.2, 42.5)),
            Variant(name="1", change=_y_rate(1.0), paper=(23.7, 28.8, 40.7)),
            Variant(name="0.1", change=_y_rate(0.1), paper=(26.9, 30.2, 42.9)),
            Variant(name="0.01", change=_y_rate(0.01), paper=(25.6, 27.7, 41.0)),
            Variant(name="0", change=_y_weights("published"), paper=(20.0, 25.9, 41.4)),
        ),
    ),
    "loss": Group(
        about="onto a frozen Y-Encoder",
        letter="c",
        variants=(
            Variant(name="InfoNCE", change=_loss("info_nce"), paper=(23.3, 30.3, 44.3)),
            Variant(name="cosine", change=_loss("cosine"), paper=(16.5, 20.2, 46.6)),
            Variant(name="L1", change=_loss("l1"), paper=(14.8, 15.5, 41.9)),
            Variant(name="L2", change=_loss("l2"), paper=(13.5, 11.7, 43.7)),
        ),
    ),
    "predictor": Group(
        about="layers, what they begin as, and the causal mask",
        letter="d",
        variants=(
            Variant(name="last half", change=_same, paper=(27.3, 30.2, 42.5)),
            Variant(name="first eighth", change=_predictor(first=1 / 8), paper=(24.3, 27.8, 40.1)),
            Variant(name="first quarter", change=_predictor(first=1 / 4), paper=(25.1, 28.9, 43.6)),
            Variant(name="first half", change=_predictor(first=1 / 2), paper=(27.2, 29.3, 43.4)),
            Variant(name="all", change=_predictor(first=1.0), paper=(27.4, 31.0, 45.5)),
            Variant(name="causal mask", change=_predictor(causal=True), paper=(26.7, 31.2, 40.6)),
            Variant(name="random at the start", change=_predictor(random=True), paper=(28.1, 30.4, 40.6)),
        ),
    ),
    "y-encoder": Group(
        about="frozen, with a head that learns; the paper prints others: EmbeddingGemma 19.5 / 24.1 / 42.5, "
        "Qwen3-Embedding-0.6B 24.5 / 24.5 / 41.5, PE-core-B 29.4 / 34.5 / 35.9",
        letter="e",
        variants=(
            Variant(name="all-MiniLM-L6-v2", change=_y_weights("published")),
            Variant(name="the same, aligned with pictures (the shipped model's)", change=_y_weights("shipped")),
            Variant(name="the same, random", change=_y_weights("random")),
        ),
    ),
    "query-projection": Group(
        about="the linear layer on the query's side",
        letter="",
        variants=(
            Variant(name="with", change=_same),
            Variant(name="without", change=_predictor(query_projection=False)),
        ),
    ),
    "read-out": Group(
        about="what the Predictor's mean is over",
        letter="",
        variants=(
            Variant(name="all tokens", change=_same),
            Variant(name="query tokens", change=_predictor(read_out="query")),
        ),
    ),
    "alignment": Group(
        about="weight of 1 - cosine of each pair beside InfoNCE",
        letter="",
        variants=(
            Variant(name="0", change=_same),
            Variant(name="0.5", change=_objective(alignment_weight=0.5)),
            Variant(name="2", change=_objective(alignment_weight=2.0)),
        ),
    ),
    "target-space": Group(
        about="a frozen target space, stretched along opposites such as left and right by a factor",
        letter="",
        variants=(
            Variant(name="1", change=lambda cell: replace(cell, y_encoder="frozen")),
            Variant(name="4", change=lambda cell: replace(cell, y_encoder="frozen", stretch=4.0)),
        ),
    ),
    "temperature": Group(
        about="of InfoNCE",
        letter="",
        variants=(
            Variant(name="learned from 0.07", change=_same),
            Variant(name="0.07", change=_objective(learn_temperature=False)),
            Variant(name="0.02", change=_objective(learn_temperature=False, temperature=0.02)),
            Variant(name="0.2", change=_objective(learn_temperature=False, temperature=0.2)),
        ),
    ),
    "decoder": Group(
        about="what the Y-Decoder learns to say: target embeddings or what the Predictor says of training clips",
        letter="",
        variants=(
            Variant(name="target", change=_conditioned(0.0)),
            Variant(name="both in turn", change=_conditioned(0.5)),
            Variant(name="predicted", change=_conditioned(1.0)),
        ),
    ),
}
