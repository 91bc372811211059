"""Every published kind of part gives what transformers' own class gives, from the files that it writes (1e-5)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.weights import made_published as made
from torch import Tensor

from vljepa.models.llama import Llama
from vljepa.models.tower import Dinov2Settings
from vljepa.models.x_encoders import x_encoder
from vljepa.models.y_encoder import YEncoder
from vljepa.types import Tokens
from vljepa.weights.compose import X_TABLES, Y_TABLES
from vljepa.weights.foreign import read_checkpoint, read_tensors
from vljepa.weights.keys import DENSE, LLAMA, VJEPA2, VJEPA2_ORIGINAL
from vljepa.weights.published import llama_settings, x_encoder_settings, y_encoder_settings
from vljepa.weights.tables import fill, to_ours, to_theirs
from vljepa.weights.video_names import encoder_table


def config_of(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return values


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def x_part(folder: Path) -> Any:
    settings = x_encoder_settings(config_of(folder), name="it")
    part = x_encoder(settings).eval()
    fill(part, X_TABLES[settings.kind], read_tensors(folder), name="it")
    return part


@pytest.mark.parametrize("frames", [1, 3, 4])
def test_vjepa2_gives_transformers_tokens_in_both_layouts(tmp_path: Path, frames: int) -> None:
    """One frame fills its tubelet, and of three the last is repeated where transformers would drop it."""
    theirs = made.vjepa2()
    folder = made.saved(theirs, tmp_path / "theirs")
    torch.save(made.original_vjepa2(dict(theirs.state_dict())), tmp_path / "theirs.pt")
    ours = x_part(folder)
    pixels = torch.randn(2, frames, 3, 32, 32)
    with torch.no_grad():
        tokens = ours(pixels)
        filled = torch.cat([pixels, pixels[:, -1:]], dim=1) if frames % 2 else pixels
        same(tokens, theirs(filled, skip_predictor=True).last_hidden_state)
        if frames == 1:
            same(tokens, theirs(pixels, skip_predictor=True).last_hidden_state)
        again = x_encoder(ours.settings).eval()
        fill(again, VJEPA2_ORIGINAL, encoder_table(read_checkpoint(tmp_path / "theirs.pt"), name="it"), name="it")
        assert torch.equal(again(pixels), tokens)
    assert tokens.shape == (2, (frames + 1) // 2 * 16, ours.settings.token_width)


@pytest.mark.parametrize(
    ("build", "first", "tower"),
    [
        (made.clip, 1, lambda model: model.vision_model),
        (made.siglip, 0, lambda model: model.vision_model),
        (made.dinov2, 1, lambda model: model),
        (lambda: made.dinov2(registers=2), 3, lambda model: model),
    ],
    ids=["clip", "siglip", "dinov2", "dinov2 with registers"],
)
def test_towers_give_transformers_patch_tokens(
    tmp_path: Path, build: Callable[[], Any], first: int, tower: Callable[[Any], Any]
) -> None:
    theirs = build()
    ours = x_part(made.saved(theirs, tmp_path / "theirs"))
    pixels = torch.randn(2, 3, 3, 32, 32)
    with torch.no_grad():
        for clip, tokens in zip(pixels, ours(pixels), strict=True):
            same(tokens.unflatten(0, (3, 16)), tower(theirs)(pixel_values=clip).last_hidden_state[:, first:])


def test_dinov2_looks_at_other_sizes_than_it_was_trained_at(tmp_path: Path) -> None:
    theirs = made.dinov2()
    folder = made.saved(theirs, tmp_path / "theirs")
    settings = x_encoder_settings(config_of(folder), name="it", resolution=16)
    assert isinstance(settings, Dinov2Settings) and settings.positions == 32
    part = x_encoder(settings).eval()
    fill(part, X_TABLES["dinov2"], read_tensors(folder), name="it")
    pixels = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        same(part.features(pixels).unflatten(1, (4, 24)), theirs(pixel_values=pixels).last_hidden_state[:, 1:])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("settings", [{}, {"rope_parameters": made.LLAMA3}, {"head_dim": 16}, "qwen3"])
def test_language_models_give_transformers_states(tmp_path: Path, settings: Any, causal: bool) -> None:
    """80 positions are more than the rope was stretched from; a mask of ones both ways is transformers' own."""
    theirs = made.qwen3() if settings == "qwen3" else made.llama(**settings).model
    folder = made.saved(theirs, tmp_path / "theirs")
    ours = Llama(llama_settings(config_of(folder), name="it"), causal=causal).eval()
    tensors = {key: tensor for key, tensor in read_tensors(folder).items() if key != "embed_tokens.weight"}
    fill(ours, LLAMA, tensors, name="it")
    x = torch.randn(2, 80, 32)
    mask = None if causal else torch.ones(2, 1, 80, 80, dtype=torch.bool)
    with torch.no_grad():
        same(ours(x), theirs(inputs_embeds=x, attention_mask=mask, use_cache=False).last_hidden_state)


def texts(*lengths: int) -> Tokens:
    ids = torch.randint(4, 300, (len(lengths), max(lengths)))
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return Tokens(ids=ids.where(mask, 1), mask=mask)


