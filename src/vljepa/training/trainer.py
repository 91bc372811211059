"""The loop: restore, then draw, step and record until the stage's steps are done; knows nothing of what it trains.

One process and many run the same lines: every rank counts to the same number of steps, draws its share of each batch
as a function of the step, and stops only where all do, so none can wait for one that has left.
"""

import math
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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
from vljepa.objectives.gather import sum_over_ranks
from vljepa.objectives.joint_embedding import JointEmbedding
from vljepa.runtime import rank, world_size
from vljepa.training.checkpoint import Saver, latest, load_own, load_state
from vljepa.training.engine import bring_buffers, bring_home, twin_of, whole
from vljepa.training.grad_cache import cached_backward
from vljepa.training.guards import keep_samples, num_rows, refuse_same_rows, refuse_unlike_steps
from vljepa.training.optim import OptimSettings, schedule, set_rates
from vljepa.training.progress import Collapse, Display, Speed
from vljepa.training.random_state import random_state, set_random_state
from vljepa.training.record import Record
from vljepa.training.watchdog import Phase, RankLost, Watchdog, broken_off, watch_ranks
from vljepa.types import Losses

TRAINABLE = StateDictOptions(ignore_frozen_params=True)
# Ranks draw different random numbers (dropout); the first one draws what a single process would.
RANK_STRIDE = 1_000_003


class Diverged(RuntimeError):
    """The loss or its gradient is not a number any more; the message names step and the file with the batch's keys."""


