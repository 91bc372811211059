"""Whether the laboratory's opposites can be learned, and only from motion: linear probes on frozen features of frames.

python benchmarks/lab.py [--attempts 24] [--only TASK ...]: for each pair of opposite tasks (open and close, push and
pull, in and out) a ridge regression on the shipped X-Encoder's features tells the two apart on views that it was not
fitted on: with all frames in order, with the same frames shuffled, with the middle frame alone.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from vljepa.data.corpora.metaworld import NUM_FRAMES, MetaWorld
from vljepa.data.corpora.metaworld_stage import Pictures, Workbench
from vljepa.data.corpora.metaworld_tasks import TASKS
from vljepa.embedder import Embedder
from vljepa.types import Clip

RIDGE = 1e-2


def options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=24, help="attempts a task, of which those that succeed count")
    parser.add_argument("--only", nargs="+", default=[], metavar="TASK", help="only these pairs, by one of their tasks")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def looked_at(
    name: str, embedder: Embedder, *, attempts: int, seed: int
) -> tuple[Float[np.ndarray, "clip time kept"], list[bool]]:
    """Features of the frames of successful attempts at a task, and which of them are for test."""
    source, bench = MetaWorld(per_task=attempts, seed=seed), Workbench(TASKS[name])
    pictures, kept, test = Pictures(bench, size=224), [], []
    first = list(TASKS).index(name) * attempts
    for index in range(first, first + attempts):
        scene = source.scene(index, bench)
        if scene is None or scene.attempt.outcome != "done":
            continue
        if scene.attempt.colour:
            pictures.paint(bench.task.painted, scene.attempt.colour)
        frames = torch.from_numpy(pictures.frames(scene.rollout, scene.steps, view=scene.view))
        clip = Clip(frames=frames, times=torch.arange(len(frames)) / 4.0)
        kept.append(embedder.frame_features(embedder.squares(clip)).float().numpy())
        test.append(source.split(index) == "test")
    pictures.close()
    return np.stack(kept), test


def told_apart(rows: Float[np.ndarray, "clip wide"], truth: Sequence[bool], test: Sequence[bool]) -> tuple[int, int]:
    """How many test clips a ridge regression on the others puts on the right side, and of how many."""
    held, sign = np.array(test), np.where(np.array(truth), 1.0, -1.0)
    mean, spread = rows[~held].mean(0), rows[~held].std(0) + 1e-3
    scaled = (rows - mean) / spread / rows.shape[1] ** 0.5
    seen = scaled[~held]
    weights = seen.T @ np.linalg.solve(seen @ seen.T + RIDGE * np.eye(len(seen)), sign[~held])
    return int(((scaled[held] @ weights) * sign[held] > 0).sum()), int(held.sum())


def main() -> None:
    asked, embedder = options(), Embedder.from_folder(parts=("x_encoder",))
    rng = np.random.default_rng(asked.seed)
    total = {"in order": 0, "shuffled": 0, "middle frame": 0, "clips": 0}
    for task in TASKS.values():
        if not task.opposite or task.name > task.opposite:
            continue
        if asked.only and not {task.name, task.opposite} & set(asked.only):
            continue
        (ones, first), (others, second) = (
            looked_at(name, embedder, attempts=asked.attempts, seed=asked.seed) for name in (task.name, task.opposite)
        )
        features, test = np.concatenate([ones, others]), first + second
        truth = [True] * len(ones) + [False] * len(others)
        shuffled = np.stack([clip[rng.permutation(NUM_FRAMES)] for clip in features])
        row: dict[str, object] = {"pair": f"{task.name} {task.opposite}"}
        for kind, shown in (
            ("in order", features),
            ("shuffled", shuffled),
            ("middle frame", features[:, NUM_FRAMES // 2 : NUM_FRAMES // 2 + 1]),
        ):
            right, number = told_apart(shown.reshape(len(shown), -1), truth, test)
            total[kind] += right
            row[kind] = f"{right}/{number}"
        total["clips"] += number
        print(json.dumps(row), flush=True)
    print(json.dumps({kind: round(total[kind] / total["clips"], 3) for kind in total if kind != "clips"} | total))


if __name__ == "__main__":
    main()
