"""Which examples a step sees: a pure function of the seed and the step, so that a resumed run continues exactly.

Groups share a number of frames. `pictures` and `clips` are query-free captions, `picture-questions` and
`clip-questions` carry a query, `classes` are pictures that nobody took, one for a class of the picture classifier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.data.asking import CAPTION_QUERIES, LABEL_QUERIES, one_of
from vljepa.data.collate import Example
from vljepa.features import Features, Item
from vljepa.types import Question, Told


@dataclass(frozen=True, kw_only=True)
class ExampleSettings:
    """`negatives`: how many one-word-wrong captions each row brings; `drop_features`: share of rows that must name
    their picture from the classifier's posterior alone; `drop_channels`: each row goes without up to this share of the
    features' channels, so that nothing hangs on a few of them; `source_weight`: how much oftener a source is drawn, and
    `asked_weight` the same where rows carry a query (None: alike); `own_questions`: share of asked rows that get one of
    the sample's own questions; `kind_weight`: how much oftener a kind of them is asked; `backwards`: share of clips
    that are played backwards, where it is known what is true of them then; `photographs`: sources that class rows take
    features from; `twins`: share of caption rows that bring another wording of their target, for a `twin_weight`;
    `states`: share of clips that are described from their first and last frame, as a pair of states is seen (4.3);
    `beside`: share of own questions that another one of the same kind goes with, about the same frames but answered
    otherwise, so that nothing but what is asked tells the two answers apart."""

    negatives: int = 1
    drop_features: float = 0.1
    drop_channels: float = 0.0
    source_weight: Mapping[str, float] | None = None
    asked_weight: Mapping[str, float] | None = None
    own_questions: float = 0.8
    backwards: float = 0.5
    kind_weight: Mapping[str, float] | None = None
    photographs: tuple[str, ...] = ("openstax", "grocery")
    twins: float = 0.0
    states: float = 0.0
    beside: float = 0.0


class Examples:
    """Draws the rows of a step from a feature folder; `class_weights`: the picture classifier's, a row a class."""

    def __init__(
        self,
        features: Features,
        settings: ExampleSettings,
        *,
        class_texts: Sequence[Sequence[str]],
        class_weights: Float[Tensor, "classes dim"],
        mean: Float[Tensor, "channel"],
        num_cells: int,
    ) -> None:
        self.features = features
        self.settings = settings
        self.class_texts = class_texts
        unit = torch.nn.functional.normalize(class_weights.float(), dim=-1)
        self._kinship = unit @ unit.T
        self._blank, self._channels = mean.repeat(num_cells), len(mean)
        train = [item for item in features.items if item.split == "train"]
        self.pictures = [item for item in train if item.picture]
        self.clips = [item for item in train if not item.picture]
        self._photographs = [item for item in self.pictures if item.corpus in settings.photographs] or self.pictures
        self._sure = self._sure_posteriors()
        told = settings.source_weight or {}
        asked = told if settings.asked_weight is None else settings.asked_weight
        self._weights = {
            (id(group), with_query): self._draw_weights(group, asked if with_query else told)
            for group in (self.pictures, self.clips)
            for with_query in (False, True)
        }

    @staticmethod
    def _draw_weights(group: list[Item], factor: Mapping[str, float]) -> Float[np.ndarray, "item"]:
        weights = np.array([factor.get(item.corpus, 1.0) for item in group])
        return weights / max(weights.sum(), 1e-9)

    def _sure_posteriors(self) -> Float[Tensor, "picture classes"]:
        """What the classifier says of those training pictures that it is halfway sure of."""
        classes = len(self.class_texts)
        found = torch.stack([self.features.frames(item)[:, -classes:].float().mean(0) for item in self.pictures])
        return found[found.max(-1).values > 0.2]

    def rows(self, group: str, *, count: int, seed: int, step: int, plainest: bool = False) -> list[Example]:
        """The rows of one step; `plainest`: captions are the first wording, which a source writes plainest."""
        random = np.random.default_rng([seed, step])
        if group == "classes":
            if count and not len(self._sure):
                raise ValueError("the picture classifier is sure of no training picture: set rows.classes=0")
            return [self._class_row(random) for _ in range(count)]
        of_clips = group.startswith("clip")
        items = self.clips if of_clips else self.pictures
        with_query = group.endswith("questions")
        weights = self._weights[id(items), with_query]
        chosen = random.choice(len(items), size=min(count, len(items)), replace=False, p=weights)
        rows: list[Example] = []
        for place in chosen:
            rows += self._rows_of(items[place], random, with_query=with_query, plainest=plainest)
            if len(rows) >= count:
                break
        return rows[:count]

    def _rows_of(self, item: Item, random: np.random.Generator, *, with_query: bool, plainest: bool) -> list[Example]:
        """One row; two where a question brings another."""
        frames = self.features.frames(item, int(random.integers(len(item.views))))
        if random.random() < self.settings.drop_features and not with_query:
            frames = frames.clone()
            frames[:, : len(self._blank)] = self._blank
        elif self.settings.drop_channels:
            frames = self._thinned(frames, random)
        told: Item | Told = item
        # The same pictures in the other order mean something else: only motion can tell the two apart.
        if item.backwards is not None and random.random() < self.settings.backwards:
            told, frames = item.backwards, frames.flip(0)
        if with_query:
            return [replace(example, key=item.key) for example in self._asked(told, frames, random)]
        if self.settings.states and not item.picture and random.random() < self.settings.states:
            frames = ends(frames)
        wrong = random.permutation(len(told.negatives))[: self.settings.negatives]
        negatives = tuple(told.negatives[i] for i in wrong)
        target = told.captions[0] if plainest else one_of(told.captions, random)
        others = [text for text in told.captions if text != target] if self.settings.twins else []
        twin = one_of(others, random) if others and random.random() < self.settings.twins else ""
        return [Example(frames=frames, query="", target=target, negatives=negatives, key=item.key, twin=twin)]

    def _thinned(self, frames: Float[Tensor, "time kept"], random: np.random.Generator) -> Float[Tensor, "time kept"]:
        """Some channels are at their mean, the same ones in all cells and frames, so that motion stays motion."""
        share = self.settings.drop_channels * random.random()
        gone = torch.from_numpy(random.random(self._channels) < share).repeat(len(self._blank) // self._channels)
        thinned = frames.clone()
        thinned[:, : len(self._blank)][:, gone] = self._blank[gone].to(frames.dtype)
        return thinned

    def _asked(self, item: Item | Told, frames: Tensor, random: np.random.Generator) -> list[Example]:
        """A question of the sample's own mostly, kinds by their weights; else the order to name or to describe it."""
        draw = random.random()
        own = self.settings.own_questions
        if item.questions and draw < own:
            kinds = sorted({question.kind for question in item.questions})
            weights = np.array([(self.settings.kind_weight or {}).get(kind, 1.0) for kind in kinds])
            kind = kinds[int(random.choice(len(kinds), p=weights / weights.sum()))]
            some = [question for question in item.questions if question.kind == kind]
            question = some[int(random.integers(len(some)))]
            both = [question]
            if self.settings.beside and random.random() < self.settings.beside:
                others = [other for other in some if other.answer != question.answer]
                both += [others[int(random.integers(len(others)))]] if others else []
            return [_own(question, frames, random) for question in both]
        if item.label and draw < (1 + own) / 2:
            return [Example(frames=frames, query=one_of(LABEL_QUERIES, random), target=item.label)]
        return [Example(frames=frames, query=one_of(CAPTION_QUERIES, random), target=one_of(item.captions, random))]

    def _class_row(self, random: np.random.Generator) -> Example:
        """A picture that nobody took: what the classifier might say of a class, on features that say something else.

        Only the posterior tells which class it is, so the Predictor learns to believe it where it is sure. One row in
        three has average features instead.
        """
        number = int(random.integers(len(self.class_texts)))
        posterior = self._sure[int(random.integers(len(self._sure)))]
        features = self._blank if random.random() < 1 / 3 else self._any_features(random)
        query = one_of(LABEL_QUERIES, random) if random.random() < 0.15 else ""
        known = torch.cat([features, self._dealt(number, posterior, random)])
        target = one_of(self.class_texts[number], random)
        return Example(
            frames=known.expand(self.pictures[0].count, -1), query=query, target=target, key=f"class {number}"
        )

    def _any_features(self, random: np.random.Generator) -> Float[Tensor, "width"]:
        """Features of some picture, a photograph three times in four."""
        items = self._photographs if random.random() < 0.75 else self.pictures
        item = items[int(random.integers(len(items)))]
        return self.features.frames(item, int(random.integers(len(item.views))))[0, : len(self._blank)]

    def _dealt(
        self, number: int, posterior: Float[Tensor, "classes"], random: np.random.Generator
    ) -> Float[Tensor, "classes"]:
        """A true posterior's values dealt out again: the highest to the class, the next ones to its kin.

        Kin are classes whose weight vectors in the classifier are alike; they are what it confuses.
        """
        noise = torch.from_numpy(random.normal(0, 0.08, len(posterior))).float()
        likeness = self._kinship[number] + noise
        likeness[number] = torch.inf
        dealt = torch.zeros_like(posterior)
        dealt[likeness.argsort(descending=True)] = posterior.sort(descending=True).values
        return dealt


def _own(question: Question, frames: Tensor, random: np.random.Generator) -> Example:
    """The question with up to seven of its wrong answers."""
    wrong = [text for text in question.candidates if text != question.answer]
    kept = tuple(wrong[i] for i in random.permutation(len(wrong))[:7])
    return Example(frames=frames, query=question.query, target=question.answer, negatives=kept)


def ends(frames: Float[Tensor, "time kept"]) -> Float[Tensor, "time kept"]:
    """The first frame, then the last one, each for half of the time."""
    first = len(frames) // 2
    return torch.cat([frames[:1].expand(first, -1), frames[-1:].expand(len(frames) - first, -1)])
