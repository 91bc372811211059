"""Rows of finetuning: what a corpus's own texts ask of its cached features, and now and then of older data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vljepa.data.asking import AskSettings, can_be_asked, draw_asked
from vljepa.data.collate import Example
from vljepa.features import Features, Item
from vljepa.runtime import own_share


@dataclass(frozen=True, kw_only=True)
class Group:
    """Training items of one feature folder that share a number of frames, so that a batch has one shape."""

    features: Features
    items: Sequence[Item]


def groups_of(features: Features) -> list[Group]:
    """The training items, of which something is known, by number of frames."""
    train = [item for item in features.items if item.split == "train" and can_be_asked(item)]
    counts = sorted({item.count for item in train})
    return [Group(features=features, items=[item for item in train if item.count == count]) for count in counts]


class AskedRows:
    """The rows of each step, a pure function of seed and step. `kept`: older data, in `share` of the steps."""

    def __init__(self, own: list[Group], settings: AskSettings, *, kept: list[Group], share: float) -> None:
        self.own, self.kept, self.share = own, kept, share
        self.settings = settings

    def rows(self, *, count: int, seed: int, step: int) -> list[Example]:
        """At most `count` rows of one shape over all ranks, each from another item; here this rank's share of them."""
        random = np.random.default_rng([seed, step])
        old = bool(self.kept) and random.random() < self.share
        groups = self.kept if old else self.own
        sizes = np.array([len(group.items) for group in groups], dtype=np.float64)
        group = groups[int(random.choice(len(groups), p=sizes / sizes.sum()))]
        chosen = random.choice(len(group.items), size=min(count, len(group.items)), replace=False)
        # All are drawn, or what a row asks would depend on how many ranks there are.
        return [self._row(group, group.items[place], random) for place in chosen][own_share(len(chosen))]

    def _row(self, group: Group, item: Item, random: np.random.Generator) -> Example:
        asked = draw_asked(item, self.settings, random)
        frames = group.features.frames(item, int(random.integers(len(item.views))))
        return Example(frames=frames, query=asked.query, target=asked.target, negatives=asked.negatives, key=item.key)
