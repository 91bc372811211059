"""One GPU's share of its peak: the paper's Predictor, random weights, forward and backward, with and without compiling.

The last 8 of Llama-3.2-1B's 16 layers (490M parameters) on clips of 8 frames: 1,024 visual tokens of V-JEPA 2 ViT-L and
a short query each, bfloat16. Tokens a second count visual and query tokens; the share of the peak is the pass's
floating-point work (PyTorch's own counter) over what the maker's data sheet promises (`vljepa.training.plan.GPUS`).
Aim: half of the peak or more. Where there is no GPU it says so and measures nothing.

Command: python benchmarks/gpu.py --batch 64 --frames 8
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from vljepa.models.llama import LlamaSettings
from vljepa.models.predictor import Predictor, PredictorSettings
from vljepa.training.plan import GPUS

TOKENS_A_TUBELET, TUBELET, VISUAL_WIDTH = 256, 2, 1024
PAPER = PredictorSettings(
    llama=LlamaSettings(
        hidden=2048,
        intermediate=8192,
        heads=32,
        key_value_heads=8,
        layers=tuple(range(8, 16)),
        rope_theta=500_000.0,
    ),
    visual_width=VISUAL_WIDTH,
    shared=1536,
)


def peak_of(name: str) -> float | None:
    """The known peak of the device of that name, in operations a second."""
    known = [machine for key, machine in GPUS.items() if key in name.lower().replace(" ", "")]
    return known[0].flops if known else None


def step_of(predictor: Predictor, options: argparse.Namespace) -> tuple[Callable[[], None], int]:
    """Forward and backward of a batch, and how many tokens it has."""
    device = torch.device("cuda")
    visual_tokens = -(-options.frames // TUBELET) * TOKENS_A_TUBELET
    visual = torch.randn(options.batch, visual_tokens, VISUAL_WIDTH, device=device, dtype=torch.bfloat16)
    words = torch.randn(options.batch, options.query_tokens, PAPER.llama.hidden, device=device, dtype=torch.bfloat16)
    mask = torch.ones(words.shape[:2], dtype=torch.bool, device=device)

    def step() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            out = predictor(visual, words, mask)
        out.float().square().mean().backward()
        predictor.zero_grad(set_to_none=True)

    return step, options.batch * (visual_tokens + options.query_tokens)


def seconds_of(step: Callable[[], None], rounds: int) -> float:
    """The median step; two before it load kernels, or compile."""
    found = []
    torch.cuda.reset_peak_memory_stats()
    for number in range(-2, rounds):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        if number >= 0:
            found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    """Print tokens a second and the share of the peak, plain and compiled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="clips (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip (default: %(default)s)")
    parser.add_argument("--query-tokens", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="steps of each side (default: %(default)s)")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no usable GPU here: nothing was measured (this script needs one with bfloat16 units)")
        return
    name = torch.cuda.get_device_name()
    peak = peak_of(name)
    predictor = Predictor(PAPER).cuda().train()
    step, tokens = step_of(predictor, options)
    with FlopCounterMode(display=False) as counter:
        step()
    work = float(counter.get_total_flops())
    parameters = sum(parameter.numel() for parameter in predictor.parameters()) / 1e6
    size = f"{parameters:.0f}M parameters, {work / 1e12:.1f} TFLOP a step"
    print(f"{name}: batch {options.batch} x {options.frames} frames, {size}")
    for way in ("plain", "compiled"):
        if way == "compiled":
            for block in predictor.layers.layers:
                block.forward = torch.compile(block.forward)  # as `loop.compile_blocks` does
        seconds = seconds_of(step, options.rounds)
        share = f"{work / seconds / peak:.0%} of the bfloat16 peak" if peak else "of an unknown peak (add it to GPUS)"
        memory = torch.cuda.max_memory_allocated() / 2**30
        print(f"{way:>9}: {tokens / seconds:12,.0f} tokens a second, {seconds:.3f} s a step, {share}, {memory:.1f} GiB")


if __name__ == "__main__":
    main()
