"""What other people's `config.json`, indexes and tokenizers say wrongly is told by file and key, whoever reads it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.weights.made_whole import Source, sources

from vljepa.weights.convert import WeightsError
from vljepa.weights.importing import composed, find_sources
from vljepa.weights.published_config import config_of

FIELDS = {"vjepa2": "source", "clip": "source", "llama": "predictor", "mpnet": "y_encoder", "gemma3": "y_encoder"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    return sources(tmp_path_factory.mktemp("sources"))


def refused(source: Source, name: str, folder: Path) -> str:
    settings = replace(source.settings, **{FIELDS[name]: str(folder)})
    with pytest.raises(WeightsError) as error:
        composed(settings, find_sources(settings))
    return str(error.value)


@pytest.mark.parametrize("name", FIELDS)
def test_every_number_that_is_needed_is_missed_by_its_name(made: dict[str, Source], tmp_path: Path, name: str) -> None:
    """Whatever key is taken out of a configuration: it is told, or has a default that the files' authors have too."""
    values = json.loads((made[name].file.parent / "config.json").read_text())
    inner = values["vision_config"] if name == "clip" else values
    needed = {"clip": ()}.get(name, ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    folder = shutil.copytree(made[name].file.parent, tmp_path / name)
    for key in needed:
        (folder / "config.json").write_text(json.dumps({k: v for k, v in inner.items() if k != key}))
        assert f"config.json has no {key}: fetch it again" in refused(made[name], name, folder)
    for wrong in (0, -1, "48", 1.5, True, 10**10, [3], None):
        more = {"num_hidden_layers": wrong}
        inner_wrong = values | {"vision_config": inner | more} if name == "clip" else values | more
        (folder / "config.json").write_text(json.dumps(inner_wrong))
        if wrong is not None or name != "clip":  # null is as good as nothing
            assert "num_hidden_layers" in refused(made[name], name, folder)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"x"', "{", "[" * 100_000])
def test_what_is_no_object_is_refused(made: dict[str, Source], tmp_path: Path, content: str) -> None:
    for name in ("vjepa2", "llama", "mpnet"):
        folder = shutil.copytree(made[name].file.parent, tmp_path / f"{name} {len(content)}")
        (folder / "config.json").write_text(content)
        assert f"{folder / 'config.json'} " in refused(made[name], name, folder)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"rope_parameters": [1]}, "rope_parameters is [1], and names with values are needed"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "has no factor"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 0}}, "factor is 0, and a number above 0 is needed"),
        ({"rms_norm_eps": "1e-5"}, "rms_norm_eps is '1e-5', and a number above 0 is needed"),
        ({"eos_token_id": None}, "names no token that ends a text: say --decoder none"),
    ],
)
def test_a_language_model_that_cannot_be_is_refused(
    made: dict[str, Source], tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    folder = shutil.copytree(made["llama"].file.parent, tmp_path / "llama")
    (folder / "config.json").write_text(json.dumps(config_of(folder) | more))
    assert told in refused(made["llama"], "llama", folder)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("model.safetensors.index.json", '{"weight_map": {"a": "../secret.safetensors"}}', "lie beside their index"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "/etc/passwd"}}', "lie beside their index"),
        ("model.safetensors.index.json", '{"weight_map": {"a": 3}}', "no weight_map that names a file"),
        ("model.safetensors.index.json", '{"weight_map": {}}', "no weight_map that names a file"),
        ("model.safetensors.index.json", "[]", "holds no names with values"),
        ("tokenizer.json", "<html>", "is no tokenizer"),
        ("tokenizer.json", "{}", "is no tokenizer"),
        ("tokenizer_config.json", "[]", "holds no names with values"),
    ],
)
def test_other_files_that_cannot_be_are_refused(
    made: dict[str, Source], tmp_path: Path, file: str, content: str, told: str
) -> None:
    folder = shutil.copytree(made["llama"].file.parent, tmp_path / "llama")
    (folder / file).write_text(content)
    message = refused(made["llama"], "llama", folder)
    assert told in message and str(folder / file) in message


def test_dinov2_reads_the_size_that_its_preprocessing_makes(made: dict[str, Source], tmp_path: Path) -> None:
    """Published ones were trained at 518 pixels and are used at 224."""
    folder = shutil.copytree(made["dinov2"].file.parent, tmp_path / "dinov2")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size": {"height": 16, "width": 16}}))
    settings = replace(made["dinov2"].settings, source=str(folder))
    seen = composed(settings, find_sources(settings)).model.settings.x_encoder
    assert (seen.resolution, seen.positions) == (16, 32)  # type: ignore[union-attr]


def test_naflex_is_refused_with_the_sibling_to_take(made: dict[str, Source], tmp_path: Path) -> None:
    folder = shutil.copytree(made["clip"].file.parent, tmp_path / "naflex")
    for kind in ("siglip2", "siglip2_vision_model"):
        (folder / "config.json").write_text(json.dumps(config_of(folder) | {"model_type": kind}))
        assert "take its sibling of one resolution" in refused(made["clip"], "clip", folder)
