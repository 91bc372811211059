"""How cosines become probabilities, and which words are unsure: what fits validation data best."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.evaluation.choices import Choice, cases, cosines, evenly
from vljepa.evaluation.metrics import ranks, same_captions
from vljepa.features import Item
from vljepa.models.vljepa import VLJEPA
from vljepa.training.validate import Validator
from vljepa.weights.calibration import Calibration, Pair
from vljepa.weights.folder import Bundle

SCALES = tuple(float(scale) for scale in np.geomspace(4, 100, 25))
HEIGHTS = tuple(float(height) for height in np.linspace(-0.1, 0.9, 41))
BELIEFS = tuple(float(weight) for weight in np.linspace(0, 2, 21))
LINES = tuple(hundredths / 100 for hundredths in range(101))
DECODED = 300
# Of fewer items there is no best tenth.
FEWEST = 10


def likeliest(cosines: Float[Tensor, "row choice"], present: Bool[Tensor, "row"]) -> tuple[float, float]:
    """Scale and height with the smallest cross-entropy; the first choice is right where `present`, else none is."""
    target = torch.where(present, 0, cosines.shape[1])

    def loss(scale: float, height: float) -> float:
        logits = torch.cat([cosines, torch.full((len(cosines), 1), height)], dim=1) * scale
        return float(torch.nn.functional.cross_entropy(logits, target))

    return min(itertools.product(SCALES, HEIGHTS), key=lambda pair: loss(*pair))


@torch.inference_mode()
def fit_calibration(bundle: Bundle, validator: Validator) -> Calibration:
    """Scale and height of pictures and of clips, described and asked, and the line below which words are unsure.

    Half the rows hold the right text among others, half hold only others; `cases` says which belong to a pair. A pair
    to which no item has anything to say stays as it is.
    """
    items = [item for item in validator.features.items if item.split == validator.split]
    mixed = torch.autocast(
        validator.device(bundle.model).type, dtype=validator.dtype, enabled=validator.dtype != torch.float32
    )
    with mixed:
        pairs = {case: _fitted(bundle.model, validator, rows) for case, rows in cases(items).items() if rows}
        return Calibration(**pairs, unsure=_fitted_line(bundle, validator, items))


@torch.inference_mode()
def fit_belief(model: VLJEPA, validator: Validator) -> float:
    """How much of the picture classifier's opinion finds most captions: the mean reciprocal rank over pictures,
    photographs and clips alike, in both directions. Sets no weight, but needs `conse` to know the names."""
    conse = model.predictor.conse
    conse.weight.zero_()
    groups = []
    for items in validator.groups().values():
        captions = [item.captions[0] for item in items]
        answers = validator.predictions(model, items, [""] * len(items)).float()
        opinions = conse.opinion(validator.posterior(model, items)).cpu()
        groups.append((answers, opinions, validator.texts(model, captions).float(), same_captions(captions, captions)))

    def found(weight: float) -> float:
        ranked = []
        for answers, opinions, texts, same in groups:
            similarity = torch.nn.functional.normalize(answers + weight * opinions, dim=-1) @ texts.T
            both = torch.cat([ranks(similarity, same), ranks(similarity.T, same)])
            ranked.append(float((1 / both).mean()))
        return sum(ranked) / len(ranked)

    return max(BELIEFS, key=found)


def _fitted(model: VLJEPA, validator: Validator, choices: Sequence[Choice]) -> Pair:
    """Scale and height for what is shown."""
    predicted = validator.predictions(model, [one.item for one in choices], [one.query for one in choices])
    rows = cosines(choices, predicted, lambda texts: validator.texts(model, texts))
    scale, height = likeliest(rows, torch.tensor([one.present for one in choices]))
    return Pair(scale=round(scale, 3), background=round(height, 4))


def _fitted_line(bundle: Bundle, validator: Validator, items: Sequence[Item]) -> float | None:
    """The line for DECODED items, evenly over sources. A caption is right where it finds its own item.

    Among the items of the same source, since elsewhere the manner alone (drawn, simulated) would find it; in the best
    tenth, since many items of a source differ in little, and another wording of the same is no mistake.
    """
    embedder = Embedder(bundle, device=validator.device(bundle.model))
    sources: dict[str, list[Item]] = {}
    for item in items:
        if item.captions:
            sources.setdefault(item.corpus, []).append(item)
    fidelities: list[float] = []
    right = [torch.zeros(0, dtype=torch.bool)]
    for some in evenly([found for found in sources.values() if len(found) >= FEWEST], DECODED):
        predicted = validator.predictions(bundle.model, some, [""] * len(some))
        said = embedder.decode(predicted)
        fidelities += embedder.fidelity(predicted, said)
        captions = list(dict.fromkeys(caption for item in some for caption in item.captions))
        similarity = embedder.texts(said, cut=True) @ embedder.texts(captions, cut=True).T
        told = torch.tensor([[caption in item.captions for caption in captions] for item in some])
        right.append(finds_its_own(similarity.float().cpu(), told))
    return parting_line(torch.tensor(fidelities), torch.cat(right))


def finds_its_own(
    similarity: Float[Tensor, "item caption"], told: Bool[Tensor, "item caption"]
) -> Bool[Tensor, "item"]:
    """Whether the words said of each item find it, or one that is told alike, among the best tenth of all items.

    `similarity`: of what was said with all captions; `told`: which captions are the items' own. An item is found by the
    nearest of its captions, so that those with many wordings are not found more easily than by their number alone.
    """
    nearest = torch.stack([similarity[:, own].amax(1) for own in told], dim=1)
    alike = (told.float() @ told.float().T) > 0
    return ranks(nearest, alike) <= len(told) / FEWEST


def parting_line(fidelities: Float[Tensor, "item"], right: Bool[Tensor, "item"]) -> float | None:
    """The fidelity that tells right from wrong with the best balanced accuracy, in hundredths; the middle of equals.

    None where all are right, all are wrong, or no line tells them apart.
    """
    if not bool(right.any()) or bool(right.all()):
        return None

    def balanced(line: float) -> float:
        sure = (fidelities >= line).double()
        return float(sure[right].mean() + 1 - sure[~right].mean()) / 2

    accuracies = [balanced(line) for line in LINES]
    best = [line for line, accuracy in zip(LINES, accuracies, strict=True) if accuracy == max(accuracies)]
    return best[len(best) // 2] if max(accuracies) > 0.5 else None
