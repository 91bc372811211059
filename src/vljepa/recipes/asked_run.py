"""What `finetune` and `baseline` have in common: all but a model's head and its objective (paper, section 4.5).

Corpus, frozen X-Encoder and its features, rows of each step, optimizer, loop, and how a run is recorded and measured.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from vljepa.data.asking import AskSettings
from vljepa.data.collate import Example, collate
from vljepa.data.rows import RowType
from vljepa.features import Features, Item, features_of
from vljepa.runtime import choose_device, compute_dtype, seed_everything
from vljepa.text import Tokenizer
from vljepa.training.asked import AskedRows, groups_of
from vljepa.training.guards import refuse_many_skipped, skip_counts
from vljepa.training.optim import Group as ParameterGroup
from vljepa.training.optim import OptimSettings, make_optimizer
from vljepa.training.parts import group_table
from vljepa.training.record import Record
from vljepa.training.run_report import write_run_report
from vljepa.training.texts import TextPool, tell_cut_texts
from vljepa.training.trackers import Tracker
from vljepa.training.trainer import LoopSettings, Trainer
from vljepa.types import Batch
from vljepa.weights.folder import Bundle, load_folder


@dataclass(frozen=True, kw_only=True)
class AskedSettings:
    """`rows`: batch size; `kept_share`: share of steps on older data, where it is given; `target_tokens`: longer
    texts are cut while training, which is counted; `features`: number type of the cached features; `skip_budget`: share
    of samples that may fail to decode; `int8`: a model folder of a third of the size, which may name a clip otherwise
    than was measured before saving. The defaults suit some dozens to some thousands of clips on a CPU.
    """

    rows: int = 24
    int8: bool = False
    kept_share: float = 0.2
    target_tokens: int = 64
    features: RowType = "float16"
    skip_budget: float = 0.01
    seed: int = 0
    asking: AskSettings = field(default_factory=AskSettings)
    optim: OptimSettings = field(default_factory=lambda: OptimSettings(rate=2e-4, warmup=5))
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=30, evaluate_every=15, save_every=15))


Settings = TypeVar("Settings", bound=AskedSettings)
Scorer = Callable[[Any], dict[str, float]]


class AskedRun(ABC, Generic[Settings]):
    """A corpus, a run's folder, and a model on its way from what it begins with."""

    model: nn.Module

    def __init__(
        self,
        corpus: Path,
        run: Path,
        *,
        settings: Settings,
        model: Path,
        kept: Path | None,
        device: str,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self.corpus, self.run, self.settings, self.kept_corpus = corpus, run, settings, kept
        self.device = choose_device(device)
        self.dtype = compute_dtype(self.device)
        self.record = Record(run / "metrics.jsonl", keep=(run / "checkpoints").exists(), trackers=trackers)
        seed_everything(settings.seed)
        self.began_with: Bundle = load_folder(model)
        self.x_encoder = self.began_with.model.x_encoder.to(self.device)
        self.scores: dict[str, dict[str, float]] = {}
        self.look_seconds = 0.0

    @property
    @abstractmethod
    def texts(self) -> Tokenizer:
        """How the model reads target texts."""

    @abstractmethod
    def scorer(self, features: Features, items: Sequence[Item], labels: Sequence[str]) -> Scorer:
        """What scores the model on held-out items."""

    def look(self) -> None:
        """Frozen features of every frame, once; then the rows to train on and the held-out items to be scored on."""
        self.x_encoder.network.to(self.dtype)
        own = self._features(self.corpus)
        older = groups_of(self._features(self.kept_corpus)) if self.kept_corpus is not None else []
        groups = groups_of(own)
        if not groups:
            raise ValueError(f"{self.corpus} holds no training sample: prepare more data, or hold out less of it")
        self.rows = AskedRows(groups, self.settings.asking, kept=older, share=self.settings.kept_share)
        pool = TextPool.of([item for group in groups for item in group.items], ())
        tell_cut_texts(self.record, set(pool.all()), self.texts)
        labels = sorted({item.label for item in own.items if item.label})
        self.held_out = {
            split: self.scorer(own, items, labels)
            for split in ("validation", "test")
            if (items := [item for item in own.items if item.split == split])
        }
        if not self.held_out:
            self.record.say("nothing is held out: there will be no scores; prepare with --test and --validation")

    def _features(self, corpus: Path) -> Features:
        began, since = self.began_with, time.monotonic()
        features, looked = features_of(
            corpus,
            self.x_encoder,
            processor=began.processor,
            num_frames=began.frames,
            report=self.record.say,
            kind=self.settings.features,
        )
        if features.skipped:
            self.record.write("features", 0, samples=len(features.items), **skip_counts(features.skipped))
        name, seen = f"features of {corpus}", len(features.items)
        refuse_many_skipped(name, features.skipped, seen=seen, budget=self.settings.skip_budget)
        if looked:
            seconds = time.monotonic() - since
            self.look_seconds = seconds / looked
            self.record.say(f"looked at {looked} samples in {seconds:.1f} s; they are not looked at again")
        return features

    def fit(self, name: str, objective: nn.Module, groups: list[ParameterGroup]) -> None:
        """Train the groups, with scores on held-out data before, on the way and after."""
        settings = self.settings
        self.record.say(group_table(self.model, groups))
        self.scores["before"] = self._score()
        trainer = Trainer(
            objective,
            make_optimizer(groups, settings.optim),
            self.draw,
            name=name,
            loop=settings.loop,
            optim=settings.optim,
            record=self.record,
            folder=self.run / "checkpoints",
            dtype=self.dtype,
            evaluate=self._quick_scores if "validation" in self.held_out else None,
        )
        since = time.monotonic()
        trainer.fit()
        self._tell_speed_up((time.monotonic() - since) / max(1, settings.loop.steps))
        self.scores["after"] = self._score()

    def _tell_speed_up(self, step: float) -> None:
        """What the cache saved, by this run's own clock, where this run is the one that looked at the frames."""
        if self.look_seconds:
            live = step + self.settings.rows * self.look_seconds
            self.record.say(
                f"a step took {step:.2f} s from the cache; looking at its frames each time it would have taken "
                f"{live:.2f} s, {live / step:.1f} times as long"
            )

    def examples(self, step: int) -> list[Example]:
        """This rank's rows of a step, before any model's tokens: alike for every run with the same corpus and seed."""
        return self.rows.rows(count=self.settings.rows, seed=self.settings.seed, step=step)

    def draw(self, step: int) -> tuple[Batch]:
        """The batch of a step."""
        query_tokenizer = self.began_with.query_tokenizer
        return (collate(self.examples(step), query_tokenizer=query_tokenizer, target_tokenizer=self.texts),)

    def _quick_scores(self, step: int) -> dict[str, float]:
        return {f"validation_{name}": value for name, value in self.held_out["validation"](self.model).items()}

    def _score(self) -> dict[str, float]:
        return {
            f"{split}_{name}": value
            for split, scored in self.held_out.items()
            for name, value in scored(self.model).items()
        }

    def report(self) -> str:
        """Write the run's report with what was gained on held-out data, and give that table."""
        table = gain_table(self.scores["before"], self.scores["after"])
        report = write_run_report(self.run)
        report.write_text(f"{report.read_text()}\n## Held-out data\n\n{table}\n")
        self.record.say(table)
        return table


def gain_table(before: dict[str, float], after: dict[str, float]) -> str:
    """Scores of the model that the run began with beside those of the one that it made, as Markdown."""
    if not after:
        return "Nothing was held out, so nothing was measured."
    lines = ["| held out | before | after |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {before[name]:.1%} | {after[name]:.1%} |" for name in after)])
