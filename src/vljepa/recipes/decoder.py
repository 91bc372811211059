"""The Y-Decoder on frozen embeddings (paper, section 2: it is not in the training loop; the rest is left open there).

Command: vljepa train decoder --corpus CORPUS --run RUN [--model FOLDER] [--set loop.steps=400]
The paper states neither its architecture nor its training. Ours: next-token
cross-entropy given unit target embeddings with noise, which needs text alone, in turn with embeddings that the
Predictor gives training clips. For a model that was finetuned, whose embeddings moved: minutes on a CPU. How long the
shipped decoder's two stages took stands in LOG.md; this recipe alone: not run by us. A model of published parts has a
Y-Decoder that only begins (`vljepa weights import`): it learns to speak here, once the Predictor is trained, and before
from texts alone (predicted=0) where the Y-Encoder is trained already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from vljepa.config import fingerprint, override
from vljepa.data.asking import AskSettings
from vljepa.data.rows import RowType
from vljepa.embedder import shipped_folder
from vljepa.features import features_of
from vljepa.objectives.decoding import Decoding, DecodingSettings
from vljepa.runtime import choose_device, compute_dtype, first_rank_first, own_share, rank, seed_everything
from vljepa.training.asked import AskedRows, groups_of
from vljepa.training.guards import refuse_many_skipped, skip_counts
from vljepa.training.optim import OptimSettings, make_optimizer, parameter_groups
from vljepa.training.parts import group_table
from vljepa.training.record import Record
from vljepa.training.run_folder import keep_settings
from vljepa.training.run_report import write_run_report
from vljepa.training.texts import TextPool, predicted_batch, sayable, set_vocabulary, tell_cut_texts, text_batch
from vljepa.training.trackers import Tracker, open_trackers
from vljepa.training.trainer import LoopSettings, Trainer
from vljepa.types import Tokens
from vljepa.weights.folder import load_folder, save_folder
from vljepa.weights.untrained import refuse_untrained


@dataclass(frozen=True, kw_only=True)
class DecoderSettings:
    """`rows`: texts of a step; `predicted`: share of steps on what the Predictor says instead of the Y-Encoder.

    `target_tokens`: longer texts are cut, which is counted. `features`, `skip_budget` as in finetune.
    """

    rows: int = 64
    predicted: float = 0.5
    target_tokens: int = 32
    features: RowType = "float16"
    skip_budget: float = 0.01
    seed: int = 0
    asking: AskSettings = field(default_factory=lambda: AskSettings(negatives=0))
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    optim: OptimSettings = field(default_factory=lambda: OptimSettings(rate=3e-4))
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(steps=400))


def train(
    corpus: Path,
    run: Path,
    *,
    model: Path | None = None,
    assignments: list[str] | None = None,
    device: str = "auto",
    change: bool = False,
    track: Sequence[str] = (),
) -> Path:
    """Run the recipe, or go on with it, to a model folder whose other parts are those of `model`."""
    settings = override(DecoderSettings(), assignments or [])
    with first_rank_first():
        keep_settings(run, settings, change=change)
    trackers = open_trackers(track, run, settings)
    return DecoderRun(
        corpus, run, settings=settings, model=model or shipped_folder(), device=device, trackers=trackers
    ).learn()


class DecoderRun:
    """A corpus for its texts and clips, and a model of which only the Y-Decoder learns."""

    def __init__(
        self,
        corpus: Path,
        run: Path,
        *,
        settings: DecoderSettings,
        model: Path,
        device: str,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self.run, self.settings = run, settings
        self.device = choose_device(device)
        self.dtype = compute_dtype(self.device)
        self.record = Record(run / "metrics.jsonl", keep=(run / "checkpoints").exists(), trackers=trackers)
        seed_everything(settings.seed)
        self.began_with = load_folder(model)
        self.model = self.began_with.model.to(self.device)
        _ = self.model.y_decoder.settings  # a model without one says so before the corpus is looked at
        # What a part says that was never trained means nothing, and the decoder would learn to put it into words.
        shares = {"predictor": settings.predicted, "y_encoder": 1 - settings.predicted}
        refuse_untrained(self.began_with.untrained, *(part for part, share in shares.items() if share))
        self.model.x_encoder.network.to(self.dtype)
        self.targets = self.began_with.target_tokenizer.cut_at(settings.target_tokens)
        self.texts = self.began_with.decoder_tokenizer.cut_at(settings.target_tokens)
        began = self.began_with
        features, _ = features_of(
            corpus,
            self.model.x_encoder,
            processor=began.processor,
            num_frames=began.frames,
            report=self.record.say,
            kind=settings.features,
        )
        seen, budget = len(features.items), settings.skip_budget
        if features.skipped:
            self.record.write("features", 0, samples=seen, **skip_counts(features.skipped))
        refuse_many_skipped(f"features of {corpus}", features.skipped, seen=seen, budget=budget)
        self.pool = TextPool.of(features.items, ())
        if not self.pool.all():
            raise ValueError(f"{corpus} holds no text to train on: prepare it with captions, labels or questions")
        tell_cut_texts(self.record, self.pool.all(), self.texts)
        self.rows = AskedRows(groups_of(features), settings.asking, kept=[], share=0.0)
        learned = "y_decoder" not in began.untrained
        set_vocabulary(self.model, sayable(self.pool, self.texts), keep=learned)

    def _draw(self, step: int) -> tuple[Tensor, Tokens]:
        random = np.random.default_rng([self.settings.seed, step, 2])
        if random.random() < self.settings.predicted:
            rows = self.rows.rows(count=self.settings.rows, seed=self.settings.seed, step=step)
            return predicted_batch(self.model, rows, self.began_with.query_tokenizer, self.texts, self.dtype)
        texts = self.pool.draw(random, self.settings.rows, sentences=0.0)
        texts = texts[own_share(len(texts))]
        return text_batch(self.model, texts, self.targets, self.texts, self.dtype)

    def learn(self) -> Path:
        """Train, then write the model folder and the run's report, on the first rank."""
        settings = self.settings
        self.model.requires_grad_(False)
        self.model.y_decoder.requires_grad_(True)
        objective = Decoding(self.model, settings.decoding)
        groups = parameter_groups(objective, self.model, settings.optim)
        self.record.say(group_table(self.model, groups))
        Trainer(
            objective,
            make_optimizer(groups, settings.optim),
            self._draw,
            name="decoder",
            loop=settings.loop,
            optim=settings.optim,
            record=self.record,
            folder=self.run / "checkpoints",
            dtype=self.dtype,
        ).fit()
        self.record.close()
        if rank() > 0:
            return self.run / "model"
        bundle = replace(
            self.began_with,
            model=self.model.cpu(),
            fingerprint=fingerprint(settings),
            untrained=tuple(
                part for part in self.began_with.untrained if part != "y_decoder" or not settings.loop.steps
            ),
        )
        save_folder(bundle, self.run / "model", card=f"# VL-JEPA {bundle.name}, its Y-Decoder trained anew\n")
        write_run_report(self.run)
        return self.run / "model"
