"""Perception Encoder against a plain second implementation that follows the published description token by token."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from vljepa.models.perception_encoder import PerceptionEncoder, PerceptionSettings
from vljepa.weights.folder import Undrawn

SETTINGS = PerceptionSettings(resolution=32, patch=8, hidden=48, intermediate=80, layers=2, heads=2)
LANG = replace(SETTINGS, class_token=False, scaled=True, last_norm=False)


def made(settings: PerceptionSettings) -> PerceptionEncoder:
    torch.manual_seed(0)
    model = PerceptionEncoder(settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return model


def plainly(model: PerceptionEncoder, picture: Tensor) -> Tensor:
    """One picture, with loops: no fused attention, no tables, angles computed pair by pair in float64."""
    own = {name: value.double() for name, value in model.state_dict().items()}
    settings, side = model.settings, model.settings.patch
    tokens, places = [], []
    if settings.class_token:
        tokens.append(own["class_embedding"])
        places.append((0, 0))
    first = 1 if settings.class_token else 0
    for row in range(settings.resolution // side):
        for column in range(settings.resolution // side):
            box = picture.double()[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
            tokens.append((own["conv1.weight"] * box).sum((1, 2, 3)))
            places.append((column + first, row + first))
    x = norm(torch.stack(tokens) + own["positional_embedding"], own, "ln_pre")
    for number in range(settings.layers):
        prefix = f"transformer.resblocks.{number}."
        block = {key.removeprefix(prefix): value for key, value in own.items() if key.startswith(prefix)}
        seen = attended(norm(x, block, "ln_1"), block, places, heads=settings.heads)
        x = x + seen * block.get("ls_1.gamma", 1.0)
        inner = norm(x, block, "ln_2") @ block["mlp.c_fc.weight"].T + block["mlp.c_fc.bias"]
        inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
        x = x + (inner @ block["mlp.c_proj.weight"].T + block["mlp.c_proj.bias"]) * block.get("ls_2.gamma", 1.0)
    return norm(x, own, "ln_post") if settings.last_norm else x


def norm(x: Tensor, own: dict[str, Tensor], name: str) -> Tensor:
    return layer_norm(x, (x.shape[-1],), own[f"{name}.weight"], own[f"{name}.bias"], 1e-5)


def attended(x: Tensor, own: dict[str, Tensor], places: list[tuple[int, int]], *, heads: int) -> Tensor:
    width = x.shape[1] // heads
    queries, keys, values = (x @ own["attn.in_proj_weight"].T + own["attn.in_proj_bias"]).chunk(3, dim=1)
    out = torch.zeros_like(x)
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        turned = [
            torch.stack([spun(token, *place) for token, place in zip(side[:, part], places, strict=True)])
            for side in (queries, keys)
        ]
        scores = turned[0] @ turned[1].T / math.sqrt(width)
        out[:, part] = scores.softmax(-1) @ values[:, part]
    return out @ own["attn.out_proj.weight"].T + own["attn.out_proj.bias"]


def spun(vector: Tensor, column: int, row: int) -> Tensor:
    """The first half of a head by the column, the second by the row, neighbours against each other."""
    out, half = vector.clone(), len(vector) // 2
    for offset, place in ((0, column), (half, row)):
        for pair in range(half // 2):
            angle = place * 10_000 ** (-2 * pair / half)
            one, other = vector[offset + 2 * pair], vector[offset + 2 * pair + 1]
            out[offset + 2 * pair] = one * math.cos(angle) - other * math.sin(angle)
            out[offset + 2 * pair + 1] = other * math.cos(angle) + one * math.sin(angle)
    return out


@pytest.mark.parametrize("settings", [SETTINGS, LANG], ids=["core", "lang"])
@torch.no_grad()
def test_it_gives_what_the_plain_one_gives(settings: PerceptionSettings) -> None:
    model, pictures = made(settings), torch.randn(2, 3, 32, 32)
    expected = torch.stack([plainly(model, picture) for picture in pictures]).float()
    torch.testing.assert_close(model(pictures), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("billions", "shape"),
    [
        (0.09, {"resolution": 224, "patch": 16, "hidden": 768, "intermediate": 3072, "layers": 12, "heads": 12}),
        (0.32, {"resolution": 336, "patch": 14, "hidden": 1024, "intermediate": 4096, "layers": 24, "heads": 16}),
        (1.88, {"resolution": 448, "patch": 14, "hidden": 1536, "intermediate": 8960, "layers": 50, "heads": 16}),
    ],
    ids=["B", "L", "G"],
)
def test_published_sizes(billions: float, shape: dict[str, int]) -> None:
    """With the pooling that is left out here: attention, and a feed-forward four times as wide."""
    with torch.device("meta"), Undrawn():
        model = PerceptionEncoder(PerceptionSettings(**shape))
    pooling = 12 * shape["hidden"] ** 2
    assert round((sum(weight.numel() for weight in model.parameters()) + pooling) / 1e9, 2) == billions


def test_shapes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="resolution 33 is no multiple of patches of 8"):
        replace(SETTINGS, resolution=33)
    with pytest.raises(ValueError, match="5 heads of four numbers"):
        replace(SETTINGS, heads=5)
