"""The steps of the recipe `small`, one method each; a run that was interrupted goes on where it stopped."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vljepa.config import SettingsError, fingerprint
from vljepa.data.collate import collate
from vljepa.data.processor import Processor
from vljepa.features import Features, channel_statistics, shard_names, write_features
from vljepa.models.lite_encoder import lite
from vljepa.objectives.decoding import Decoding
from vljepa.objectives.joint_embedding import JointEmbedding, by_length
from vljepa.recipes.ingredients import Ingredients
from vljepa.recipes.opposites import pull_apart
from vljepa.recipes.shared_space import carry_over, centre, whiten
from vljepa.recipes.small_settings import SmallSettings, StageSettings
from vljepa.runtime import choose_device, compute_dtype, own_share, rank, seed_everything, shared_by_ranks
from vljepa.training.calibrate import fit_belief, fit_calibration
from vljepa.training.examples import Examples
from vljepa.training.optim import make_optimizer, parameter_groups
from vljepa.training.parts import group_table
from vljepa.training.record import Record
from vljepa.training.run_report import write_run_report
from vljepa.training.texts import (
    TextPool,
    draw_rows,
    predicted_batch,
    sayable,
    set_vocabulary,
    tell_cut_texts,
    text_batch,
)
from vljepa.training.trackers import Tracker
from vljepa.training.trainer import Trainer
from vljepa.training.validate import Validator
from vljepa.types import Batch, Tokens
from vljepa.weights.calibration import Calibration
from vljepa.weights.folder import Bundle, save_folder
from vljepa.weights.start import Started, start_small, start_trained

Scores = Callable[[int], dict[str, float]]


class SmallRun:
    """A corpus, a run's folder, and the model on its way from published weights to the shipped one."""

    def __init__(
        self,
        corpus: Path,
        run: Path,
        *,
        settings: SmallSettings,
        ingredients: Ingredients,
        model: Path | None = None,
        device: str = "auto",
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self.corpus, self.run, self.settings, self.ingredients = corpus, run, settings, ingredients
        self.device = choose_device(device)
        self.dtype = compute_dtype(self.device)
        self.record = Record(run / "metrics.jsonl", keep=(run / "checkpoints").exists(), trackers=trackers)
        self.processor = Processor(settings.processor)
        seed_everything(settings.seed)
        self.goes_on = model is not None
        if settings.blend < 1 and not self.goes_on:
            raise SettingsError(
                f"blend is {settings.blend:g}, and there is no model that the run goes on from: give one"
            )
        self.started = self._published() if model is None else start_trained(settings.model, model)
        self.model = self.started.model.to(self.device)
        self.targets = self.started.target_tokenizer.cut_at(settings.target_tokens)
        self.before = None
        if self.goes_on and settings.space == "anew":
            self.before = copy.deepcopy(self.model.y_encoder)
            self.model.y_encoder.load_state_dict(self._published().model.y_encoder.state_dict())
        if not self.goes_on or self.before:
            self._begin_shared_space()

    def _published(self) -> Started:
        settings, ingredients = self.settings, self.ingredients
        return start_small(settings.model, ingredients.files, class_names=ingredients.class_names, seed=settings.seed)

    def _begin_shared_space(self) -> None:
        """The sentence encoder's space with its loud directions quieter, opposites apart, texts around its middle."""
        settings, ingredients = self.settings, self.ingredients
        texts = [*ingredients.sentences[:: max(1, len(ingredients.sentences) // 4000)], *ingredients.class_names]
        if settings.whitening:
            whiten(self.model, self.targets, texts, power=settings.whitening)
        pull_apart(self.model, self.targets, factor=settings.stretch)
        centre(self.model, self.targets, texts)

    def through(self) -> Path:
        """All steps in their order, to the model's folder."""
        self.look()
        self.carry_over()
        self.speak()
        self.align()
        self.describe()
        return self.finish()

    def look(self) -> None:
        """Frame features of the whole corpus, and the channel statistics of its training pictures, kept if trained."""
        encoder = lite(self.model.x_encoder, what="the recipe small")
        encoder.network.to(self.dtype)
        into = self.corpus / "features"

        def look(shards: list[str]) -> dict[str, int]:
            return write_features(
                self.corpus,
                into,
                encoder,
                processor=self.processor,
                num_frames=self.settings.frames,
                shards=shards,
                report=self.record.say,
            )

        shared_by_ranks(look, shard_names(self.corpus))
        self.features = Features(into)
        if not self.goes_on:
            mean, scale = channel_statistics(self.features, encoder)
            encoder.mean.copy_(mean)
            encoder.scale.copy_(scale)
        self.examples = Examples(
            self.features,
            self.settings.examples,
            class_texts=self.ingredients.class_texts,
            class_weights=encoder.network.classifier.weight.cpu(),
            mean=encoder.mean.cpu(),
            num_cells=encoder.settings.cells**2,
        )
        tell_cut_texts(self.record, TextPool.of(self.features.items, ()).all(), self.targets)
        self.validator = Validator(
            features=self.features,
            query_tokenizer=self.started.query_tokenizer,
            target_tokenizer=self.targets,
            class_names=self.ingredients.class_names,
            dtype=self.dtype,
        )

    def carry_over(self) -> None:
        """Where the shared space begins anew, turn what the model has learned to it."""
        if self.before is None:
            return
        texts = TextPool.of(self.features.items, self.ingredients.sentences).all()
        alike = carry_over(self.model, self.before, self.targets, texts[:: max(1, len(texts) // 8000)])
        self.record.write("space", 0, turned_cosine=alike)

    def align(self) -> None:
        """Predictor and Y-Encoder: pictures, clips, queries; one objective and temperature throughout."""
        objective = JointEmbedding(self.model, self.settings.objective)
        names = self.targets(self.ingredients.class_names).to(self.device)
        self.model.requires_grad_(False)
        self.model.predictor.requires_grad_(True)
        began = copy.deepcopy(self.model.predictor.state_dict()) if self.settings.blend < 1 else {}

        def scores(step: int) -> dict[str, float]:
            objective.refresh_class_names(names)
            return self.validator(self.model)

        for name in ("pictures", "clips", "queries"):
            objective.refresh_class_names(names)
            stage: StageSettings = getattr(self.settings, name)
            self.model.y_encoder.requires_grad_(stage.optim.y_encoder_factor > 0)
            self._fit(name, objective, self._batches(name, stage), scores=scores)
        if began:
            self._blend(began)
        if self.settings.model.predictor.classes:
            self._believe(names)

    @torch.no_grad()
    def _blend(self, began: Mapping[str, Tensor]) -> None:
        """Take the Predictor part of the way only, from what the run began with to what it has learned."""
        for name, learned in self.model.predictor.state_dict().items():
            learned.copy_(began[name].lerp(learned, self.settings.blend))
        self.record.write("blend", 0, share=self.settings.blend, **self.validator(self.model))

    @torch.no_grad()
    def _believe(self, names: Tokens) -> None:
        """Add the picture classifier's opinion in the shared space as it is now, as much of it as validation wants."""
        conse = self.model.predictor.conse
        conse.say(by_length(self.model.encode_text, names))
        conse.weight.fill_(fit_belief(self.model, self.validator))
        self.record.write("belief", 0, weight=float(conse.weight), **self.validator(self.model))

    def _batches(self, name: str, stage: StageSettings) -> Callable[[int], tuple[Batch]]:
        """Batches of a stage's mixture as a function of the step alone."""
        seed = self.settings.seed * 1000 + stage.loop.seed + len(name)
        groups, shares = list(stage.mix), np.array(list(stage.mix.values()))
        rows = self.settings.rows

        def draw(step: int) -> tuple[Batch]:
            random = np.random.default_rng([seed, step, 1])
            group = groups[int(random.choice(len(groups), p=shares / shares.sum()))]
            examples = self.examples.rows(group, count=rows[group], seed=seed, step=step)
            if group == "pictures":
                examples += self.examples.rows("classes", count=rows["classes"], seed=seed, step=step)
            examples = examples[own_share(len(examples))]
            return (collate(examples, query_tokenizer=self.started.query_tokenizer, target_tokenizer=self.targets),)

        return draw

    def speak(self) -> None:
        """Y-Decoder on text alone: it inverts the published sentence encoder, whose space alignment starts from.

        It needs nothing of the alignment, so the two may run side by side.
        """
        self.pool = TextPool.of(self.features.items, self.ingredients.sentences)
        set_vocabulary(self.model, sayable(self.pool, self.started.decoder_tokenizer), keep=self.goes_on)
        self._fit("texts", self._only_the_decoder(), self._texts)

    def describe(self) -> None:
        """Y-Decoder in the aligned space: what the Predictor says of training items, and a share of texts."""
        settings, started = self.settings, self.started

        def draw(step: int) -> tuple[Tensor, Tokens]:
            if np.random.default_rng([settings.seed, step, 3]).random() < settings.texts_share:
                return self._texts(step)
            rows = draw_rows(self.examples, count=settings.text_rows, seed=settings.seed + 77, step=step)
            rows = rows[own_share(len(rows))]
            return predicted_batch(self.model, rows, started.query_tokenizer, started.decoder_tokenizer, self.dtype)

        self._fit("predictions", self._only_the_decoder(), draw)

    def _texts(self, step: int) -> tuple[Tensor, Tokens]:
        random = np.random.default_rng([self.settings.seed, step, 2])
        texts = self.pool.draw(random, self.settings.text_rows, sentences=self.settings.sentences)
        texts = texts[own_share(len(texts))]
        return text_batch(self.model, texts, self.targets, self.started.decoder_tokenizer, self.dtype)

    def _only_the_decoder(self) -> Decoding:
        self.model.requires_grad_(False)
        self.model.y_decoder.requires_grad_(True)
        return Decoding(self.model, self.settings.decoding)

    def _fit(
        self, name: str, objective: nn.Module, draw: Callable[[int], tuple[Any, ...]], *, scores: Scores | None = None
    ) -> None:
        stage: StageSettings = getattr(self.settings, name)
        groups = parameter_groups(objective, self.model, stage.optim)
        self.record.say(f"{name}:\n{group_table(self.model, groups)}")
        Trainer(
            objective,
            make_optimizer(groups, stage.optim),
            draw,
            name=name,
            loop=stage.loop,
            optim=stage.optim,
            record=self.record,
            folder=self.run / "checkpoints",
            dtype=self.dtype,
            evaluate=scores,
        ).fit()

    def finish(self) -> Path:
        """Fit the calibration on validation data; write the model folder and the run's report, on the first rank."""
        self.record.close()
        if rank() > 0:
            return self.run / "model"
        bundle = Bundle(
            model=self.model,
            processor=self.processor,
            query_tokenizer=self.started.query_tokenizer,
            target_tokenizer=self.started.target_tokenizer,
            decoder_tokenizer=self.started.decoder_tokenizer,
            frames=self.settings.frames,
            name="small",
            calibration=Calibration(),
            fingerprint=fingerprint(self.settings),
        )
        bundle = replace(bundle, calibration=fit_calibration(bundle, self.validator))
        save_folder(bundle, self.run / "model", card="# VL-JEPA small\n")
        write_run_report(self.run)
        return self.run / "model"
