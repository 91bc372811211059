"""Classification, answers, captions, retrieval: order, calibration, and what they refuse."""

import dataclasses

import pytest
import torch

from vljepa.embedder import Embedder
from vljepa.tasks.answer import answer
from vljepa.tasks.calibration import calibrated
from vljepa.tasks.candidates import checked_candidates
from vljepa.tasks.caption import caption
from vljepa.tasks.classify import classify
from vljepa.tasks.retrieve import retrieve
from vljepa.types import Clip
from vljepa.weights.calibration import Calibration, Pair

CASES = ("picture", "picture_asked", "clip", "clip_asked")


def plain_clip(colour: int, *, num_frames: int = 1) -> Clip:
    frames = torch.zeros(num_frames, 32, 32, 3, dtype=torch.uint8)
    frames[..., colour] = 200
    return Clip(frames=frames, times=torch.arange(num_frames).float())


def test_probabilities_and_none_are_one_together_and_follow_the_softmax():
    cosines = torch.tensor([0.5, 0.7])
    found = calibrated(cosines, Pair(scale=10.0, background=0.5))
    expected = (torch.tensor([0.5, 0.7, 0.5]) * 10).softmax(0)
    torch.testing.assert_close(found.probabilities, expected[:2])
    assert found.none_of_these == pytest.approx(float(expected[2]))


def test_labels_are_ranked_by_cosine_and_keep_their_names(tiny_embedder: Embedder):
    clip = plain_clip(0, num_frames=4)
    found = classify(tiny_embedder, [clip], labels=["a red ball", " door ", "cat"])[0]
    assert {score.label for score in found.scores} == {"a red ball", "door", "cat"}
    own = tiny_embedder.predict_clips([clip])[0]
    for score in found.scores:
        assert score.cosine == pytest.approx(float(tiny_embedder.texts([score.label])[0] @ own), abs=1e-5)
    assert [score.cosine for score in found.scores] == sorted((score.cosine for score in found.scores), reverse=True)
    assert sum(score.probability for score in found.scores) + found.none_of_these == pytest.approx(1.0, abs=1e-5)


def test_each_clip_has_its_own_ranking(tiny_embedder: Embedder):
    red, blue = classify(tiny_embedder, [plain_clip(0), plain_clip(2, num_frames=4)], labels=["cat", "door"])
    assert red.scores[0].cosine != pytest.approx(blue.scores[0].cosine, abs=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_pictures_and_clips_described_and_asked_have_a_pair_each(tiny_embedder: Embedder, case: str):
    heights = dict.fromkeys(CASES, -5.0) | {case: 5.0}  # below and above every cosine
    calibration = Calibration(**{name: Pair(background=height) for name, height in heights.items()})
    embedder = Embedder(dataclasses.replace(tiny_embedder.bundle, calibration=calibration))
    clips = [plain_clip(0), plain_clip(0, num_frames=4)]
    told = classify(embedder, clips, labels=["cat"], query="  ")
    asked = classify(embedder, clips, labels=["cat"], query="what is this")
    answered = answer(embedder, clips, question="what is this", candidates=["cat"])
    none = {
        "picture": [told[0].none_of_these],
        "clip": [told[1].none_of_these],
        "picture_asked": [asked[0].none_of_these, answered[0].none_of_these],
        "clip_asked": [asked[1].none_of_these, answered[1].none_of_these],
    }
    assert {name for name, found in none.items() if min(found) > 0.999} == {case}
    assert all(max(found) < 0.001 for name, found in none.items() if name != case)


def test_five_thousand_labels_are_ranked(tiny_embedder: Embedder):
    labels = [f"thing {number}" for number in range(5000)]
    found = classify(tiny_embedder, [plain_clip(1)], labels=labels)[0]
    assert len(found.scores) == 5000


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([], "there is no label"),
        (["cat", "  ", "dog"], "label number 2 is empty"),
        (["cat", "dog", " cat"], "more often: 'cat'"),
    ],
)
def test_bad_labels_are_named(labels: list[str], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        checked_candidates(labels, what="label")


def test_answer_is_the_best_candidate(tiny_embedder: Embedder):
    clip = plain_clip(0, num_frames=4)
    candidates = ["a red ball", "the door", "cat", "left"]
    found = answer(tiny_embedder, [clip], question="what is it", candidates=candidates)[0]
    asked = tiny_embedder.predict_clips([clip], "what is it")[0]
    assert found.answer == candidates[int((tiny_embedder.texts(candidates) @ asked).argmax())]
    assert found.ranked
    assert found.fidelity is None
    assert found.none_of_these is not None


def test_answer_without_candidates_is_decoded_from_the_asked_embedding(tiny_embedder: Embedder):
    clip = plain_clip(0)
    found = answer(tiny_embedder, [clip], question="what is it")[0]
    embedding = tiny_embedder.predict_clips([clip], "what is it")
    assert not found.ranked
    assert found.answer == tiny_embedder.decode(embedding)[0]
    assert found.fidelity == pytest.approx(tiny_embedder.fidelity(embedding, [found.answer])[0], abs=1e-5)


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_empty_question_is_refused(tiny_embedder: Embedder, question: str):
    with pytest.raises(ValueError, match="the question is empty"):
        answer(tiny_embedder, [plain_clip(0)], question=question, candidates=["yes", "no"])


@pytest.mark.parametrize(("line", "marked"), [(2.0, True), (-2.0, False), (None, False)])
def test_words_below_the_line_of_the_model_are_unsure(tiny_embedder: Embedder, line: float | None, marked: bool):
    calibration = dataclasses.replace(tiny_embedder.calibration, unsure=line)
    embedder = Embedder(dataclasses.replace(tiny_embedder.bundle, calibration=calibration))
    assert caption(embedder, [plain_clip(0)])[0].unsure is marked
    assert answer(embedder, [plain_clip(0)], question="what is it")[0].unsure is marked


def test_caption_is_decoded_with_its_fidelity(tiny_embedder: Embedder):
    clips = [plain_clip(0), plain_clip(2, num_frames=4)]
    found = caption(tiny_embedder, clips)
    embeddings = tiny_embedder.predict_clips(clips)
    assert [one.caption for one in found] == tiny_embedder.decode(embeddings)
    assert [one.fidelity for one in found] == pytest.approx(
        tiny_embedder.fidelity(embeddings, [one.caption for one in found]), abs=1e-5
    )


def test_retrieval_finds_the_nearest_first():
    pool = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), dim=1)
    hits = retrieve(torch.tensor([0.0, 1.0]), pool, num_hits=2)
    assert [hit.position for hit in hits] == [2, 1]
    assert hits[1].cosine == pytest.approx(2**-0.5)
    assert len(retrieve(pool[0], pool, num_hits=10)) == 3
    with pytest.raises(ValueError, match="at least one"):
        retrieve(pool[0], pool, num_hits=0)
