"""The loop: restore, then draw, step and record until the stage's steps are done; knows nothing of what it trains."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.nn.attention import SDPBackend, sdpa_kernel

from vljepa.config import SettingsError
from vljepa.objectives.joint_embedding import JointEmbedding
from vljepa.training.checkpoint import latest, load_state, save_state
from vljepa.training.grad_cache import cached_backward
from vljepa.training.optim import OptimSettings, schedule, set_rates
from vljepa.training.record import Record
from vljepa.types import Losses

TRAINABLE = StateDictOptions(ignore_frozen_params=True)


class Diverged(RuntimeError):
    """The loss is not a number any more; the message names step and rows."""


class Interrupted(RuntimeError):
    """A signal asked the run to stop; its state has been saved."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """Steps of a stage, and how often it records, evaluates and saves (steps); seed of its draws.

    `micro_rows`: rows in the networks at once, where the batch is larger than memory allows (`grad_cache`: every row
    still has the whole batch for negatives); 0 takes the batch whole.
    """

    steps: int
    seed: int = 0
    record_every: int = 10
    evaluate_every: int = 100
    save_every: int = 50
    micro_rows: int = 0


class Trainer:
    """One stage: an objective, its optimizer, and `draw(step)`, which makes the objective's arguments.

    `draw` must be a pure function of the step, so that a resumed stage sees what the unbroken one would have seen.
    """

    def __init__(
        self,
        objective: nn.Module,
        optimizer: torch.optim.Optimizer,
        draw: Callable[[int], tuple[Any, ...]],
        *,
        name: str,
        loop: LoopSettings,
        optim: OptimSettings,
        record: Record,
        folder: Path,
        dtype: torch.dtype,
        evaluate: Callable[[int], dict[str, float]] | None = None,
    ) -> None:
        if loop.micro_rows and not (loop.micro_rows > 0 and isinstance(objective, JointEmbedding)):
            raise SettingsError(
                f"{name}.loop.micro_rows is {loop.micro_rows}: a stage that compares predictions with targets takes "
                "1 or more, any stage takes 0 (the whole batch at once)"
            )
        self.objective, self.optimizer, self.draw = objective, optimizer, draw
        self.name, self.loop, self.optim = name, loop, optim
        self.record, self.dtype, self.evaluate = record, dtype, evaluate
        self.device = next(objective.parameters()).device
        # The fused CPU kernel's backward takes several times as long as plain matrix products on sequences this short.
        fused = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]
        self._kernels = [SDPBackend.MATH] if self.device.type == "cpu" else [*fused, SDPBackend.MATH]
        self.folder = folder / name
        self.step = 0
        self._stop = False

    def fit(self) -> None:
        """Train to the last step; where a checkpoint is found, from there."""
        torch.manual_seed(self.loop.seed)
        self._restore()
        with self._signals():
            for arguments in self._ahead():
                losses, norm = self._update(arguments)
                self.step += 1
                self._report(losses, norm)
                if self._stop or self._due(self.loop.save_every):
                    self._save()
                if self._stop:
                    raise Interrupted(f"{self.name} stopped at step {self.step}; the same command goes on from there")

    def _update(self, arguments: tuple[Any, ...]) -> tuple[Losses, torch.Tensor]:
        """Forward, backward, clip, step."""
        shape = self.optim.shape
        set_rates(self.optimizer, schedule(self.step, steps=self.loop.steps, warmup=self.optim.warmup, shape=shape))
        self.optimizer.zero_grad(set_to_none=True)
        there = [argument.to(self.device) for argument in arguments]
        losses = self._backward(there)
        if not math.isfinite(losses.total.item()):
            raise Diverged(f"{self.name}: loss is {losses.total.item()} at step {self.step}: lower optim.rate")
        trainable = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(trainable, self.optim.clip)
        self.optimizer.step()
        return losses, norm

    def _backward(self, arguments: list[Any]) -> Losses:
        """Losses, and gradients in the parameters."""
        if self.loop.micro_rows and isinstance(self.objective, JointEmbedding):
            return cached_backward(
                self.objective, *arguments, micro_rows=self.loop.micro_rows, computing=self._computing
            )
        with self._computing():
            losses: Losses = self.objective(*arguments)
        losses.total.backward()
        return losses

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Number type and attention kernels of forward passes."""
        mixed = torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)
        with sdpa_kernel(self._kernels), mixed:
            yield

    def _ahead(self) -> Iterator[tuple[Any, ...]]:
        """Arguments of the coming steps, the next ones made while the present ones are used."""
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.draw, self.step) if self.step < self.loop.steps else None
            while waiting is not None:
                ready = waiting.result()
                following = self.step + 1
                waiting = pool.submit(self.draw, following) if following < self.loop.steps else None
                yield ready

    def _report(self, losses: Losses, norm: torch.Tensor) -> None:
        if self._due(self.loop.record_every):
            parts = {name: round(value.item(), 4) for name, value in losses.parts.items()}
            self.record.write(
                self.name, self.step, loss=round(losses.total.item(), 4), norm=round(norm.item(), 3), **parts
            )
            shown = "  ".join(f"{name} {value:.3f}" for name, value in parts.items())
            self.record.say(f"{time.strftime('%H:%M:%S')} {self.name} {self.step}/{self.loop.steps}  {shown}")
        if self.evaluate is not None and self._due(self.loop.evaluate_every):
            scores = self.evaluate(self.step)
            self.record.write(self.name, self.step, **{name: round(value, 4) for name, value in scores.items()})
            self.record.say("    " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()))

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.loop.steps

    def _state(self) -> dict[str, Any]:
        return {
            "model": self._trained(),
            "optimizer": get_optimizer_state_dict(self.objective, self.optimizer, options=TRAINABLE),
            "step": torch.tensor(self.step),
            "random": torch.get_rng_state(),
        }

    def _trained(self) -> dict[str, Any]:
        """What training changes: buffers and frozen weights come from where the run began."""
        names = {name for name, parameter in self.objective.named_parameters() if parameter.requires_grad}
        state = get_model_state_dict(self.objective, options=TRAINABLE)
        return {name: value for name, value in state.items() if name in names}

    def _save(self) -> None:
        save_state(self._state(), self.folder, step=self.step)

    def _restore(self) -> None:
        checkpoint = latest(self.folder)
        if checkpoint is None:
            return
        state = load_state(self._state(), checkpoint)
        set_model_state_dict(self.objective, state["model"], options=StateDictOptions(strict=False))
        set_optimizer_state_dict(self.objective, self.optimizer, state["optimizer"], options=TRAINABLE)
        self.step = int(state["step"])
        torch.set_rng_state(state["random"])
        self.record.say(f"{self.name}: goes on at step {self.step} of {self.loop.steps}")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C end the stage after the present step, with its state saved."""

        def ask(number: int, frame: FrameType | None) -> None:
            self._stop = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)
