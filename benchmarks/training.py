"""Samples a second of a training step at size `small`: ours against a plain loop, sides alternating in one run.

Plain: transformers' own LlamaModel and BertModel with the same shapes, the same X-Encoder on the pixels of every step,
float32, texts padded to the longest, whole score matrices, torch's default AdamW. Ours: the trainer's step in the
number type of this machine (bfloat16 where it has units for it), first with the X-Encoder on the pixels of every step,
then with its features from the cache. Weights are random; they cost what trained ones cost.

On a machine that others use too, `--clock cpu` with OMP_NUM_THREADS=1 counts the process's own seconds.

Command: python benchmarks/training.py --rows 16 --rounds 5
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

from vljepa.models.sizes import small
from vljepa.models.vljepa import VLJEPA
from vljepa.models.x_encoders import x_encoder
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.runtime import choose_device, compute_dtype
from vljepa.training.optim import OptimSettings, make_optimizer, parameter_groups
from vljepa.training.record import Record
from vljepa.training.trainer import LoopSettings, Trainer
from vljepa.types import Batch, Tokens

Step = Callable[[int], None]
SETTINGS = small()
# Words per target text as in the shipped corpus: a dozen mostly, now and then a long one.
LENGTHS = (6, 8, 9, 10, 11, 12, 12, 13, 14, 15, 16, 18, 20, 24, 28, 32)


class PlainModel(nn.Module):
    """The same parts as a first draft would put them together."""

    def __init__(self) -> None:
        super().__init__()
        llama, bert = SETTINGS.predictor.llama, SETTINGS.y_encoder
        self.x_encoder = x_encoder(SETTINGS.x_encoder)
        self.visual_projection = nn.Linear(SETTINGS.predictor.visual_width, llama.hidden)
        self.table = nn.Embedding(SETTINGS.vocab, llama.hidden).requires_grad_(False)
        self.query_projection = nn.Linear(llama.hidden, llama.hidden)
        self.llama = LlamaModel(
            LlamaConfig(
                vocab_size=2,
                bos_token_id=None,
                eos_token_id=None,
                hidden_size=llama.hidden,
                intermediate_size=llama.intermediate,
                num_hidden_layers=len(llama.layers),
                num_attention_heads=llama.heads,
                num_key_value_heads=llama.key_value_heads,
            )
        )
        self.bert = BertModel(
            BertConfig(
                vocab_size=bert.vocab,
                hidden_size=bert.hidden,
                intermediate_size=bert.intermediate,
                num_hidden_layers=bert.layers,
                num_attention_heads=bert.heads,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
            add_pooling_layer=False,
        )
        self.bert.embeddings.requires_grad_(False)
        self.heads = nn.ModuleList([nn.Linear(llama.hidden, 384), nn.Linear(bert.hidden, 384)])
        self.log_scale = nn.Parameter(torch.tensor(2.66))

    def forward(self, pixels: Tensor, query: Tokens, texts: Tokens) -> Tensor:
        """CLIP's loss of a batch."""
        visual = self.visual_projection(self.x_encoder(pixels))
        tokens = torch.cat([visual, self.query_projection(self.table(query.ids))], dim=1)
        seen = torch.zeros(len(tokens), 1, tokens.shape[1], tokens.shape[1], device=tokens.device)
        predicted = self.heads[0](self.llama(inputs_embeds=tokens, attention_mask=seen).last_hidden_state.mean(1))
        states = self.bert(input_ids=texts.ids, attention_mask=texts.mask.long()).last_hidden_state
        weights = texts.mask[..., None].float()
        targets = self.heads[1]((states * weights).sum(1) / weights.sum(1))
        scores = (
            self.log_scale.exp() * functional.normalize(predicted, dim=-1) @ functional.normalize(targets, dim=-1).T
        )
        own = torch.arange(len(scores), device=scores.device)
        return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


