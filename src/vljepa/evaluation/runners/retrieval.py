"""Text to video and back: the pool is all media, identical captions are merged (paper, 4.2)."""

from collections import defaultdict

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vljepa.evaluation.backends.protocol import Backend
from vljepa.evaluation.metrics import (
    dual_softmax,
    mean_rank,
    median_rank,
    ndcg_at_k,
    ranks,
)
from vljepa.evaluation.runners.rows import Measured, Predicted, Score, once, rows_of, share_leaked
from vljepa.evaluation.runners.seeing import Look, Seen
from vljepa.evaluation.sets.item import Data, Item
from vljepa.evaluation.sets.protocol import RetrievalProtocol


def looks(data: Data, settings: RetrievalProtocol) -> list[Look]:
    """Each distinct medium once, asked for its description."""
    pool = dict.fromkeys(_place(item) for item in data.items)
    return [Look(media=media, start=start, end=end, query=settings.query) for media, start, end in pool]


Place = tuple[tuple[str, ...], float | None, float | None]


def _place(item: Item) -> Place:
    return item.media, item.start, item.end


def measure(backend: Backend, data: Data, settings: RetrievalProtocol, seen: Seen) -> Measured:
    """Recall, ranks and nDCG of texts that look for videos, recall the other way, and the dual softmax by its name."""
    all_places = list(dict.fromkeys(_place(item) for item in data.items))
    pool = [place for place, there in zip(all_places, seen.there.tolist(), strict=True) if there]
    items = [item for item in data.items if _place(item) in set(pool)]
    texts = [item.text for item in items]
    embedded = backend.texts(texts)
    right = _right(items, pool)
    scores = [*_to_video(embedded, right, settings), *_to_text(embedded, right, settings)]
    leak = share_leaked([settings.query] * len(texts), texts)
    return Measured(
        rows=tuple(rows_of(scores, seen, leak=leak)),
        pool=len(pool),
        facts={"texts": len(texts), "texts cut": backend.cuts(texts)},
    )


def _right(items: list[Item], pool: list[Place]) -> Bool[Tensor, "text video"]:
    """A video is right for all texts that are said of it, word for word, whichever video they were written for."""
    places = {place: number for number, place in enumerate(pool)}
    said_of: dict[str, list[int]] = defaultdict(list)
    for item in items:
        said_of[item.text].append(places[_place(item)])
    right = torch.zeros(len(items), len(pool), dtype=torch.bool)
    for row, item in zip(right, items, strict=True):
        row[said_of[item.text]] = True
    return right


def _to_video(
    embedded: Float[Tensor, "text dim"], right: Bool[Tensor, "text video"], settings: RetrievalProtocol
) -> list[Score]:
    share = right.double().mean(dim=1)
    number = right.shape[1]
    protocol = f"{len(right)} texts look for {number} videos, query {settings.query!r}, cosine"

    found = once(lambda predicted: ranks(embedded @ predicted.T, right))

    def recall(k: int) -> Score:
        chance = float((1 - (1 - share) ** k).mean())
        return Score(
            name=f"text to video, R@{k}",
            hits=lambda predicted: (found(predicted) <= k).double(),
            chance=chance,
            protocol=protocol,
        )

    def transductive(predicted: Predicted) -> Tensor:
        return (ranks(dual_softmax(embedded @ predicted.T), right) <= 1).double()

    one = float(share.mean())
    return [
        *(recall(k) for k in (1, 5, 10)),
        Score(
            name="text to video, R@1 after dual softmax",
            hits=transductive,
            chance=one,
            protocol=f"{protocol}; reweighted by all queries of the test set (transductive, no plain ranking)",
        ),
        Score(
            name="text to video, nDCG@10",
            hits=lambda predicted: ndcg_at_k(embedded @ predicted.T, right.float(), 10),
            chance=0.0,
            protocol=protocol,
        ),
        Score(
            name="text to video, median rank",
            hits=lambda predicted: median_rank(found(predicted)),
            chance=number / 2,
            protocol=protocol,
            unit="rank",
        ),
        Score(
            name="text to video, mean rank",
            hits=lambda predicted: mean_rank(found(predicted)),
            chance=(number + 1) / 2,
            protocol=protocol,
            unit="rank",
        ),
    ]


def _to_text(
    embedded: Float[Tensor, "text dim"], right: Bool[Tensor, "text video"], settings: RetrievalProtocol
) -> list[Score]:
    return [
        Score(
            name="video to text, R@1",
            hits=lambda predicted: (ranks(predicted @ embedded.T, right.T) <= 1).double(),
            chance=float(right.T.double().mean()),
            protocol=f"{right.shape[1]} videos look for {len(right)} texts, query {settings.query!r}, cosine",
        )
    ]
