"""How cosines become probabilities: the scale and the height of "none of these" that fit validation data best."""

import itertools

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.evaluation.metrics import ranks, same_captions
from vljepa.features import Item
from vljepa.models.vljepa import VLJEPA
from vljepa.training.validate import COMPOSED, Validator
from vljepa.weights.folder import Calibration

SCALES = tuple(float(scale) for scale in np.geomspace(4, 100, 25))
HEIGHTS = tuple(float(height) for height in np.linspace(-0.1, 0.9, 41))
CHOICES = 8
BELIEFS = tuple(float(weight) for weight in np.linspace(0, 2, 21))


def likeliest(cosines: Float[Tensor, "row choice"], right: Float[Tensor, "row"]) -> tuple[float, float]:
    """Scale and height with the smallest cross-entropy; `right` is the number of the right choice, or -1 for none."""
    target = torch.where(right < 0, cosines.shape[1], right).long()

    def loss(scale: float, height: float) -> float:
        logits = torch.cat([cosines, torch.full((len(cosines), 1), height)], dim=1) * scale
        return float(torch.nn.functional.cross_entropy(logits, target))

    return min(itertools.product(SCALES, HEIGHTS), key=lambda pair: loss(*pair))


@torch.inference_mode()
def fit_calibration(model: VLJEPA, validator: Validator) -> Calibration:
    """Half the rows hold the right text among others, half hold only others."""
    items = [item for item in validator.features.items if item.split == validator.split]
    with torch.autocast(validator.device(model).type, dtype=validator.dtype, enabled=validator.dtype != torch.float32):
        pictures = [item for item in items if item.count == 1 and item.corpus not in COMPOSED]
        scale, background = likeliest(*_described(model, validator, pictures))
        asked_scale, asked_background = likeliest(*_asked(model, validator, [item for item in items if item.count > 1]))
    return Calibration(
        scale=round(scale, 3),
        background=round(background, 4),
        asked_scale=round(asked_scale, 3),
        asked_background=round(asked_background, 4),
    )


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


def _described(model: VLJEPA, validator: Validator, items: list[Item]) -> tuple[Tensor, Tensor]:
    texts = [item.label or item.captions[0] for item in items]
    similarity = (validator.predictions(model, items, [""] * len(items)) @ validator.texts(model, texts).T).float()
    random = np.random.default_rng(0)
    rows, right = [], []
    for number in range(len(items)):
        others = [place for place in random.permutation(len(items)) if texts[place] != texts[number]][:CHOICES]
        present = number % 2 == 0
        rows.append(similarity[number, [number, *others[1:]] if present else others])
        right.append(0.0 if present else -1.0)
    return torch.stack(rows), torch.tensor(right)


def _asked(model: VLJEPA, validator: Validator, items: list[Item]) -> tuple[Tensor, Tensor]:
    """Questions with at least four candidates; every other one is shown without its answer."""
    asked = [(item, question) for item in items for question in item.questions if len(question.candidates) >= 4]
    asked = asked[:: max(1, len(asked) // 600)]
    predicted = validator.predictions(model, [item for item, _ in asked], [question.query for _, question in asked])
    rows, right = [], []
    for number, (row, (_, question)) in enumerate(zip(predicted, asked, strict=True)):
        wrong = [text for text in question.candidates if text != question.answer]
        shown = [question.answer, *wrong[:2]] if number % 2 == 0 else wrong[:3]
        rows.append((validator.texts(model, shown) @ row).float())
        right.append(0.0 if number % 2 == 0 else -1.0)
    return torch.stack(rows), torch.tensor(right)
