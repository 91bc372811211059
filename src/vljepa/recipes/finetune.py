"""Finetuning on your own data with queries (paper, section 3.2; facts in its reproduction notes, section 3.3).

Command: vljepa train finetune --corpus my-corpus --run my-run [--model FOLDER] [--kept CORPUS] [--set loop.steps=200]
The paper's: 25M VQA + 2.8M captions + 1.8M classification samples and down-sampled pretraining data, 83,000 steps of
3,072 rows, cosine; 2.5 days on 24 nodes of 8 H200; GQA 61.5, TallyQA 69.9, POPE 85.7. Not run by us.
Ours, with the settings below, from the shipped model: docs/finetune.md, measured 2026-11-22 on two CPU cores.

Down-sampled older data (`kept`, in `kept_share` of the steps) keeps the model from forgetting. Peak rate, warm-up,
ratios and the wording of targets are our choices: the paper does not state them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vljepa.config import fingerprint, override
from vljepa.data.asking import AskSettings
from vljepa.data.collate import collate
from vljepa.embedder import shipped_folder
from vljepa.features import Features, features_of
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.runtime import choose_device, compute_dtype, seed_everything
from vljepa.training.asked import AskedRows, Group, groups_of
from vljepa.training.held_out import HeldOut
from vljepa.training.optim import OptimSettings, make_optimizer, parameter_groups
from vljepa.training.parts import PartSettings, apply_modes, group_table, merged
from vljepa.training.record import Record
from vljepa.training.run_folder import keep_settings
from vljepa.training.run_report import write_run_report
from vljepa.training.trackers import Tracker, open_trackers
from vljepa.training.trainer import LoopSettings, Trainer
from vljepa.training.validate import Validator
from vljepa.types import Batch
from vljepa.weights.folder import Bundle, load_folder, save_folder


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """`rows`: batch size; `kept_share`: share of steps on older data, where it is given; `target_tokens`: longer
    texts are cut while training, which is counted; `int8`: a model folder of a third of the size, which may name a clip
    otherwise than was measured before saving. The defaults suit some dozens to some thousands of clips on a CPU.
    """

    rows: int = 24
    int8: bool = False
    kept_share: float = 0.2
    target_tokens: int = 64
    seed: int = 0
    asking: AskSettings = field(default_factory=AskSettings)
    objective: JointEmbeddingSettings = field(default_factory=JointEmbeddingSettings)
    parts: PartSettings = field(default_factory=PartSettings)
    optim: OptimSettings = field(default_factory=lambda: OptimSettings(rate=2e-4, warmup=5))
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=30, evaluate_every=15, save_every=15))


# The paper's batch, steps and texts; peak rate and warm-up as in its reproduction notes, 9.1 (our choice): --set these.
PAPER = ("rows=3072", "loop.steps=83000", "target_tokens=512", "optim.rate=5e-5", "optim.warmup=2000")


def train(
    corpus: Path,
    run: Path,
    *,
    model: Path | None = None,
    kept: Path | None = None,
    assignments: list[str] | None = None,
    device: str = "auto",
    change: bool = False,
    track: Sequence[str] = (),
) -> Path:
    """Run the recipe, or go on with it, to a model folder. `model`: where to begin; None: the shipped one."""
    settings = override(FinetuneSettings(), assignments or [])
    keep_settings(run, settings, change=change)
    trackers = open_trackers(track, run, settings)
    recipe = FinetuneRun(
        corpus, run, settings=settings, model=model or shipped_folder(), kept=kept, device=device, trackers=trackers
    )
    recipe.look()
    recipe.learn()
    return recipe.finish()


class FinetuneRun:
    """A corpus, a run's folder, and the model on its way from the one that it begins with."""

    def __init__(
        self,
        corpus: Path,
        run: Path,
        *,
        settings: FinetuneSettings,
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
        self.model = self.began_with.model.to(self.device)
        self.targets = self.began_with.target_tokenizer.cut_at(settings.target_tokens)
        self.scores: dict[str, dict[str, float]] = {}
        self.look_seconds = 0.0

    def look(self) -> None:
        """Frozen features of every frame, once; then the rows to train on and the held-out items to be scored on."""
        self.model.x_encoder.network.to(self.dtype)
        own = self._features(self.corpus)
        older = groups_of(self._features(self.kept_corpus)) if self.kept_corpus is not None else []
        groups = groups_of(own)
        if not groups:
            raise ValueError(f"{self.corpus} holds no training sample: prepare more data, or hold out less of it")
        self.rows = AskedRows(groups, self.settings.asking, kept=older, share=self.settings.kept_share)
        self._warn_of_long_texts(groups)
        labels = sorted({item.label for item in own.items if item.label})
        self.held_out = {
            split: HeldOut(items=items, labels=labels, look=self._validator(own))
            for split in ("validation", "test")
            if (items := [item for item in own.items if item.split == split])
        }
        if not self.held_out:
            self.record.say("nothing is held out: there will be no scores; prepare with --test and --validation")

    def _features(self, corpus: Path) -> Features:
        began, since = self.began_with, time.monotonic()
        features, looked = features_of(
            corpus, self.model.x_encoder, processor=began.processor, num_frames=began.frames, report=self.record.say
        )
        if looked:
            seconds = time.monotonic() - since
            self.look_seconds = seconds / looked
            self.record.say(f"looked at {looked} samples in {seconds:.1f} s; they are not looked at again")
        return features

    def _warn_of_long_texts(self, groups: list[Group]) -> None:
        """Texts that will be cut are counted and told, never cut in silence."""
        texts = {
            text
            for group in groups
            for item in group.items
            for text in (*item.captions, item.label, *(question.answer for question in item.questions))
            if text
        }
        cut = sum(self.targets.cuts(text) for text in texts)
        self.record.write("texts", 0, texts=len(texts), texts_cut=cut)
        if cut:
            most = self.settings.target_tokens
            self.record.say(f"warning: {cut} of {len(texts)} texts are longer than {most} tokens and are cut there")

    def _validator(self, features: Features) -> Validator:
        return Validator(
            features=features,
            query_tokenizer=self.began_with.query_tokenizer,
            target_tokenizer=self.targets,
            class_names=(),
            dtype=self.dtype,
        )

    def learn(self) -> None:
        """Predictor and Y-Encoder on the mixture; the X-Encoder and the Y-Decoder stay as they are."""
        settings = self.settings
        apply_modes(self.model, settings.parts)
        objective = JointEmbedding(self.model, settings.objective)
        groups = parameter_groups(objective, self.model, settings.optim)
        self.record.say(group_table(self.model, groups))
        self.scores["before"] = self._score()
        trainer = Trainer(
            objective,
            make_optimizer(groups, settings.optim),
            self._draw,
            name="finetune",
            loop=settings.loop,
            optim=settings.optim,
            record=self.record,
            folder=self.run / "checkpoints",
            dtype=self.dtype,
            evaluate=self._quick_scores if "validation" in self.held_out else None,
        )
        since = time.monotonic()
        trainer.fit()
        self._tell_speed_up((time.monotonic() - since) / settings.loop.steps)
        self.scores["after"] = self._score()

    def _tell_speed_up(self, step: float) -> None:
        """What the cache saved, by this run's own clock, where this run is the one that looked at the frames."""
        if self.look_seconds:
            live = step + self.settings.rows * self.look_seconds
            self.record.say(
                f"a step took {step:.2f} s from the cache; looking at its frames each time it would have taken "
                f"{live:.2f} s, {live / step:.1f} times as long"
            )

    def _draw(self, step: int) -> tuple[Batch]:
        rows = self.rows.rows(count=self.settings.rows, seed=self.settings.seed, step=step)
        return (collate(rows, query_tokenizer=self.began_with.query_tokenizer, target_tokenizer=self.targets),)

    def _quick_scores(self, step: int) -> dict[str, float]:
        return {f"validation_{name}": value for name, value in self.held_out["validation"](self.model).items()}

    def _score(self) -> dict[str, float]:
        return {
            f"{split}_{name}": value
            for split, scored in self.held_out.items()
            for name, value in scored(self.model).items()
        }

    def finish(self) -> Path:
        """Write the model folder, the run's report, and what was gained on held-out data."""
        began = self.began_with
        name = f"{began.name}-finetuned"
        bundle = Bundle(
            model=merged(self.model).cpu(),
            processor=began.processor,
            query_tokenizer=began.query_tokenizer,
            target_tokenizer=began.target_tokenizer,
            decoder_tokenizer=began.decoder_tokenizer,
            frames=began.frames,
            name=name,
            calibration=began.calibration,
            fingerprint=fingerprint(self.settings),
        )
        table = gain_table(self.scores["before"], self.scores["after"])
        card = f"# VL-JEPA {name}\n\nFinetuned on {self.corpus.name}.\n\n{table}\n"
        save_folder(bundle, self.run / "model", card=card, int8=self.settings.int8)
        report = write_run_report(self.run)
        report.write_text(f"{report.read_text()}\n## Held-out data\n\n{table}\n")
        self.record.say(table)
        self.record.close()
        return self.run / "model"


def gain_table(before: dict[str, float], after: dict[str, float]) -> str:
    """Scores of the model that the run began with beside those of the one that it made, as Markdown."""
    if not after:
        return "Nothing was held out, so nothing was measured."
    lines = ["| held out | before | after |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {before[name]:.1%} | {after[name]:.1%} |" for name in after)])
