"""EfficientNet-Lite: a frozen picture encoder with its ImageNet classifier (Tan and Le 2019; the Lite family of 2020).

Batch normalisation is folded into the convolutions, since nothing here is ever trained: what remains are plain
convolutions with bias and ReLU6. `weights/packages` reads the published weights into this form.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vljepa.models.fused import FusedKernels

# kernel, stride, expansion, channels out, repeats: the table of the paper's B0 network
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
MIDDLE_STAGE = 4  # the last one at a sixteenth of the resolution
STEM_CHANNELS = 32
FEATURE_CHANNELS = 1280
NUM_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class EfficientNetLiteSettings:
    """Multipliers of the family: Lite0 is (1.0, 1.0), Lite2 is (1.1, 1.2).

    `ranges`: the largest magnitude that each block gives, for computing in 8 bits (`models/eight_bit.py`); none are
    told of a network that is to be computed in the format of its weights everywhere.
    """

    width: float = 1.0
    depth: float = 1.0
    ranges: tuple[float, ...] = ()

    @property
    def middle_channels(self) -> int:
        """Channels of the feature map halfway."""
        return scaled_channels(STAGES[MIDDLE_STAGE][3], self.width)


def scaled_channels(channels: int, width: float) -> int:
    """Channels times width, rounded to a multiple of 8 without losing more than a tenth."""
    scaled = max(8, int(channels * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * width else scaled


class SameConvolution(nn.Conv2d):
    """Convolution with TensorFlow's padding: where it is uneven, the extra row and column lie at the end."""

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel: int, stride: int = 1, groups: int = 1, relu6: bool = False
    ) -> None:
        super().__init__(channels_in, channels_out, kernel, stride=stride, groups=groups, bias=True)
        self.relu6 = relu6
        self._kernels = FusedKernels()

    def outside(self, side: int) -> int:
        """How many rows (or columns) of zeros maps with so many of their own need around them."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        return max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out rows columns"]:
        """Output size is the input size over the stride, rounded up; with the ReLU6 that belongs to it."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == stride == self.groups == 1:  # channels lie last: a matrix product that needs no copy
            y = self._kernels.product(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias, relu6=self.relu6)
            return y.permute(0, 3, 1, 2)
        rows, columns = self.outside(x.shape[2]), self.outside(x.shape[3])
        return self._kernels.convolution(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=((rows + 1) // 2, (columns + 1) // 2),
            # A zero before the kernel's first row moves it as padding at the end alone would, without a copy of x.
            zeros=(columns % 2, 0, rows % 2, 0),
            groups=self.groups,
            relu6=self.relu6,
        )


class InvertedBottleneck(nn.Module):
    """Widen, filter each channel over space, narrow; added to its input where the shapes allow."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.expand = SameConvolution(channels_in, inner, kernel=1, relu6=True) if expansion > 1 else nn.Identity()
        self.depthwise = SameConvolution(inner, inner, kernel=kernel, stride=stride, groups=inner, relu6=True)
        self.project = SameConvolution(inner, channels_out, kernel=1)
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out rows columns"]:
        """ReLU6 after each step but the last."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """Pixels in, feature maps or class logits out; the head's 1280 channels are the same in every size."""

    def __init__(self, settings: EfficientNetLiteSettings) -> None:
        super().__init__()
        self.settings = settings
        self.stem = SameConvolution(3, STEM_CHANNELS, kernel=3, stride=2, relu6=True)
        blocks: list[nn.Module] = []
        channels = STEM_CHANNELS
        for number, (kernel, stride, expansion, base, repeats) in enumerate(STAGES):
            out = scaled_channels(base, settings.width)
            # The Lite family scales neither its stem and head nor the repeats of the first and the last stage.
            edge = number in (0, len(STAGES) - 1)
            for repeat in range(repeats if edge else math.ceil(repeats * settings.depth)):
                first_stride = stride if repeat == 0 else 1
                blocks.append(
                    InvertedBottleneck(channels, out, kernel=kernel, stride=first_stride, expansion=expansion)
                )
                channels = out
            if number == MIDDLE_STAGE:
                self.middle = len(blocks)
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConvolution(channels, FEATURE_CHANNELS, kernel=1, relu6=True)
        self.classifier = nn.Linear(FEATURE_CHANNELS, NUM_CLASSES)

    def maps(
        self, pixels: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch channel rows columns"], Float[Tensor, "batch middle rows2 columns2"]]:
        """The last feature map and the one halfway: 7x7 of 1280 channels and 14x14 of 112 at 224 pixels (Lite0)."""
        x = self.stem(pixels.contiguous(memory_format=torch.channels_last))
        middle = self.blocks[: self.middle](x)
        return self.head(self.blocks[self.middle :](middle)), middle

    def logits(self, features: Float[Tensor, "batch channel rows columns"]) -> Float[Tensor, "batch classes"]:
        """Class scores of a feature map, averaged over its cells."""
        return self.classifier(features.mean((2, 3)))
