"""Text triggers: one threshold for every text, firing once, and what makes no sense."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vljepa.embedder import Embedder
from vljepa.streaming.triggers import Firing, Triggers, TriggerSettings, background, standard_scores

DIM = 64
COMMON = torch.eye(DIM)[0]


def directions(num: int, *, seed: int) -> Tensor:
    """Random directions that have nothing of the common one."""
    found = torch.randn(num, DIM, generator=torch.Generator().manual_seed(seed))
    found[:, 0] = 0
    return normalize(found, dim=1)


def with_common(rows: Tensor, share: float) -> Tensor:
    """The rows turned towards what all embeddings of a model have in common."""
    return normalize(share * COMMON + math.sqrt(1 - share**2) * rows, dim=1)


BANK = with_common(directions(200, seed=1), 0.7)


def test_one_threshold_serves_windows_and_texts_for_which_no_cosine_would():
    plain, general = directions(2, seed=2)
    texts = torch.stack([with_common(plain[None], 0.3)[0], with_common(general[None], 0.9)[0]])
    others = directions(300, seed=3)
    shows_plain = with_common(normalize(others[:100] + 0.8 * plain, dim=1), 0.2)
    shows_general = with_common(normalize(others[100:200] + 0.8 * general, dim=1), 0.8)
    shows_neither = with_common(others[200:], 0.8)
    windows = torch.cat([shows_plain, shows_general, shows_neither])
    # Windows that show neither are more like the general text than windows of the plain text are like that one.
    cosines = windows @ texts.T
    assert cosines[200:, 1].mean() > cosines[:100, 0].mean() + 0.05
    scores = standard_scores(windows, texts, BANK)
    is_shown = torch.zeros(300, 2, dtype=torch.bool)
    is_shown[:100, 0] = is_shown[100:200, 1] = True
    fires = scores >= TriggerSettings().threshold
    assert fires[:100, 0].float().mean() > 0.9
    assert fires[100:200, 1].float().mean() > 0.9
    assert fires[~is_shown].float().mean() < 0.02


def test_scores_of_unrelated_texts_are_standard():
    scores = standard_scores(with_common(directions(50, seed=4), 0.5), with_common(directions(400, seed=5), 0.7), BANK)
    assert abs(float(scores.mean())) < 0.1
    assert float(scores.std()) == pytest.approx(1, abs=0.1)


def test_a_window_that_is_like_everything_scores_as_one_that_is_not():
    rest, texts = directions(20, seed=8), directions(5, seed=9)
    captions = directions(100, seed=1)
    bank = with_common(torch.cat([captions, -captions]), 0.7)
    plain, general = (standard_scores(with_common(rest, share), texts, bank) for share in (0.1, 0.95))
    torch.testing.assert_close(plain, general, rtol=1e-3, atol=1e-3)


def fake_encoder(texts: Sequence[str]) -> Tensor:
    """The bank for the captions, and for "one", "two" ... an axis each."""
    if len(texts) > 10:
        return directions(len(texts), seed=6)
    return torch.eye(DIM)[[1 + ("one", "two").index(text) for text in texts]]


def windows_like(*shares: float, axis: int = 1) -> Tensor:
    """Windows of which a share lies on an axis; the rest is what captions are like, too."""
    rest = directions(1, seed=7)[0]
    return normalize(torch.stack([share * torch.eye(DIM)[axis] + (1 - share) * rest for share in shares]), dim=1)


def fired(triggers: Triggers, windows: Tensor, *, first: float = 0.0) -> list[Firing]:
    return triggers.push(windows, [(first + second, first + second + 2) for second in range(len(windows))])


def test_a_trigger_fires_on_its_window_once_while_it_lasts():
    triggers = Triggers(TriggerSettings(texts=("one", "two"), cooldown=0.0), encode=fake_encoder)
    found = fired(triggers, windows_like(0, 0, 0.9, 0.9, 0.9))
    assert [(one.text, one.start, one.end) for one in found] == [("one", 2.0, 4.0)]
    assert found[0].score >= 3
    assert fired(triggers, windows_like(0.9, axis=2), first=5.0)[0].text == "two"


def test_a_score_that_wavers_about_the_threshold_fires_once():
    settings = TriggerSettings(texts=("one",), threshold=3.0, cooldown=0.0)
    windows = windows_like(*(place / 50 for place in range(50)))
    scores = standard_scores(windows, fake_encoder(["one"]), fake_encoder(background()))[:, 0]
    above, below = int((scores >= 3).nonzero()[0]), int((scores < 2.25).nonzero()[-1])
    assert above - below > 1
    waver = windows[[0, above, above - 1, above, above - 1, above]]
    assert len(fired(Triggers(settings, encode=fake_encoder), waver)) == 1
    calm = windows[[0, above, below, above, below, above]]
    assert len(fired(Triggers(settings, encode=fake_encoder), calm)) == 3


def test_nothing_fires_in_the_cooldown():
    triggers = Triggers(TriggerSettings(texts=("one",), cooldown=5.0), encode=fake_encoder)
    found = fired(triggers, windows_like(0.9, 0, 0.9, 0, 0.9, 0.9, 0.9, 0.9))
    assert [one.start for one in found] == [0.0, 5.0]


def test_pieces_fire_what_the_whole_fires():
    windows = windows_like(0, 0.9, 0.9, 0, 0, 0.9, 0)
    settings = TriggerSettings(texts=("one",), cooldown=1.0)
    triggers = Triggers(settings, encode=fake_encoder)
    pieces = [*fired(triggers, windows[:2]), *fired(triggers, windows[2:], first=2.0)]
    whole = fired(Triggers(settings, encode=fake_encoder), windows)
    assert [(one.start, one.text) for one in pieces] == [(one.start, one.text) for one in whole]
    assert len(whole) == 2


def test_without_triggers_nothing_is_encoded():
    def refuse(texts: Sequence[str]) -> Tensor:
        raise AssertionError(texts)

    assert Triggers(TriggerSettings(), encode=refuse).push(torch.ones(2, 3), [(0.0, 1.0), (1.0, 2.0)]) == []


def test_the_background_is_many_plain_captions_that_the_model_reads(tiny_embedder: Embedder):
    captions = background()
    assert 150 <= len(captions) == len(set(captions))
    assert all(caption == caption.strip() and len(caption.split()) >= 3 for caption in captions)
    assert len(tiny_embedder.texts(captions)) == len(captions)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"texts": ("a cat", " ")}, "trigger number 2 is empty: write at least one word"),
        ({"texts": ("a cat", "a dog", " a cat")}, "the trigger 'a cat' stands there twice"),
        ({"threshold": 0.0}, "the threshold is 0: give standard deviations above 0, at most 20"),
        ({"threshold": 20.5}, "the threshold is 20.5"),
        ({"threshold": float("nan")}, "the threshold is nan"),
        ({"cooldown": -1.0}, "the cooldown is -1 s: give 0 or more seconds"),
        ({"cooldown": float("inf")}, "the cooldown is inf"),
    ],
)
def test_triggers_that_make_no_sense_are_refused(settings: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        TriggerSettings(**settings)