class Interrupted(RuntimeError):
    """A signal asked the run to stop; its state has been saved."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """Steps of a stage, and how often it records, evaluates and saves (steps); seed of its draws.

    `micro_rows`: rows in the networks at once, where the batch is larger than memory allows (`grad_cache`: every row
    still has the whole batch for negatives); 0 takes the batch whole. `checkpoint_blocks`: activations inside layers
    are computed twice instead of kept. `compile_blocks`: layers go through torch.compile. `patience`: seconds that a
    phase of a step may take before the rank that holds the others up is named and the run ended.
    """

    steps: int
    seed: int = 0
    record_every: int = 10
    evaluate_every: int = 100
    save_every: int = 50
    micro_rows: int = 0
    checkpoint_blocks: bool = False
    compile_blocks: bool = False
    patience: float = 1800.0


class Trainer:
    """One stage: an objective, its optimizer, and `draw(step)`, which makes the objective's arguments.

    `draw` must be a function of the step alone, so that a resumed stage sees what the unbroken one would have seen, or
    have `state_dict` and `load_state_dict`, which then travel with the checkpoint. With several ranks it gives this
    rank's share (`runtime.own_share`) and must not use the model's collectives: it runs ahead in a thread.
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
        self.twin = twin_of(
            objective,
            optimizer,
            dtype=dtype,
            checkpoint_blocks=loop.checkpoint_blocks,
            compile_blocks=loop.compile_blocks,
        )
        # The fused CPU kernel's backward takes several times as long as plain matrix products on sequences this short.
        fused = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]
        self._kernels = [SDPBackend.MATH] if self.device.type == "cpu" else [*fused, SDPBackend.MATH]
        self.folder = folder / name
        self.step = 0
        self._stop = False
        self._position: Any = None
        self._watch: Watchdog | None = None
        self._collapse, self._speed = Collapse(after=2 * optim.warmup), Speed()

    def fit(self) -> None:
        """Train to the last step; where a checkpoint is found, from there."""
        torch.manual_seed(self.loop.seed + RANK_STRIDE * rank())
        self._saver = Saver(folder=self.folder)
        self._restore()
        with ExitStack() as stack:
            stack.enter_context(self._watched())
            stack.callback(self._saver.close)
            stack.enter_context(self._signals())
            self._display = stack.enter_context(
                Display(self.record, name=self.name, step=self.step, steps=self.loop.steps)
            )
            self._enter("data")
            refuse_unlike_steps(self.name, self.step, self.loop.steps, self.device)
            for number, arguments in enumerate(self._ahead()):
                if number == 0:
                    refuse_same_rows(self.name, arguments, self.device)
                self._one(arguments)
            self._enter("checkpoint")
            self._saver.wait()
            bring_home(self.twin, self.objective)
            if world_size() > 1:
                torch.distributed.barrier()

    def _one(self, arguments: tuple[Any, ...]) -> None:
        """One step and what follows it."""
        losses, norm = self._update(arguments)
        self.step += 1
        self._speed.add(num_rows(arguments))
        self._enter("record")
        self._report(losses, norm)
        stop = self._anywhere(self._stop)
        self._saver.check()
        if stop or self._due(self.loop.save_every):
            self._enter("checkpoint")
            self._save()
        if stop:
            self._saver.wait()
            raise Interrupted(f"{self.name} stopped at step {self.step}; the same command goes on from there")
        self._enter("data")

    def _update(self, arguments: tuple[Any, ...]) -> tuple[Losses, torch.Tensor]:
        """Forward, backward, clip, step."""
        shape = self.optim.shape
        set_rates(self.optimizer, schedule(self.step, steps=self.loop.steps, warmup=self.optim.warmup, shape=shape))
        self.optimizer.zero_grad(set_to_none=True)
        self._enter("loss")
        there = [argument.to(self.device) for argument in arguments]
        with sdpa_kernel(self._kernels):  # here too, since recomputed layers run their forward pass in the backward one
            losses = self._backward(there)
        self._refuse_no_number("loss", losses.total, arguments)
        self._enter("optimizer")
        trainable = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        norm = whole(nn.utils.clip_grad_norm_(trainable, self.optim.clip))
        self._refuse_no_number("gradient norm", norm, arguments)
        self.optimizer.step()
        return losses, norm

    def _backward(self, arguments: list[Any]) -> Losses:
        """Losses, and gradients in the parameters."""
        if self.loop.micro_rows and isinstance(self.twin, JointEmbedding):
            return cached_backward(self.twin, *arguments, micro_rows=self.loop.micro_rows, computing=self._computing)
        with self._computing():
            losses: Losses = self.twin(*arguments)
        losses.total.backward()
        return losses

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Number type and attention kernels of forward passes."""
        mixed = torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)
        with sdpa_kernel(self._kernels), mixed:
            yield

    def _refuse_no_number(self, what: str, value: torch.Tensor, arguments: tuple[Any, ...]) -> None:
        """Diverged, on every rank, where the value is infinite or not a number on any; the batch's keys are kept."""
        found = value.item()
        if not self._anywhere(not math.isfinite(found)):
            return
        path = self.folder / f"diverged-step-{self.step}-rank-{rank()}.json"
        keep_samples(path, arguments, stage=self.name, step=self.step, **{what: str(found)})
        raise Diverged(
            f"{self.name}: {what} is {found} at step {self.step}: look at the samples that {path} names, or lower "
            "optim.rate"
        )

    def _ahead(self) -> Iterator[tuple[Any, ...]]:
        """Arguments of the coming steps, the next ones made while the present ones are used."""
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self._drawn, self.step) if self.step < self.loop.steps else None
            while waiting is not None:
                ready, self._position = waiting.result()
                following = self.step + 1
                waiting = pool.submit(self._drawn, following) if following < self.loop.steps else None
                yield ready

    def _drawn(self, step: int) -> tuple[tuple[Any, ...], Any]:
        """Arguments of a step, and where the source stands behind them, which is saved once they have been used."""
        source: Any = self.draw
        arguments = source(step)
        return arguments, source.state_dict() if hasattr(source, "state_dict") else None

    def _report(self, losses: Losses, norm: torch.Tensor) -> None:
        self._display.at(self.step)
        if self._due(self.loop.record_every):
            self._measure(losses, norm)
        if self.evaluate is not None and self._due(self.loop.evaluate_every):
            self._enter("evaluation")
            bring_home(self.twin, self.objective)
            scores = self.evaluate(self.step)
            bring_buffers(self.objective, self.twin)
            if scores:
                self.record.write(self.name, self.step, **{name: round(value, 4) for name, value in scores.items()})
                self.record.say("    " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()))

    def _measure(self, losses: Losses, norm: torch.Tensor) -> None:
        """Means over ranks, written and shown; a warning where predictions collapse."""
        names = ["loss", *losses.parts]
        values = torch.cat([value.detach().float().reshape(1) for value in (losses.total, *losses.parts.values())])
        means = (sum_over_ranks(values) / world_size()).tolist()
        found = dict(zip(names, (round(mean, 4) for mean in means), strict=True)) | {"norm": round(norm.item(), 3)}
        if found.get("scale"):
            found["temperature"] = round(1 / found["scale"], 5)
        found["samples_per_second"] = round(self._speed.take() * world_size(), 1)
        self.record.write(self.name, self.step, **found)
        self._display.show(self.step, found)
        warning = self._collapse.warning(self.step, found.get("spread"))
        if warning:
            self.record.say(warning)

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.loop.steps

    def _anywhere(self, here: bool) -> bool:
        """Whether something is true on any rank; the same answer on all."""
        if world_size() == 1:
            return here
        return bool(sum_over_ranks(torch.tensor([float(here)], device=self.device)))

    def _enter(self, phase: Phase) -> None:
        if self._watch is not None:
            self._watch.enter(phase, self.step)

    def _state(self) -> dict[str, Any]:
        return {
            "model": self._trained(),
            "optimizer": get_optimizer_state_dict(self.twin, self.optimizer, options=TRAINABLE),
            "buffers": dict(self.twin.named_buffers(recurse=False)),
            "step": torch.tensor(self.step),
        }

    def _trained(self) -> dict[str, Any]:
        """What training changes: buffers of parts and frozen weights come from where the run began."""
        names = {name for name, parameter in self.objective.named_parameters() if parameter.requires_grad}
        state = get_model_state_dict(self.twin, options=TRAINABLE)
        return {name: value for name, value in state.items() if name in names}

    def _save(self) -> None:
        own = {"seconds": self.record.seconds, "position": self._position, "random": random_state(self.device)}
        self._saver.save(self._state(), own, step=self.step)

    def _restore(self) -> None:
        checkpoint = latest(self.folder)
        if checkpoint is None:
            return
        own = load_own(checkpoint)
        state = load_state(self._state(), checkpoint)
        set_model_state_dict(self.twin, state["model"], options=StateDictOptions(strict=False))
        set_optimizer_state_dict(self.twin, self.optimizer, state["optimizer"], options=TRAINABLE)
        for name, buffer in self.twin.named_buffers(recurse=False):
            buffer.copy_(state["buffers"][name])
        self.step = int(state["step"])
        self.record.set_clock(own["seconds"])
        if rank() < own["ranks"]:
            set_random_state(own["random"], self.device)
        self._resume_source(own)
        self.record.say(f"{self.name}: goes on at step {self.step} of {self.loop.steps}")

    def _resume_source(self, own: dict[str, Any]) -> None:
        if own["position"] is None:
            return
        if own["ranks"] != world_size():
            raise SettingsError(
                f"{self.name} was saved by {own['ranks']} ranks, each with its place in the data, and cannot go on "
                f"with {world_size()}: start {own['ranks']}"
            )
        source: Any = self.draw
        source.load_state_dict(own["position"])

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """A watchdog where there are ranks to watch; what breaks off because of one names it."""
        self._watch = watch_ranks(self.name, rank=rank(), ranks=world_size(), patience=self.loop.patience)
        if self._watch is None:
            yield
            return
        with self._watch:
            try:
                yield
            except (Diverged, Interrupted):  # all ranks leave
                raise
            except Exception as error:
                culprit = self._watch.culprit() if broken_off(error) else ""
                if culprit:
                    raise RankLost(culprit) from error
                self._watch.fail(error)
                raise

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
