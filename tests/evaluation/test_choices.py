"""What is shown to choose among: right texts half the time, wrong ones that are wrong, sources alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from vljepa.data.asking import CAPTION_QUERIES, LABEL_QUERIES
from vljepa.evaluation.choices import ASKED, DESCRIBED, Choice, asked, cases, cosines, described, evenly
from vljepa.features import Item
from vljepa.types import Question

COLOURS = ("red", "blue", "green", "yellow", "white")


def item(corpus: str, number: int, *, label: str = "", kinds: Sequence[str] = ()) -> Item:
    """Two captions each, the second one shared by all of a source."""
    return Item(
        key=f"{corpus}-{number}",
        shard=f"{corpus}-000",
        views=(0,),
        count=1,
        captions=(f"{corpus} {number}", f"one of {corpus}"),
        negatives=(),
        questions=tuple(Question(query=f"{kind}?", answer="red", candidates=COLOURS, kind=kind) for kind in kinds),
        label=label,
        concept="",
        split="validation",
        source="made",
        picture=True,
    )


def check(choices: Sequence[Choice], *, shown: int) -> None:
    """Half of them hold the right text, and nobody is shown a text as wrong that is true."""
    assert {len(set(choice.texts)) for choice in choices} == {shown}
    assert abs(sum(choice.present for choice in choices) - len(choices) / 2) <= 0.5
    for choice in choices:
        true = {choice.item.label, *choice.item.captions, *(question.answer for question in choice.item.questions)}
        assert [text in true for text in choice.texts] == [choice.present] + [False] * (shown - 1)


def test_photographs_are_asked_about_although_they_have_no_questions() -> None:
    photographs = [item("openstax", number) for number in range(20)]
    named = [item("openclipart", number, label=f"thing {number}") for number in range(40)]
    choices = asked([*photographs, *named])
    check(choices, shown=ASKED)
    assert Counter(choice.item.corpus for choice in choices) == {"openstax": 20, "openclipart": 40}
    assert {choice.query for choice in choices if choice.item.corpus == "openstax"} <= set(CAPTION_QUERIES)
    of_named = Counter(choice.query in LABEL_QUERIES for choice in choices if choice.item.corpus == "openclipart")
    assert min(of_named.values()) > 8, "some are named, some described"
    for choice in choices:
        texts_are_labels = {text.startswith("thing") for text in choice.texts}
        assert texts_are_labels == {choice.query in LABEL_QUERIES}, "names among names, captions among captions"


def test_own_questions_are_asked_where_there_are_some() -> None:
    choices = asked([item("physics", number, label="x", kinds=("colour", "shape")) for number in range(50)])
    check(choices, shown=ASKED)
    assert len(choices) == 100
    # Whether an answer is shown has nothing to do with which of an item's questions it is.
    shown = Counter((choice.query, choice.present) for choice in choices)
    assert len(shown) == 4 and min(shown.values()) > 10
    some = asked([item("physics", number, kinds=("colour", "shape")) for number in range(50)], most=50)
    assert min(Counter(choice.query for choice in some).values()) > 10, "neither do even steps take one kind alone"


def test_sources_count_alike_however_much_they_ask() -> None:
    physics = [item("physics", number, kinds=("colour", "shape", "count")) for number in range(100)]
    few, some = ([item(name, number) for number in range(count)] for name, count in (("few", 10), ("some", 100)))
    choices = asked([*physics, *few, *some], most=90)
    assert Counter(choice.item.corpus for choice in choices) == {"physics": 40, "few": 10, "some": 40}


def test_descriptions_are_not_asked_for() -> None:
    choices = described([item("a", number, label=f"thing {number}" if number % 2 else "") for number in range(30)])
    check(choices, shown=DESCRIBED)
    assert len(choices) == 30 and {choice.query for choice in choices} == {""}
    assert {choice.texts[0].startswith("thing") for choice in choices if choice.present and choice.item.label} == {True}


def test_descriptions_are_taken_evenly_and_need_words() -> None:
    items = [item(name, number) for name, count in (("few", 10), ("many", 100)) for number in range(count)]
    choices = described([*items, replace(items[0], captions=())], most=40)
    check(choices, shown=DESCRIBED)
    assert Counter(choice.item.corpus for choice in choices) == {"few": 10, "many": 30}
    assert len(described([item("a", number) for number in range(700)])) == 600


def test_each_pair_has_its_rows() -> None:
    pictures = [item(corpus, number) for corpus in ("shapes", "photos") for number in range(700)]
    clips = [replace(item("physics", number), picture=False, count=4, views=(0, 1, 2, 3)) for number in range(20)]
    rows = {case: Counter(one.item.corpus for one in some) for case, some in cases([*pictures, *clips]).items()}
    assert rows == {
        "picture": {"photos": 700},
        "picture_asked": {"shapes": 300, "photos": 300},
        "clip": {"physics": 20},
        "clip_asked": {"physics": 20},
    }
    assert not any(cases([]).values())


def test_what_is_too_little_to_choose_among_is_left_out() -> None:
    assert asked([item("a", number) for number in range(ASKED)]) == []
    assert described([]) == []


@pytest.mark.parametrize(("most", "counts"), [(100, [10, 2, 5]), (9, [4, 2, 3]), (2, [1, 0, 1]), (0, [0, 0, 0])])
def test_evenly(most: int, counts: list[int]) -> None:
    groups = [list(range(10)), list(range(2)), list(range(5))]
    taken = evenly(groups, most)
    assert [len(some) for some in taken] == counts
    assert all(some == sorted(set(some)) for some in taken)
    assert evenly([list(range(10))], 2) == [[0, 5]]


def test_cosines_of_each_row_with_its_own_texts() -> None:
    rows = [("b", "a"), ("c", "b")]
    choices = [Choice(item=item("x", 0), query="", texts=texts, present=True) for texts in rows]
    known = dict(zip("abc", torch.nn.functional.normalize(torch.randn(3, 4), dim=1), strict=True))
    predicted = torch.randn(2, 4)
    found = cosines(choices, predicted, lambda texts: torch.stack([known[text] for text in texts]))
    expected = [[float(known[text] @ row) for text in texts] for texts, row in zip(rows, predicted, strict=True)]
    torch.testing.assert_close(found, torch.tensor(expected))
