"""Motion-captured people: ways, numbers, orders and sides are those of the recorded poses."""

import re
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("pybullet_data")

from vljepa.data.corpora.people import (
    FAMILIES,
    NUM_FRAMES,
    TEST_TURN,
    TEST_VIEWS,
    TRAIN_TURN,
    TRAIN_VIEWS,
    People,
    Scene,
)
from vljepa.data.corpora.people_actions import ACTIONS, BACKWARDS, RECORDED
from vljepa.data.corpora.people_figure import recorded
from vljepa.data.corpora.people_words import WAYS, Wording, plain
from vljepa.types import Question

SOURCE = People(total=600, size=64)


@pytest.fixture(scope="module")
def scenes() -> dict[int, Scene]:
    """Some scenes of every family."""
    return {index: SOURCE.scene(index) for index in range(72)}


def path(scene: Scene, person: int = 0) -> np.ndarray:
    """Where in the picture the hips of a person are at each frame: across, down, distance."""
    return scene.view.project(scene.take.centres[:, person])


def test_the_15_recordings_and_eight_of_them_backwards() -> None:
    assert (len(RECORDED), len(BACKWARDS)) == (15, 8)
    for base in BACKWARDS:
        assert ACTIONS[ACTIONS[base].reversed_as].reversed_as == base


def test_people_go_the_way_that_is_told(scenes: dict[int, Scene]) -> None:
    seen = Counter()
    for scene in scenes.values():
        person = scene.scenario.people[0]
        if (
            len(scene.scenario.people) > 1
            or not person.actions[0].travels
            or person.way not in WAYS
            or person.times > 1
        ):
            continue
        if len(person.actions) > 1:
            continue
        across, _, away = path(scene)[-1] - path(scene)[0]
        if person.way in ("left", "right"):
            assert across * (1 if person.way == "right" else -1) > 0.05, plain(scene.scenario)
        else:
            assert away * (1 if person.way == "away from the camera" else -1) > 0.2, plain(scene.scenario)
        seen[person.way] += 1
    assert len(seen) >= 3


def test_who_walks_backwards_faces_the_other_way() -> None:
    forwards = recorded("walk")
    assert forwards.travel[0] > 1 and forwards.reversed().travel[0] < -1
    np.testing.assert_allclose(forwards.reversed().poses[0], forwards.poses[-1])


def test_jumps_and_flips_are_as_many_as_told(scenes: dict[int, Scene]) -> None:
    counted = Counter()
    for scene in scenes.values():
        person = scene.scenario.people[0]
        if scene.scenario.counted and person.actions[0].file in ("jump", "backflip"):
            heights = scene.take.centres[:, 0, 2]
            high = np.concatenate([[False], heights > 0.5 * (heights.max() + heights[0]), [False]])
            assert (np.diff(high.astype(int)) == 1).sum() == person.times
            counted[person.times] += 1
    assert len(counted) >= 2


def test_who_gets_up_ends_higher_and_who_lies_down_lower() -> None:
    for file in ("getup_facedown", "getup_faceup"):
        heights = recorded(file).poses[:, 2]
        assert heights[-1] - heights[0] > 0.5
        assert recorded(file).reversed().poses[-1, 2] < 0.3


def test_the_first_of_two_actions_comes_first() -> None:
    jump, walk = recorded("jump"), recorded("walk")
    for motion, late in ((walk.then(jump, pause=0.3), True), (jump.then(walk, pause=0.3), False)):
        heights = motion.at(np.linspace(0, motion.seconds, 60))[:, 2]
        assert (heights.argmax() > 30) == late
        # Where one ends the other begins, facing the same way.
        steps = np.linalg.norm(np.diff(motion.at(np.linspace(0, motion.seconds, 200))[:, :2], axis=0), axis=1)
        assert steps.max() < 0.06


def test_events_of_two_actions_lie_inside_the_clip(scenes: dict[int, Scene]) -> None:
    found = 0
    for index, scene in scenes.items():
        events = SOURCE.described(index, scene, media=b"").events
        if FAMILIES[index % len(FAMILIES)] == "order":
            assert 0 == events[0].start < events[0].end < events[1].start < events[1].end <= scene.seconds + 0.01
            found += 1
        else:
            assert events == ()
    assert found == 12


