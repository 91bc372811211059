"""Predictions of held-out items: many at once, each what it would be alone, nothing asked twice."""

import pytest
import torch

from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.held_out import predicted


def test_rows_are_what_they_would_be_alone_and_alike_ones_are_asked_once(
    tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    width = tiny_embedder.bundle.model.x_encoder.settings.frame_width
    short, long = torch.rand(2, width), torch.rand(3, width)
    frames = [short, long, short, long, short, torch.rand(2, width)]
    queries = ["", "what is it?", "", "which colour is the ball on the left?", "what is it?", "what is it?"]
    alone = torch.cat([predicted(tiny_embedder, [some], [query]) for some, query in zip(frames, queries, strict=True)])
    asked: list[int] = []
    each = tiny_embedder.predict_each

    def counted(visual: torch.Tensor, some: list[str]) -> torch.Tensor:
        asked.append(len(some))
        return each(visual, some)

    monkeypatch.setattr(tiny_embedder, "predict_each", counted)
    torch.testing.assert_close(predicted(tiny_embedder, frames, queries), alone)
    assert asked == [1, 1, 1, 2]
    assert len(alone.unique(dim=0)) == 5


def test_other_queries_of_as_many_words_are_others(tiny_embedder: Embedder) -> None:
    queries = ["what is it?", "what is on?"]
    first, second = (len(tiny_embedder.bundle.query_tokenizer.ids(query)) for query in queries)
    assert first == second
    frames = [torch.rand(2, tiny_embedder.bundle.model.x_encoder.settings.frame_width)] * 2
    alone = torch.cat([predicted(tiny_embedder, frames[:1], [query]) for query in queries])
    torch.testing.assert_close(predicted(tiny_embedder, frames, queries), alone)
    assert not torch.allclose(alone[0], alone[1])
