"""Sizes `open` and `paper` have the published numbers of parameters; nothing is drawn, and nothing takes memory."""

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from vljepa.models import sizes
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.models.y_encoder import YEncoder
from vljepa.weights.folder import Undrawn


def built(settings: VLJEPASettings) -> VLJEPA:
    with torch.device("meta"), Undrawn():
        return VLJEPA(settings)


def millions(part: nn.Module) -> float:
    return round(sum(parameter.numel() for parameter in part.parameters()) / 1e6, 2)


def test_the_papers_parts_have_their_published_sizes() -> None:
    model = built(sizes.paper())
    assert millions(model.x_encoder) == 303.89
    # 490 M in the paper: Llama's last eight layers with projections.
    assert millions(model.predictor.layers.layers) == 486.57
    assert millions(model.predictor) == 496.02
    assert millions(model.y_encoder.body) == 302.86
    assert millions(model.token_table) == 262.67
    with torch.device("meta"), Undrawn():
        with_heads = YEncoder(sizes.embeddinggemma(shared=1536, dense=3072))
    assert millions(with_heads.dense) == 4.72
    assert model.predictor.settings.llama.layers == tuple(range(8, 16))
    assert model.y_decoder.settings.llama.layers == (0, 1, 2, 15)
    assert millions(model) == pytest.approx(1600, rel=0.02)  # 1.6 B, which the three parts and the table alone are not


def test_the_open_size_ends_in_the_space_of_its_sentence_encoder() -> None:
    model = built(sizes.open())
    assert millions(model.y_encoder.body) == pytest.approx(108.9, abs=0.1)  # MPNet without its pooler
    assert model.settings.y_encoder.hidden == model.settings.predictor.shared
    assert model.settings.predictor.llama.layers == tuple(range(16, 32))
    assert millions(model.predictor.layers.layers) == 157.32


def test_parts_that_do_not_fit_together_are_refused() -> None:
    settings = sizes.paper()
    with pytest.raises(ValueError, match="tokens have 1024 numbers, and predictor"):
        replace(settings, predictor=replace(settings.predictor, visual_width=1000))
    with pytest.raises(ValueError, match="both sides meet in one space"):
        replace(settings, y_encoder=sizes.embeddinggemma(shared=768))


def test_a_model_without_a_y_decoder_says_so() -> None:
    model = built(replace(sizes.paper(), y_decoder=None))
    for asked in (
        lambda: model.decode(torch.zeros(1, 1536)),
        lambda: model.y_decoder.settings,
        lambda: model.y_decoder.prefix(torch.zeros(1, 1536)),
    ):
        with pytest.raises(ValueError, match="no Y-Decoder"):
            asked()


def test_without_transformers_its_kinds_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r"kind vjepa2 are transformers' own.*vljepa\[hub\]"):
        built(sizes.paper())
    built(sizes.small())
