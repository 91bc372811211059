"""Questions answered by choosing among texts (paper, 4.3)."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vljepa.evaluation.backends.protocol import Backend
from vljepa.evaluation.metrics import label_ranks, yes_or_no
from vljepa.evaluation.report import Row
from vljepa.evaluation.runners.rows import Measured, Predicted, Score, mean_row, rows_of, share_leaked
from vljepa.evaluation.runners.seeing import Look, Seen
from vljepa.evaluation.sets.item import Data
from vljepa.evaluation.sets.protocol import VqaProtocol


def looks(data: Data, settings: VqaProtocol) -> list[Look]:
    """Each question with its picture."""
    return [
        Look(media=item.media, start=item.start, end=item.end, query=settings.query.replace("{}", item.text))
        for item in data.items
    ]


def measure(backend: Backend, data: Data, settings: VqaProtocol, seen: Seen) -> Measured:
    """Accuracy over all, each group and pairs; for yes and no also how often it says yes, precision, recall, F1."""
    labels = list(data.labels)
    embedded = backend.texts(list(data.labels.values()))
    truth = torch.tensor([labels.index(item.label) for item in data.items])
    protocol = f"{len(labels)} answers to choose among, question as {settings.query!r}; a tie is lost"

    def rows_for(name: str, some: Bool[Tensor, "look"]) -> list[Row]:
        chosen = some & seen.there
        scores = _scores(embedded, truth[chosen], labels, name=name, protocol=protocol)
        return rows_of(scores, seen, some=some, leak=_leaked(data, settings, chosen))

    everything = torch.ones(len(data.items), dtype=torch.bool)
    rows = rows_for("accuracy", everything)
    groups = sorted({item.group for item in data.items if item.group})
    parts = []
    for group in groups:
        some = torch.tensor([item.group == group for item in data.items])
        if bool((some & seen.there).any()):
            parts.append(rows_for(f"accuracy, {group}", some)[0])
    if len(parts) > 1:
        rows.append(mean_row(f"mean of {len(parts)} parts", parts, protocol=f"plain mean over {', '.join(groups)}"))
    pairs = _pairs(data, seen)
    if pairs:
        score = _pair_score(embedded, truth[seen.there], pairs, protocol=protocol)
        rows += rows_of([score], seen, leak=_leaked(data, settings, seen.there))
    return Measured(rows=(*rows, *parts), pool=len(labels))


def _leaked(data: Data, settings: VqaProtocol, chosen: Bool[Tensor, "look"]) -> float:
    """The share of these questions that hold their answer."""
    items = [data.items[number] for number in torch.nonzero(chosen).flatten().tolist()]
    queries = [look.query for look in looks(replace(data, items=tuple(items)), settings)]
    return share_leaked(queries, [data.labels[item.label] for item in items])


def _scores(
    embedded: Float[Tensor, "label dim"], truth: Int64[Tensor, "item"], labels: list[str], *, name: str, protocol: str
) -> list[Score]:
    scores = [
        Score(
            name=name,
            hits=lambda predicted: (label_ranks(predicted @ embedded.T, truth) == 1).double(),
            chance=1 / len(labels),
            protocol=protocol,
        )
    ]
    if set(labels) == {"yes", "no"}:
        yes = labels.index("yes")
        share = float((truth == yes).double().mean())

        def told(field: str) -> Callable[[Predicted], float]:
            return lambda rows: float(getattr(yes_or_no((rows @ embedded.T).argmax(-1) == yes, truth == yes), field))

        chances = {"says_yes": 0.5, "precision": share, "recall": 0.5, "f1": 2 * share * 0.5 / (share + 0.5)}
        scores += [
            Score(
                name=f"{name}, {field.replace('_', ' ')}",
                hits=told(field),
                chance=chance,
                protocol=f"{share:.1%} of the questions are to be answered with yes",
            )
            for field, chance in chances.items()
        ]
    return scores


def _pairs(data: Data, seen: Seen) -> list[list[int]]:
    """Places, among the items that were seen, of those that belong together."""
    found: dict[str, list[int]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    place = 0
    for item, there in zip(data.items, seen.there.tolist(), strict=True):
        if item.pair:
            sizes[item.pair] += 1
        if there and item.pair:
            found[item.pair].append(place)
        place += there
    return [places for pair, places in found.items() if len(places) == sizes[pair]]


def _pair_score(
    embedded: Float[Tensor, "label dim"], truth: Int64[Tensor, "item"], pairs: list[list[int]], *, protocol: str
) -> Score:
    def both(predicted: Predicted) -> Tensor:
        right = label_ranks(predicted @ embedded.T, truth) == 1
        return torch.stack([right[places].all() for places in pairs]).double()

    chance = sum((1 / len(embedded)) ** len(places) for places in pairs) / len(pairs)
    return Score(
        name="accuracy of pairs", hits=both, chance=chance, protocol=f"{protocol}; all of a pair must be right"
    )
