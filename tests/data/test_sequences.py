"""The sequences: true to what was simulated, and not to be guessed from the words or from one frame."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco")

from vljepa.data.corpora.lab_states import frames_of
from vljepa.data.corpora.physics_scene import Scene
from vljepa.data.corpora.physics_stage import NUM_FRAMES
from vljepa.data.corpora.sequences import Sequences
from vljepa.data.corpora.sequences_stories import FAMILIES, Story, draw_story
from vljepa.data.corpora.sequences_words import Wording
from vljepa.types import Told

SOURCE = Sequences(total=700, size=96)


@pytest.fixture(scope="module")
def played() -> list[tuple[Story, Scene]]:
    """Some scenes of every family."""
    return [SOURCE.scene(index) for index in range(60)]


@pytest.fixture(scope="module")
def told() -> list[tuple[Story, Told]]:
    """What is said of many stories."""
    rng = np.random.default_rng(3)
    stories = [draw_story(rng, FAMILIES[index % len(FAMILIES)])[0] for index in range(4000)]
    return [
        (story, Wording(story, rng).told(truth_first=index // len(FAMILIES) % 2 == 0))
        for index, story in enumerate(stories)
    ]


def of_family(played: list[tuple[Story, Scene]], family: str) -> list[tuple[Story, Scene]]:
    return [pair for pair in played if pair[0].family == family]


def test_a_number_gives_the_same_words_and_pictures_each_time() -> None:
    source = Sequences(total=3, size=64)
    first = list(source.samples(0, {}))
    assert [one.key for one in first] == [f"sequences-{number:06d}" for number in range(3)]
    for one, other in zip(first, source.samples(0, {}), strict=True):
        assert replace(one, media=b"") == replace(other, media=b"")
        # The encoder's bytes are its own affair: what it was given is what counts.
        assert np.abs(frames_of(one.media).astype(int) - frames_of(other.media)).mean() < 2
    assert next(Sequences(total=1, size=64, seed=1).samples(0, {})).captions != first[0].captions
    with pytest.raises(ValueError, match="no part 1"):
        next(source.samples(1, {}))


def test_what_is_said_to_move_first_moves_first(played: list[tuple[Story, Scene]]) -> None:
    for story, scene in of_family(played, "order") + of_family(played, "wave"):
        begun = []
        for deed in dict.fromkeys(deed.thing for deed in story.deeds):
            path = scene.take.centres[:, [placed.thing for placed in scene.actors].index(deed)]
            begun.append(int((np.linalg.norm(path - path[0], axis=-1) > 0.02).argmax()))
        assert begun == sorted(set(begun)) and begun[0] > 0
        for placed in scene.actors:
            if placed.thing not in {deed.thing for deed in story.deeds}:
                path = scene.take.centres[:, scene.actors.index(placed)]
                assert np.allclose(path, path[0])


def test_a_thing_about_to_hit_another_has_not_touched_it_and_moves_towards_it(
    played: list[tuple[Story, Scene]],
) -> None:
    for story, scene in of_family(played, "hit"):
        assert len(scene.take.poses) == NUM_FRAMES and not scene.take.touched.any()
        assert [placed.thing for placed in scene.actors][1:] == [story.following, story.behind]
        mover, target, behind = (scene.picture_path(number)[:, 0] for number in range(3))
        assert abs(target[-1] - mover[-1]) < abs(target[0] - mover[0]) - 0.05
        assert (mover[-1] - mover[0] > 0) == (story.way == "right") == bool(target[0] > behind[0])


def test_a_thing_about_to_leave_is_whole_in_the_picture_and_heads_for_its_edge(
    played: list[tuple[Story, Scene]],
) -> None:
    for story, scene in of_family(played, "leave"):
        path = scene.picture_path(0)[:, 0]
        assert ((path > 0) & (path < 1)).all()
        assert (path[-1] - path[0] > 0.1) if story.way == "right" else (path[-1] - path[0] < -0.1)


@pytest.mark.parametrize("family", ["hit", "leave"])
def test_where_a_thing_is_in_the_middle_frame_does_not_tell_its_way(family: str) -> None:
    number = FAMILIES.index(family)  # type: ignore[arg-type]
    middles = defaultdict(list)
    for index in range(number, 5 * 160, 5):
        story, scene = SOURCE.scene(index)
        middles[story.way].append(scene.picture_path(0)[NUM_FRAMES // 2, 0])
    left, right = (np.array(middles[way]) for way in ("left", "right"))
    guessed = (np.mean(left < 0.5) * len(left) + np.mean(right > 0.5) * len(right)) / (len(left) + len(right))
    assert 0.3 < guessed < 0.7


def test_whose_turn_it_is_stands_next_in_the_row(played: list[tuple[Story, Scene]]) -> None:
    for story, scene in of_family(played, "wave"):
        across = [float(scene.picture_path(number)[0, 0]) for number in range(4)]
        assert across == sorted(across)
        first, then = (story.row.index(deed.thing) for deed in story.deeds)
        assert abs(then - first) == 1 and story.following == story.row[2 * then - first]


def test_backwards_everything_is_the_other_way_round_and_twice_is_as_before(told: list[tuple[Story, Told]]) -> None:
    for story, _ in told:
        turned = story.backwards()
        if turned is None:
            assert story.family == "wave"
            continue
        assert [deed.thing for deed in turned.deeds] == [deed.thing for deed in story.deeds[::-1]]
        assert (turned.following, turned.behind) == (story.behind, story.following) or story.family == "wave"
        again = turned.backwards()
        if story.family == "wave":
            assert again is None or again == story
        else:
            assert again == story


def test_no_caption_is_also_said_to_be_wrong_and_no_colour_stands_twice(told: list[tuple[Story, Told]]) -> None:
    for story, words in told:
        assert words.negatives and not set(words.captions) & set(words.negatives)
        things = {deed.thing for deed in story.deeds} | set(story.row)
        assert len({thing.colour for thing in things}) == len(things)
        assert not any("{" in text or " a orange" in text for text in (*words.captions, *words.negatives))


def test_answers_cannot_be_guessed_from_the_words(told: list[tuple[Story, Told]]) -> None:
    places: dict[str, Counter[int]] = defaultdict(Counter)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, words in told:
        for question in words.questions:
            assert question.answer in question.candidates
            size = len(question.candidates)
            places[f"{question.kind} {size}"][question.candidates.index(question.answer)] += 1
            if question.kind in ("yesno", "direction"):
                answers[question.kind][question.answer] += 1
    for counts in (*places.values(), *answers.values()):
        total, size = sum(counts.values()), len(counts)
        assert max(counts.values()) / total < 1.0 / size + 0.06


def test_a_deed_is_as_often_the_first_as_the_second(told: list[tuple[Story, Told]]) -> None:
    for alone in (True, False):
        first, then = Counter(), Counter()
        for story, _ in told:
            one, other = story.deeds[0], story.deeds[-1]
            if story.family == "order" and (one.thing == other.thing) == alone:
                first[one.verb] += 1
                then[other.verb] += 1
        for verb, count in first.items():
            assert 0.7 < count / then[verb] < 1.4


def test_yes_and_no_come_in_pairs(told: list[tuple[Story, Told]]) -> None:
    for _, words in told:
        said = [question.answer for question in words.questions if question.kind == "yesno"]
        assert sorted(said) == ["no", "yes"]
    assert 0.45 < np.mean([w.questions[-2].answer == "yes" for _, w in told]) < 0.55


def test_another_colour_makes_another_caption() -> None:
    story, _ = SOURCE.scene(0)
    thing = replace(story.deeds[0].thing, colour="white")
    rng = np.random.default_rng(0)
    other = replace(story, deeds=(replace(story.deeds[0], thing=thing), *story.deeds[1:]))
    assert Wording(other, rng).told(truth_first=True).captions[0].startswith("a white")
