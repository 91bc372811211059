"""Composed pictures: what is said of them is true, yes and no tell nothing by themselves, splits stay apart."""

import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.made_archives import make_tgz, picture_bytes
from tests.data.test_picture_sources import clip_art, svg

from vljepa.data.corpora import shapes as shapes_module
from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.drawing import COLOURS, LOOKS, SHAPES, UNSEEN_LOOKS, Placed, mask_of, shade
from vljepa.data.corpora.scene_words import COUNTS, OPPOSITE, Scene, SceneWords, called, numbered
from vljepa.data.corpora.scenes import CutOuts, Scenes, _arranged, clip_art_cut_outs
from vljepa.data.corpora.shapes import Shapes, arranged, relation_of, scattered, side_by_side
from vljepa.data.package_list import EMOJIBASE, FLUENT_3D
from vljepa.types import Question, Sample

SIDES = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
KINDS = [("circle", "red"), ("star", "blue")]


def scenes(count: int) -> list[tuple[Scene, SceneWords]]:
    found = []
    for number in range(count):
        random = np.random.default_rng(number)
        scene = arranged(random)
        found.append((scene, SceneWords(scene, random)))
    return found


def holds(scene: Scene, query: str) -> bool | None:
    """Whether the answer is yes, worked out from the query's words alone; None for words that are not known here."""
    things = [called(thing) for thing in scene.things]
    nouns = [thing.noun for thing in scene.things]
    if found := re.fullmatch(r"is the (\w+) (\w+)\?", query):
        return f"{found[2]} {found[1]}" in things
    if found := re.fullmatch(r"(?:is|are) there exactly (\w+) (\w+)\?", query):
        counted = {numbered(noun, count).split()[-1]: count for noun, count in Counter(nouns).items()}
        return counted.get(found[2], 0) == COUNTS.index(found[1]) + 1
    if found := re.search(r"(?:is there|can you see|show|is) an? (\w+ )?(\w+)(?: in this picture)?\?$", query):
        colour, noun = (found[1] or "").strip(), found[2]
        return any((noun in (thing.noun, "shape")) and colour in ("", thing.colour) for thing in scene.things)
    if found := re.search(r"no (\w+ )?(\w+)(?: is in the picture)?\?$", query):
        return not holds(scene, f"is there a {found[1] or ''}{found[2]}?")
    return None


def test_answers_follow_from_the_scene() -> None:
    checked = Counter[str]()
    for scene, words in scenes(400):
        for question in words.questions():
            assert question.answer in question.candidates and len(set(question.candidates)) == len(question.candidates)
            truth = holds(scene, question.query) if question.kind == "yesno" else None
            if truth is not None:
                assert question.answer == ("yes" if truth else "no"), (scene, question)
                checked[question.answer] += 1
            if question.kind == "colour":
                assert question.answer in [thing.colour for thing in scene.things]
            if question.kind == "count" and "things" in question.query:
                assert question.answer == COUNTS[len(scene.things) - 1]
    assert min(checked.values()) > 250


def test_yes_and_no_are_as_frequent_and_words_do_not_tell_them() -> None:
    asked = [q for _, words in scenes(1500) for q in words.questions() if q.kind == "yesno"]
    assert Counter(q.answer for q in asked)["yes"] * 2 == len(asked)
    for start in ("is there", "can you see", "does the picture", "is it true", "are there", "is the"):
        some = [q.answer == "yes" for q in asked if q.query.startswith(start)]
        assert len(some) > 40 and abs(np.mean(some) - 0.5) < 0.08, start
    for noun in SHAPES:
        some = [q.answer == "yes" for q in asked if f" {noun}?" in q.query]
        assert abs(np.mean(some) - 0.5) < 0.25, noun


