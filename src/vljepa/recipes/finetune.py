"""Finetuning on your own data with queries (paper, section 3.2).

Command: vljepa train finetune --corpus my-corpus --run my-run [--model FOLDER] [--kept CORPUS] [--set loop.steps=200]
The paper's: 25M VQA + 2.8M captions + 1.8M classification samples and down-sampled pretraining data, 83,000 steps of
3,072 rows, cosine; 2.5 days on 24 nodes of 8 H200; GQA 61.5, TallyQA 69.9, POPE 85.7. Not run by us.
Ours, with the settings below, from the shipped model: docs/finetune.md, measured 2026-11-22 on two CPU cores (35 s;
held-out clips of four labels named: 85.7 %).

Down-sampled older data (`kept`, in `kept_share` of the steps) keeps the model from forgetting. Peak rate, warm-up,
ratios and the wording of targets are our choices: the paper does not state them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vljepa.config import SettingsError, fingerprint, override
from vljepa.embedder import shipped_folder
from vljepa.features import Features, Item
from vljepa.models.vljepa import VLJEPA
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.recipes.asked_run import AskedRun, AskedSettings
from vljepa.runtime import first_rank_first, rank
from vljepa.text import Tokenizer
from vljepa.training.held_out import HeldOut
from vljepa.training.optim import parameter_groups
from vljepa.training.parts import PartSettings, apply_modes, merged
from vljepa.training.run_folder import keep_settings
from vljepa.training.trackers import open_trackers
from vljepa.training.validate import Validator
from vljepa.weights.folder import Bundle, save_folder


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(AskedSettings):
    """The head and the objective: how the parts learn, and how predictions meet targets."""

    objective: JointEmbeddingSettings = field(default_factory=JointEmbeddingSettings)
    parts: PartSettings = field(default_factory=PartSettings)


# The paper's batch, steps and texts; peak rate and warm-up are our choice: --set these.
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
    _refuse_idle_parts(settings.parts)
    with first_rank_first():
        keep_settings(run, settings, change=change)
    trackers = open_trackers(track, run, settings)
    recipe = FinetuneRun(
        corpus, run, settings=settings, model=model or shipped_folder(), kept=kept, device=device, trackers=trackers
    )
    recipe.look()
    recipe.learn()
    return recipe.finish()


def _refuse_idle_parts(parts: PartSettings) -> None:
    """SettingsError for a part that is to learn and that no gradient reaches here."""
    for name, recipe in (("x_encoder", "pretrain with long.x_encoder=full"), ("y_decoder", "decoder")):
        mode = parts.modes.get(name, "frozen")
        if mode != "frozen":
            raise SettingsError(
                f"parts.modes.{name} cannot be {mode} here: finetune works on cached features and decodes nothing; the "
                f"recipe for this part is {recipe}"
            )


class FinetuneRun(AskedRun[FinetuneSettings]):
    """A VL-JEPA on its way from the model that it begins with."""

    model: VLJEPA

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.model = self.began_with.model.to(self.device)
        self._texts = self.began_with.target_tokenizer.cut_at(self.settings.target_tokens)

    @property
    def texts(self) -> Tokenizer:
        """The Y-Encoder's tokens."""
        return self._texts

    def scorer(self, features: Features, items: Sequence[Item], labels: Sequence[str]) -> HeldOut:
        """Nearest embedding among labels, captions, candidates."""
        look = Validator(
            features=features,
            query_tokenizer=self.began_with.query_tokenizer,
            target_tokenizer=self.texts,
            class_names=(),
            dtype=self.dtype,
        )
        return HeldOut(items=items, labels=labels, look=look)

    def learn(self) -> None:
        """Predictor and Y-Encoder on the mixture; the X-Encoder and the Y-Decoder stay as they are."""
        settings = self.settings
        apply_modes(self.model, settings.parts)
        objective = JointEmbedding(self.model, settings.objective)
        self.fit("finetune", objective, parameter_groups(objective, self.model, settings.optim))

    def finish(self) -> Path:
        """Write the model folder, the run's report, and what was gained on held-out data, on the first rank."""
        self.record.close()
        if rank() > 0:
            return self.run / "model"
        began = self.began_with
        name = f"{began.name}-finetuned"
        modes = self.settings.parts.modes if self.settings.loop.steps else {}
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
            untrained=tuple(part for part in began.untrained if modes.get(part, "frozen") == "frozen"),
        )
        card = f"# VL-JEPA {name}\n\nFinetuned on {self.corpus.name}.\n\n{self.report()}\n"
        save_folder(bundle, self.run / "model", card=card, int8=self.settings.int8)
        return self.run / "model"
