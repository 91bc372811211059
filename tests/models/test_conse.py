"""What the picture classifier believes goes straight into the answer, and an untrained model answers as ConSE does."""

from dataclasses import replace

import pytest
import torch
from tests.conftest import tiny_bundle
from torch.nn import functional

from vljepa.models.lite_encoder import LiteEncoder
from vljepa.models.predictor import Predictor
from vljepa.models.sizes import tiny
from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer
from vljepa.types import Tokens
from vljepa.weights.start import Started, start_from_conse

CLASSES = 1000
NAMES = [f"{first} {second} {third}" for first in "abcdefghij" for second in "abcdefghij" for third in "abcdefghij"]


def started(*, classes: int = CLASSES) -> Started:
    bundle = tiny_bundle()
    settings = tiny()
    model = VLJEPA(replace(settings, predictor=replace(settings.predictor, classes=classes))).eval()
    tokenizers: list[Tokenizer] = [bundle.query_tokenizer, bundle.target_tokenizer, bundle.decoder_tokenizer]
    return Started(
        model=model, query_tokenizer=tokenizers[0], target_tokenizer=tokenizers[1], decoder_tokenizer=tokenizers[2]
    )


def frames(count: int, time: int) -> torch.Tensor:
    """What is kept of clips: random features, and posteriors that differ from frame to frame."""
    width = tiny().x_encoder.frame_width - CLASSES
    return torch.cat([torch.randn(count, time, width), torch.randn(count, time, CLASSES).mul(3).softmax(-1)], dim=-1)


@pytest.mark.parametrize("time", [1, 2, 4])
def test_the_posterior_is_read_back_from_the_tokens(time: int) -> None:
    encoder = LiteEncoder(tiny().x_encoder).eval()
    kept = frames(3, time)
    torch.testing.assert_close(encoder.posterior(encoder.tokens(kept)), kept[..., -CLASSES:].mean(1))


@torch.no_grad()
def test_an_untrained_model_answers_what_the_classifier_believes() -> None:
    start = started()
    model = start.model
    before = model.encode_text_raw(start.target_tokenizer(NAMES))
    start_from_conse(start, NAMES)
    centred = before - before.mean(0)
    torch.testing.assert_close(model.encode_text_raw(start.target_tokenizer(NAMES)), centred, atol=1e-5, rtol=1e-4)
    model.predictor.head.weight.zero_()
    kept = frames(5, 4)
    said = functional.normalize(kept[..., -CLASSES:].mean(1) @ functional.normalize(centred, dim=-1), dim=-1)
    for query in ("", "what colour is the ball"):
        answers = model.predict(model.x_encoder.tokens(kept), start.query_tokenizer([query] * 5))
        torch.testing.assert_close(answers, said, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_trust_depends_on_the_state_and_what_is_trusted_is_added_to_the_head() -> None:
    model = started().model
    kept = frames(2, 2)
    visual, query = model.x_encoder.tokens(kept), Tokens(ids=torch.ones(2, 3).long(), mask=torch.ones(2, 3).bool())
    trusted = model.predict_raw(visual, query)
    model.predictor.conse.trust.bias.zero_()
    alone = model.predict_raw(visual, query)
    torch.testing.assert_close(trusted - alone, model.predictor.conse.names(kept[..., -CLASSES:].mean(1)))
    torch.nn.init.normal_(model.predictor.conse.trust.weight)
    assert (model.predict_raw(visual, query) - alone).abs().max() > 1e-3


def test_a_predictor_that_adds_no_posterior_needs_none_and_one_that_does_says_so() -> None:
    settings = tiny().predictor
    visual, words = torch.randn(1, 4, settings.visual_width), torch.randn(1, 2, settings.llama.hidden)
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert not any(name.startswith("conse") for name in Predictor(settings).state_dict())
    Predictor(settings)(visual, words, mask)
    with pytest.raises(ValueError, match="give its posterior"):
        Predictor(replace(settings, classes=CLASSES))(visual, words, mask)
    with pytest.raises(ValueError, match="set model\\.predictor\\.classes"):
        start_from_conse(started(classes=0), NAMES)