def test_how_many_there_are_is_not_told_by_asking() -> None:
    """No number is the answer to half of the questions: "one" was to four of five of the composed scenes."""
    cut_outs = [f"{name}{number}" for name in ("dog", "cat", "cup", "hat", "pen", "car") for number in range(4)]
    for composed in (False, True):
        counted: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        exactly: dict[str, list[bool]] = {}
        for number in range(1500):
            random = np.random.default_rng(number)
            scene = _arranged(cut_outs, random) if composed else arranged(random)
            assert scene is not None
            for question in SceneWords(scene, random).questions():
                if question.kind == "count":
                    counted[" things" in question.query].update([question.answer])
                elif found := re.match(r"(?:is|are) there exactly (\w+)", question.query):
                    exactly.setdefault(found[1], []).append(question.answer == "yes")
        for answers in counted.values():
            assert not answers or max(answers.values()) < 0.42 * answers.total(), answers
        assert counted[False].total() > 300
        assert len(exactly) >= 3 and all(0.25 < np.mean(said) < 0.75 for said in exactly.values())


def test_captions_are_told_from_negatives_and_sides_are_where_things_are() -> None:
    for scene, words in scenes(300):
        captions, negatives = words.captions(), words.negatives()
        assert negatives and not set(captions) & set(negatives)
        if scene.relation:
            first, second = scene.things
            assert SIDES[scene.relation] in captions[0] and captions[0].startswith(("a ", "an "))
            assert f"{called(first)} " in captions[0] and captions[0].endswith(called(second))
            assert any(SIDES[OPPOSITE[scene.relation]] in text for text in negatives)
            assert {"left": first.x < second.x, "right": first.x > second.x,
                    "above": first.y < second.y, "below": first.y > second.y}[scene.relation]  # fmt: skip


def test_things_lie_apart_and_inside() -> None:
    for seed in range(60):
        random = np.random.default_rng(seed)
        placed = scattered(KINDS * 2, random) if seed % 2 else side_by_side(KINDS, random)
        for number, one in enumerate(placed):
            assert one.x - one.size / 2 > -0.02 and one.x + one.size / 2 < 1.02
            for other in placed[number + 1 :]:
                assert max(abs(one.x - other.x), abs(one.y - other.y)) > 0.8 * (one.size + other.size) / 2
    assert relation_of(Placed("star", "", 0.2, 0.5, 0.3), Placed("star", "", 0.8, 0.4, 0.3)) == "left"


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow", "black", "white"])
def test_a_colour_is_what_its_name_says(colour: str) -> None:
    for seed in range(40):
        red, green, blue = shade(colour, np.random.default_rng(seed))
        assert {
            "red": red > 2 * max(green, blue),
            "green": green > 1.15 * max(red, blue),
            "blue": blue > 1.2 * max(red, green),
            "yellow": min(red, green) > 1.4 * blue,
            "black": max(red, green, blue) < 40,
            "white": min(red, green, blue) > 225,
        }[colour]


def test_shapes_have_their_areas() -> None:
    """Share of the square around it that each shape fills, by its formula."""
    areas = {
        **{"circle": np.pi / 4, "square": 0.85**2, "rectangle": 0.5, "oval": 0.6 * np.pi / 4, "diamond": 0.325},
        **{"triangle": 0.3248, "pentagon": 0.5944, "hexagon": 0.6495, "cross": 0.34 * (2 - 0.34)},
    }
    for noun, area in areas.items():
        mask = mask_of(Placed(noun, "red", 0.5, 0.5, 0.5), np.random.default_rng(1))
        share = np.asarray(mask, dtype=float).sum() / 255 / (mask.width * 0.5) ** 2
        assert share == pytest.approx(area, rel=0.04), noun