def test_the_person_on_the_left_is_on_the_left(scenes: dict[int, Scene]) -> None:
    pairs = [scene for scene in scenes.values() if len(scene.scenario.people) == 2]
    assert pairs
    for scene in pairs:
        assert (path(scene, 0)[:, 0] < path(scene, 1)[:, 0]).all()


def test_shirts_have_the_colours_that_are_told(scenes: dict[int, Scene]) -> None:
    scene = next(
        one for one in scenes.values() if one.scenario.people[0].shirt == "red" and len(one.scenario.people) == 1
    )
    frames = scene.frames(64).astype(float)
    assert frames.shape == (NUM_FRAMES, 64, 64, 3)
    across, down, _ = (64 * path(scene)[0]).astype(int)
    around = frames[0, max(down - 16, 0) : down + 6, max(across - 8, 0) : across + 8]
    assert (around[..., 0] > 1.8 * around[..., 1:].max(axis=-1)).sum() > 5


def test_no_training_view_is_a_test_view(scenes: dict[int, Scene]) -> None:
    for low, high in TEST_VIEWS["elevation"]:
        assert all(high < other or low > end for other, end in TRAIN_VIEWS["elevation"])
    assert TRAIN_TURN[1] < TEST_TURN[0] and TEST_TURN[1] < 22.5
    for index, scene in scenes.items():
        ranges = (TEST_VIEWS if SOURCE.split(index) == "test" else TRAIN_VIEWS)["elevation"]
        assert any(low <= scene.view.elevation <= high for low, high in ranges)


def test_words_are_whole_and_answers_are_candidates(scenes: dict[int, Scene]) -> None:
    kinds = set()
    for index, scene in scenes.items():
        sample = SOURCE.described(index, scene, media=b"")
        assert 4 <= len(sample.captions) <= 6 and sample.negatives and not set(sample.captions) & set(sample.negatives)
        for told in (sample, sample.backwards):
            for text in (*told.captions, *told.negatives) if told else ():
                assert not re.search(r"[{}]|  |\ba [aeiou]|\ban [^aeiou]| $", text), text
        assert all(q.answer in q.candidates for q in sample.questions)
        kinds |= {q.kind for q in sample.questions}
    assert kinds == {"yesno", "action", "pair", "times", "direction", "speed", "colour", "people", "order", "who"}


def test_nobody_is_said_not_to_do_what_looks_alike(scenes: dict[int, Scene]) -> None:
    def files(question: Question) -> set[str]:
        return {action.file for action in ACTIONS.values() if question.query.endswith(f" {action.base}?")}

    for scene in scenes.values():
        done = {action.file for person in scene.scenario.people for action in person.actions}
        for number in range(8):
            asked = Wording(scene.scenario, np.random.default_rng(number)).questions(truth_first=True)
            denied = set().union(*(files(q) for q in asked if q.kind == "yesno" and q.answer == "no"))
            assert not denied & done
            if done & {"kick", "spinkick"}:
                assert not denied & {"kick", "spinkick"}


def test_yes_is_as_frequent_as_no(scenes: dict[int, Scene]) -> None:
    answers = Counter()
    for index, scene in scenes.items():
        questions = SOURCE.described(index, scene, media=b"").questions
        answers.update(q.answer for q in questions if q.kind == "yesno")
    assert answers["yes"] == answers["no"]


def test_a_number_gives_the_same_sample_each_time(scenes: dict[int, Scene]) -> None:
    again = People(total=600, size=64)
    for index in (0, 4, 5):
        one, other = scenes[index], again.scene(index)
        np.testing.assert_array_equal(one.take.poses, other.take.poses)
        assert SOURCE.described(index, one, media=b"") == again.described(index, other, media=b"")
    with pytest.raises(ValueError, match="no part 3"):
        next(SOURCE.samples(3, {}))
