"""Milliseconds of processor time a frame in the X-Encoder of size `small`, on one thread of a CPU; prints a table.

Rows are how many frames go through the network at once. Plainly: the same weights, every convolution and ReLU6 through
PyTorch's own, uneven padding as a copy of the maps. All sides alternate in one run, and the least of ROUNDS counts:
what other programs take from the caches only adds. In float32, or in bfloat16 where the processor has units for it; in
8 bits where it has kernels for them.
Command: OMP_NUM_THREADS=1 python benchmarks/x_encoder.py [--ranges FOLDER]
With a folder of pictures: the largest magnitude of what each block gives, for `models/sizes.py`, and how far features
in 8 bits are from the others.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from vljepa.embedder import Embedder
from vljepa.models import x_encoder
from vljepa.models.efficientnet_lite import SameConvolution
from vljepa.models.lite_encoder import LiteEncoder, lite
from vljepa.models.x_encoder import ToPixels

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


def speed(encoder: LiteEncoder, to_pixels: ToPixels) -> None:
    """Print the table."""
    drawn = torch.randint(0, 256, (FRAMES, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    frames, pixels = drawn.to(torch.uint8), (drawn.float() - 127) / 128
    print(f"{encoder.network.classifier.weight.dtype}, {torch.get_num_threads()} threads")
    print(f"{'at once':>8} {'8 bits ms':>10} {'ours ms':>8} {'ratio':>6} {'plainly ms':>11} {'ratio':>6}")
    for number in AT_ONCE:
        quick, ours, plain = [], [], []
        with mock.patch.object(x_encoder, "CPU_FRAMES", number):
            encoder.quick_features(frames, to_pixels)
            encoder.features(pixels)
            for _ in range(ROUNDS):
                quick.append(
                    spent(lambda: encoder.quick_features(frames, to_pixels)) if encoder.in_eight_bits else math.nan
                )
                ours.append(spent(lambda: encoder.features(pixels)))
                with mock.patch.object(SameConvolution, "forward", plainly):
                    plain.append(spent(lambda: encoder.features(pixels)))
        spared = min(ours) / min(quick)
        told = f"{number:>8} {min(quick):>10.1f} {min(ours):>8.1f} {spared:>6.2f}"
        print(f"{told} {min(plain):>11.1f} {min(plain) / min(ours):>6.2f}", flush=True)


def ranges(embedder: Embedder, encoder: LiteEncoder, folder: Path) -> None:
    """Print each block's largest magnitude over the folder's pictures, and what 8 bits change."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png", ".webp"))
    frames = torch.cat([embedder.squares(embedder.clip(path)) for path in paths])
    to_pixels = embedder.bundle.processor.pixels
    most = [0.0] * len(encoder.network.blocks)

    def note(place: int) -> Callable[[object, object, Tensor], None]:
        def hook(_module: object, _given: object, maps: Tensor) -> None:
            most[place] = max(most[place], float(maps.abs().max()))

        return hook

    hooks = [block.register_forward_hook(note(place)) for place, block in enumerate(encoder.network.blocks)]
    exact = encoder.features(to_pixels(frames))
    for hook in hooks:
        hook.remove()
    print(f"{len(paths)} pictures; the blocks give at most {[round(value) for value in most]}")
    if encoder.in_eight_bits:
        quick = encoder.quick_features(frames, to_pixels)
        classes, cells = encoder.classes, encoder.settings.cells**2
        sides = [
            ((kept[:, :-classes].unflatten(1, (cells, -1)) - encoder.mean) * encoder.scale).flatten(1)
            for kept in (quick, exact)
        ]
        alike = functional.cosine_similarity(*sides).mean()
        same = (quick[:, -classes:].argmax(1) == exact[:, -classes:].argmax(1)).float().mean()
        print(f"features in 8 bits: cosine {alike:.4f} with the others', the same class in {100 * same:.1f} %")


def main() -> None:
    """Print one or the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranges", type=Path, metavar="FOLDER", help="measure on these pictures instead")
    options = parser.parse_args()
    embedder = Embedder.from_folder(device="cpu")
    encoder = lite(embedder.bundle.model.x_encoder, what="this benchmark")
    with torch.inference_mode():  # weights that are made in it do not tell when they change
        if options.ranges:
            ranges(embedder, encoder, options.ranges)
        else:
            speed(encoder, embedder.bundle.processor.pixels)


if __name__ == "__main__":
    main()
