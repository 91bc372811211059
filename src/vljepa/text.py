"""Strings to tokens: the only place, beside collation, where text becomes numbers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import tokenizers
import torch

from vljepa.types import Tokens


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """`start` and `end` go around every text (-1: none); longer texts are cut at `max_tokens`, markers included.

    `prompt` stands before every text, as some sentence encoders were trained with one.
    """

    pad: int
    start: int = -1
    end: int = -1
    max_tokens: int = 512
    prompt: str = ""


class Tokenizer:
    """A `tokenizer.json` with explicit markers, padded on the right to the longest text of a batch.

    The file's own template, padding and truncation are switched off, so that what the settings say is all that happens.
    An empty text becomes the start marker alone: that is the query-free case of pretraining (paper, section 3.1).
    """

    def __init__(self, definition: str, settings: TokenizerSettings) -> None:
        self._tokenizer = _bare(definition)
        self.definition = definition
        self.settings = settings

    @classmethod
    def open(cls, path: Path, settings: TokenizerSettings) -> "Tokenizer":
        """Read a `tokenizer.json`."""
        return cls(path.read_text(encoding="utf-8"), settings)

    def cut_at(self, max_tokens: int) -> "Tokenizer":
        """The same tokenizer that cuts texts at another length."""
        return Tokenizer(self.definition, replace(self.settings, max_tokens=max_tokens))

    @property
    def size(self) -> int:
        """How many different tokens there are."""
        return self._tokenizer.get_vocab_size()

    def ids(self, text: str) -> list[int]:
        """Token numbers of one text with its markers, cut at the settings' length."""
        start = [self.settings.start] if self.settings.start >= 0 else []
        end = [self.settings.end] if self.settings.end >= 0 else []
        room = self.settings.max_tokens - len(start) - len(end)
        return start + self._encoded(text)[:room] + end

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(self.settings.prompt + text, add_special_tokens=False).ids
        return ids

    def cuts(self, text: str) -> bool:
        """Whether the text is longer than `ids` keeps."""
        if (
            len((self.settings.prompt + text).encode()) + 2 < self.settings.max_tokens
        ):  # no token is shorter than a byte: nothing to count
            return False
        markers = (self.settings.start >= 0) + (self.settings.end >= 0)
        return len(self._encoded(text)) > self.settings.max_tokens - markers

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """A batch of texts, padded on the right to the longest."""
        rows = [self.ids(text) for text in texts]
        width = max((len(row) for row in rows), default=0)
        ids = torch.full((len(rows), width), self.settings.pad, dtype=torch.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row, dtype=torch.int64)
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        return Tokens(ids=ids, mask=torch.arange(width)[None] < lengths[:, None])

    def text(self, ids: Sequence[int]) -> str:
        """Back to a string; markers leave no trace."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


@lru_cache(maxsize=8)
def _bare(definition: str) -> tokenizers.Tokenizer:
    """The tokenizer without template, padding and truncation; query side and Y-Decoder share one, read once."""
    plain = json.loads(definition)
    plain["post_processor"] = plain["padding"] = plain["truncation"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(plain))
