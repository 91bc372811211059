"""Published checkpoints to our parts: every foreign key is read exactly once, a missing or unused one is an error."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class WeightsError(ValueError):
    """A checkpoint that does not fit; the message names file and keys."""


class Checkpoint:
    """Tensors that must all be taken: `take` removes one, `finish` refuses what is left over."""

    def __init__(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        self._left = dict(tensors)
        self.name = name

    def take(self, key: str) -> Tensor:
        """The tensor under `key`, once."""
        if key not in self._left:
            raise WeightsError(f"{self.name}: tensor {key} is missing")
        return self._left.pop(key)

    def drop(self, pattern: str) -> None:
        """Leave out on purpose what matches the regular expression."""
        self._left = {key: value for key, value in self._left.items() if not re.fullmatch(pattern, key)}

    def has(self, key: str) -> bool:
        """Whether the tensor is still there."""
        return key in self._left

    def rest(self) -> dict[str, Tensor]:
        """All that is left, taken at once."""
        taken, self._left = self._left, {}
        return taken

    def finish(self) -> None:
        """WeightsError where tensors were not used."""
        if self._left:
            some = ", ".join(sorted(self._left)[:5])
            raise WeightsError(f"{self.name}: {len(self._left)} tensors have no place in the model, among them {some}")


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], *, name: str) -> None:
    """Fill a module; missing, unused or misshapen tensors are named in a WeightsError."""
    wanted = {key: value.shape for key, value in module.state_dict().items()}
    missing, unused = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unused:
        raise WeightsError(f"{name}: missing tensors {missing[:5]}, unused tensors {unused[:5]}")
    for key, shape in wanted.items():
        if tensors[key].shape != shape:
            raise WeightsError(f"{name}: tensor {key} is {tuple(tensors[key].shape)}, the model needs {tuple(shape)}")
    module.load_state_dict(dict(tensors))


BATCH_NORM_EPSILON = 1e-3


def efficientnet_lite(path: Path) -> dict[str, Tensor]:
    """The published `.pth` of EfficientNet-Lite as `EfficientNetLite` tensors, batch norm folded into convolutions."""
    source = Checkpoint(torch.load(path, map_location="cpu", weights_only=True), name=path.name)
    source.drop(r".*num_batches_tracked")
    out: dict[str, Tensor] = {}

    def fold(ours: str, convolution: str, norm: str) -> None:
        weight = source.take(f"{convolution}.weight")
        gain = source.take(f"{norm}.weight") / torch.sqrt(source.take(f"{norm}.running_var") + BATCH_NORM_EPSILON)
        out[f"{ours}.weight"] = weight * gain[:, None, None, None]
        out[f"{ours}.bias"] = source.take(f"{norm}.bias") - source.take(f"{norm}.running_mean") * gain

    fold("stem", "_conv_stem", "_bn0")
    block = 0
    while source.has(f"_blocks.{block}._project_conv.weight"):
        theirs = f"_blocks.{block}."
        if source.has(f"{theirs}_expand_conv.weight"):
            fold(f"blocks.{block}.expand", f"{theirs}_expand_conv", f"{theirs}_bn0")
        fold(f"blocks.{block}.depthwise", f"{theirs}_depthwise_conv", f"{theirs}_bn1")
        fold(f"blocks.{block}.project", f"{theirs}_project_conv", f"{theirs}_bn2")
        block += 1
    fold("head", "_conv_head", "_bn1")
    out["classifier.weight"], out["classifier.bias"] = source.take("_fc.weight"), source.take("_fc.bias")
    source.finish()
    return out


GGUF_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def llama_from_gguf(path: Path) -> dict[str, Tensor]:
    """A Llama-type GGUF file as `embed_tokens.weight`, `norm.weight` and `layers.N.*`, dequantised to float32."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    reader = GGUFReader(path)
    heads = gguf_field(reader, "llama.attention.head_count")
    key_value_heads = gguf_field(reader, "llama.attention.head_count_kv")
    out: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.name in ("token_embd.weight", "output_norm.weight"):
            name = "embed_tokens.weight" if tensor.name == "token_embd.weight" else "norm.weight"
        else:
            _, layer, kind, _ = tensor.name.split(".")
            if kind not in GGUF_LAYER:
                raise WeightsError(f"{path.name}: tensor {tensor.name} has no place in a Llama layer")
            weight = _half_rotation(weight, {"attn_q": heads, "attn_k": key_value_heads}.get(kind, 0))
            name = f"layers.{layer}.{GGUF_LAYER[kind]}.weight"
        out[name] = torch.from_numpy(np.ascontiguousarray(weight))
    return out


def _half_rotation(weight: Float[np.ndarray, "..."], heads: int) -> Float[np.ndarray, "..."]:
    """GGUF interleaves the two halves that rotary positions turn against each other; transformers keeps them apart."""
    if heads == 0:
        return weight
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def gguf_field(reader: Any, name: str) -> Any:
    """The value of a GGUF metadata field."""
    if name not in reader.fields:
        raise WeightsError(f"GGUF field {name} is missing: this is no Llama-type model")
    return reader.fields[name].contents()


def layers_of(llama: Mapping[str, Tensor], layers: tuple[int, ...]) -> dict[str, Tensor]:
    """The named layers renumbered from 0, with the final norm."""
    out = {"norm.weight": llama["norm.weight"]}
    for place, layer in enumerate(layers):
        taken = {key: value for key, value in llama.items() if key.startswith(f"layers.{layer}.")}
        if not taken:
            raise WeightsError(f"layer {layer} is not in the language model")
        out |= {key.replace(f"layers.{layer}.", f"layers.{place}.", 1): value for key, value in taken.items()}
    return out


def gguf_tokenizer(path: Path) -> str:
    """The byte-level BPE tokenizer inside a GGUF file, as the text of a `tokenizer.json`."""
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    reader = GGUFReader(path)
    tokens: list[str] = gguf_field(reader, "tokenizer.ggml.tokens")
    kinds: list[int] = gguf_field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in gguf_field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = 3  # GGUF's number for tokens that are marks, not text
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True) for token, kind in zip(tokens, kinds, strict=True) if kind == control]
    )
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
