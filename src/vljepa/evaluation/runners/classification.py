"""Clips and names: which name is nearest to the prediction (paper, 4.1). Anticipation is the same, earlier."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from vljepa.evaluation.backends.protocol import Backend
from vljepa.evaluation.metrics import class_mean_recall, label_ranks
from vljepa.evaluation.runners.rows import Measured, Predicted, Score, once, rows_of, share_leaked
from vljepa.evaluation.runners.seeing import Look, Seen
from vljepa.evaluation.sets.actions import ImageNet, imagenet_templates
from vljepa.evaluation.sets.item import Data, Task
from vljepa.evaluation.sets.protocol import ClassificationProtocol


def looks(data: Data, settings: ClassificationProtocol) -> list[Look]:
    """Every item with the one query."""
    return [Look(media=item.media, start=item.start, end=item.end, query=settings.query) for item in data.items]


def measure(
    backend: Backend, data: Data, settings: ClassificationProtocol, seen: Seen, *, task: Task, root: Path
) -> Measured:
    """Top-1 and top-5 (recognition) or class-mean recall at 5 first (anticipation), for actions and every facet."""
    forms = imagenet_templates(root) if _is_ensemble(settings) else settings.templates()
    sets = {"": (data.labels, tuple(item.label for item in data.items))}
    sets |= {name: (facet.labels, facet.right) for name, facet in data.facets.items()}
    rows, cut = [], 0
    for name, (labels, right) in sets.items():
        texts = list(labels.values())
        cut += backend.cuts(texts)
        keys = {key: place for place, key in enumerate(labels)}
        truth = torch.tensor([keys[key] for key in right])[seen.there]
        scores = _scores(
            _averaged(backend, texts, forms), truth, name=name, labels=labels, settings=settings, task=task
        )
        leak = share_leaked([settings.query] * len(right), [labels[key] for key in right])
        rows += rows_of(scores, seen, leak=leak)
    return Measured(rows=tuple(rows), pool=len(data.labels), facts={"label texts cut": cut, "templates": len(forms)})


def _is_ensemble(settings: ClassificationProtocol) -> bool:
    return isinstance(settings, ImageNet) and settings.prompts == "ensemble"


def _scores(
    embedded: Float[Tensor, "label dim"],
    truth: Int64[Tensor, "item"],
    *,
    name: str,
    labels: Mapping[str, str],
    settings: ClassificationProtocol,
    task: Task,
) -> list[Score]:
    number, kinds = len(labels), int(truth.unique().numel())
    prefix = f"{name}, " if name else ""
    protocol = (
        f"{number} labels ({len(set(labels.values()))} texts), template {settings.template!r}, "
        f"query {settings.query!r}; nearest text"
    )

    found = once(lambda predicted: label_ranks(predicted @ embedded.T, truth))

    def top(k: int) -> Score:
        return Score(
            name=f"{prefix}top-{k}",
            hits=lambda predicted: (found(predicted) <= k).double(),
            chance=min(1.0, k / number),
            protocol=protocol,
        )

    def recall(predicted: Predicted) -> float:
        return class_mean_recall(predicted @ embedded.T, truth, k=min(5, number))

    by_class = Score(
        name=f"{prefix}class-mean recall@5",
        hits=recall,
        chance=min(1.0, 5 / number),
        protocol=f"{protocol}; mean over the {kinds} classes that occur",
    )
    wanted = [top(1), *([top(5)] if number > 5 else [])]
    return [by_class, *wanted] if task == "anticipation" else [*wanted, by_class]


def _averaged(backend: Backend, texts: Sequence[str], forms: Sequence[str]) -> Float[Tensor, "label dim"]:
    """Embeddings of names averaged over the templates, of length one before and after."""
    filled = backend.texts([form.replace("{}", text) for text in texts for form in forms])
    return functional.normalize(filled.unflatten(0, (len(texts), len(forms))).mean(dim=1), dim=-1)
