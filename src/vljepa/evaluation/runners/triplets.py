"""Sentences alone: are two of one meaning nearer to each other than both are to a third (paper, 4.7)?"""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.evaluation.backends.protocol import Backend
from vljepa.evaluation.captions import tokens_from_caption
from vljepa.evaluation.metrics import anisotropy, bootstrap_interval, effective_rank, triplet_hits
from vljepa.evaluation.report import Row
from vljepa.evaluation.runners.rows import Measured, mean_row
from vljepa.evaluation.sets.item import Data, Item
from vljepa.evaluation.sets.protocol import TripletProtocol

# Three cosines in no order: the one of the right pair is the largest in a third of the cases.
CHANCE = 1 / 3
RANK_ROWS = 2_000


def measure(backend: Backend, data: Data, settings: TripletProtocol) -> Measured:
    """Accuracy of each part beside counted words, which know no order, and the plain mean of the parts."""
    parts = [_row(backend, [item for item in data.items if item.group == part], settings) for part in _parts(data)]
    mean = mean_row(
        f"mean of {len(parts)} parts",
        parts,
        protocol="plain mean over the parts, as in the paper (which calls it micro)",
    )
    texts = list(dict.fromkeys(sentence for item in data.items for sentence in _sentences(item)))
    embedded = backend.texts([settings.prompt + text for text in texts[:RANK_ROWS]])
    facts = {
        "texts cut": backend.cuts([settings.prompt + text for text in texts]),
        "anisotropy": round(anisotropy(embedded), 4),
        "effective rank": round(effective_rank(embedded), 1),
        "texts of anisotropy and rank": len(embedded),
        "dim": backend.dim,
    }
    return Measured(rows=(mean, *parts), pool=0, facts=facts)


def _parts(data: Data) -> list[str]:
    return list(dict.fromkeys(item.group for item in data.items))


def _sentences(item: Item) -> tuple[str, str, str]:
    """Both that mean the same, and the one that does not."""
    second, wrong = item.candidates
    return item.text, second, wrong


def _row(backend: Backend, items: Sequence[Item], settings: TripletProtocol) -> Row:
    first, second, wrong = (
        [settings.prompt + text for text in texts] for texts in zip(*map(_sentences, items), strict=True)
    )
    hits = triplet_hits(backend.texts(first), backend.texts(second), negative=backend.texts(wrong)).double()
    counted = _counted([*first, *second, *wrong]).split(len(items))
    interval = bootstrap_interval(hits)
    return Row(
        name=items[0].group,
        score=float(hits.mean()),
        num_items=len(items),
        baselines={
            "chance": CHANCE,
            "counted words": float(triplet_hits(counted[0], counted[1], negative=counted[2]).double().mean()),
        },
        protocol="both inequalities, strict; cosine; "
        + (f"prompt {settings.prompt!r}" if settings.prompt else "no prompt"),
        interval=(interval.low, interval.high),
    )


def _counted(texts: Sequence[str]) -> Float[Tensor, "text word"]:
    """How often each word occurs: blind to order, so a swap cannot be seen."""
    counts = [Counter(tokens_from_caption(text)) for text in texts]
    places = {word: place for place, word in enumerate(sorted({word for count in counts for word in count}))}
    rows = torch.zeros(len(texts), len(places))
    for row, count in zip(rows, counts, strict=True):
        row[[places[word] for word in count]] = torch.tensor([float(number) for number in count.values()])
    return rows
