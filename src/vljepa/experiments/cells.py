"""A cell from its beginning to its last score. Each checkpoint's scores are a file of their own, written whole.

`cells/NAME/`: `cell.json` (settings), `step-000024.json` (scores), `done.json`, and until then the trainer's
checkpoints. NAME is the fingerprint of the settings: whoever asks for the same cell again finds it done, and a killed
one goes on where it stopped.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vljepa.config import as_dict, fingerprint
from vljepa.experiments.arms import ready
from vljepa.experiments.decoder import shared_decoder, trained_decoder
from vljepa.experiments.draws import Clock, Draws
from vljepa.experiments.ground import Ground
from vljepa.experiments.latency import latencies
from vljepa.experiments.scoring import score
from vljepa.experiments.settings import CAPTIONS, Cell
from vljepa.models.y_decoder import YDecoder
from vljepa.runtime import choose_device, compute_dtype, seed_everything
from vljepa.training.optim import make_optimizer
from vljepa.training.record import Record
from vljepa.training.trainer import LoopSettings, Trainer

DONE = "done.json"
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a finished cell found: `points` by checkpoint, then what was true of it as a whole."""

    cell: Cell
    points: tuple[dict[str, Any], ...]
    whole: dict[str, Any]


def folder_of(into: Path, cell: Cell) -> Path:
    """Where a cell's files are."""
    return into / "cells" / fingerprint(cell)


def is_done(into: Path, cell: Cell) -> bool:
    """Whether the cell was scored to its end."""
    return (folder_of(into, cell) / DONE).exists()


def outcome(into: Path, cell: Cell) -> Outcome:
    """Read a finished cell."""
    folder = folder_of(into, cell)
    points = [json.loads((folder / _name(step)).read_text()) for step in cell.checkpoints]
    return Outcome(cell=cell, points=tuple(points), whole=json.loads((folder / DONE).read_text()))


def run_cell(cell: Cell, ground: Ground, *, device: str = "auto", tell: Tell) -> Outcome:
    """Train and score what is missing of the cell."""
    if not is_done(ground.folder, cell):
        _Run(cell, ground, choose_device(device), tell).to_the_end()
    return outcome(ground.folder, cell)


class _Run:
    """One cell on its way."""

    def __init__(self, cell: Cell, ground: Ground, device: torch.device, tell: Tell) -> None:
        self.cell, self.ground, self.device = cell, ground, device
        self.dtype = compute_dtype(device)
        self.folder = folder_of(ground.folder, cell)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{cell.arm} seed {cell.seed} ({self.folder.name})"
        self.say: Tell = lambda line: tell(f"{self.name}: {line}")
        self.decoder: YDecoder | None = None
        self.clock = Clock()
        self.whole: dict[str, Any] = {}
        write(self.folder / "cell.json", as_dict(cell))

    def to_the_end(self) -> None:
        """Decoder, arm, training with its scores, latency."""
        cell, ground = self.cell, self.ground
        needs = cell.arm == "vl-jepa" and "said" in cell.scores and cell.decoder is not None
        if needs and cell.decoder is not None:
            stretch = cell.stretch
            self.decoder, cost = shared_decoder(
                ground, cell.decoder, stretch=stretch, device=self.device, tell=self.say
            )
            self.whole["decoder"] = vars(cost)
        seed_everything(cell.seed)
        self.arm = ready(cell, ground)
        self.arm.model.to(self.device)
        if cell.before:
            self._fit("before", replace(cell, asking=CAPTIONS, checkpoints=(cell.before,)), scored=False)
        self._fit("cell", cell, scored=True)
        self.whole |= {
            "trainable": self.arm.trainable,
            "parameters": sum(p.numel() for p in self.arm.model.parameters()),
            "latency": latencies(cell, self.arm, ground, decoder=self.decoder),
        } | self._own_decoder()
        write(self.folder / DONE, self.whole)
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        self.say("done")

    def _fit(self, stage: str, cell: Cell, *, scored: bool) -> None:
        arm, steps = self.arm, cell.steps
        record = Record(self.folder / "metrics.jsonl", keep=(self.folder / "checkpoints").exists())
        record.console.quiet = True
        self.draws = Draws(
            self.ground.rows(cell.asking),
            cell,
            queries=arm.bundle.query_tokenizer,
            texts=arm.texts,
            seed=cell.seed if scored else cell.seed + 1000,
            clock=self.clock,
        )
        every = math.gcd(*cell.checkpoints)
        self.clock.go()
        Trainer(
            arm.objective,
            make_optimizer(arm.groups, cell.optim),
            self.draws,
            name=stage,
            loop=LoopSettings(steps=steps, seed=cell.seed, evaluate_every=every, save_every=max(every, -(-steps // 8))),
            optim=cell.optim,
            record=record,
            folder=self.folder / "checkpoints",
            dtype=self.dtype,
            evaluate=self._scored if scored else None,
        ).fit()

    def _scored(self, step: int) -> dict[str, float]:
        """Scores of a checkpoint go into its file; a killed cell comes by some twice, and those stay as they are."""
        path = self.folder / _name(step)
        if step in self.cell.checkpoints and not path.exists():
            self._score(step, path)
        return {}

    def _score(self, step: int, path: Path) -> None:
        self.clock.stop()
        trained, since = self.clock.taken(), time.process_time()
        arm = self.arm
        found = score(self.cell, arm, self.ground, decoder=self.decoder, dtype=self.dtype)
        point = {
            "step": step,
            "samples": step * self.cell.rows,
            "order": self.draws.order[step],
            **trained,
            "scoring_cpu_seconds": round(time.process_time() - since, 2),
            **found,
        }
        write(path, point)
        self.clock.go()
        self.say(f"step {step} of {self.cell.steps}: {summary(point)}")

    def _own_decoder(self) -> dict[str, Any]:
        """Captions by a decoder that was trained on this cell's end, where it has one."""
        own = self.cell.own_decoder
        if own is None:
            return {}
        arm, folder = self.arm, self.folder / "decoder"
        decoder, cost = trained_decoder(arm.bundle, self.ground, own, folder, device=self.device, tell=self.say)
        only = replace(self.cell, scores=("said",))
        return {"own_decoder": score(only, arm, self.ground, decoder=decoder, dtype=self.dtype) | {"cost": vars(cost)}}


def summary(point: dict[str, Any]) -> str:
    """The scores of a checkpoint in a line."""
    parts = []
    if "label_ranks" in point:
        parts += [f"top-{k} {_share(rank <= k for rank in point['label_ranks']):.1%}" for k in (1, 5)]
    if "cider" in point:
        parts.append(f"CIDEr-D {sum(point['cider']) / len(point['cider']):.3f}")
    if "caption_ranks" in point:
        parts.append(f"R@1 {_share(rank == 1 for rank in point['caption_ranks']):.1%}")
    if "answers" in point:
        parts.append(f"answers {_share(one['right'] for one in point['answers']):.1%}")
    return ", ".join(parts)


def write(path: Path, value: Any) -> None:
    """JSON that is there whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w") as file:
        file.write(json.dumps(value) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _share(hits: Any) -> float:
    found = list(hits)
    return sum(found) / max(1, len(found))


def _name(step: int) -> str:
    return f"step-{step:06d}.json"
