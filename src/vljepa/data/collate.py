"""Examples to a Batch: in training, the only place where strings become tokens."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.text import Tokenizer
from vljepa.types import Batch, unique


@dataclass(frozen=True, kw_only=True)
class Example:
    """What one row of a batch is made of; an empty query is the query-free case of pretraining. `key`: its sample's.

    `twin`: another wording of the target, "" for none.
    """

    frames: Float[Tensor, "time *kept"]
    query: str
    target: str
    negatives: tuple[str, ...] = ()
    key: str = ""
    twin: str = ""


def collate(
    examples: Sequence[Example], *, query_tokenizer: Tokenizer, target_tokenizer: Tokenizer, merge: bool = True
) -> Batch:
    """One shape for all: examples must have equally many frames.

    `merge`: equal target texts become one column that several rows share, on other ranks too, and negatives that are
    some row's target stay positives. Off, every row keeps a column of its own, as the paper writes it, and negatives
    follow.
    """
    targets = [example.target for example in examples]
    extra = [text for example in examples for text in example.negatives]
    columns = unique([*targets, *extra]) if merge else (*targets, *extra)
    # A wording that is some row's target, or wrong for one, belongs to that row.
    twins = {example.twin: example.target for example in examples if example.twin and example.twin not in columns}
    number = {text: place for place, text in reversed(list(enumerate(columns)))}
    labels = [number[text] for text in targets] if merge else list(range(len(targets)))
    return Batch(
        frames=torch.stack([example.frames for example in examples]),
        query=query_tokenizer([example.query for example in examples]),
        targets=target_tokenizer([*columns, *twins]),
        labels=torch.tensor(labels),
        query_free=torch.tensor([float(not example.query) for example in examples]),
        keys=torch.tensor([text_key(text) for text in columns]) if merge else None,
        samples=tuple(example.key for example in examples),
        twins=torch.tensor([number[text] for text in twins.values()]) if twins else None,
    )


def text_key(text: str) -> int:
    """A number of 64 bits that is the same for a text in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
