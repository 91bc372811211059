"""Y-Decoders of an experiment: one that learns from texts alone, made once for all cells, or one of a cell's own.

The paper's controlled comparison decodes with a decoder that is no part of the training (section 4.5; most likely one
published for its frozen target space). Ours is trained before the comparison, on the corpus's training texts as the
frozen Y-Encoder embeds them; it sees no clip. What it cost is told beside what the cells cost.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vljepa.config import fingerprint
from vljepa.experiments.ground import Ground, fingerprint_of
from vljepa.experiments.settings import CAPTIONS, DecoderSettings
from vljepa.models.vljepa import VLJEPA
from vljepa.models.y_decoder import YDecoder, YDecoderSettings
from vljepa.objectives.decoding import Decoding
from vljepa.recipes.opposites import pull_apart
from vljepa.runtime import compute_dtype, seed_everything
from vljepa.training.optim import make_optimizer, parameter_groups
from vljepa.training.record import Record
from vljepa.training.texts import TextPool, predicted_batch, sayable, text_batch
from vljepa.training.trainer import LoopSettings, Trainer
from vljepa.types import Tokens
from vljepa.weights.folder import Bundle

MAX_TEXT = 32


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What training took: parameters that learned, texts that were seen, seconds of one core and of the clock."""

    trainable: int
    texts: int
    cpu_seconds: float
    seconds: float


def shared_decoder(
    ground: Ground, settings: DecoderSettings, *, stretch: float, device: torch.device, tell: Callable[[str], None]
) -> tuple[YDecoder, Cost]:
    """The decoder of the untrained target space, made where it is not there yet. An interrupted one goes on."""
    folder = ground.folder / "decoders" / fingerprint_of_decoder(ground, settings, stretch)
    bundle = ground.bundle()
    pull_apart(bundle.model, bundle.target_tokenizer, factor=stretch) if stretch != 1 else None
    return trained_decoder(bundle, ground, settings, folder, device=device, tell=tell)


def fingerprint_of_decoder(ground: Ground, settings: DecoderSettings, stretch: float) -> str:
    """The name of a shared decoder's folder."""
    return fingerprint_of(ground.fingerprint, fingerprint(settings), stretch)


def trained_decoder(
    bundle: Bundle,
    ground: Ground,
    settings: DecoderSettings,
    folder: Path,
    *,
    device: torch.device,
    tell: Callable[[str], None],
) -> tuple[YDecoder, Cost]:
    """A decoder for the space in which the bundle's Y-Encoder embeds texts; what is in `folder` is taken from there."""
    model = bundle.model.to(device)
    texts = bundle.decoder_tokenizer.cut_at(MAX_TEXT)
    pool = TextPool.of(ground.training_texts, ())
    _speak_only(model, sayable(pool, texts).to(device))
    done = folder / "decoder.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        cost = _train(bundle, ground, settings, folder, pool=pool, tell=tell)
        save_file(_tensors(model.y_decoder), folder / "decoder.safetensors")
        temporary = done.with_suffix(".tmp")
        temporary.write_text(json.dumps(vars(cost)) + "\n")
        temporary.replace(done)
    model.y_decoder.load_state_dict(load_file(folder / "decoder.safetensors"))
    return model.y_decoder.to(device), Cost(**json.loads(done.read_text()))


def _speak_only(model: VLJEPA, vocabulary: Tensor) -> None:
    """Only these tokens can be said: those of the training texts."""
    decoder = model.y_decoder
    decoder.vocabulary = vocabulary
    settings: YDecoderSettings = replace(decoder.settings, vocabulary=len(vocabulary))
    decoder.settings = settings
    model.settings = replace(model.settings, y_decoder=settings)


def _train(
    bundle: Bundle,
    ground: Ground,
    settings: DecoderSettings,
    folder: Path,
    *,
    pool: TextPool,
    tell: Callable[[str], None],
) -> Cost:
    model = bundle.model
    dtype = compute_dtype(model.token_table.weight.device)
    targets, texts = bundle.target_tokenizer.cut_at(MAX_TEXT), bundle.decoder_tokenizer.cut_at(MAX_TEXT)
    rows = ground.rows(CAPTIONS)

    def draw(step: int) -> tuple[Tensor, Tokens]:
        random = np.random.default_rng([settings.seed, step, 2])
        if random.random() < settings.predicted:
            examples = rows.rows(count=settings.rows, seed=settings.seed, step=step)
            return predicted_batch(model, examples, bundle.query_tokenizer, texts, dtype)
        drawn = pool.draw(random, settings.rows, sentences=0.0)
        return text_batch(model, drawn, targets, texts, dtype)

    seed_everything(settings.seed)
    model.requires_grad_(False)
    model.y_decoder.requires_grad_(True)
    objective = Decoding(model, settings.decoding)
    groups = parameter_groups(objective, model, settings.optim)
    record = Record(folder / "metrics.jsonl", keep=(folder / "checkpoints").exists())
    record.console.quiet = True
    tell(f"Y-Decoder: {settings.steps} steps of {settings.rows} texts")
    since, clock = time.process_time(), time.monotonic()
    Trainer(
        objective,
        make_optimizer(groups, settings.optim),
        draw,
        name="decoder",
        loop=LoopSettings(steps=settings.steps, seed=settings.seed, save_every=max(1, settings.steps // 4)),
        optim=settings.optim,
        record=record,
        folder=folder / "checkpoints",
        dtype=dtype,
    ).fit()
    cost = Cost(
        trainable=sum(group.count for group in groups),
        texts=settings.rows * settings.steps,
        cpu_seconds=round(time.process_time() - since, 2),
        seconds=round(time.monotonic() - clock, 2),
    )
    tell(f"Y-Decoder: trained in {cost.cpu_seconds:.0f} CPU seconds")
    return cost


def _tensors(decoder: YDecoder) -> dict[str, Any]:
    return {name: value.detach().cpu().contiguous() for name, value in decoder.state_dict().items()}
