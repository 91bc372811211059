"""Rows of `evaluate small`: what is seen whole, blind, in one frame and shuffled is what their names say."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.held_out import HeldOut
from vljepa.evaluation.benchmarks.small_rows import action_rows
from vljepa.features import Features, Item
from vljepa.types import Question

UP, DOWN = "getting up", "lying down"
FRAMES = 8


class Seer(HeldOut):
    """Sees nothing but whether the first number of a clip's frames rises; a clip that stands still falls."""

    def frames(self, item: Item) -> Tensor:
        width = self.embedder.bundle.model.x_encoder.settings.frame_width
        frames = torch.zeros(FRAMES, width)
        frames[:, 0] = torch.arange(FRAMES) * (1.0 if item.label == UP else -1.0)
        return frames

    def predict(self, frames: Sequence[Tensor], queries: Sequence[str]) -> Tensor:
        assert all(queries)
        return torch.stack([self.texts([UP if some[-1, 0] > some[0, 0] else DOWN])[0].clone() for some in frames])

    def texts(self, texts: Sequence[str]) -> Tensor:
        known = {UP: 0, DOWN: 1, "dancing": 2}
        return torch.stack([torch.eye(3)[known[text]] for text in texts])


def item(number: int, label: str, split: str = "test") -> Item:
    asked = Question(query="does the person get up or lie down?", answer=label, candidates=(UP, DOWN), kind="pair")
    return Item(
        key=f"people-{number}",
        shard="people-000",
        views=(0,),
        count=FRAMES,
        captions=(label,),
        negatives=(),
        questions=(asked,) if label != "dancing" else (),
        label=label,
        concept=f"people-{number}",
        split=split,
        source="people",
        picture=False,
    )


@pytest.fixture
def seer(tiny_embedder: Embedder) -> Seer:
    items = [item(number, UP if number % 4 else DOWN) for number in range(8)] + [item(9, "dancing", split="train")]
    features = Features.__new__(Features)  # items without a folder: frames are made above
    features.items = items
    return Seer(embedder=tiny_embedder, features=features)


def test_order_is_what_a_frame_alone_and_a_shuffle_do_not_tell(seer: Seer) -> None:
    named, pair = action_rows(seer)
    assert named.name == "actions of people, top-1" and pair.name == "questions about people: pair"
    for row in (named, pair):
        assert row.score == 1.0 and row.num_items == 8
        # What stands still counts as lying down, which two of eight clips show.
        assert row.baselines["blind"] == row.baselines["one frame"] == 0.25
        assert row.baselines["shuffled"] < 1.0


def test_a_name_is_chosen_among_all_that_the_source_knows_training_included(seer: Seer) -> None:
    named, pair = action_rows(seer)
    assert named.baselines["chance"] == pytest.approx(1 / 3) and "named among 3" in named.protocol
    assert named.baselines["the most frequent"] == 0.75
    assert pair.baselines["chance"] == 0.5


def test_clips_without_names_are_asked_alone(seer: Seer) -> None:
    seer.features.items = [replace(one, label="") for one in seer.features.items if one.split == "test"]
    assert [row.name for row in action_rows(seer)] == ["questions about people: pair"]


def test_sources_that_a_corpus_lacks_have_no_rows(seer: Seer) -> None:
    assert not any("robot" in row.name for row in action_rows(seer))
