"""Which clip leads from one state to the other: the pictures as one clip, nearest of the candidates (paper, 4.3)."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vljepa.evaluation.report import Row
from vljepa.evaluation.runners.rows import Measured, Predicted, Score, rows_of
from vljepa.evaluation.runners.seeing import Look, Seen
from vljepa.evaluation.sets.item import Data
from vljepa.evaluation.sets.protocol import WorldProtocol


def looks(data: Data, settings: WorldProtocol) -> list[Look]:
    """The state pairs of all items, then each candidate clip once."""
    clips = dict.fromkeys(clip for item in data.items for clip in item.candidates)
    shown = [item.media for item in data.items] + [(clip,) for clip in clips]
    return [Look(media=media, start=None, end=None, query=settings.query) for media in shown]


def measure(data: Data, settings: WorldProtocol, seen: Seen) -> Measured:
    """Accuracy. Blind and one frame spoil the states; a second row spoils the candidates instead."""
    number = len(data.items)
    clips = list(dict.fromkeys(clip for item in data.items for clip in item.candidates))
    places = {clip: place + number for place, clip in enumerate(clips)}
    usable = [
        item_number
        for item_number, item in enumerate(data.items)
        if bool(seen.there[[item_number, *(places[clip] for clip in item.candidates)]].all())
    ]
    pools = [[places[clip] for clip in data.items[item_number].candidates] for item_number in usable]
    right = [data.items[item_number].candidates.index(data.items[item_number].label) for item_number in usable]
    chance = sum(1 / len(pool) for pool in pools) / max(1, len(pools))
    states = torch.zeros(len(seen.there), dtype=torch.bool)
    states[usable] = True

    def rows_from(name: str, clips_as: Float[Tensor, "look dim"]) -> Row:
        score = Score(
            name=name,
            hits=lambda predicted: _hits(predicted, clips_as, pools, right),
            chance=chance,
            protocol=f"state pair against {len(pools[0])} clips of other recordings, query {settings.query!r}, cosine",
        )
        return rows_of([score], seen, some=states)[0]

    whole, still = seen.embeddings["whole"], seen.embeddings["one frame"]
    rows = (rows_from("the right clip", whole), rows_from("the right clip, one frame of each candidate", still))
    return Measured(rows=rows, pool=len(pools[0]))


def _hits(
    predicted: Predicted, clips: Float[Tensor, "look dim"], pools: Sequence[Sequence[int]], right: Sequence[int]
) -> Bool[Tensor, "item"] | Float[Tensor, "item"]:
    """Whether the right one is strictly the nearest."""
    hits = []
    for row, pool, answer in zip(predicted, pools, right, strict=True):
        cosines = clips[list(pool)] @ row
        hits.append(bool((cosines >= cosines[answer]).sum() == 1))
    return torch.tensor(hits).double()
