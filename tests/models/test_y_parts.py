"""Y-Encoder and Y-Decoder: padding changes nothing, cached generation equals the plain forward."""

from itertools import product

import pytest
import torch

from vljepa.models.sizes import tiny
from vljepa.models.vljepa import VLJEPA
from vljepa.models.y_decoder import _without_repeats
from vljepa.types import Tokens
from vljepa.weights.convert import WeightsError
from vljepa.weights.keys import BERT
from vljepa.weights.tables import fill


def model() -> VLJEPA:
    torch.manual_seed(0)
    made = VLJEPA(tiny()).eval()
    torch.nn.init.normal_(made.token_table.weight)
    torch.nn.init.normal_(made.y_decoder.prefix_projection.weight)
    return made


def tokens(*rows: list[int]) -> Tokens:
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return Tokens(ids=ids, mask=torch.tensor([[k < len(row) for k in range(width)] for row in rows]))


def test_padding_does_not_change_a_text() -> None:
    made = model()
    with torch.no_grad():
        both = made.encode_text(tokens([5, 6, 7, 8, 9], [5, 6]))
        alone = made.encode_text(tokens([5, 6]))
    torch.testing.assert_close(both[1:], alone, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(both.norm(dim=-1), torch.ones(2))


def test_the_body_equals_transformers_own_bert() -> None:
    from transformers import BertConfig, BertModel

    theirs = BertModel(
        BertConfig(
            vocab_size=300,
            hidden_size=24,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
        )
    ).eval()
    for name, parameter in theirs.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("LayerNorm.weight" in name), std=0.2)
    encoder = model().y_encoder
    fill(encoder, BERT, theirs.state_dict(), name="theirs", within="body.")
    texts = tokens([5, 6, 7, 8, 9], [5, 6, 7])
    with torch.no_grad():
        states = theirs(input_ids=texts.ids, attention_mask=texts.mask.long()).last_hidden_state
        expected = torch.stack([states[0].mean(0), states[1, :3].mean(0)])
        torch.testing.assert_close(encoder.pooled(texts), expected, atol=1e-5, rtol=1e-5)


def test_a_text_encoder_with_a_missing_or_unknown_tensor_is_refused_by_name() -> None:
    from transformers import BertConfig, BertModel

    encoder = model().y_encoder
    config = BertConfig(
        hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, vocab_size=300
    )
    tensors = BertModel(config).state_dict()
    key = "encoder.layer.1.attention.self.key.bias"
    for wrong, said in (
        ({name: tensor for name, tensor in tensors.items() if name != key}, f"missing: {key}"),
        (tensors | {"extra": torch.zeros(1)}, "unused: extra"),
        (tensors | {key: torch.zeros(25)}, rf"tensor {key} is \(25,\), the model needs \(24,\)"),
        (tensors | {key: torch.zeros(24, dtype=torch.int64)}, f"tensor {key} holds torch.int64 numbers"),
    ):
        with pytest.raises(WeightsError, match=said):
            fill(encoder, BERT, wrong, name="theirs", within="body.")


def test_generation_with_a_cache_equals_the_plain_forward() -> None:
    made = model()
    embedding = torch.nn.functional.normalize(torch.randn(2, 16), dim=-1)
    said = made.decode(embedding, max_tokens=3)
    for row, (ids,) in enumerate(said):
        text = tokens([*ids, 0])
        with torch.no_grad():
            scores = made.y_decoder(embedding[row : row + 1], text, made.token_table.weight)
        assert scores.argmax(-1).tolist()[: len(ids)] == ids


def test_embeddings_of_any_length_say_the_same() -> None:
    made = model()
    embedding = torch.randn(1, 16)
    assert made.decode(embedding, max_tokens=4) == made.decode(7 * embedding, max_tokens=4)


def test_only_the_vocabulary_is_said() -> None:
    made = model()
    made.y_decoder.vocabulary = torch.tensor([4, 17, 99])
    said = made.decode(torch.randn(4, 16), max_tokens=5)
    assert {number for (row,) in said for number in row} <= {4, 17, 99}


def log_likelihood(made: VLJEPA, embedding: torch.Tensor, ids: list[int], *, most: int) -> float:
    """Of a text and its end, or of a text that was cut, as the plain forward pass scores it."""
    text = tokens([*ids, 0]) if len(ids) < most else tokens(ids)
    with torch.no_grad():
        scores = made.y_decoder(embedding, text, made.token_table.weight).log_softmax(-1)
    places = [made.y_decoder.vocabulary.tolist().index(number) for number in text.ids[0].tolist()]
    return float(scores[torch.arange(len(places)), places].sum())


def test_beams_are_the_likeliest_texts_of_all() -> None:
    """With as many beams as there are texts, beam search is exhaustive: compared with all texts, one by one."""
    made = model()
    made.y_decoder.vocabulary = torch.tensor([0, 17, 99])
    embedding = torch.randn(2, 16)
    said = made.decode(embedding, max_tokens=3, beams=30)
    words = (17, 99)
    every = [list(text) for length in range(4) for text in product(words, repeat=length)]
    for row, found in enumerate(said):
        best = sorted(every, key=lambda ids: -log_likelihood(made, embedding[row : row + 1], ids, most=3))
        assert found == best
        likely = made.y_decoder.generate(embedding[row : row + 1], made.token_table.weight, max_tokens=3, beams=30)[0]
        told = [log_likelihood(made, embedding[row : row + 1], ids, most=3) for ids in found]
        assert [one.likelihood for one in likely] == pytest.approx(told, abs=1e-4)
    greedy = made.decode(embedding, max_tokens=3)
    assert [len(found) for found in greedy] == [1, 1]
    few = made.decode(embedding, max_tokens=3, beams=5)
    assert all(len(found) == 5 and len({tuple(ids) for ids in found}) == 5 for found in few)


def test_texts_that_end_leave_the_batch_and_the_others_are_said_as_alone() -> None:
    made = model()
    stop = made.y_decoder.settings.stop
    made.y_decoder.vocabulary = torch.tensor(sorted({stop, 4, 17, 99}))
    embeddings = torch.randn(24, 16)
    together = made.decode(embeddings, max_tokens=9)
    assert len({len(row) for (row,) in together}) > 2
    several = made.decode(embeddings, max_tokens=9, beams=3)
    assert several == [made.decode(row[None], max_tokens=9, beams=3)[0] for row in embeddings]
    assert together == [made.decode(row[None], max_tokens=9)[0] for row in embeddings]


def test_a_run_of_three_is_not_said_twice() -> None:
    said = torch.tensor([[1, 2, 3, 1, 2]])
    scores = _without_repeats(torch.zeros(1, 4), said, torch.arange(4))
    assert scores[0].tolist() == [0.0, 0.0, 0.0, -torch.inf]


def test_only_new_and_slow_parts_learn() -> None:
    made = model()
    assert not made.token_table.weight.requires_grad
    assert not any(weight.requires_grad for weight in made.x_encoder.parameters())
