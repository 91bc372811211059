"""The trained weights must matter: unseen scenes are answered above chance, above blind, and above random weights."""

from collections.abc import Callable

import pytest
import torch

from vljepa.data.corpora.physics import Physics
from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.held_out import blinded
from vljepa.types import Clip, Sample

NUM_SCENES = 40
Look = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(scope="module")
def shipped() -> Embedder:
    return Embedder.from_folder()


@pytest.fixture(scope="module")
def scenes(shipped: Embedder) -> list[tuple[Sample, torch.Tensor]]:
    """Test scenes, whose seeds and cameras training never had, and their frames' features."""
    physics = Physics()
    tests = [index for index in range(physics.total - 1, 0, -1) if physics.split(index) == "test"][:NUM_SCENES]
    found = []
    for sample in map(physics.sample, tests):
        clip: Clip = shipped.clip(sample.media)
        found.append((sample, shipped.frame_features(shipped.squares(clip)).float().cpu()))
    return found


def share_right(embedder: Embedder, scenes: list[tuple[Sample, torch.Tensor]], look: Look) -> tuple[float, float]:
    """Share of right answers, and what guessing would give."""
    right, chance = [], []
    for sample, features in scenes:
        visual = embedder.tokens_from_features(look(features)[None])
        for question in sample.questions:
            predicted = embedder.predict(visual, question.query)[0].cpu()
            cosines = embedder.texts(question.candidates).cpu() @ predicted
            right.append(float(question.candidates[int(cosines.argmax())] == question.answer))
            chance.append(1 / len(question.candidates))
    return sum(right) / len(right), sum(chance) / len(chance)


def test_answers_need_the_picture(shipped: Embedder, scenes: list[tuple[Sample, torch.Tensor]]) -> None:
    seeing, chance = share_right(shipped, scenes, lambda features: features)
    encoder = shipped.bundle.model.x_encoder
    blind, _ = share_right(shipped, scenes, lambda features: blinded(encoder, features))
    assert seeing > chance + 0.1
    assert seeing > blind + 0.1


def test_captions_find_their_scenes(shipped: Embedder, scenes: list[tuple[Sample, torch.Tensor]]) -> None:
    predicted = torch.stack(
        [shipped.predict(shipped.tokens_from_features(features[None]))[0].cpu() for _, features in scenes]
    )
    texts = shipped.texts([sample.captions[0] for sample, _ in scenes]).cpu()
    own = (predicted @ texts.T).argsort(descending=True)[:, :5] == torch.arange(len(scenes))[:, None]
    assert own.any(1).double().mean() > 3 * 5 / len(scenes)


def test_like_sentences_lie_together(shipped: Embedder) -> None:
    """Sentences that mean the same lie together, others apart: the tuned Y-Encoder is still a sentence encoder."""
    texts = shipped.texts(["a dog on the beach", "a puppy on the sand", "a report on interest rates"]).cpu()
    assert texts[0] @ texts[1] > texts[0] @ texts[2] + 0.3
