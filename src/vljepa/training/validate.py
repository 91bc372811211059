"""Quick scores on validation items while a run goes: is it learning to see, and to answer?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.evaluation.choices import COMPOSED
from vljepa.evaluation.metrics import ranks, recall_at_k, same_captions
from vljepa.features import Features, Item
from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer
from vljepa.types import Question

CHUNK = 128
PHOTOGRAPHS = ("openstax",)


@dataclass(frozen=True, kw_only=True)
class Validator:
    """Held-out items of a feature folder and what is needed to score them."""

    features: Features
    query_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    class_names: Sequence[str]
    dtype: torch.dtype
    split: str = "validation"
    most: int = 300

    def __call__(self, model: VLJEPA) -> dict[str, float]:
        """Recall of captions, agreement with the classifier on names, share of right answers by kind of question.

        Questions about clips are `ask_KIND`, those about composed pictures `look_KIND`.
        """
        composed = _spread([item for item in self._held_out(pictures=True) if item.corpus in COMPOSED], self.most // 2)
        looked = [(item, question) for item in composed for question in item.questions]
        # The first ones of clips are yes/no: the last to be learned, and already a third of all.
        clips = _spread(self._held_out(pictures=False), self.most)
        asked = [(item, question) for item in clips for question in item.questions[-4:]]
        mixed = torch.autocast(self.device(model).type, dtype=self.dtype, enabled=self.dtype != torch.float32)
        with torch.inference_mode(), mixed:
            groups = self.groups()
            recalls = {f"{name}_r10": self._recall(model, items) for name, items in groups.items()}
            answers = self._answers(model, asked, "ask") | self._answers(model, looked, "look")
            return recalls | self._agreement(model, groups.get("pictures", [])) | answers

    def groups(self) -> dict[str, list[Item]]:
        """Held-out items by what captions are found for: pictures, photographs among them, clips; none is empty."""
        pictures = [item for item in self._held_out(pictures=True) if item.corpus not in COMPOSED]
        found = {
            "pictures": _spread(pictures, self.most),
            "photographs": [item for item in pictures if item.corpus in PHOTOGRAPHS],
            "clips": _spread(self._held_out(pictures=False), self.most),
        }
        return {name: items for name, items in found.items() if items}

    def _held_out(self, *, pictures: bool) -> list[Item]:
        return [item for item in self.features.items if item.split == self.split and item.picture == pictures]

    def predictions(self, model: VLJEPA, items: Sequence[Item], queries: Sequence[str]) -> Float[Tensor, "item dim"]:
        """Unit predicted embeddings of items, all with equally many frames."""
        out = []
        for start in range(0, len(items), CHUNK):
            some = items[start : start + CHUNK]
            frames = torch.stack([self.features.frames(item) for item in some]).to(self.device(model))
            query = self.query_tokenizer(queries[start : start + CHUNK]).to(self.device(model))
            out.append(model.predict(model.x_encoder.tokens(frames), query).cpu())
        return torch.cat(out)

    def posterior(self, model: VLJEPA, items: Sequence[Item]) -> Float[Tensor, "item classes"]:
        """What the picture classifier believes of items, averaged over frames."""
        classes = len(self.class_names)
        rows = [self.features.frames(item)[:, -classes:].float().mean(0) for item in items]
        return torch.stack(rows).to(self.device(model))

    def texts(self, model: VLJEPA, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """Unit embeddings of texts."""
        parts = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        device = self.device(model)
        return torch.cat([model.encode_text(self.target_tokenizer(part).to(device)).cpu() for part in parts])

    @staticmethod
    def device(model: VLJEPA) -> torch.device:
        """Where the model computes; scores are kept on the CPU."""
        return model.token_table.weight.device

    def _recall(self, model: VLJEPA, items: list[Item]) -> float:
        captions = [item.captions[0] for item in items]
        similarity = self.predictions(model, items, [""] * len(items)) @ self.texts(model, captions).T
        return recall_at_k(ranks(similarity.float(), same_captions(captions, captions)), 10)

    def _agreement(self, model: VLJEPA, items: list[Item]) -> dict[str, float]:
        """Share of pictures that are named, among all classes, as the picture classifier names them where it is sure.

        No picture of the corpus has a class for a label; this stands for naming where none is at hand.
        """
        if not items:
            return {}
        posterior = self.posterior(model, items).cpu()
        sure = [place for place in range(len(items)) if float(posterior[place].max()) > 0.5]
        if not sure:
            return {}
        predicted = self.predictions(model, [items[place] for place in sure], [""] * len(sure))
        named = (predicted @ self.texts(model, self.class_names).T).argmax(-1)
        return {"classes_agree": float((named == posterior[sure].argmax(-1)).float().mean())}

    def _answers(self, model: VLJEPA, asked: Sequence[tuple[Item, Question]], name: str) -> dict[str, float]:
        if not asked:
            return {}
        predicted = self.predictions(model, [item for item, _ in asked], [question.query for _, question in asked])
        right: dict[str, list[bool]] = {}
        questions = [question for _, question in asked]
        for question, hit in zip(questions, self.right_answers(model, predicted, questions), strict=True):
            right.setdefault(question.kind, []).append(hit)
        return {f"{name}_{kind}": sum(hits) / len(hits) for kind, hits in sorted(right.items())}

    def right_answers(
        self, model: VLJEPA, predicted: Float[Tensor, "question dim"], questions: Sequence[Question]
    ) -> list[bool]:
        """Of each question, whether the candidate nearest to its prediction is the answer."""
        vocabulary = sorted({text for question in questions for text in question.candidates})
        embedded = dict(zip(vocabulary, self.texts(model, vocabulary).to(predicted.dtype), strict=True))
        right = []
        for row, question in zip(predicted, questions, strict=True):
            cosines = torch.stack([embedded[text] for text in question.candidates]) @ row
            right.append(question.candidates[int(cosines.argmax())] == question.answer)
        return right


def _spread(items: list[Item], most: int) -> list[Item]:
    """At most so many items, taken evenly."""
    return items[:: max(1, len(items) // most)][:most]