def inputs(rows: int, frames: int, device: torch.device) -> tuple[Tensor, Tokens, Tokens]:
    """Pixels, queries and target texts of a batch."""
    torch.manual_seed(0)
    lengths = torch.tensor([LENGTHS[row % len(LENGTHS)] for row in range(rows)])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    texts = Tokens(ids=torch.randint(1000, SETTINGS.y_encoder.vocab, mask.shape) * mask, mask=mask)
    query = torch.randint(0, SETTINGS.vocab, (rows, 8))
    pixels = torch.rand(rows, frames, 3, 224, 224) * 2 - 1
    return (
        pixels.to(device),
        Tokens(ids=query, mask=torch.ones_like(query, dtype=torch.bool)).to(device),
        texts.to(device),
    )


def plain_step(pixels: Tensor, query: Tokens, texts: Tokens) -> Step:
    model = PlainModel().to(pixels.device).train()
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=1e-4)

    def step(number: int) -> None:
        optimizer.zero_grad()
        loss = model(pixels, query, texts)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return step


def our_steps(pixels: Tensor, query: Tokens, texts: Tokens, folder: Path) -> tuple[Step, Step]:
    """The trainer's step, with the X-Encoder in it and with features from a memory map."""
    device, rows, frames = pixels.device, *pixels.shape[:2]
    dtype = compute_dtype(device)
    # The layer over what can be said is no part of a step: a small one saves memory.
    decoder = replace(SETTINGS.y_decoder, vocabulary=8)
    model = VLJEPA(replace(SETTINGS, y_decoder=decoder)).to(device)
    model.requires_grad_(False)
    model.predictor.requires_grad_(True)
    model.y_encoder.requires_grad_(True)
    model.x_encoder.channels_last().network.to(dtype)
    objective = JointEmbedding(model, JointEmbeddingSettings())
    optim = OptimSettings(warmup=1)
    trainer = Trainer(
        objective,
        make_optimizer(parameter_groups(objective, model, optim), optim),
        lambda number: (),
        name="benchmark",
        loop=LoopSettings(steps=10_000),
        optim=optim,
        record=Record(folder / "metrics.jsonl", keep=False),
        folder=folder,
        dtype=dtype,
    )

    def update(features: Tensor) -> None:
        batch = Batch(
            frames=features,
            query=query,
            targets=texts,
            labels=torch.arange(rows, device=device),
            query_free=torch.zeros(rows, device=device),
        )
        losses, _ = trainer._update((batch,))
        losses.total.item()

    def live(number: int) -> None:
        with torch.inference_mode():
            found = model.x_encoder.features(pixels.flatten(0, 1))
        update(found.clone().float().unflatten(0, (rows, frames)))

    with torch.inference_mode():
        features = model.x_encoder.features(pixels.flatten(0, 1)).float().cpu().numpy()
    np.save(folder / "features.npy", features.astype(np.float16))

    def cached(number: int) -> None:
        kept = np.load(folder / "features.npy", mmap_mode="r")
        update(torch.from_numpy(np.array(kept)).to(device).float().unflatten(0, (rows, frames)))

    return live, cached


def main() -> None:
    """Print samples a second of all three and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=16, help="rows of a batch (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="steps of each side (default: %(default)s)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="(default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")
    options = parser.parse_args()
    device = choose_device(options.device)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    given = inputs(options.rows, options.frames, device)
    with tempfile.TemporaryDirectory() as folder:
        live, cached = our_steps(*given, Path(folder))
        sides = {"plain loop, float32": plain_step(*given), "ours": live, "ours, feature cache": cached}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(-1, options.rounds):
            for name, step in sides.items():
                began = clock()
                step(number)
                if number >= 0:  # the first round starts threads and loads kernels
                    seconds[name].append(clock() - began)
    number_type = str(compute_dtype(device)).removeprefix("torch.")
    print(
        f"{options.rows} clips of {options.frames} frames, {device}, {torch.get_num_threads()} threads, ours in "
        f"{number_type}, rounds {options.rounds}, {options.clock} seconds"
    )
    speeds = {name: options.rows / statistics.median(some) for name, some in seconds.items()}
    for name, speed in speeds.items():
        print(f"{name:>20}: {speed:8.2f} samples a second, {speed / speeds['plain loop, float32']:5.2f} times")


if __name__ == "__main__":
    main()
