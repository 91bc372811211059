"""Milliseconds of processor time a frame in the X-Encoder of size `small`, on one thread of a CPU; prints a table.

Rows are how many frames go through the network at once. Plainly: the same weights, every convolution and ReLU6 through
PyTorch's own, uneven padding as a copy of the maps. Both sides alternate in one run, and the least of ROUNDS counts:
what other programs take from the caches only adds. In float32, or in bfloat16 where the processor has units for it.
Command: OMP_NUM_THREADS=1 python benchmarks/x_encoder.py
"""

import math
import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from vljepa.embedder import Embedder
from vljepa.models import x_encoder
from vljepa.models.efficientnet_lite import SameConvolution

FRAMES, SIDE, ROUNDS = 32, 224, 5
AT_ONCE = (1, 2, 4, 8, 16, 32)


def plainly(convolution: SameConvolution, maps: Tensor) -> Tensor:
    """The convolution as it is written down: pad, convolve, then the ReLU6."""
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    tall, wide = (max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in maps.shape[2:])
    maps = functional.pad(maps, (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2))
    maps = functional.conv2d(maps, convolution.weight, convolution.bias, convolution.stride, groups=convolution.groups)
    return functional.relu6(maps, inplace=True) if convolution.relu6 else maps


def spent(call: Callable[[], object]) -> float:
    """Milliseconds of processor time a frame."""
    begin = time.process_time()
    call()
    return 1e3 * (time.process_time() - begin) / FRAMES


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    encoder = Embedder.from_folder(device="cpu").bundle.model.x_encoder
    pixels = torch.randn(FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    print(f"{encoder.network.classifier.weight.dtype}, {torch.get_num_threads()} threads")
    print(f"{'at once':>8} {'ours ms':>8} {'plainly ms':>11} {'ratio':>6}")
    for number in AT_ONCE:
        ours, plain = [], []
        with mock.patch.object(x_encoder, "CPU_FRAMES", number):
            encoder.features(pixels)
            for _ in range(ROUNDS):
                ours.append(spent(lambda: encoder.features(pixels)))
                with mock.patch.object(SameConvolution, "forward", plainly):
                    plain.append(spent(lambda: encoder.features(pixels)))
        print(f"{number:>8} {min(ours):>8.1f} {min(plain):>11.1f} {min(plain) / min(ours):>6.2f}", flush=True)


if __name__ == "__main__":
    main()
