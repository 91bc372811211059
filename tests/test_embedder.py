"""The opened model: cached equals live, order is kept, texts are remembered, long queries are refused."""

import math
from pathlib import Path

import pytest
import torch

from vljepa import embedder as module
from vljepa.data.video import frames_at
from vljepa.embedder import CANDIDATES, Embedder
from vljepa.types import Clip
from vljepa.weights.convert import WeightsError


def clip(num_frames: int, *, seed: int = 0, height: int = 40, width: int = 50) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (num_frames, height, width, 3), generator=generator, dtype=torch.uint8)
    return Clip(frames=frames, times=torch.arange(num_frames).float())


def test_embedding_from_shared_frame_features_equals_that_of_the_clip(tiny_embedder: Embedder, video: Path):
    seen = frames_at(video, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    shared = tiny_embedder.frame_features(tiny_embedder.squares(seen))
    window = Clip(frames=seen.frames[1:5], times=seen.times[1:5])
    cached = tiny_embedder.predict(tiny_embedder.tokens_from_features(shared[None, 1:5]), "what colour")
    torch.testing.assert_close(cached, tiny_embedder.predict_clips([window], "what colour"), rtol=0, atol=2e-5)


def test_clips_of_different_lengths_and_sizes_come_back_in_order(tiny_embedder: Embedder):
    clips = [clip(4), clip(1, seed=1), clip(4, seed=2, height=64), clip(3, seed=3), clip(1, seed=4)]
    together = tiny_embedder.predict_clips(clips)
    alone = torch.cat([tiny_embedder.predict_clips([one]) for one in clips])
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(5))
    assert (together[1] - together[4]).abs().max() > 1e-3


def test_visual_refuses_clips_of_different_lengths(tiny_embedder: Embedder):
    with pytest.raises(ValueError, match=r"\[1, 4\] frames"):
        tiny_embedder.visual([clip(4), clip(1)])


def test_query_changes_the_embedding(tiny_embedder: Embedder):
    visual = tiny_embedder.visual([clip(4)])
    free, asked = tiny_embedder.predict(visual), tiny_embedder.predict(visual, "what colour is the ball")
    assert (free - asked).abs().max() > 1e-3


@pytest.mark.parametrize("words", [64, 10_000])
def test_too_long_a_query_is_refused_with_the_limit(tiny_embedder: Embedder, words: int):
    with pytest.raises(ValueError, match="longer than 63 tokens"):
        tiny_embedder.predict(tiny_embedder.visual([clip(1)]), "cat " * words)
    with pytest.raises(ValueError, match="longer than 63 tokens"):
        tiny_embedder.texts(["cat " * words])


def test_texts_do_not_depend_on_their_neighbours(tiny_embedder: Embedder, other_embedder: Embedder):
    texts = ["a red ball", "a", "the blue cube falls left", "a red ball"]
    together = tiny_embedder.texts(texts)
    alone = torch.cat([other_embedder.texts([text]) for text in texts])
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-5)
    assert torch.equal(together[0], together[3])


def test_texts_are_encoded_once(other_embedder: Embedder, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []
    encode = other_embedder.bundle.model.encode_text
    monkeypatch.setattr(
        other_embedder.bundle.model, "encode_text", lambda tokens: calls.append(len(tokens.ids)) or encode(tokens)
    )
    first = other_embedder.texts(["cat", "dog", "cat"])
    second = other_embedder.texts(["dog", "ball"])
    assert calls == [2, 1]
    assert torch.equal(first[1], second[0])


def test_oldest_texts_are_forgotten(other_embedder: Embedder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vljepa.embedder.KEPT_TEXTS", 2)
    other_embedder.texts(["cat", "dog"])
    other_embedder.texts(["cat", "ball", "cube"])
    assert list(other_embedder._kept) == ["ball", "cube"]


def test_fidelity_is_the_cosine_with_the_text_encoded_again(tiny_embedder: Embedder):
    own = tiny_embedder.texts(["a red ball", "door"])
    assert tiny_embedder.fidelity(own, ["a red ball", "door"]) == pytest.approx([1.0, 1.0])
    crossed = float(own[0] @ own[1])
    assert tiny_embedder.fidelity(own, ["door", "a red ball"]) == pytest.approx([crossed, crossed])


def test_decode_gives_one_text_for_each_embedding(tiny_embedder: Embedder):
    embeddings = tiny_embedder.texts([f"{number} balls" for number in range(20)])
    said = tiny_embedder.decode(embeddings)
    assert len(said) == 20
    assert said[3:5] == tiny_embedder.decode(embeddings[3:5])


@pytest.mark.parametrize("weight", [0.0, 0.02, 1e3])
def test_that_is_said_which_is_likely_and_keeps_much(
    tiny_embedder: Embedder, weight: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "LIKELIHOOD_WEIGHT", weight)
    embeddings = tiny_embedder.texts([f"{number} balls" for number in range(6)])
    model, tokenizer, places = tiny_embedder._model, tiny_embedder.bundle.decoder_tokenizer, set()
    for row, said in zip(embeddings, tiny_embedder.decode(embeddings), strict=True):
        beams = model.y_decoder.generate(row[None], model.token_table.weight, beams=CANDIDATES)[0]
        texts = [tokenizer.text(one.ids) for one in beams]
        kept = tiny_embedder.fidelity(row.expand(len(beams), -1), texts)
        worth = [
            cosine + weight * one.likelihood if text.strip() else -math.inf
            for cosine, one, text in zip(kept, beams, texts, strict=True)
        ]
        assert worth[texts.index(said)] == pytest.approx(max(worth), abs=1e-6)
        places.add([text for text in texts if text.strip()].index(said))
    assert weight == 0.02 or (places == {0}) == (weight > 0)


def test_folder_opens_and_missing_folder_is_named(tiny_folder: Path, tmp_path: Path):
    assert Embedder.from_folder(tiny_folder, device="cpu").name == "tiny"
    with pytest.raises(WeightsError, match="no model folder"):
        Embedder.from_folder(tmp_path / "nowhere", device="cpu")
