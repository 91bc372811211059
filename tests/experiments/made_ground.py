"""A ground of size tiny, on made clips of two kinds."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.conftest import tiny_bundle
from tests.models.made_language import speaking, tiny_language
from tests.training.test_feed import make_corpus

from vljepa.data.shards import read_listing, read_shard, write_listing, write_shard
from vljepa.types import Question
from vljepa.weights.folder import save_folder

LAYERS = 4
SETTINGS = [
    "steps=16",
    "seeds=1",
    "ground.stack=[0, 1, 2, 3]",
    "ground.items=4",
    "cell.rows=4",
    "cell.max_tokens=6",
    "cell.optim.warmup=2",
    "cell.decoder.rows=4",
    "cell.decoder.steps=16",
    "cell.own_decoder.rows=4",
    "cell.own_decoder.steps=16",
]


def make_ground(folder: Path) -> tuple[Path, Path]:
    """A corpus with captions, labels and questions, and a folder in which an experiment begins with random weights."""
    corpus, into = make_corpus(folder / "corpus"), folder / "run"
    (entry,) = read_listing(corpus)
    told = [
        type(sample)(
            **vars(sample)
            | {
                "label": f"kind {number % 2}",
                "split": "test" if number > 3 else "train",
                "questions": (
                    Question(query="which kind?", answer=f"{number % 2}", candidates=("0", "1"), kind="kind"),
                ),
            }
        )
        for number, sample in enumerate(read_shard(corpus / entry["name"]))
    ]
    write_listing(corpus, [write_shard(corpus, entry["name"], samples=told) | {"source": "made"}])
    into.mkdir()
    save_folder(speaking(tiny_bundle()), into / "begin", card="# Random\n", int8=False)
    save_file({name: tensor.clone() for name, tensor in tiny_language(LAYERS).items()}, into / "stack.safetensors")
    torch.manual_seed(0)
    return corpus, into
