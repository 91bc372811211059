"""Choosing a loss by name: wrong names are refused with the nearest, each one trains what it says it trains."""

from typing import get_args

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.objectives.sizes import largest_tensor

from vljepa.config import SettingsError, override, settings_from
from vljepa.data.collate import Example, collate
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.objectives.menu import MENU, LossName
from vljepa.recipes.small_settings import SmallSettings
from vljepa.types import Batch
from vljepa.weights.folder import Bundle


def batch_for(bundle: Bundle, texts: list[str]) -> Batch:
    width = bundle.model.settings.x_encoder.frame_width
    rows = [Example(frames=torch.rand(2, width), query="what", target=text) for text in texts]
    return collate(rows, query_tokenizer=bundle.query_tokenizer, target_tokenizer=bundle.target_tokenizer)


def test_the_menu_has_exactly_the_names_that_the_setting_takes() -> None:
    assert set(MENU) == set(get_args(LossName))


def test_a_wrong_name_in_a_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"objective\.loss cannot be 'infonce'; did you mean info_nce\?"):
        override(SmallSettings(), ["objective.loss=infonce"])
    with pytest.raises(SettingsError, match="loss cannot be 'zzz'; there are cosine, info_nce"):
        settings_from(JointEmbeddingSettings, {"loss": "zzz"})


@pytest.mark.parametrize("name", ["rows_at_once", "slices"])
def test_a_count_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"objective\.{name}: Input should be greater than 0 \(got 0\)"):
        override(SmallSettings(), [f"objective.{name}=0"])


def test_a_wrong_name_in_code_is_refused_with_the_nearest() -> None:
    bundle = tiny_bundle()
    settings = JointEmbeddingSettings()
    object.__setattr__(settings, "loss", "vicregg")
    with pytest.raises(SettingsError, match=r"loss cannot be 'vicregg'; did you mean vicreg\?"):
        JointEmbedding(bundle.model, settings)


@pytest.mark.parametrize("name", MENU)
def test_each_loss_trains_the_predictor_and_its_own_numbers(name: LossName) -> None:
    bundle = tiny_bundle()
    choice = MENU[name]
    bundle.model.y_encoder.requires_grad_(choice.spreads)
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings(loss=name))
    losses = objective(batch_for(bundle, ["a red ball", "the cat", "blue cube falls", "a red ball"]))
    losses.total.backward()
    assert name in losses.parts
    for head in (bundle.model.predictor.head, *([bundle.model.y_encoder.head] if choice.spreads else [])):
        assert head.weight.grad is not None
        assert 0 < float(head.weight.grad.norm()) < torch.inf
    for own, parameter in (("scale", objective.log_scale), ("bias", objective.bias)):
        assert parameter.requires_grad == (own in choice.learns)
        assert (parameter.grad is not None) == (own in choice.learns)


@pytest.mark.parametrize("name", ["cosine", "l1", "l2"])
def test_a_loss_that_lets_texts_collapse_asks_for_a_frozen_y_encoder(name: LossName) -> None:
    bundle = tiny_bundle()
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings(loss=name))
    with pytest.raises(SettingsError, match=f"loss {name} with a Y-Encoder that learns maps every text to one point"):
        objective(batch_for(bundle, ["a red ball", "the cat"]))


def test_a_fixed_temperature_stays_fixed() -> None:
    objective = JointEmbedding(tiny_bundle().model, JointEmbeddingSettings(learn_temperature=False))
    assert not objective.log_scale.requires_grad


def test_comparing_never_makes_anything_as_large_as_the_square_of_the_batch() -> None:
    bundle = tiny_bundle()
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings(rows_at_once=4))
    bundle.model.requires_grad_(False)
    batch = batch_for(bundle, [f"ball {number}" for number in range(200)])
    predicted, targets = torch.randn(200, 4).requires_grad_(), torch.randn(200, 4)

    def run() -> None:
        objective.compare(predicted, targets, batch).total.backward()

    assert largest_tensor(run) < 200 * 200
