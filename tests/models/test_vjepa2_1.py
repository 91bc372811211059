"""V-JEPA 2.1 against a plain second implementation that follows the published description token by token."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from vljepa.models.vjepa2_1 import VJEPA21, VJEPA21Settings, vit_b, vit_g, vit_gigantic, vit_l

SETTINGS = VJEPA21Settings(hidden=48, intermediate=96, layers=3, heads=2, resolution=64)


def made(settings: VJEPA21Settings = SETTINGS) -> VJEPA21:
    torch.manual_seed(0)
    model = VJEPA21(settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return model


def plainly(model: VJEPA21, pixels: Tensor) -> Tensor:
    """One clip, with loops: no fused attention, no shared tables, angles computed pair by pair in float64."""
    weights = {name: value.double() for name, value in model.state_dict().items()}
    settings, grid = model.settings, model.settings.grid
    frames = pixels.double()
    depth = 1 if len(frames) == 1 else settings.tubelet
    name = "patch_embed_img" if len(frames) == 1 else "patch_embed"
    tokens, places = [], []
    for time in range(len(frames) // depth):
        for row in range(grid):
            for column in range(grid):
                box = frames[
                    time * depth : (time + 1) * depth,
                    :,
                    row * settings.patch : (row + 1) * settings.patch,
                    column * settings.patch : (column + 1) * settings.patch,
                ].transpose(0, 1)
                tokens.append((weights[f"{name}.proj.weight"] * box).sum((1, 2, 3, 4)) + weights[f"{name}.proj.bias"])
                places.append((time, row * 15 / (grid - 1), column * 15 / (grid - 1)))
    x = torch.stack(tokens) + weights["img_mod_embed" if len(frames) == 1 else "video_mod_embed"][0, 0]
    for number in range(settings.layers):
        own = {key.removeprefix(f"blocks.{number}."): value for key, value in weights.items()}
        normed = layer_norm(x, (48,), own["norm1.weight"], own["norm1.bias"], 1e-6)
        x = x + attended(normed, own, places, heads=settings.heads)
        normed = layer_norm(x, (48,), own["norm2.weight"], own["norm2.bias"], 1e-6)
        inner = normed @ own["mlp.fc1.weight"].T + own["mlp.fc1.bias"]
        inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
        x = x + inner @ own["mlp.fc2.weight"].T + own["mlp.fc2.bias"]
    return layer_norm(x, (48,), weights["norms_block.3.weight"], weights["norms_block.3.bias"], 1e-6)


def attended(x: Tensor, own: dict[str, Tensor], places: list[tuple[float, ...]], *, heads: int) -> Tensor:
    width = x.shape[1] // heads
    out = []
    for head in range(heads):
        query, key, value = (
            x @ own["attn.qkv.weight"][part * x.shape[1] :][head * width : (head + 1) * width].T
            + own["attn.qkv.bias"][part * x.shape[1] :][head * width : (head + 1) * width]
            for part in range(3)
        )
        query, key = (
            torch.stack([spun(v, place) for v, place in zip(side, places, strict=True)]) for side in (query, key)
        )
        out.append(((query @ key.T) / math.sqrt(width)).softmax(-1) @ value)
    return torch.cat(out, dim=1) @ own["attn.proj.weight"].T + own["attn.proj.bias"]


def spun(vector: Tensor, place: tuple[float, ...]) -> Tensor:
    """Each axis turns its own third of the head, rounded down to even; the rest stays."""
    third = 2 * (len(vector) // 3 // 2)
    spun = vector.clone()
    for axis, position in enumerate(place):
        for pair in range(third // 2):
            first = axis * third + 2 * pair
            angle = position / 10_000 ** (pair / (third / 2))
            a, b = vector[first], vector[first + 1]
            spun[first] = a * math.cos(angle) - b * math.sin(angle)
            spun[first + 1] = b * math.cos(angle) + a * math.sin(angle)
    return spun


@pytest.mark.parametrize("frames", [1, 4])
def test_it_is_what_was_published(frames: int):
    model = made()
    pixels = torch.randn(2, frames, 3, 64, 64)
    expected = torch.stack([plainly(model, clip) for clip in pixels]).float()
    with torch.no_grad():
        tokens = model(pixels)
    assert tokens.shape == (2, max(1, frames // 2) * 16, 48)
    assert torch.allclose(tokens, expected, atol=1e-5)


def test_positions_are_stretched_to_the_grid_of_256_pixels():
    """At 256 pixels nothing is stretched; at any other size the corners still lie 15 steps apart."""
    for resolution in (32, 64, 256):
        model = made(VJEPA21Settings(hidden=48, intermediate=96, layers=1, heads=2, resolution=resolution))
        grid = resolution // 16
        cosine, sine = model._turns(1, torch.zeros(1, grid * grid, 48))
        row = slice(8, 10)  # the first pair of the row's third, which turns by a radian a step
        angles = torch.atan2(sine, cosine)[:, row][:, 0]
        assert torch.allclose(angles[-1].cos(), torch.tensor(math.cos(15.0)), atol=1e-4)
        assert angles[0] == 0


def test_no_frame_is_lost():
    clip = torch.randn(1, 3, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(made()(clip), made()(clip[:, [0, 1, 2, 2]]))


def test_what_it_cannot_read_is_refused():
    model = made()
    with pytest.raises(ValueError, match="frames of 96 x 96 pixels"):
        model(torch.zeros(1, 2, 3, 96, 96))
    with pytest.raises(ValueError, match="no multiple of 16"):
        VJEPA21Settings(resolution=250)


def test_published_sizes():
    """Millions of parameters of the four published encoders, counted without memory."""
    with torch.device("meta"):
        counts = {
            size.__name__: sum(p.numel() for p in VJEPA21(size()).parameters()) / 1e6
            for size in (vit_b, vit_l, vit_g, vit_gigantic)
        }
    assert {name: round(count) for name, count in counts.items()} == {
        "vit_b": 87,
        "vit_l": 305,
        "vit_g": 1013,
        "vit_gigantic": 1845,
    }
