"""Next-token loss: the mean over the tokens of the rows' own texts, whatever else the batch holds."""

import math
from dataclasses import replace

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.models.made_language import speaking, tiny_language

from vljepa.objectives.next_token import NextToken
from vljepa.types import Batch
from vljepa.weights.token_vlm import start_token_vlm


def test_it_is_the_mean_over_tokens_and_wrong_texts_do_not_count() -> None:
    bundle = start_token_vlm(speaking(tiny_bundle()), tiny_language(), layers=(0, 1))
    model = bundle.model
    batch = Batch(
        frames=torch.rand(3, 2, model.settings.x_encoder.frame_width),
        query=bundle.query_tokenizer(["what", "", "what colour"]),
        targets=bundle.text_tokenizer(["a red ball", "cat"]),
        labels=torch.tensor([0, 1, 0]),
        query_free=torch.zeros(3),
    )
    objective = NextToken(model)
    more = bundle.text_tokenizer(["a red ball", "cat", "the dog opens the door and it is a long way to the ball"])
    loss = objective(batch).total.item()
    assert objective(replace(batch, targets=more)).total.item() == pytest.approx(loss, rel=1e-6)
    other = objective(replace(batch, labels=torch.tensor([0, 0, 0]))).total.item()
    assert other != pytest.approx(loss, rel=1e-3)
    texts = [bundle.text_tokenizer.ids(text) for text in ("a red ball", "cat", "a red ball")]
    single = []
    for row in range(3):
        some = slice(row, row + 1)
        alone = replace(
            batch,
            frames=batch.frames[some],
            query=batch.query.rows(some),
            labels=batch.labels[some],
            query_free=batch.query_free[some],
        )
        single.append(objective(alone).total.item())
    weighted = sum(value * len(ids) for value, ids in zip(single, texts, strict=True)) / sum(map(len, texts))
    assert loss == pytest.approx(weighted, rel=1e-5)
    torch.nn.init.zeros_(model.token_table.weight)
    assert objective(batch).total.item() == pytest.approx(math.log(model.settings.vocab), rel=1e-6)
