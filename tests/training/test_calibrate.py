"""Calibration fits pictures and clips apart, and draws the line for captions where right and wrong ones part."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Bool, Float
from tests.training.test_validate import made
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.evaluation import choices
from vljepa.evaluation.choices import Choice
from vljepa.training import calibrate
from vljepa.training.calibrate import finds_its_own, fit_calibration, likeliest, parting_line
from vljepa.training.validate import Validator
from vljepa.weights.calibration import Calibration, Pair
from vljepa.weights.folder import Bundle


@pytest.fixture(name="run")
def made_run(tmp_path: Path) -> tuple[Bundle, Validator]:
    return made(tmp_path)


def test_the_height_of_none_lies_between_right_and_wrong() -> None:
    right, wrong = torch.rand(40, 1) * 0.1 + 0.5, torch.rand(40, 2) * 0.1 + 0.1
    present = torch.arange(40) % 2 == 0
    first = torch.where(present[:, None], right, torch.rand(40, 1) * 0.1)
    scale, height = likeliest(torch.cat([first, wrong], dim=1), present)
    assert 0.25 < height < 0.45 and scale > 50
    unclear, _ = likeliest(torch.rand(40, 3), present)
    assert unclear < 10, "nothing is sure where nothing can be told"


@pytest.fixture(name="seen")
def seen_choices(monkeypatch: pytest.MonkeyPatch) -> list[Choice]:
    """All rows that something was fitted on."""
    seen: list[Choice] = []

    def listening(
        some: Sequence[Choice],
        predicted: Float[Tensor, "choice dim"],
        texts: Callable[[list[str]], Float[Tensor, "text dim"]],
    ) -> Float[Tensor, "choice text"]:
        seen.extend(some)
        return choices.cosines(some, predicted, texts)

    monkeypatch.setattr(calibrate, "cosines", listening)
    return seen


def test_pictures_and_clips_are_fitted_apart(
    run: tuple[Bundle, Validator], seen: list[Choice], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, validator = run
    fits: list[tuple[Counter[str], set[bool]]] = []

    def numbered(rows: Float[Tensor, "row choice"], present: Bool[Tensor, "row"]) -> tuple[float, float]:
        some = seen[-len(rows) :]
        assert [choice.present for choice in some] == present.tolist()
        fits.append((Counter(choice.item.corpus for choice in some), {bool(choice.query) for choice in some}))
        return float(len(fits)), -float(len(fits))

    monkeypatch.setattr(calibrate, "likeliest", numbered)
    fitted = fit_calibration(bundle, validator)
    expected = [
        (fitted.picture, {"openclipart": 12, "openstax": 12}, False),
        (fitted.picture_asked, {"openclipart": 24, "openstax": 24, "scenes": 24}, True),
        (fitted.clip, {"physics": 12}, False),
        (fitted.clip_asked, {"physics": 24}, True),
    ]
    for pair, corpora, is_asked in expected:
        assert fits[int(pair.scale) - 1] == (corpora, {is_asked})
        assert pair.background == -pair.scale


@pytest.mark.parametrize("kind", ["picture", "clip"])
def test_without_rows_a_pair_stays_as_it_is(run: tuple[Bundle, Validator], kind: str) -> None:
    bundle, validator = run
    features = validator.features
    features.items = [item for item in features.items if item.picture == (kind == "picture")]
    fitted = fit_calibration(bundle, validator)
    pairs = {case: getattr(fitted, case) for case in ("picture", "picture_asked", "clip", "clip_asked")}
    assert {case for case, pair in pairs.items() if pair != Pair()} == {kind, f"{kind}_asked"}


def saying(bundle: Bundle, validator: Validator, monkeypatch: pytest.MonkeyPatch, *, wrong_from: int) -> Iterator[int]:
    """The Y-Decoder says the item's own caption, from number `wrong_from` of a source on its neighbour's."""
    items = validator.features.items
    sources = [
        [item.captions[0] for item in items if item.corpus == corpus]
        for corpus in dict.fromkeys(item.corpus for item in items)
    ]
    counts = []

    def decode(embedder: Embedder, embeddings: Float[Tensor, "item dim"]) -> list[str]:
        captions = sources[len(counts)]
        counts.append(len(embeddings))
        return [captions[number - (number >= wrong_from)] for number in range(len(captions))]

    def fidelity(embedder: Embedder, embeddings: Float[Tensor, "item dim"], texts: Sequence[str]) -> list[float]:
        return [0.6 if number < wrong_from else 0.2 for number in range(len(texts))]

    monkeypatch.setattr(Embedder, "decode", decode)
    monkeypatch.setattr(Embedder, "fidelity", fidelity)
    unsure = fit_calibration(bundle, validator).unsure
    assert counts == [12, 12, 12, 12], "pictures, photographs, composed ones and clips"
    return unsure


@pytest.mark.parametrize(("wrong_from", "line"), [(7, 0.41), (12, None)])
def test_the_line_parts_captions_that_find_their_item_from_others(
    run: tuple[Bundle, Validator], monkeypatch: pytest.MonkeyPatch, wrong_from: int, line: float | None
) -> None:
    assert saying(*run, monkeypatch, wrong_from=wrong_from) == line


def test_a_source_with_few_items_draws_no_line(run: tuple[Bundle, Validator], monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, validator = run
    validator.features.items = [item for item in validator.features.items if int(item.key.split("-")[2]) < 9]
    monkeypatch.setattr(Embedder, "decode", lambda *given: pytest.fail("decoded"))
    assert fit_calibration(bundle, validator).unsure is None


def test_a_fitted_line_is_what_marks_captions(run: tuple[Bundle, Validator]) -> None:
    bundle, _ = run
    embedder = Embedder(replace(bundle, calibration=Calibration(unsure=0.41)))
    assert embedder.calibration.is_unsure(0.4)


def test_words_find_their_item_by_its_nearest_caption_and_not_more_easily_by_many() -> None:
    # Twenty items, the first with five captions, the last two told alike.
    told = torch.zeros(20, 24, dtype=torch.bool)
    told[0, :5] = True
    told[torch.arange(1, 20), torch.arange(5, 24)] = True
    told[18, 23] = True
    similarity = torch.zeros(20, 24)
    similarity[torch.arange(20), told.int().argmax(1)] = 0.5
    assert finds_its_own(similarity, told).all()
    similarity[1, :5] = 0.9  # five captions above, but of one item: it is still the second of twenty
    assert finds_its_own(similarity, told).all()
    similarity[1, 7:9] = 0.9  # three items above: no longer in the best tenth
    assert not finds_its_own(similarity, told)[1]
    similarity[18] = 0.0
    similarity[18, [7, 23]] = 0.5  # what is told of the last one is told of this one, too
    assert finds_its_own(similarity, told)[18]


@pytest.mark.parametrize(
    ("fidelities", "right", "line"),
    [
        ([0.1, 0.2, 0.4, 0.5], [False, False, True, True], 0.31),
        ([0.1, 0.2, 0.3, 0.45, 0.4, 0.5], [False, False, False, False, True, True], 0.36),
        ([0.1, 0.2], [True, True], None),
        ([0.1, 0.2], [False, False], None),
        ([0.5, 0.2], [False, True], None),
        ([], [], None),
    ],
)
def test_parting_line(fidelities: list[float], right: list[bool], line: float | None) -> None:
    assert parting_line(torch.tensor(fidelities), torch.tensor(right, dtype=torch.bool)) == line
