"""The token VLM that VL-JEPA is compared with (paper, section 4.5).

Command: vljepa train baseline --corpus CORPUS --run RUN [--model FOLDER] [--set arm=equal]
Its twin: vljepa train finetune --corpus CORPUS --run OTHER [--model FOLDER], with the same --set. Both have the same
frozen X-Encoder, visual projection, token table, rows in the same order, batch, rates and schedule; only head and
objective differ, which a contract test states (tests/contracts/test_baseline.py). For the paper's comparison both
begin with the folder of an untrained model: pretrain with no steps in any stage writes it.
The paper's: Llama-3.2-1B, all 16 layers trainable against 8 of them in the Predictor, 16 frames, 128 rows, 15M samples;
CIDEr 9.2 against 18.8, top-5 27.1 against 41.0 % (read off its figure). Hardware is not stated. Not run by us.
Ours: SmolLM2-135M from a registry package (93 MB). Beginning with the shipped model, 109.19 M parameters learn, 27.77 M
with arm=equal, 28.50 M in the twin; four steps of 24 clips take 42 and 16 CPU seconds, opening and saving included
(measured 2026-11-25 on one CPU core). Expected scores: not run by us.

`arm`: whole, as in the paper, has every layer of the language model; equal has as many as make it learn as many
parameters as its twin: the first ones, which read the token table, and the last one, which writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from vljepa.config import fingerprint, override
from vljepa.embedder import shipped_folder
from vljepa.features import Features, Item
from vljepa.models.llama import Layer
from vljepa.models.token_vlm import TokenVLM
from vljepa.models.vljepa import VLJEPA
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.objectives.next_token import NextToken
from vljepa.recipes.asked_run import AskedRun, AskedSettings
from vljepa.recipes.ingredients import language_model
from vljepa.runtime import first_rank_first, rank
from vljepa.text import Tokenizer
from vljepa.training.held_out import HeldOutByPerplexity
from vljepa.training.optim import OptimSettings, parameter_groups
from vljepa.training.parts import PartSettings, apply_modes
from vljepa.training.run_folder import keep_settings
from vljepa.training.trackers import open_trackers
from vljepa.weights.convert import llama_from_gguf
from vljepa.weights.folder import Bundle
from vljepa.weights.token_vlm import num_layers, save_token_vlm, start_token_vlm

Arm = Literal["whole", "equal"]


@dataclass(frozen=True, kw_only=True)
class BaselineSettings(AskedSettings):
    """`arm`: how much of the language model there is: all of it, or as many parameters as the twin learns."""

    arm: Arm = "whole"


def train(
    corpus: Path,
    run: Path,
    *,
    model: Path | None = None,
    kept: Path | None = None,
    cache: Path,
    assignments: list[str] | None = None,
    device: str = "auto",
    change: bool = False,
    track: Sequence[str] = (),
) -> Path:
    """Run the recipe, or go on with it, to a folder that `load_token_vlm` opens. `model`: what the twin begins with."""
    settings = override(BaselineSettings(), assignments or [])
    with first_rank_first():
        keep_settings(run, settings, change=change)
        published = published_layers(cache)
    trackers = open_trackers(track, run, settings)
    recipe = BaselineRun(
        corpus,
        run,
        settings=settings,
        model=model or shipped_folder(),
        kept=kept,
        device=device,
        trackers=trackers,
        published=published,
    )
    recipe.look()
    recipe.learn()
    return recipe.finish()


def published_layers(cache: Path) -> dict[str, Tensor]:
    """The language model that VL-JEPA's Predictor and token table are taken from, all of it."""
    return llama_from_gguf(language_model(cache))


def layers_of_arm(arm: Arm, twin: Bundle, published: int, optim: OptimSettings) -> tuple[int, ...]:
    """Which of the published layers the arm has."""
    if arm == "whole":
        return tuple(range(published))
    model = twin.model
    apply_modes(model, PartSettings())
    wanted = sum(
        group.count for group in parameter_groups(JointEmbedding(model, JointEmbeddingSettings()), model, optim)
    )
    return equal_layers(model, range(published), wanted=wanted)


def equal_layers(twin: VLJEPA, layers: Sequence[int], *, wanted: int) -> tuple[int, ...]:
    """Of a language model's layers the first ones and the last, so many that `wanted` parameters learn."""
    with torch.device("meta"):
        layer = Layer(twin.settings.predictor.llama, number=0)
    beside = sum(parameter.numel() for parameter in twin.predictor.visual_projection.parameters())
    count = round((wanted - beside) / sum(parameter.numel() for parameter in layer.parameters()))
    count = min(max(count, 1), len(layers))
    return (*layers[: count - 1], layers[-1])


class BaselineRun(AskedRun[BaselineSettings]):
    """A token VLM on its way from published weights."""

    model: TokenVLM

    def __init__(self, *given: Any, published: Mapping[str, Tensor], **named: Any) -> None:
        super().__init__(*given, **named)
        layers = layers_of_arm(self.settings.arm, self.began_with, num_layers(published), self.settings.optim)
        self.started = start_token_vlm(self.began_with, published, layers=layers)
        self.model = self.started.model.to(self.device)
        self._texts = self.started.text_tokenizer.cut_at(self.settings.target_tokens)

    @property
    def texts(self) -> Tokenizer:
        """The language model's tokens, with the one that ends a text."""
        return self._texts

    def scorer(self, features: Features, items: Sequence[Item], labels: Sequence[str]) -> HeldOutByPerplexity:
        """Lowest perplexity among labels, candidates."""
        return HeldOutByPerplexity(
            items=items,
            labels=labels,
            features=features,
            query_tokenizer=self.began_with.query_tokenizer,
            text_tokenizer=self.texts,
            dtype=self.dtype,
        )

    def learn(self) -> None:
        """Layers and visual projection on the mixture; the X-Encoder and the token table stay as they are."""
        self.model.requires_grad_(False)
        self.model.generator.requires_grad_(True)
        objective = NextToken(self.model)
        self.fit("baseline", objective, parameter_groups(objective, self.model, self.settings.optim))

    def finish(self) -> Path:
        """Write the model's folder, the run's report, and what was gained on held-out data, on the first rank."""
        self.record.close()
        if rank() > 0:
            return self.run / "model"
        bundle = replace(self.started, model=self.model.cpu(), fingerprint=fingerprint(self.settings))
        card = f"# Token VLM {bundle.name}\n\nTrained on {self.corpus.name}.\n\n{self.report()}\n"
        save_token_vlm(bundle, self.run / "model", card=card, int8=self.settings.int8)
        return self.run / "model"
