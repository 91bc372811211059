"""Scores on what training never saw: names among the corpus's names, captions among its captions, answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.evaluation.metrics import ranks, recall_at_k, same_captions
from vljepa.features import Features, Item
from vljepa.models.token_vlm import TokenVLM
from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer
from vljepa.training.validate import CHUNK, Validator


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Items with the labels that each is to be told from, scored without a query, as `classify` does."""

    items: Sequence[Item]
    labels: Sequence[str]
    look: Validator

    def __call__(self, model: VLJEPA) -> dict[str, float]:
        """Shares from 0 to 1; a score is missing where no item has what it needs."""
        device = self.look.device(model)
        mixed = torch.autocast(device.type, dtype=self.look.dtype, enabled=self.look.dtype != torch.float32)
        with torch.inference_mode(), mixed:
            return self._named(model) | self._found(model) | self._answered(model)

    def _predictions(self, model: VLJEPA, items: Sequence[Item], queries: Sequence[str]) -> torch.Tensor:
        """Items of several numbers of frames, those of one number together, in the order given."""
        rows = torch.empty(len(items), model.settings.predictor.shared)
        for count in {item.count for item in items}:
            places = [place for place, item in enumerate(items) if item.count == count]
            some = self.look.predictions(model, [items[k] for k in places], [queries[k] for k in places])
            rows[places] = some.float()
        return rows

    def _named(self, model: VLJEPA) -> dict[str, float]:
        items = [item for item in self.items if item.label]
        if not items or len(self.labels) < 2:
            return {}
        similarity = self._predictions(model, items, [""] * len(items)) @ self.look.texts(model, self.labels).float().T
        right = [self.labels[int(best)] == item.label for best, item in zip(similarity.argmax(-1), items, strict=True)]
        return {"named": sum(right) / len(right)}

    def _found(self, model: VLJEPA) -> dict[str, float]:
        items = [item for item in self.items if item.captions and item.captions != (item.label,)]
        if len(items) < 2:
            return {}
        captions = [item.captions[0] for item in items]
        similarity = self._predictions(model, items, [""] * len(items)) @ self.look.texts(model, captions).float().T
        return {"caption_r1": recall_at_k(ranks(similarity, same_captions(captions, captions)), 1)}

    def _answered(self, model: VLJEPA) -> dict[str, float]:
        asked = [(item, question) for item in self.items for question in item.questions if len(question.candidates) > 1]
        if not asked:
            return {}
        predicted = self._predictions(model, [item for item, _ in asked], [question.query for _, question in asked])
        right = self.look.right_answers(model, predicted, [question for _, question in asked])
        return {"answered": sum(right) / len(right)}


@dataclass(frozen=True, kw_only=True)
class HeldOutByPerplexity:
    """The same scores of a token VLM: of the labels, and of a question's candidates, the one of lowest perplexity."""

    items: Sequence[Item]
    labels: Sequence[str]
    features: Features
    query_tokenizer: Tokenizer
    text_tokenizer: Tokenizer
    dtype: torch.dtype

    def __call__(self, model: TokenVLM) -> dict[str, float]:
        """Shares from 0 to 1; a score is missing where no item has what it needs."""
        device = model.token_table.weight.device
        mixed = torch.autocast(device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)
        with torch.inference_mode(), mixed:
            return self._named(model) | self._answered(model)

    def best(self, model: TokenVLM, items: Sequence[Item], query: str, candidates: Sequence[str]) -> list[str]:
        """The candidate that each item, all of one number of frames, gives the lowest perplexity."""
        lowest = self.perplexities(model, items, query, candidates).argmin(1)
        return [candidates[int(place)] for place in lowest]

    def perplexities(
        self, model: TokenVLM, items: Sequence[Item], query: str, candidates: Sequence[str]
    ) -> Float[Tensor, "item candidate"]:
        """Of each candidate as each item's answer; the items have one number of frames."""
        device = model.token_table.weight.device
        texts = self.text_tokenizer(candidates).to(device)
        rows = []
        for start in range(0, len(items), CHUNK):
            some = items[start : start + CHUNK]
            visual = model.x_encoder.tokens(torch.stack([self.features.frames(item) for item in some]).to(device))
            rows.append(model.perplexities(visual, self.query_tokenizer([query] * len(some)).to(device), texts).cpu())
        return torch.cat(rows)

    def _named(self, model: TokenVLM) -> dict[str, float]:
        items = [item for item in self.items if item.label]
        if not items or len(self.labels) < 2:
            return {}
        right = 0
        for count in {item.count for item in items}:
            alike = [item for item in items if item.count == count]
            named = self.best(model, alike, "", self.labels)
            right += sum(item.label == name for item, name in zip(alike, named, strict=True))
        return {"named": right / len(items)}

    def _answered(self, model: TokenVLM) -> dict[str, float]:
        asked = [(item, question) for item in self.items for question in item.questions if len(question.candidates) > 1]
        if not asked:
            return {}
        said = [self.best(model, [item], question.query, question.candidates)[0] for item, question in asked]
        return {"answered": sum(one == q.answer for one, (_, q) in zip(said, asked, strict=True)) / len(asked)}
