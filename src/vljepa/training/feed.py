"""Decoded batches become the objective's arguments: frames through the frozen X-Encoder, texts to tokens.

Where the X-Encoder learns, the batch holds the pixels that it reads, since the step itself has to pass through it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from einops import rearrange

from vljepa.data.collate import Example, collate
from vljepa.data.loader import Decoded, Mixture, batches
from vljepa.features import frame_features
from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer
from vljepa.training.guards import refuse_many_skipped, skip_counts
from vljepa.training.record import Record
from vljepa.types import Batch

RECORD_EVERY = 10


@dataclass(kw_only=True)
class Feed:
    """`draw` of a Trainer's stage. What was skipped and cut is summed, recorded, and stops the run above the budget."""

    mixture: Mixture
    model: VLJEPA
    query_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    record: Record
    stage: str
    merge: bool = True
    pixels: bool = False
    skipped: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    cut: int = 0
    _coming: Iterator[Decoded] | None = None
    _next: int = -1

    def draw(self, step: int) -> tuple[Batch]:
        """The batch of a step; steps that follow each other are decoded ahead. LoaderError above the budget."""
        if self._coming is None or step != self._next:
            self._coming = batches(self.mixture, start=step)
        decoded = next(self._coming)
        self._next = step + 1
        self._count(decoded)
        return (self.batch(decoded),)

    def batch(self, decoded: Decoded) -> Batch:
        """What there is of frames, computed now, with tokens of what is asked."""
        device = self.model.token_table.weight.device
        frames = rearrange(decoded.frames, "batch time c h w -> (batch time) c h w").to(device)
        encoder, processor = self.model.x_encoder, self.mixture.processor
        known = processor.pixels(frames) if self.pixels else frame_features(encoder, frames, processor)
        by_clip = known.unflatten(0, (len(decoded.asked), -1))
        rows = [
            Example(frames=clip, query=asked.query, target=asked.target, negatives=asked.negatives, key=key)
            for clip, asked, key in zip(by_clip, decoded.asked, decoded.keys, strict=True)
        ]
        return collate(
            rows, query_tokenizer=self.query_tokenizer, target_tokenizer=self.target_tokenizer, merge=self.merge
        )

    def _count(self, decoded: Decoded) -> None:
        self.skipped.update(decoded.skipped)
        self.seen += len(decoded.asked)
        cut = self._cut(decoded)
        if cut and not self.cut:
            self.record.say(f"{self.stage}: warning: texts are longer than is read and are cut; metrics count them")
        self.cut += cut
        if decoded.skipped or (self.cut and decoded.step % RECORD_EVERY == 0):
            counts = skip_counts(self.skipped)
            self.record.write(self.stage, decoded.step, samples=self.seen, texts_cut=self.cut, **counts)
        budget = self.mixture.settings.skip_budget
        refuse_many_skipped(self.stage, self.skipped, seen=self.seen, budget=budget)

    def _cut(self, decoded: Decoded) -> int:
        tokenizers = (self.query_tokenizer, self.target_tokenizer)
        return sum(
            tokenizer.cuts(text)
            for asked in decoded.asked
            for tokenizer, text in zip(tokenizers, (asked.query, asked.target), strict=True)
        )


def rows_a_rank(rows: int, *, ranks: int) -> int:
    """Rows of one rank's batch. ValueError where ranks would differ."""
    if rows % ranks:
        raise ValueError(f"a batch of {rows} rows cannot be dealt evenly to {ranks} ranks: choose a multiple")
    return rows // ranks
