"""Decodes that each way to choose them needs to cover a stream as well as one decode a second does; prints a table.

The streams are made up: scenes of ten seconds or so in windows of two seconds, two a second, with noise, and in half
of the streams with slow drift on top. Covered are the windows as they were before the noise: what was shown, not what
was measured. The table is therefore about the rules, not about a model.
Command: OMP_NUM_THREADS=1 python benchmarks/online.py
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from vljepa.streaming.chooser import offline_points
from vljepa.streaming.cuts import Method
from vljepa.streaming.online import OnlineSettings, online_points
from vljepa.streaming.segment import chain_ward
from vljepa.streaming.selective import DecodePoint, coverage

DIM = 384
STREAMS, SECONDS = 4, 300
WINDOW, HOP, FRAME = 2.0, 0.5, 0.25
SCENE_SECONDS, DRIFT = 10.0, 0.1
# Of one frame, where scenes differ by 1; a window averages over eight frames.
NOISES = (0.5, 1.0)
RATES = np.geomspace(0.02, 1.0, 16)


class Stream(NamedTuple):
    """What a made-up stream shows and, with noise, its windows' embeddings; their times in seconds."""

    shown: Tensor
    embeddings: Tensor
    times: list[tuple[float, float]]


def stream(seed: int, *, noise: float, drift: float) -> Stream:
    """Frames of scenes that last two seconds or more, averaged over windows."""
    generator = np.random.default_rng(seed)
    num_frames = int(SECONDS / FRAME)
    lengths = 2 + generator.exponential(SCENE_SECONDS - 2, size=SECONDS)
    scene = np.searchsorted(np.cumsum(lengths), np.arange(num_frames) * FRAME, side="right")
    shape = (num_frames, DIM)
    common = generator.normal(size=DIM)  # as the embeddings of a model have
    shown = common + generator.normal(size=shape)[scene]
    shown += drift * np.sqrt(FRAME) * generator.normal(size=shape).cumsum(axis=0)
    seen = shown + noise * generator.normal(size=shape)
    times = [(start, start + WINDOW) for start in np.arange(0, SECONDS - WINDOW + HOP, HOP).tolist()]
    return Stream(_windows(shown, times), _windows(seen, times), times)


def _windows(frames: np.ndarray, times: list[tuple[float, float]]) -> Tensor:
    """The mean of each window's frames."""
    rows = [frames[round(start / FRAME) : round(end / FRAME)].mean(axis=0) for start, end in times]
    return torch.from_numpy(np.stack(rows)).float()


def ways(made: Stream) -> dict[str, Callable[[float], list[DecodePoint]]]:
    """Decode points of a stream for a rate, by the name of the way."""
    _, embeddings, times = made
    tree = chain_ward(embeddings)
    found: dict[str, Callable[[float], list[DecodePoint]]] = {
        "uniform": lambda rate: offline_points("uniform", embeddings, times, rate=rate),
        "selective (offline)": lambda rate: offline_points("selective", embeddings, times, rate=rate),
        "ward (offline)": lambda rate: offline_points("ward", embeddings, times, rate=rate, tree=tree),
    }
    for method in get_args(Method):
        found[f"online {method}"] = lambda rate, method=method: online_points(
            embeddings, times, settings=OnlineSettings(method=method, rate=rate)
        )
    return found


def needed(choose: Callable[[float], list[DecodePoint]], made: Stream, *, wanted: float) -> float:
    """Decodes at the lowest of the rates that covers as much as is wanted; infinitely many where none does."""
    for rate in RATES:
        points = choose(float(rate))
        if coverage(made.shown, points) >= wanted:
            return len(points)
    return math.inf


def table(noise: float) -> None:
    """Print for each way the decodes of all streams, how many times fewer than uniform's, and the cost of choosing."""
    decodes: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    num_windows = 0
    for seed in range(STREAMS):
        made = stream(seed, noise=noise, drift=DRIFT * (seed % 2))
        num_windows += len(made.times)
        choosers = ways(made)
        wanted = coverage(made.shown, choosers["uniform"](1.0))
        for name, choose in choosers.items():
            begin = time.process_time()
            choose(0.2)
            seconds[name] += time.process_time() - begin
            decodes[name] += needed(choose, made, wanted=wanted)
    print(f"\nnoise {noise:g}\n{'way':>20} {'decodes':>11} {'fewer':>7} {'us a window':>12}")
    for name, number in decodes.items():
        told = (
            f"{number:>11.0f} {decodes['uniform'] / number:>6.2f}x"
            if number < math.inf
            else f"{'not reached':>11} {'-':>7}"
        )
        print(f"{name:>20} {told} {seconds[name] / num_windows * 1e6:>12.0f}")


def main() -> None:
    """Print a table for each amount of noise."""
    print(f"{STREAMS} streams of {SECONDS} s, covered as well as by uniform decoding at 1 Hz:")
    for noise in NOISES:
        table(noise)


if __name__ == "__main__":
    main()