@pytest.mark.parametrize("build", [made.bert, made.mpnet, made.gemma3, made.qwen3])
def test_text_encoders_give_transformers_vectors(tmp_path: Path, build: Callable[[], Any]) -> None:
    """Texts are longer than Gemma's window of eight, so that near and all are told apart."""
    theirs = build()
    folder = made.saved(theirs, tmp_path / "theirs")
    settings = y_encoder_settings(config_of(folder), shared=16, name="it")
    ours = YEncoder(settings).eval()
    fill(ours, Y_TABLES[settings.kind], read_tensors(folder), name="it", within="body.")
    some = texts(30, 5)
    with torch.no_grad():
        states = theirs(input_ids=some.ids, attention_mask=some.mask.long()).last_hidden_state
        mean = [row[mask].mean(0) for row, mask in zip(states, some.mask, strict=True)]
        last = [states[0, 29], states[1, 4]]
        same(ours.pooled(some), torch.stack(mean if settings.pooling == "mean" else last))
        states = torch.randn(2, 6, settings.hidden)
        assert ours.body.through(ours.body.layers[0], states).shape == states.shape


def test_embeddinggemmas_own_heads_come_after_the_mean(tmp_path: Path) -> None:
    theirs = made.gemma3()
    settings = y_encoder_settings(config_of(made.saved(theirs, tmp_path / "theirs")), shared=16, dense=40, name="it")
    ours = YEncoder(settings).eval()
    wide, narrow = torch.randn(40, 24), torch.randn(24, 40)
    fill(ours, Y_TABLES["gemma3"], read_tensors(tmp_path / "theirs"), name="it", within="body.")
    fill(ours, DENSE, {"2_Dense.linear.weight": wide, "3_Dense.linear.weight": narrow}, name="it", within="dense.")
    some = texts(12)
    with torch.no_grad():
        mean = theirs(input_ids=some.ids, attention_mask=some.mask.long()).last_hidden_state.mean(1)
        same(ours.pooled(some), mean @ wide.T @ narrow.T)
    with pytest.raises(ValueError, match="overflows in float16"):
        ours.half()(some)


def test_gemmas_positions_stay_exact_in_bfloat16(tmp_path: Path) -> None:
    folder = made.saved(made.gemma3(), tmp_path / "theirs")
    body = YEncoder(y_encoder_settings(config_of(folder), shared=16, name="it")).body
    exact = dict(body.network.rotary_emb.named_buffers())
    moved = dict(body.to(torch.bfloat16).network.rotary_emb.named_buffers())
    assert body.network.norm.weight.dtype == torch.bfloat16
    assert exact and all(torch.equal(moved[name], tensor) for name, tensor in exact.items())


@pytest.mark.parametrize(
    "build",
    [made.vjepa2, made.clip, made.siglip, made.dinov2, made.llama, made.bert, made.mpnet, made.gemma3, made.qwen3],
)
def test_what_is_read_is_written_back_as_it_was(tmp_path: Path, build: Callable[[], Any]) -> None:
    """What has a place in our parts returns under its name; what has none is named by the table."""
    folder = made.saved(build(), tmp_path / "theirs")
    config, tensors = config_of(folder), read_tensors(folder)
    if config["model_type"] in {"vjepa2", "clip", "siglip", "dinov2"}:
        part: Any = x_encoder(x_encoder_settings(config, name="it"))
        table = X_TABLES[part.settings.kind]
    elif config["model_type"] == "llama":
        part = Llama(llama_settings(config, name="it"), causal=True)
        part.embed_tokens = torch.nn.Embedding(300, 32)
        table = LLAMA
    else:
        part = YEncoder(y_encoder_settings(config, shared=16, name="it"))
        del part.head
        table = Y_TABLES[part.settings.kind]
    there = to_theirs(table, to_ours(table, tensors, part.state_dict(), name="it"))
    left = tensors.keys() - there.keys()
    assert not there.keys() - tensors.keys()
    assert all(torch.equal(tensors[key], tensor) for key, tensor in there.items())
    held = {
        "vjepa2": "predictor.",
        "clip": ("text_", "logit_scale", "visual_projection", "vision_model.post_layernorm"),
        "siglip": ("text_", "logit_", "vision_model.head."),
        "dinov2": "embeddings.mask_token",
        "llama": "lm_head",
        "bert": "pooler.",
        "mpnet": "pooler.",
    }.get(config["model_type"], "-")
    assert all(key.startswith(held) for key in left)


def test_queries_keys_and_values_return_into_one_matrix() -> None:
    tensors = dict(made.vjepa2().state_dict())
    original = encoder_table(made.original_vjepa2(tensors), name="it")
    wanted = x_encoder(x_encoder_settings(made.vjepa2().config.to_dict(), name="it")).state_dict()
    ours = to_ours(VJEPA2_ORIGINAL, original, wanted, name="it")
    backwards = dict(reversed(ours.items()))
    again = to_theirs(VJEPA2_ORIGINAL, backwards)
    assert again.keys() == original.keys() and all(torch.equal(again[key], original[key]) for key in again)
    mine = to_theirs(VJEPA2, ours)
    assert mine and all(torch.equal(mine[key], tensors[key]) for key in mine)
