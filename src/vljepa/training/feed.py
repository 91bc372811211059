"""Decoded batches become the objective's arguments: frames through the frozen X-Encoder, texts to tokens."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from einops import rearrange

from vljepa.data.collate import Example, collate
from vljepa.data.loader import Decoded, LoaderError, Mixture, batches
from vljepa.features import frame_features
from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer
from vljepa.training.record import Record
from vljepa.types import Batch

# A budget of one in a hundred says nothing of the first ten samples.
JUDGED_FROM = 200
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
        """Frame features, computed now, with tokens of what is asked."""
        device = self.model.token_table.weight.device
        frames = rearrange(decoded.frames, "batch time c h w -> (batch time) c h w")
        encoder = self.model.x_encoder
        features = frame_features(encoder, frames.to(device), self.mixture.processor)
        by_clip = rearrange(features, "(batch time) width -> batch time width", batch=len(decoded.asked))
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
            counts = {f"skipped_{reason.replace(' ', '_')}": number for reason, number in self.skipped.items()}
            self.record.write(self.stage, decoded.step, samples=self.seen, texts_cut=self.cut, **counts)
        total, budget = sum(self.skipped.values()), self.mixture.settings.skip_budget
        if total > budget * max(self.seen + total, JUDGED_FROM):
            reasons = ", ".join(f"{reason}: {number}" for reason, number in self.skipped.items())
            raise LoaderError(
                f"{self.stage}: {total} of {self.seen + total} samples were skipped ({reasons}), more than skip_budget "
                f"{budget:g} allows: look at the data, or raise it"
            )

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
