"""What the picture classifier believes is said beside the answer, where nothing was asked and a weight was fitted."""

from dataclasses import replace

import pytest
import torch
from tests.conftest import tiny_bundle
from torch.nn import functional

from vljepa.models.conse import TOP, Conse
from vljepa.models.lite_encoder import LiteEncoder
from vljepa.models.predictor import Predictor
from vljepa.models.sizes import small, tiny
from vljepa.models.vljepa import VLJEPA
from vljepa.types import Tokens

CLASSES = 1000
NOTHING, SOMETHING = [True, False, False], [True, True, True]


def frames(count: int, time: int) -> torch.Tensor:
    """What is kept of clips: random features, and posteriors that differ from frame to frame."""
    width = tiny().x_encoder.frame_width - CLASSES
    return torch.cat([torch.randn(count, time, width), torch.randn(count, time, CLASSES).mul(3).softmax(-1)], dim=-1)


def believing(*, weight: float) -> VLJEPA:
    settings = tiny()
    model = VLJEPA(replace(settings, predictor=replace(settings.predictor, classes=CLASSES))).eval()
    model.predictor.conse.say(torch.randn(CLASSES, settings.predictor.shared))
    model.predictor.conse.weight.fill_(weight)
    return model


@pytest.mark.parametrize("time", [1, 2, 4])
def test_the_posterior_is_read_back_from_the_tokens(time: int) -> None:
    encoder = LiteEncoder(tiny().x_encoder).eval()
    kept = frames(3, time)
    torch.testing.assert_close(encoder.posterior(encoder.tokens(kept)), kept[..., -CLASSES:].mean(1))


def test_an_opinion_is_the_likeliest_names_and_as_long_as_it_is_sure() -> None:
    conse = Conse(classes=CLASSES, shared=7)
    names = torch.randn(CLASSES, 7) + 3.0
    conse.say(names)
    centred = functional.normalize(names - names.mean(0), dim=-1)
    sure = torch.zeros(1, CLASSES)
    sure[0, 5] = 1.0
    torch.testing.assert_close(conse.opinion(sure), centred[5:6])
    posterior = torch.randn(4, CLASSES).mul(4).softmax(-1)
    kept = posterior * (posterior >= posterior.topk(TOP).values[:, -1:])
    torch.testing.assert_close(conse.opinion(posterior), kept @ centred)
    assert (conse(posterior) == 0.0).all()  # until a weight is fitted


@torch.no_grad()
def test_it_is_added_where_nothing_is_asked_and_not_in_training() -> None:
    model, plain = believing(weight=0.7), believing(weight=0.0)
    plain.load_state_dict(model.state_dict() | {"predictor.conse.weight": torch.zeros(1)})
    visual = model.x_encoder.tokens(frames(2, 2))
    opinion = model.predictor.conse.opinion(model.x_encoder.posterior(visual))
    query = Tokens(ids=torch.tensor([[0, 3, 3], [0, 4, 5]]), mask=torch.tensor([NOTHING, SOMETHING]))
    answers, before = model.predict(visual, query), plain.predict(visual, query)
    torch.testing.assert_close(answers[0], functional.normalize(before[0] + 0.7 * opinion[0], dim=-1))
    torch.testing.assert_close(answers[1], before[1])
    assert (answers[0] - before[0]).abs().max() > 0.01
    torch.testing.assert_close(model.predict_raw(visual, query), plain.predict_raw(visual, query))


def test_folders_from_before_have_none_and_the_size_small_has() -> None:
    assert not any("conse" in name for name in Predictor(tiny().predictor).state_dict())
    assert small().predictor.classes == CLASSES
    bundle = tiny_bundle()
    visual = bundle.model.x_encoder.tokens(frames(1, 2))
    query = bundle.query_tokenizer([""])
    assert int(query.mask.sum()) <= 1  # what counts as nothing asked
    raw = bundle.model.predict_raw(visual, query)
    torch.testing.assert_close(bundle.model.predict(visual, query), functional.normalize(raw, dim=-1))
