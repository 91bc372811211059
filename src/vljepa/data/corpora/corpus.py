"""The shape of a source of training data, and the rule that assigns its samples to a split."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from vljepa.data.packages import Package
from vljepa.types import Sample, Split


@runtime_checkable
class Corpus(Protocol):
    """A source that can be built part by part, so that an interrupted preparation goes on at the next part.

    `name` is also the stem of its shards; `packages` are the registry packages that it reads (fetched, checked and
    handed over as files); `folders` names the folders of the user's own that it needs ("photos", "clips").
    """

    @property
    def name(self) -> str:
        """Its name, and the stem of its shards."""
        ...

    @property
    def licence(self) -> str:
        """The licence of its samples, or of most of them."""
        ...

    @property
    def about(self) -> str:
        """What it is, in a line."""
        ...

    @property
    def packages(self) -> Sequence[Package]:
        """The registry packages that it reads."""
        ...

    @property
    def folders(self) -> Sequence[str]:
        """The folders of the user's own that it needs."""
        ...

    def parts(self) -> int:
        """How many parts (shards) this source has; known before anything is read."""
        ...

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The samples of one part, always the same in the same order; `files`: package or folder name -> path."""
        ...


def check_part(source: Corpus, part: int) -> None:
    """Raises ValueError where a source has no such part."""
    if not 0 <= part < source.parts():
        raise ValueError(f"{source.name} has no part {part}: choose one from 0 to {source.parts() - 1}")


def split_of(concept: str, *, test: int = 17, validation: int = 5) -> Split:
    """Of a hundred concepts `test` are for test and `validation` for validation, decided by the concept's name alone.

    The same word falls on the same side in every source, so a concept of the test split is never trained on.
    """
    bucket = int.from_bytes(hashlib.sha256(concept.strip().lower().encode()).digest()[:4], "big") % 100
    if bucket < test:
        return "test"
    return "validation" if bucket < test + validation else "train"


def split_in_block(index: int, *, seed: int, size: int = 20, test: int = 3, validation: int = 1) -> Split:
    """Of each `size` numbers in a row `test` are for test and `validation` for validation, at places that `seed` draws.

    For sources that are made, whose numbers are scenes: an unseen number is an unseen scene.
    """
    block, place = divmod(index, size)
    rank = int(np.random.default_rng([seed, block, 2]).permutation(size)[place])
    if rank < test:
        return "test"
    return "validation" if rank < test + validation else "train"


@runtime_checkable
class CountsSkipped(Protocol):
    """A source that counts by reason what it left out of the part that it built last."""

    skipped: Counter[str]
