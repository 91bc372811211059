"""The Predictor: query after visual tokens, every position sees every other, padding changes nothing."""

from dataclasses import replace

import pytest
import torch

from vljepa.models.llama import Cache, Llama, Llama3Scaling, LlamaSettings
from vljepa.models.predictor import Predictor, masked_mean
from vljepa.models.sizes import tiny
from vljepa.weights.convert import load_exactly

SETTINGS = tiny().predictor
# With all that Llama 3 and Qwen3 have beside a plain Llama.
WHOLE = replace(SETTINGS.llama, head_width=16, rope_scaling=Llama3Scaling(factor=8.0, positions=4), query_key_norm=True)
KINDS = pytest.mark.parametrize("llama", [SETTINGS.llama, WHOLE], ids=["plain", "whole"])


def inputs(words: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    visual = torch.randn(2, 4, SETTINGS.visual_width)
    query = torch.randn(2, words, SETTINGS.llama.hidden)
    return visual, query, torch.ones(2, words, dtype=torch.bool)


@KINDS
def test_padding_changes_nothing(llama: LlamaSettings) -> None:
    predictor = Predictor(replace(SETTINGS, llama=llama)).eval()
    visual, query, mask = inputs()
    padded = torch.cat([query, torch.randn(2, 5, SETTINGS.llama.hidden)], dim=1)
    longer = torch.cat([mask, torch.zeros(2, 5, dtype=torch.bool)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(
            predictor(visual, padded, longer), predictor(visual, query, mask), atol=1e-6, rtol=1e-5
        )


@KINDS
def test_visual_positions_see_the_last_query_token(llama: LlamaSettings) -> None:
    stack = Llama(llama, causal=False).eval()
    tokens = torch.randn(1, 6, SETTINGS.llama.hidden)
    changed = tokens.clone()
    changed[:, -1] += 1.0
    with torch.no_grad():
        first, second = (stack(x)[:, 0] for x in (tokens, changed))
    assert (first - second).abs().max() > 1e-4


def test_the_decoders_stack_is_causal() -> None:
    stack = Llama(SETTINGS.llama, causal=True).eval()
    tokens = torch.randn(1, 6, SETTINGS.llama.hidden)
    changed = tokens.clone()
    changed[:, -1] += 1.0
    with torch.no_grad():
        first, second = (stack(x)[:, :-1] for x in (tokens, changed))
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("causal", [True, False])
def test_more_tokens_than_positions_are_refused(causal: bool) -> None:
    stack = Llama(replace(SETTINGS.llama, max_positions=5), causal=causal).eval()
    stack(torch.randn(1, 5, SETTINGS.llama.hidden))
    with pytest.raises(ValueError, match="6 tokens are more than the 5 positions"):
        stack(torch.randn(1, 6, SETTINGS.llama.hidden))


def test_the_prediction_depends_on_picture_query_and_order() -> None:
    predictor = Predictor(SETTINGS).eval()
    visual, query, mask = inputs()
    with torch.no_grad():
        plain = predictor(visual, query, mask)
        for other in (
            predictor(visual + 1.0, query, mask),
            predictor(visual, query + 1.0, mask),
            predictor(visual.flip(1), query, mask),
        ):
            assert (plain - other).abs().max() > 1e-5


def test_a_stack_equals_transformers_own_llama() -> None:
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    theirs = LlamaModel(
        LlamaConfig(
            vocab_size=11,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=8192,
            rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        )
    ).eval()
    for name, parameter in theirs.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.2)  # each norm and each angle shall count
    weights = theirs.state_dict()
    weights.pop("embed_tokens.weight")
    ours = Llama(SETTINGS.llama, causal=True).eval()
    load_exactly(ours, weights, name="theirs")
    tokens = torch.randn(2, 7, 32)
    real = torch.arange(7)[None] < torch.tensor([[7], [4]])
    cache = Cache()
    with torch.no_grad():
        expected = theirs(inputs_embeds=tokens, use_cache=False).last_hidden_state
        torch.testing.assert_close(ours(tokens), expected, atol=1e-5, rtol=1e-5)
        stepwise = torch.cat([ours(some, cache=cache) for some in tokens.split([3, 1, 1, 2], dim=1)], dim=1)
        torch.testing.assert_close(stepwise, expected, atol=1e-5, rtol=1e-5)
        padded = theirs(inputs_embeds=tokens, attention_mask=real.long(), use_cache=False).last_hidden_state
        torch.testing.assert_close(ours(tokens, real=real)[real], padded[real], atol=1e-5, rtol=1e-5)


def test_the_query_projection_starts_as_identity() -> None:
    predictor = Predictor(SETTINGS)
    query = torch.randn(2, 3, SETTINGS.llama.hidden)
    torch.testing.assert_close(predictor.query_projection(query), query)


def test_masked_mean_leaves_padding_out() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [100.0]]])
    mean = masked_mean(hidden, torch.tensor([[True, True, False]]))
    assert mean.item() == 2.0


def test_choices_of_experiments_change_what_they_name_alone() -> None:
    visual, query, mask = inputs()
    torch.manual_seed(0)
    plain = Predictor(SETTINGS).eval()
    made = {}
    for name, choice in (
        ("causal", {"causal": True}),
        ("query", {"read_out": "query"}),
        ("bare", {"query_projection": False}),
    ):
        made[name] = Predictor(replace(SETTINGS, **choice)).eval()
        left = made[name].load_state_dict(plain.state_dict(), strict=False)
        assert not left.missing_keys
    with torch.no_grad():
        usual = plain(visual, query, mask)
        # The query's projection begins as the identity: without it nothing is different yet.
        torch.testing.assert_close(made["bare"](visual, query, mask), usual)
        assert all((made[name](visual, query, mask) - usual).abs().max() > 1e-3 for name in ("causal", "query"))
        # What is read of the query's tokens alone: a change behind the causal mask does not reach the visual ones.
        hidden = made["causal"].layers(torch.cat([plain.visual_projection(visual), query], dim=1))
        changed = made["causal"].layers(torch.cat([plain.visual_projection(visual), query + 1], dim=1))
    torch.testing.assert_close(hidden[:, :4], changed[:, :4])
