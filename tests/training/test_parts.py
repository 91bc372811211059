"""Parts are frozen, learn whole or through adapters; merged adapters give the same outputs from an ordinary folder."""

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
from tests.conftest import tiny_bundle

from vljepa.config import SettingsError
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.training.optim import OptimSettings, make_optimizer, parameter_groups
from vljepa.training.parts import PartSettings, apply_modes, group_table, merged
from vljepa.types import Tokens
from vljepa.weights.folder import Bundle, load_folder, save_folder

OPTIM = OptimSettings(rate=1e-2)


def outputs(bundle: Bundle) -> torch.Tensor:
    """Predictions and text embeddings of a tiny model."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(3, 2, bundle.model.settings.x_encoder.frame_width, generator=generator)
    query = bundle.query_tokenizer(["", "what", "what colour is the cat"])
    texts: Tokens = bundle.target_tokenizer(["a red ball", "the cat", "a dog opens the door"])
    with torch.no_grad():
        predicted = bundle.model.predict(bundle.model.x_encoder.tokens(frames), query)
        return torch.cat([predicted, bundle.model.encode_text(texts)])


def learn(bundle: Bundle) -> None:
    """A few steps that pull predictions towards the first text."""
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings())
    optimizer = make_optimizer(parameter_groups(objective, bundle.model, OPTIM), OPTIM)
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(3, 2, bundle.model.settings.x_encoder.frame_width, generator=generator)
    query, text = bundle.query_tokenizer(["", "", ""]), bundle.target_tokenizer(["a red ball"])
    for _ in range(3):
        optimizer.zero_grad()
        predicted = bundle.model.predict(bundle.model.x_encoder.tokens(frames), query)
        (1 - predicted @ bundle.model.encode_text(text).T).mean().backward()
        optimizer.step()


def adapted() -> Bundle:
    pytest.importorskip("peft")
    bundle = tiny_bundle()
    apply_modes(bundle.model, PartSettings(modes={"predictor": "lora", "y_encoder": "lora"}, lora_rank=4))
    return bundle


def test_adapters_change_nothing_until_they_learn_and_learn_alone_in_their_layers() -> None:
    bundle = adapted()
    assert torch.allclose(outputs(bundle), outputs(tiny_bundle()), atol=1e-6)
    before = {name: value.clone() for name, value in bundle.model.named_parameters()}
    learn(bundle)
    moved = {name for name, value in bundle.model.named_parameters() if not torch.equal(value, before[name])}
    assert any("predictor.layers.layers.0.self_attn.q_proj.lora_B" in name for name in moved)
    assert any("y_encoder.body.layers.1.query.lora_B" in name for name in moved)
    assert "predictor.head.weight" in moved
    assert not any("base_layer" in name or "token_table" in name or "embeddings" in name for name in moved)


def test_a_merged_folder_gives_what_the_adapted_model_gave(tmp_path: Path) -> None:
    bundle = adapted()
    learn(bundle)
    wanted = outputs(bundle)
    assert (wanted - outputs(tiny_bundle())).abs().max() > 1e-2
    save_folder(dataclasses.replace(bundle, model=merged(bundle.model)), tmp_path / "m", card="# m\n", int8=False)
    opened = load_folder(tmp_path / "m")
    torch.testing.assert_close(outputs(opened), wanted, rtol=0, atol=2e-6)
    assert torch.equal(outputs(bundle), wanted)  # the run can go on with its adapters


def test_a_model_without_adapters_is_its_own_merged_one() -> None:
    model = tiny_bundle().model
    assert merged(model) is model


def test_the_table_names_every_parameter_once_as_trainable_or_frozen() -> None:
    bundle = tiny_bundle()
    apply_modes(bundle.model, PartSettings(modes={"predictor": "full", "y_encoder": "full"}))
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings())
    groups = parameter_groups(objective, bundle.model, OptimSettings(rate=5e-5))
    lines = group_table(bundle.model, groups).splitlines()
    counts = [float(line.split(" M ")[0].split()[-1]) for line in lines[1:-1]]
    total = sum(parameter.numel() for parameter in objective.parameters() if parameter is not objective.bias)
    assert sum(counts) == pytest.approx(total / 1e6, abs=0.0005 * len(counts))
    body = next(line for line in lines if line.strip().startswith("y_encoder.body  "))
    assert "2.50e-06" in body and "0.01" in body and body.endswith("trainable")
    assert any(line.strip().startswith("token_table") and line.endswith("frozen") for line in lines)
    assert any(line.strip().startswith("y_decoder") and line.endswith("frozen") for line in lines)


def test_an_unfrozen_x_encoder_has_a_rate_of_its_own() -> None:
    bundle = tiny_bundle()
    apply_modes(bundle.model, PartSettings(modes={"x_encoder": "full"}))
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings())
    rates = {group.name: group.rate for group in parameter_groups(objective, bundle.model, OptimSettings(rate=5e-5))}
    assert rates["x_encoder"] == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("modes", "message"),
    [
        ({"predictr": "full"}, "there is no part predictr to train; did you mean predictor"),
        ({"predictor": "lore"}, "part predictor cannot be lore; did you mean lora"),
        ({"x_encoder": "lora"}, "part x_encoder has no linear layers"),
    ],
)
def test_what_cannot_be_is_said(modes: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        apply_modes(tiny_bundle().model, PartSettings(modes=modes))


def test_adapters_without_their_package_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SettingsError, match=r"mode lora needs a package .* pip install 'vljepa\[lora\]'"):
        apply_modes(tiny_bundle().model, PartSettings(modes={"predictor": "lora"}))
