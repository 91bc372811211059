"""Weights as int8 with one float scale a row: a quarter of the bytes where scores do not move."""

import torch
from jaxtyping import Float, Int8
from torch import Tensor

SCALE_SUFFIX = ".int8_scale"


def quantized(weight: Float[Tensor, "row column"]) -> tuple[Int8[Tensor, "row column"], Float[Tensor, "row"]]:
    """Nearest of 255 levels between minus and plus the row's largest magnitude."""
    scale = weight.float().abs().amax(1).clamp(min=1e-12) / 127
    return (weight.float() / scale[:, None]).round().to(torch.int8), scale


def restored(levels: Int8[Tensor, "row column"], scale: Float[Tensor, "row"]) -> Float[Tensor, "row column"]:
    """The weight in float32."""
    return levels.float() * scale[:, None]


def packed(tensors: dict[str, Tensor], *, smallest: int = 65536, dense: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Matrices of at least `smallest` numbers as int8 and scales, other matrices as bfloat16, vectors as float32.

    Names that start with one of `dense` are never made int8: convolutions, whose errors add up over depth.
    """
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            out[name] = tensor.contiguous()
        elif tensor.ndim < 2:
            out[name] = tensor.float().contiguous()
        elif tensor.ndim == 2 and tensor.numel() >= smallest and not name.startswith(dense):
            out[name], out[name + SCALE_SUFFIX] = quantized(tensor)
        else:
            out[name] = tensor.to(torch.bfloat16).contiguous()
    return out
