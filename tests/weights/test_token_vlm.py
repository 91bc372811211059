"""A token VLM's folder comes back as it was saved; what does not fit is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.models.made_language import speaking, tiny_language

from vljepa.config import SettingsError
from vljepa.weights.convert import WeightsError
from vljepa.weights.token_vlm import load_token_vlm, num_layers, save_token_vlm, start_token_vlm


def test_it_starts_from_published_layers_and_from_what_its_twin_begins_with() -> None:
    twin, language = speaking(tiny_bundle()), tiny_language()
    assert num_layers(language) == 3
    model = start_token_vlm(twin, language, layers=(0, 2)).model
    theirs, ours = twin.model.x_encoder.state_dict(), model.x_encoder.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in theirs.items())
    assert torch.equal(model.generator.visual_projection.weight, twin.model.predictor.visual_projection.weight)
    assert torch.equal(model.token_table.weight, twin.model.token_table.weight)
    assert torch.equal(model.generator.layers.layers[1].mlp.up_proj.weight, language["layers.2.mlp.up_proj.weight"])
    language["embed_tokens.weight"] = torch.zeros(5, 32)
    with pytest.raises(WeightsError, match=r"token table of \(5, 32\) and tiny one of \(300, 32\)"):
        start_token_vlm(twin, language, layers=(0, 2))


def test_saved_equals_loaded_and_what_does_not_fit_is_said(tmp_path: Path) -> None:
    bundle = start_token_vlm(speaking(tiny_bundle()), tiny_language(), layers=(0, 2))
    save_token_vlm(bundle, tmp_path / "vlm", card="# Random\n")
    again = load_token_vlm(tmp_path / "vlm")
    assert again.model.settings == bundle.model.settings and again.frames == bundle.frames
    for name, value in bundle.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value), name
    assert again.text_tokenizer.ids("a ball")[-1] == again.model.settings.stop == 0
    assert again.query_tokenizer.ids("a ball") == bundle.query_tokenizer.ids("a ball")
    path = tmp_path / "vlm" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"model_type": "vljepa"}))
    with pytest.raises(WeightsError, match="holds a model of type 'vljepa', not a token VLM"):
        load_token_vlm(tmp_path / "vlm")
    path.write_text(json.dumps(config | {"frame": 3}))
    with pytest.raises(SettingsError, match="unknown setting frame; did you mean frames"):
        load_token_vlm(tmp_path / "vlm")
    with pytest.raises(WeightsError, match=r"no folder of a token VLM: it has no config\.json"):
        load_token_vlm(tmp_path)
