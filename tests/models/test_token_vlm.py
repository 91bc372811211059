"""The token VLM: what it says and which candidate it prefers are what its plain forward pass says they are."""

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.models.made_language import speaking, tiny_language

from vljepa.models.token_vlm import TokenVLM, followed
from vljepa.objectives.next_token import next_token
from vljepa.types import Tokens
from vljepa.weights.token_vlm import TokenVLMBundle, start_token_vlm

QUERIES = ("what colour is the ball", "", "what")
TEXTS = ("a red ball", "the dog opens", "cat")


@pytest.fixture
def bundle() -> TokenVLMBundle:
    return start_token_vlm(speaking(tiny_bundle()), tiny_language(), layers=(0, 1, 2))


def visual_of(model: TokenVLM, rows: int) -> torch.Tensor:
    return torch.randn(rows, 5, model.settings.x_encoder.token_width)


def mean_likelihood(model: TokenVLM, visual: torch.Tensor, query: list[int], text: list[int]) -> torch.Tensor:
    """By a forward pass of one row, without padding, cache or packing."""
    words = model.token_table(torch.tensor([query + text]))
    tokens = torch.cat([model.generator.visual_projection(visual[None]), words], dim=1)
    scores = model.generator.layers(tokens)[0] @ model.token_table.weight.T
    ahead = scores[len(visual) + len(query) - 1 : -1].log_softmax(-1)
    return ahead.gather(1, torch.tensor(text)[:, None]).mean()


def test_a_query_and_its_text_are_packed_without_a_gap() -> None:
    query = Tokens(ids=torch.tensor([[1, 2, 9], [3, 9, 9]]), mask=torch.tensor([[1, 1, 0], [1, 0, 0]]).bool())
    text = Tokens(ids=torch.tensor([[4, 9], [5, 6]]), mask=torch.tensor([[1, 0], [1, 1]]).bool())
    ids, said = followed(query, text)
    assert ids.tolist() == [[1, 2, 4], [3, 5, 6]]
    assert said.tolist() == [[False, False, True], [False, True, True]]


@torch.no_grad()
def test_the_loss_and_perplexities_are_those_of_each_row_by_itself(bundle: TokenVLMBundle) -> None:
    model, visual = bundle.model, visual_of(bundle.model, 3)
    query, texts = bundle.query_tokenizer(QUERIES), bundle.text_tokenizer(TEXTS)
    found = model.perplexities(visual, query, texts)
    for row, asked in enumerate(QUERIES):
        for place, text in enumerate(TEXTS):
            own = mean_likelihood(
                model, visual[row], bundle.query_tokenizer.ids(asked), bundle.text_tokenizer.ids(text)
            )
            assert found[row, place].item() == pytest.approx((-own).exp().item(), rel=1e-4)
    scores = model(visual, query, texts).log_softmax(-1).gather(1, texts.ids[texts.mask][:, None])[:, 0]
    by_row = [some.mean() for some in scores.split(texts.mask.sum(1).tolist())]
    torch.testing.assert_close((-torch.stack(by_row)).exp(), found.diagonal(), rtol=1e-4, atol=0)


@torch.no_grad()
def test_what_is_said_is_the_likeliest_next_token_again_and_again(bundle: TokenVLMBundle) -> None:
    model, visual = bundle.model, visual_of(bundle.model, 3)
    said = model.generate(visual, bundle.query_tokenizer(QUERIES), max_tokens=6)
    for row, asked in enumerate(QUERIES):
        ids = bundle.query_tokenizer.ids(asked)
        for word in [*said[row], model.settings.stop][:6]:
            tokens = torch.cat([model.generator.visual_projection(visual[row]), model.token_table(torch.tensor(ids))])
            scores = model.generator.layers(tokens[None])[0, -1] @ model.token_table.weight.T
            assert int(scores.argmax()) == word
            ids = [*ids, word]


def test_it_learns_to_say_and_to_prefer_what_belongs_to_a_clip(bundle: TokenVLMBundle) -> None:
    model, visual = bundle.model, visual_of(bundle.model, 3) / 8
    query, texts = bundle.query_tokenizer([""] * 3), bundle.text_tokenizer(TEXTS)
    optimizer = torch.optim.AdamW(model.generator.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        next_token(model(visual, query, texts), texts.ids[texts.mask]).backward()
        optimizer.step()
    assert [bundle.text_tokenizer.text(ids) for ids in model.generate(visual, query)] == list(TEXTS)
    assert model.perplexities(visual, query, texts).argmin(1).tolist() == [0, 1, 2]
