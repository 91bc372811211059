"""The shared space begins with quieter loud directions and without what all texts have in common."""

import copy

import pytest
import torch
from tests.conftest import tiny_bundle

from vljepa.recipes.shared_space import carry_over, centre, whiten

LETTERS = "abcdefgh"
TEXTS = [f"{one} {two} {three}" for one in LETTERS for two in LETTERS for three in LETTERS[:4]]


@torch.no_grad()
@pytest.mark.parametrize("power", [0.0, 0.25, 0.5])
def test_each_direction_is_multiplied_by_its_variance_to_the_power(power: float) -> None:
    bundle = tiny_bundle()
    model, tokenizer = bundle.model, bundle.target_tokenizer
    pooled = model.y_encoder.pooled(tokenizer(TEXTS))
    torch.nn.init.eye_(model.y_encoder.head.weight)
    before = model.y_encoder.head.weight.clone()
    variances, directions = torch.linalg.eigh(pooled.T.cov())
    whiten(model, tokenizer, TEXTS, power=power)
    loud = variances / variances.mean() > 1e-2
    expected = before @ directions * (variances / variances.mean()) ** -power
    torch.testing.assert_close(
        (model.y_encoder.head.weight @ directions)[:, loud], expected[:, loud], atol=1e-3, rtol=1e-3
    )
    assert loud.sum() > 3


@torch.no_grad()
def test_texts_lie_around_the_middle_afterwards() -> None:
    bundle = tiny_bundle()
    model, tokenizer = bundle.model, bundle.target_tokenizer
    centre(model, tokenizer, TEXTS)
    torch.testing.assert_close(model.encode_text_raw(tokenizer(TEXTS)).mean(0), torch.zeros(16), atol=1e-4, rtol=0)


def test_too_few_texts_are_refused() -> None:
    bundle = tiny_bundle()
    with pytest.raises(ValueError, match="span no space of 24 dimensions"):
        whiten(bundle.model, bundle.target_tokenizer, TEXTS[:24], power=0.25)


@torch.no_grad()
def test_what_was_trained_is_turned_to_the_new_space() -> None:
    bundle = tiny_bundle()
    model, tokenizer = bundle.model, bundle.target_tokenizer
    before = copy.deepcopy(model.y_encoder)
    old = torch.nn.functional.normalize(model.encode_text_raw(tokenizer(TEXTS)), dim=-1)
    head = model.predictor.head
    states = torch.linalg.lstsq(head.weight, (old - head.bias).T).solution.T  # of which it says what the texts mean
    heard = model.y_decoder.prefix(old)
    turn = torch.linalg.qr(torch.randn(16, 16))[0]
    model.y_encoder.head.weight.copy_(turn @ model.y_encoder.head.weight)
    model.y_encoder.head.bias.copy_(turn @ model.y_encoder.head.bias)
    alike = carry_over(model, before, tokenizer, TEXTS)
    assert alike > 0.99
    new = torch.nn.functional.normalize(model.encode_text_raw(tokenizer(TEXTS)), dim=-1)
    assert torch.nn.functional.cosine_similarity(old, new).mean() < 0.9
    assert torch.nn.functional.cosine_similarity(head(states), new).mean() > 0.99
    assert torch.nn.functional.cosine_similarity(model.y_decoder.prefix(new), heard, dim=-1).mean() > 0.95


def test_too_few_texts_carry_nothing_over() -> None:
    model = tiny_bundle().model
    with pytest.raises(ValueError, match="span no space of 16 dimensions"):
        carry_over(model, model.y_encoder, tiny_bundle().target_tokenizer, TEXTS[:16])
