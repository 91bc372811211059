"""Whole models of other people under our names, and back: open-vljepa and saivishwak/VL-JEPA.

Both are made of the paper's parts (V-JEPA 2, Llama-3.2, EmbeddingGemma without its dense heads) with linear projections
between them; neither has a projection of the query, which is the identity here. The layouts were read from their source
code; the published file of open-vljepa (2.13 GB) was not at hand.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from vljepa.weights.convert import WeightsError
from vljepa.weights.tables import KeyTable, to_ours, to_theirs

_QUERY = ("predictor.query_projection.weight", "predictor.query_projection.bias")
_VISUAL = "predictor.visual_projection."
_FIRST, _SECOND = "x_projection.", "visual_projection."

# The vision encoder is not in the file: it was frozen.
OPEN_VLJEPA = KeyTable(
    rows={
        "predictor.embed_tokens.weight": "token_table.weight",
        "predictor.vis_proj.{kind}": "predictor.visual_projection.{kind}",
        "predictor.out_proj.{kind}": "predictor.head.{kind}",
        "predictor.layers.{n}.{rest}": "predictor.layers.layers.{n}.{rest}",
        "predictor.norm.weight": "predictor.layers.norm.weight",
        "y_encoder.model.{rest}": "y_encoder.body.network.{rest}",
        "y_encoder.projector.{kind}": "y_encoder.head.{kind}",
    }
)
# V-JEPA 2's own predictor came along with its encoder and is used by nobody.
SAIVISHWAK = KeyTable(
    rows={
        "x_encoder.encoder.encoder.{rest}": "x_encoder.network.encoder.{rest}",
        "x_encoder.projection.{kind}": _FIRST + "{kind}",
        "predictor.vision_projection.{kind}": _SECOND + "{kind}",
        "predictor.output_projection.{kind}": "predictor.head.{kind}",
        "predictor.backbone.embed_tokens.weight": "token_table.weight",
        "predictor.backbone.layers.{n}.{rest}": "predictor.layers.layers.{n}.{rest}",
        "predictor.backbone.norm.weight": "predictor.layers.norm.weight",
        "y_encoder.encoder.{rest}": "y_encoder.body.network.{rest}",
        "y_encoder.projection.{kind}": "y_encoder.head.{kind}",
    },
    left_out=(r"x_encoder\.encoder\.predictor\..*",),
)


def from_open_vljepa(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, name: str) -> dict[str, Tensor]:
    """The tensors of `model_state_dict` in `best.pt` or `latest.pt` as those `wanted`, but for the vision encoder's."""
    own = {key: value for key, value in wanted.items() if not key.startswith("x_encoder.") and key not in _QUERY}
    return to_ours(OPEN_VLJEPA, tensors, own, name=name) | _identity(wanted)


def to_open_vljepa(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Ours as theirs. WeightsError for a query projection that has learned something: they have no place for it."""
    weight, bias = (tensors[key].float() for key in _QUERY)
    if not torch.equal(weight, torch.eye(len(weight))) or bool(bias.any()):
        raise WeightsError("this model's query projection is not the identity, and that layout has no place for it")
    kept = {
        key: value
        for key, value in tensors.items()
        if not key.startswith(("x_encoder.", "y_decoder.")) and key not in _QUERY
    }
    return to_theirs(OPEN_VLJEPA, kept)


def from_saivishwak(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, name: str, without_decoder: bool = False
) -> dict[str, Tensor]:
    """The tensors of `model.pt` as those `wanted`: two linear projections of visual tokens in a row become one.

    WeightsError where it holds a Y-Decoder, which reads lengths that ours does not know, unless it is to be left out.
    """
    spoken = sorted(key for key in tensors if key.startswith("y_decoder."))
    if spoken and not without_decoder:
        raise WeightsError(
            f"{name}: its Y-Decoder ({len(spoken)} tensors, among them {spoken[0]}) reads embeddings that are not of "
            "length one and has no place here: leave it out with --decoder none, or begin another with --decoder new"
        )
    read = {key: value for key, value in tensors.items() if key not in spoken}
    hidden, wide = wanted[_VISUAL + "weight"].shape
    between = size_of(read, "x_encoder.projection.bias", name=name)
    own = {key: value for key, value in wanted.items() if key not in _QUERY and not key.startswith(_VISUAL)}
    for place, shape in ((_FIRST, (between, wide)), (_SECOND, (hidden, between))):
        own |= {
            place + "weight": torch.empty(shape, device="meta"),
            place + "bias": torch.empty(shape[0], device="meta"),
        }
    out = to_ours(SAIVISHWAK, read, own, name=name)
    inner, first, outer, second = (
        out.pop(place + kind).float() for place in (_FIRST, _SECOND) for kind in ("weight", "bias")
    )
    return out | {_VISUAL + "weight": outer @ inner, _VISUAL + "bias": outer @ first + second} | _identity(wanted)


def size_of(tensors: Mapping[str, Tensor], key: str, *, name: str) -> int:
    """How many numbers a bias has; WeightsError where there is no such vector."""
    if key not in tensors:
        raise WeightsError(f"{name}: tensor {key} is missing")
    if tensors[key].ndim != 1:
        raise WeightsError(f"{name}: tensor {key} is {tuple(tensors[key].shape)}, and a vector is needed")
    return len(tensors[key])


def num_layers(tensors: Mapping[str, Tensor], prefix: str, *, name: str) -> int:
    """How many layers there are under a prefix."""
    numbers = {found[1] for key in tensors if (found := re.match(rf"{re.escape(prefix)}(\d+)\.", key))}
    if not numbers:
        raise WeightsError(f"{name} has no tensor {prefix}0...: is it of this kind?")
    return len(numbers)


def _identity(wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The projection of the query that they do not have."""
    width = len(wanted[_QUERY[1]])
    return {_QUERY[0]: torch.eye(width), _QUERY[1]: torch.zeros(width)}
