"""EfficientNet-Lite in numbers of 8 bits, on processors that multiply four of them at a time (Jacob et al. 2018).

A filter's weights are rounded to 255 levels, what layers hand on to 256: between 0 and 6 after a ReLU6, within
`settings.ranges` after a block. Sums are whole numbers, so a frame's maps are the same whichever frames go with it.
The kernels are oneDNN's, which torch.compile takes for such networks; PyTorch keeps them private.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.efficientnet_lite import EfficientNetLite, InvertedBottleneck, SameConvolution
from vljepa.models.fused import same_weight
from vljepa.runtime import has_int8_kernels

_LEVELS = 127  # on either side of zero
# A level of the frames that the family was trained with, and which of them is zero: (value - 127) / 128.
PIXELS = (1 / 128, 127)
_RELU6 = (6 / 255, 0)


class EightBit:
    """The layers of one frozen network as the kernels read them, made at the first call and when weights change.

    They are no part of the network's state: not saved, and a copy makes its own.
    """

    def __init__(self) -> None:
        self._kept: tuple[torch.Size, _Marks, _Network] | None = None

    def __reduce__(self) -> tuple[type["EightBit"], tuple[()]]:
        return EightBit, ()

    @staticmethod
    def fits(network: EfficientNetLite) -> bool:
        """Whether this machine has the kernels and the network its ranges, and nobody trains it."""
        weight = network.stem.weight
        return (
            bool(network.settings.ranges)
            and weight.device.type == "cpu"
            and not (weight.requires_grad or weight.is_inference())
            and has_int8_kernels()
        )

    def maps(
        self, network: EfficientNetLite, frames: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch channel rows columns"], Float[Tensor, "batch middle rows2 columns2"]]:
        """What `EfficientNetLite.maps` gives for (frames - 127) / 128, in float32 and up to rounding."""
        kept = self._kept  # once: another thread may put its own there meanwhile
        size = frames.shape[1:]  # padding depends on it
        marks = [
            (number.detach(), number._version)
            for layer in network.modules()
            if isinstance(layer, SameConvolution)
            for number in layer.parameters()
        ]
        if kept is None or kept[0] != size or not _same(kept[1], marks):
            kept = self._kept = (size, marks, _Network(network, frames.shape))
        return kept[2](frames)


# What is kept holds on to the weights it was made of, so that nothing else can come to lie in their memory.
_Marks = list[tuple[Tensor, int]]


def _same(then: _Marks, now: _Marks) -> bool:
    return all(
        version == other and same_weight(weight, version, current)
        for (weight, version), (current, other) in zip(then, now, strict=True)
    )


@dataclass
class _Shape:
    """How many frames there are, how they are scaled and how large they are, on the way through the network."""

    frames: int
    side: tuple[int, int]
    scale: tuple[float, int]


class _Network:
    """All layers in their order."""

    def __init__(self, network: EfficientNetLite, frames: torch.Size) -> None:
        shape = _Shape(frames[0], (frames[2], frames[3]), PIXELS)
        self.stem = _Convolution(network.stem, shape, _RELU6)
        self.blocks = []
        for block, most in zip(network.blocks, network.settings.ranges, strict=True):
            self.blocks.append(_Block(block, shape, (most / _LEVELS, _LEVELS + 1)))
        self.head = _Convolution(network.head, shape, _RELU6)
        self.middle = network.middle

    def __call__(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(frames.contiguous(memory_format=torch.channels_last))
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number == self.middle:
                middle = _restored(x, block.scale)
        return _restored(self.head(x), _RELU6), middle


def _restored(levels: UInt8[Tensor, "*shape"], scale: tuple[float, int]) -> Float[Tensor, "*shape"]:
    return (levels.float() - scale[1]) * scale[0]


class _Block:
    """An inverted bottleneck; its input is added within the last kernel."""

    def __init__(self, block: nn.Module, shape: _Shape, scale: tuple[float, int]) -> None:
        assert isinstance(block, InvertedBottleneck)
        self.before, self.scale = shape.scale, scale
        self.expand = _Convolution(block.expand, shape, _RELU6) if isinstance(block.expand, SameConvolution) else None
        self.depthwise = _Convolution(block.depthwise, shape, _RELU6)
        self.project = _Convolution(block.project, shape, scale)
        self.residual = block.residual

    def __call__(self, x: Tensor) -> Tensor:
        y = self.depthwise(x if self.expand is None else self.expand(x))
        return self.project(y, x, self.before) if self.residual else self.project(y)


class _Convolution:
    """One layer's weight in the kernel's order, with the scales of what comes in and what goes out."""

    def __init__(self, layer: SameConvolution, shape: _Shape, scale: tuple[float, int]) -> None:
        weight = layer.weight.detach().float()
        self.steps = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / _LEVELS
        levels = (weight / self.steps[:, None, None, None]).round().to(torch.int8)
        self.zeros = torch.zeros(len(levels), dtype=torch.int64)
        self.bias = None if layer.bias is None else layer.bias.detach().float()
        stride, outside = layer.stride[0], [layer.outside(side) for side in shape.side]
        # A zero before the kernel's first row moves it as padding at the end alone would (`SameConvolution`).
        levels = functional.pad(levels, (outside[1] % 2, 0, outside[0] % 2, 0))
        self.place = ([stride, stride], [(length + 1) // 2 for length in outside], [1, 1], layer.groups)
        self.came, self.goes, self.after = shape.scale, scale, "relu" if layer.relu6 else "none"
        size = [shape.frames, layer.in_channels, *shape.side]
        self.ordered = torch.ops.onednn.qconv_prepack(levels, self.steps, *self.came, *self.place, size)
        shape.side = (math.ceil(shape.side[0] / stride), math.ceil(shape.side[1] / stride))
        shape.scale = scale

    def __call__(self, x: Tensor, added: Tensor | None = None, added_scale: tuple[float, int] = _RELU6) -> Tensor:
        weight = (self.ordered, self.steps, self.zeros)
        goes = (*self.goes, torch.uint8)
        if added is None:
            return torch.ops.onednn.qconv2d_pointwise(
                x, *self.came, *weight, self.bias, *self.place, *goes, self.after, [], ""
            )
        return torch.ops.onednn.qconv2d_pointwise.binary(
            x, *self.came, *weight, added, self.bias, *self.place, *goes, *added_scale, "sum", 1.0, "none", [], ""
        )
