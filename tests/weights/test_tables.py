"""Key tables: nothing is loaded in part, and each thing that is wrong is named alone."""

import pytest
import torch
from torch import Tensor

from vljepa.weights.convert import WeightsError
from vljepa.weights.tables import KeyTable, to_ours, to_theirs

TABLE = KeyTable(
    rows={"embed.{kind}": "table.{kind}", "blocks.{n}.{rest}": "layers.{n}.{rest}", "qkv": ("q", "k", "v")},
    prefixes=("model.", ""),
    left_out=(r"(model\.)?head\..*",),
)


def theirs() -> dict[str, Tensor]:
    return {
        "model.embed.weight": torch.randn(4, 3),
        "model.blocks.0.up": torch.randn(2, 3),
        "model.blocks.1.up": torch.randn(2, 3),
        "model.qkv": torch.randn(6, 3),
        "model.head.weight": torch.randn(5),
    }


def wanted(*layers: int) -> dict[str, Tensor]:
    own = {f"layers.{n}.up": torch.empty(2, 3) for n in layers}
    return own | {"table.weight": torch.empty(4, 3)} | {part: torch.empty(2, 3) for part in "qkv"}


def test_every_tensor_goes_to_its_place_and_returns() -> None:
    given = theirs()
    ours = to_ours(TABLE, given, wanted(0, 1), name="it")
    assert ours.keys() == wanted(0, 1).keys()
    assert torch.equal(ours["k"], given["model.qkv"][2:4])
    again = to_theirs(TABLE, ours)
    assert again.keys() == given.keys() - {"model.head.weight"}
    assert all(torch.equal(again[key], given[key]) for key in again)


def test_layers_are_taken_by_their_numbers() -> None:
    given = theirs()
    ours = to_ours(TABLE, given, wanted(0), name="it", layers=(1,))
    assert torch.equal(ours["layers.0.up"], given["model.blocks.1.up"])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"model.strange": torch.zeros(1)}, "it: tensors do not fit the model: unused: model.strange"),
        ({"model.blocks.2.up": torch.zeros(2, 3)}, "it: tensors do not fit the model: unused: model.blocks.2.up"),
        ({"blocks.0.up": torch.zeros(2, 3)}, "it: tensors do not fit the model: unused: blocks.0.up"),
    ],
    ids=["in no row", "no place for it", "without the prefix"],
)
def test_what_nobody_uses_is_refused_by_its_name(more: dict[str, Tensor], told: str) -> None:
    with pytest.raises(WeightsError) as error:
        to_ours(TABLE, theirs() | more, wanted(0, 1), name="it")
    assert str(error.value) == told


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused_by_its_name(spoilt: float, dtype: torch.dtype) -> None:
    given = {key: tensor.to(dtype) for key, tensor in theirs().items()}
    to_ours(TABLE, given, wanted(0, 1), name="it")
    given["model.blocks.1.up"][1, 2] = spoilt
    with pytest.raises(WeightsError, match=r"it: tensor model\.blocks\.1\.up holds NaN or infinite numbers"):
        to_ours(TABLE, given, wanted(0, 1), name="it")


def test_what_is_missing_has_its_published_name() -> None:
    given = theirs()
    del given["model.blocks.1.up"]
    with pytest.raises(WeightsError, match=r"missing: model\.blocks\.1\.up$"):
        to_ours(TABLE, given, wanted(0, 1), name="it")
    given = theirs() | {"model.qkv": torch.zeros(7, 3)}
    with pytest.raises(WeightsError, match=r"model\.qkv is \(7, 3\), which are not 3 of one size"):
        to_ours(TABLE, given, wanted(0, 1), name="it")
