"""Names come out of titles as people say them, and questions about them can be answered in one way only."""

import pytest

from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.emoji import concept_of, file_name, spoken
from vljepa.data.corpora.openstax import wordings
from vljepa.data.corpora.wordings import (
    clean_name,
    main_name,
    name_questions,
    picture_captions,
    singular,
    with_article,
)

NOUNS = frozenset(("car", "sports car", "cat", "ball", "scissors", "ice cream"))


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Pop Can", "pop can"),
        ("clawHammer1", "claw hammer"),
        ("smiley117", "smiley"),
        ("Ice Cream Cone (2 Scoop) (B and W)", "ice cream cone"),
        ("pear_simple_bw", "pear"),
        ("help-books-aj.svg", "help books aj"),
        ("jonathon's duck", "jonathon's duck"),
        ("horse#2", "horse"),
        ("\u65e5\u672c", ""),
    ],
)
def test_clean_name(title: str, name: str) -> None:
    assert clean_name(title) == name


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("cats", "cat"),
        ("berries", "berry"),
        ("boxes", "box"),
        ("tomatoes", "tomato"),
        ("christmas", "christmas"),
        ("glass", "glass"),
        ("bus", "bus"),
    ],
)
def test_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


@pytest.mark.parametrize(
    ("name", "main"),
    [
        ("red sports cars", "sports car"),
        ("cat with a ball", "cat"),
        ("ball red", "ball"),
        ("scissors", "scissors"),
        ("qwerty", ""),
    ],
)
def test_main_name_is_the_longest_noun_at_the_end(name: str, main: str) -> None:
    assert main_name(name, NOUNS) == main


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("dog", "a dog"),
        ("apple", "an apple"),
        ("unicorn", "a unicorn"),
        ("drums", "drums"),
        ("bus", "a bus"),
        ("milk", "milk"),
        ("face with tears", "a face with tears"),
        ("man lifting weights", "a man lifting weights"),
        ("people wrestling", "people wrestling"),
        ("palms up together", "palms up together"),
        ("the great wall", "the great wall"),
    ],
)
def test_with_article(name: str, phrase: str) -> None:
    assert with_article(name) == phrase


def test_captions_say_one_fact_in_several_wordings_without_repeats() -> None:
    captions = picture_captions(
        "dog", styles=("a drawing of",), tags=("dog", "pet"), detail="dog", description="A dog."
    )
    assert captions == ("a drawing of a dog", "dog", "A dog.", "dog, pet")


def test_questions_hold_the_answer_once_among_eight_and_no_near_names() -> None:
    names = ["hot dog", "dog bed", "dogs", *"abcdefghij"]
    (question,) = name_questions("dog", names)
    assert question.answer == "dog" and question.candidates.count("dog") == 1 and len(set(question.candidates)) == 8
    assert not {"hot dog", "dog bed", "dogs"} & set(question.candidates)
    assert name_questions("dog", list(reversed(names))) == (question,)
    assert name_questions("dog", ["cat"]) == ()


def test_the_answer_does_not_always_stand_in_the_same_place() -> None:
    names = [f"{letter}{letter}" for letter in "abcdefghijklmnop"]
    places = {question.candidates.index(name) for name in names for question in name_questions(name, names)}
    assert len(places) > 4


@pytest.mark.parametrize(
    ("label", "name", "concept"),
    [
        ("woman: red hair", "woman with red hair", "red hair"),
        ("man: bald", "bald man", "bald man"),
        ("man swimming", "man swimming", "swimming"),
        ("woman walking: facing right", "woman walking facing right", "walking"),
        ("kiss: woman, man", "kiss, woman, man", "kiss"),
        ("dog face", "dog face", "dog"),
        ("grinning face", "grinning face", "grinning face"),
        ("four-thirty", "clock at four-thirty", "clock at four-thirty"),
        ("keycap: #", "keycap #", "keycap #"),
    ],
)
def test_emoji_names_and_concepts(label: str, name: str, concept: str) -> None:
    assert (spoken(label), concept_of(spoken(label))) == (name, concept)


def test_emoji_files_are_matched_without_variation_selectors() -> None:
    assert file_name("package/assets/1f3ca-200d-2640-fe0f.webp") == file_name("1F3CA-200D-2640") == "1f3ca-200d-2640"


def test_openstax_wordings_with_and_without_boilerplate_and_first_sentence() -> None:
    assert wordings("A photograph shows a dart board. It is U.S. property. Two men watch.") == (
        "A photograph shows a dart board. It is U.S. property. Two men watch.",
        "A dart board. It is U.S. property. Two men watch.",
        "A photograph shows a dart board.",
        "A dart board.",
    )
    assert wordings("An image of a stone bust is shown.")[-1] == "A stone bust."
    assert wordings("Two soldiers sit beside a tank.") == ("Two soldiers sit beside a tank.",)


def test_splits_depend_on_the_word_alone_and_have_the_stated_sizes() -> None:
    assert split_of(" Dog ") == split_of("dog")
    found = [split_of(f"word {number}") for number in range(4000)]
    assert 0.15 < found.count("test") / 4000 < 0.19 and 0.035 < found.count("validation") / 4000 < 0.065
