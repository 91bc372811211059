"""InfoNCE of one large batch, forward and backward: ours, some rows at a time, against whole score matrices.

Naive is CLIP's code: one score matrix, cross-entropy over its rows and over its columns, autograd. Each side runs in a
process of its own, so that its peak memory is its own (on a CPU read from /proc, so on Linux); with --rounds both
sides alternate and medians are compared. At the default size, the paper's batch, naive needs some 11 GB and a CPU
minutes; --batch makes it small.

Command: python benchmarks/loss.py --batch 4096 --dim 512
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vljepa.objectives.info_nce import info_nce
from vljepa.runtime import choose_device

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def ours(predicted: Tensor, targets: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    return info_nce(predicted, targets, labels, scale)


def naive(predicted: Tensor, targets: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    scores = scale * (predicted @ targets.T)
    return (functional.cross_entropy(scores, labels) + functional.cross_entropy(scores.T, labels)) / 2


def forget_peak(device: torch.device) -> None:
    """What was needed to make the inputs does not count."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: torch.device) -> int:
    """Bytes: of the GPU's memory ever allocated, of the process's memory ever resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def measure(loss: Loss, options: argparse.Namespace) -> tuple[float, int, float]:
    """Seconds and further peak memory of one forward and backward pass, and the loss; alone in this process."""
    device = choose_device(options.device)
    torch.manual_seed(0)
    sides = [
        functional.normalize(torch.randn(options.batch, options.dim, device=device), dim=-1).requires_grad_()
        for _ in range(2)
    ]
    scale = torch.tensor([1 / 0.07], device=device, requires_grad=True)
    # The first call of a matrix product loads libraries and starts threads.
    loss(sides[0][:64], sides[1][:64], torch.arange(64, device=device), scale).backward()
    for value in (*sides, scale):
        value.grad = None
    labels = torch.arange(options.batch, device=device)
    forget_peak(device)
    before = peak(device)
    begin = time.perf_counter()
    value = loss(*sides, labels, scale)
    value.backward()
    found = value.item()  # waits for the device
    return time.perf_counter() - begin, peak(device) - before, found


def alone(loss: Loss, options: argparse.Namespace) -> tuple[float, int, float]:
    """`measure` in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result: Any = pool.apply(measure, (loss, options))
    return result


def main() -> None:
    """Print both sides and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=24_576, help="rows, and texts (default: %(default)s)")
    parser.add_argument("--dim", type=int, default=1_536, help="dimensions of the shared space (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each side (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    options = parser.parse_args()
    print(f"{options.batch} x {options.dim}, {choose_device(options.device)}, float32, rounds {options.rounds}")
    rounds = [(alone(ours, options), alone(naive, options)) for _ in range(options.rounds)]
    medians = []
    for name, runs in zip(("ours", "naive"), zip(*rounds, strict=True), strict=True):
        seconds, memory, value = (statistics.median(column) for column in zip(*runs, strict=True))
        medians.append((seconds, memory))
        print(f"{name:>6}: {seconds:8.2f} s  {memory / 2**20:10.1f} MiB at the peak  loss {value:.6f}")
    (our_seconds, our_memory), (seconds, memory) = medians
    print(f"naive takes {memory / our_memory:.1f} times our memory; we take {our_seconds / seconds:.2f} times its time")


if __name__ == "__main__":
    main()
