"""Made-up clips of a conveyor belt, as a stranger's folder: four states with the names of the stranger's factory."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vljepa.data.encode import encode_mp4

STATES = ("idle", "normal run", "jam", "overflow")
FRAMES, HEIGHT, WIDTH = 12, 72, 96


def clip(state: str, random: np.random.Generator) -> UInt8[np.ndarray, "time height width 3"]:
    """Parts of random colour and size on a belt: none, a few that pass, some that stand still, a heap that grows."""
    frames = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    frames[:] = random.integers(150, 220, 3)
    belt = int(random.integers(46, 54))
    frames[:, belt:] = random.integers(30, 80, 3)
    colour = random.integers(0, 255, 3)
    side, count = int(random.integers(9, 14)), {"idle": 0, "normal run": 2, "jam": 3, "overflow": 7}[state]
    left = random.integers(0, WIDTH - side, count)
    for number in range(count):
        for time in range(FRAMES):
            moved = {"normal run": 8 * time, "jam": 0, "overflow": 2 * time}[state]
            x = int(left[number] + moved) % (WIDTH - side) if state != "jam" else WIDTH - (number + 1) * side
            layer = number // 3 if state == "overflow" else 0
            if state == "overflow" and number > 2 + time // 2:
                continue
            frames[time, belt - (layer + 1) * side : belt - layer * side, x : x + side] = colour
    noise = random.integers(-12, 12, frames.shape)
    return (frames.astype(np.int64) + noise).clip(0, 255).astype(np.uint8)


def make_folder(folder: Path, *, each: int, seed: int = 0) -> Path:
    """`each` clips a state and `labels.csv`."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    lines = []
    for state in STATES:
        for number in range(each):
            name = f"{state.split()[0]}-{number:02d}.mp4"
            (folder / name).write_bytes(encode_mp4(clip(state, random), fps=6.0))
            lines.append((name, state))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("media", "label"), *lines])
    return folder