def test_pictures_are_the_same_each_time_and_test_looks_are_never_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first = list(Shapes(total=6).samples(0, {}))
    assert [sample.media for sample in first] == [sample.media for sample in Shapes(total=6).samples(0, {})]
    assert Image.open(io.BytesIO(first[0].media)).size == (256, 256)
    assert {sample.crops for sample in first} == {0}
    drawn: dict[bool, int] = Counter()

    def spy(things: object, random: object, *, unseen: bool) -> Image.Image:
        drawn[unseen] += 1
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr(shapes_module, "drawn", spy)
    splits = Counter(sample.split for sample in Shapes(total=300).samples(0, {}))
    assert drawn == {True: splits["test"], False: splits["train"] + splits["validation"]} and min(splits.values()) > 5
    assert not set(LOOKS) & set(UNSEEN_LOOKS)


def emoji_packages(folder: Path, names: list[str]) -> dict[str, Path]:
    entries = [
        {"label": name, "hexcode": f"1F{number:03X}", "tags": [], "group": 3} for number, name in enumerate(names)
    ]
    pictures = {
        f"package/assets/1f{number:03x}.webp": picture_bytes((number * 2 % 256, 90, 40, 255), size=(40, 30))
        for number, _ in enumerate(names)
    }
    return {
        EMOJIBASE.name: make_tgz(folder / "base.tgz", {"package/en/data.json": json.dumps(entries).encode()}),
        FLUENT_3D.name: make_tgz(folder / "fluent.tgz", pictures),
    }


def test_scenes_of_a_split_show_only_things_of_that_split(tmp_path: Path) -> None:
    names = [f"{first}{second}" for first in "bdfgklmnp" for second in ("at", "og", "un", "ix", "elk", "ar", "ood")]
    source = Scenes(a_part=60)
    samples = list(source.samples(0, emoji_packages(tmp_path, names)))
    by_split: dict[str, set[str]] = {}
    for sample in samples:
        words = {word for text in (sample.captions[0], *sample.negatives) for word in text.replace(",", "").split()}
        by_split.setdefault(sample.split, set()).update(words & set(names))
    assert {"train", "test"} <= set(by_split)
    for split, seen in by_split.items():
        assert {split_of(name) for name in seen} == {split}
    assert len(samples) + source.skipped["too few things in the split"] == 60
    assert all(sample.crops == 0 and sample.credit == "Fluent Emoji, Microsoft" for sample in samples)


def test_scene_questions_name_what_stands_there(tmp_path: Path) -> None:
    names = [f"{first}{second}" for first in "bdfgklmnp" for second in ("at", "og", "un", "ix", "elk", "ar", "ood")]
    asked: list[tuple[Sample, Question]] = [
        (sample, question)
        for sample in Scenes(a_part=40).samples(0, emoji_packages(tmp_path, names))
        for question in sample.questions
    ]
    named = [(sample, question) for sample, question in asked if question.kind == "name"]
    assert named
    for sample, question in named:
        assert question.answer in sample.captions[0].split()
        # The other thing of the pair is offered too: naming what is there is not enough.
        assert sum(name in sample.captions[0].split() for name in question.candidates) == 2
    assert not any(colour in question.query for _, question in asked for colour in COLOURS)


def test_clip_art_is_cut_out_where_its_sheet_is_transparent(tmp_path: Path) -> None:
    box, opaque = picture_bytes("red", size=(80, 40)), io.BytesIO()
    Image.new("RGB", (60, 40), "blue").save(opaque, "PNG")
    drawings = {
        "animals/dog": (svg("brown dog"), box),
        "animals/cat": (svg("cat"), opaque.getvalue()),
        "animals/rock": (svg("rock"), box[:60]),
        "animals/dogs": (svg("mail box"), b""),
    }
    found = clip_art_cut_outs(clip_art(tmp_path, drawings)).by_name
    assert list(found) == ["dog"]
    assert found["dog"][0].size == (46, 26)  # the box of 40 x 20 and its margin, not the sheet


def test_names_of_several_things_stand_beside_no_others() -> None:
    found = CutOuts(style="made")
    for name in ("dog", "scissors", "milk", "statue of old liberty", "fire truck"):
        found.add(name, Image.new("RGBA", (4, 4)))
    assert list(found.by_name) == ["dog", "fire truck"]
