"""Do scores of `search` mean what they say? Held-out pictures and clips are searched by each other's captions.

Of the best hits whose score lies between two numbers, how many are right (have that caption)? Beside it the plain
cosine and the standard score of triggers. Then examples: scores of clips with the same caption, and of other sources.
Command: OMP_NUM_THREADS=2 python benchmarks/search.py [--root corpus] [--model FOLDER] [--each 60]
"""

import argparse
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import torch
from torch import Tensor

from vljepa.data.shards import read_shard
from vljepa.embedder import Embedder
from vljepa.streaming.triggers import background, standard_scores
from vljepa.tasks.calibration import calibrated
from vljepa.types import Sample
from vljepa.weights.calibration import Pair

SHARDS = ("openstax-000", "grocery-000", "camera-000", "fluent-pictures-000", "physics-031")
EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 1.01)
PAIRS = 1000
SHARES = torch.tensor([0.05, 0.5, 0.95])


def held_out(root: Path, each: int) -> list[tuple[str, Sample]]:
    """Some samples of each shard that no training saw, with its name."""
    found: list[tuple[str, Sample]] = []
    for name in SHARDS:
        kept = (sample for sample in read_shard(root / f"{name}.tar") if sample.split != "train")
        found += [(name, sample) for sample in islice(kept, each)]
    return found


def scores(seen: Tensor, wanted: Tensor, bank: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """The score of each seen thing, by its pair, for each wanted one, as in `vljepa.library.finding`."""
    usual = seen @ bank.T
    return torch.stack(
        [
            torch.stack([calibrated(torch.cat([one[None], row]), pair).probabilities[0] for one in ones])
            for ones, row, pair in zip(seen @ wanted.T, usual, pairs, strict=True)
        ]
    )


def of_twos(twos: Tensor, seen: Tensor, bank: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """The score of the second of each two as an example for the first."""
    return torch.stack(
        [scores(seen[one][None], seen[two][None], bank, [pairs[one]])[0, 0] for one, two in twos.tolist()]
    )


def quantiles(values: Tensor) -> str:
    """5 %, half, 95 %."""
    return "  ".join(f"{float(value):.3f}" for value in torch.quantile(values, SHARES))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=Path("corpus"), help="the training corpus (default: corpus)")
    parser.add_argument("--model", type=Path, help="a model folder (default: the shipped one)")
    parser.add_argument("--each", type=int, default=60, help="samples a shard (default: 60)")
    options = parser.parse_args()
    embedder = Embedder.from_folder(options.model)
    samples = held_out(options.root, options.each)
    captions = [sample.captions[0] for _, sample in samples]
    clips = [embedder.clip(sample.media) for _, sample in samples]
    pairs = [embedder.calibration.of(moving=clip.moving, asked=False) for clip in clips]
    seen = embedder.predict_clips(clips).float().cpu()
    wanted, bank = (embedder.texts(texts).float().cpu() for texts in (captions, background()))
    right = torch.tensor([[one == other for other in captions] for one in captions])
    print(f"{len(samples)} held-out pictures and clips; the first hit is right:")
    found = scores(seen, wanted, bank, pairs)
    ways = {"score": found, "cosine": seen @ wanted.T, "standard score": standard_scores(seen, wanted, bank)}
    for name, values in ways.items():
        first = values.argmax(dim=0)
        print(f"  by {name:<15} {float(right[first, torch.arange(len(first))].float().mean()):.3f}")
    best = found.max(dim=0)
    correct = right[best.indices, torch.arange(len(samples))].float()
    print("first hits by score: how many, mean score, share that is right")
    for low, high in pairwise(EDGES):
        some = (best.values >= low) & (best.values < high)
        if some.any():
            share, mean = float(correct[some].mean()), float(best.values[some].mean())
            print(f"  {low:4.2f} to {min(high, 1):4.2f}  {int(some.sum()):4d}  {mean:.2f}  {share:.2f}")
    sources = [name for name, _ in samples]
    twins = torch.nonzero(right & ~torch.eye(len(samples), dtype=torch.bool))
    other = torch.nonzero(torch.tensor([[one != two for two in sources] for one in sources]))
    other = other[torch.randperm(len(other), generator=torch.Generator().manual_seed(0))[:PAIRS]]
    print("examples, score at 5 %, half, 95 %:")
    print(f"  same caption  {quantiles(of_twos(twins, seen, bank, pairs))}   ({len(twins)} pairs)")
    print(f"  other source  {quantiles(of_twos(other, seen, bank, pairs))}")


if __name__ == "__main__":
    main()
