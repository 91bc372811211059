"""Meta-World's attempts: what is said of them is what the poses and the environment's own flag bear out."""

import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("metaworld")

import mujoco

from vljepa.data.corpora.metaworld import FPS, NUM_FRAMES, TEST_VIEWS, TRAIN_VIEWS, MetaWorld
from vljepa.data.corpora.metaworld_stage import STILL, Pictures, Rollout, Workbench
from vljepa.data.corpora.metaworld_tasks import TASKS
from vljepa.data.corpora.metaworld_words import Attempt, Wording, gerund, third
from vljepa.data.corpora.physics_stage import COLOURS, View

OUTCOMES = ("done", "half", "short", "beside", "begun")


@pytest.fixture(scope="module")
def opening() -> Workbench:
    return Workbench(TASKS["drawer-open-v3"])


def rolled(bench: Workbench, manner: str) -> Rollout:
    """The first attempt that goes as wanted."""
    return next(found for seed in range(12) if (found := bench.rollout(manner, seed=seed)) is not None)


def test_opening_pulls_the_drawer_out_and_closing_pushes_it_in(opening: Workbench) -> None:
    def travel(bench: Workbench) -> float:
        # The drawer's joint grows more negative the farther it is out.
        place = int(bench.model.joint("goal_slidey").qposadr[0])
        poses = rolled(bench, "done").poses
        return float(poses[-1, place] - poses[0, place])

    assert travel(opening) < -0.1
    assert travel(Workbench(TASKS["drawer-close-v3"])) > 0.1


def test_failures_leave_the_drawer_where_it_was_or_half_way(opening: Workbench) -> None:
    place = int(opening.model.joint("goal_slidey").qposadr[0])
    whole = abs(float(np.ptp(rolled(opening, "done").poses[:, place])))
    for manner in ("short", "beside"):
        rollout = rolled(opening, manner)
        assert rollout.done is None and np.ptp(rollout.poses[:, place]) <= STILL
    half = rolled(opening, "half")
    assert half.done is None and STILL < np.ptp(half.poses[:, place]) < 0.8 * whole


def test_what_is_seen_before_the_drawer_moves_is_all_that_a_begun_attempt_shows(opening: Workbench) -> None:
    source, place = MetaWorld(per_task=60), int(opening.model.joint("goal_slidey").qposadr[0])
    first = list(TASKS).index("drawer-open-v3") * 60
    scenes = (source.scene(first + number, opening) for number in range(60))
    scene = next(scene for scene in scenes if scene is not None and scene.attempt.outcome == "begun")
    shown = scene.rollout.poses[list(scene.steps), place]
    assert np.ptp(shown) <= STILL < np.ptp(scene.rollout.poses[:, place])


@pytest.mark.parametrize("name", ["box-close-v3", "bin-picking-v3", "door-close-v3", "coffee-push-v3"])
def test_nothing_moves_by_itself(name: str) -> None:
    bench = Workbench(TASKS[name])
    bench.env.seed(3)
    bench.env.reset()
    for _ in range(15):
        bench.env.step(np.array([0.0, 0.0, 0.0, -1.0]))
    poses = [bench.env.data.qpos.copy()]
    for _ in range(40):
        bench.env.step(np.array([0.0, 0.0, 0.0, -1.0]))
        poses.append(bench.env.data.qpos.copy())
    assert bench.shifts(np.array(poses)).max() < 1


def test_tasks_whose_things_move_by_themselves_are_left_out() -> None:
    assert not {"stick-push-v3", "stick-pull-v3"} & set(TASKS)
    assert len(TASKS) == 48


def test_pictures_show_the_drawer_where_the_view_projects_it_in_its_colour(opening: Workbench) -> None:
    pictures = Pictures(opening, size=96)
    try:
        pictures.paint(("drawer_link",), "blue")
        rollout = rolled(opening, "done")
        data = mujoco.MjData(opening.model)
        for azimuth in (187.0, 330.0):
            view = View(azimuth=azimuth, elevation=-28, distance=1.2, look_at=(0.0, 0.66, 0.12))
            (frame,) = pictures.frames(rollout, [len(rollout.poses) - 1], view=view).astype(float)
            blue = (frame[..., 2] > 1.6 * frame[..., 0]) & (frame[..., 2] > 1.6 * frame[..., 1])
            down, across = (places.mean() for places in np.nonzero(blue))
            data.qpos[:] = rollout.poses[-1]
            mujoco.mj_kinematics(opening.model, data)
            wanted = 96 * view.project(data.body("drawer_link").xpos)
            assert blue.sum() > 60 and abs(across - wanted[0]) < 14 and abs(down - wanted[1]) < 14
    finally:
        pictures.close()


def test_markers_are_shown_where_a_task_is_about_them_and_nowhere_else(opening: Workbench) -> None:
    for bench in (opening, Workbench(TASKS["push-v3"])):
        Pictures(bench, size=32).close()
        shown = {bench.model.site(site).name for site in range(bench.model.nsite) if bench.model.site_rgba[site, 3] > 0}
        assert shown == ({"goal"} if bench.task.marker else set())


def test_a_number_gives_the_same_words_and_pictures_each_time(opening: Workbench) -> None:
    source = MetaWorld(per_task=20, size=48)
    index = list(TASKS).index("drawer-open-v3") * 20 + 2
    first, again = source.scene(index, opening), source.scene(index, Workbench(opening.task))
    assert first is not None and again is not None
    assert source.described(index, first, media=b"") == source.described(index, again, media=b"")
    np.testing.assert_array_equal(first.rollout.poses, again.rollout.poses)


def test_training_attempts_are_shown_from_several_sides_each_with_words_of_its_own() -> None:
    once, thrice = (list(MetaWorld(per_task=2, sides=sides, size=48).samples(2, {})) for sides in (1, 3))
    by_key = {sample.key: sample for sample in thrice}
    assert [replace(by_key[sample.key], media=b"") for sample in once] == [
        replace(sample, media=b"") for sample in once
    ]
    assert {sample.split for sample in once} > {"train"}
    for sample in once:
        others = [by_key.get(f"{sample.key}-side-{side}") for side in (1, 2)]
        if sample.split != "train":
            assert others == [None, None]
            continue
        for other in others:
            assert other is not None and other.media != sample.media and other.concept == sample.concept
            assert other.label == sample.label and other.split == "train"
    assert len({sample.media for sample in thrice}) == len(thrice) > len(once)


def test_phases_follow_each_other_and_end_with_the_clip(opening: Workbench) -> None:
    source = MetaWorld(per_task=20)
    index = list(TASKS).index("drawer-open-v3") * 20
    drawn = ((number, source.scene(number, opening)) for number in range(index, index + 20))
    scenes = {number: scene for number, scene in drawn if scene is not None}
    number = next(number for number, scene in scenes.items() if scene.attempt.outcome == "done")
    reach, act = source.described(number, scenes[number], media=b"").events
    assert reach.start == 0 and reach.end == act.start and act.end == (NUM_FRAMES - 1) / FPS
    assert reach.action.startswith("the robot arm reaches for the") and "opens" in act.action
    moved = scenes[number].rollout.moved
    shown = [step >= moved for step in scenes[number].steps]  # type: ignore[operator]
    assert shown == [place / FPS >= act.start for place in range(NUM_FRAMES)]


def test_no_training_view_is_a_test_view() -> None:
    for quantity in ("azimuth", "elevation"):
        for low, high in TEST_VIEWS[quantity]:
            assert all(high < other or low > end for other, end in TRAIN_VIEWS[quantity])


def test_opposites_name_each_other_and_are_told_apart_by_their_words() -> None:
    for task in TASKS.values():
        if task.opposite:
            assert TASKS[task.opposite].opposite == task.name
            assert TASKS[task.opposite].base != task.base
            assert bool(task.seen) == bool(TASKS[task.opposite].seen)


def attempts() -> list[Attempt]:
    """Every task in every outcome that it can have."""
    return [
        Attempt(task=task, colour="orange" if task.painted else "", outcome=outcome)
        for task in TASKS.values()
        for outcome in (OUTCOMES[:2] if task.hand else OUTCOMES)
    ]


def test_words_are_whole_and_negatives_are_never_captions() -> None:
    for number, attempt in enumerate(attempts()):
        told = Wording(attempt, np.random.default_rng(number)).told(truth_first=True)
        assert 4 <= len(told.captions) <= 6 and not set(told.captions) & set(told.negatives)
        for text in (*told.captions, *told.negatives, *(q.query for q in told.questions)):
            assert not re.search(r"[{}]|  |\ba [aeiou]|\ban [^aeiou]| $|eing\b|oorss|(pu|hi)ting", text), text
        assert all(q.answer in q.candidates and len(set(q.candidates)) > 1 for q in told.questions)
        assert {q.kind for q in told.questions} >= ({"task"} if attempt.outcome == "done" else set())


def test_what_is_played_backwards_is_told_by_what_the_opposite_shows() -> None:
    told = Wording(Attempt(task=TASKS["door-open-v3"], colour="red", outcome="done"), np.random.default_rng(0))
    backwards = told.backwards()
    assert backwards is not None and backwards.captions[0] == "the red door closes"
    failed = Attempt(task=TASKS["door-open-v3"], colour="red", outcome="half")
    assert Wording(failed, np.random.default_rng(0)).backwards() is None


def test_verbs_are_bent_as_english_bends_them() -> None:
    assert [third(base) for base in ("carry a block", "push", "hit a nail", "press it")] == [
        "carries a block",
        "pushes",
        "hits a nail",
        "presses it",
    ]
    assert [gerund(base) for base in ("close a door", "put it", "hit it", "carry it")] == [
        "closing a door",
        "putting it",
        "hitting it",
        "carrying it",
    ]


def test_what_is_there_and_whether_it_works_cannot_be_guessed() -> None:
    rng, answers = np.random.default_rng(5), defaultdict(Counter)
    shares = {"done": 0.6, "begun": 0.14, "half": 0.08, "short": 0.08, "beside": 0.1}
    able = [task for task in TASKS.values() if not task.hand]
    for number in range(4000):
        task = able[int(rng.integers(len(able)))]
        outcome = str(rng.choice(list(shares), p=list(shares.values())))
        attempt = Attempt(task=task, colour=str(rng.choice(list(COLOURS))) if task.painted else "", outcome=outcome)
        for question in Wording(attempt, rng).questions(truth_first=number % 2 == 0):
            if question.kind in ("yesno", "success"):
                noun = re.sub(r"^(is there|can|does the clip show) (an? )?| be seen\?|\?", "", question.query)
                answers[noun if question.kind == "yesno" else "success"][question.answer] += 1
    assert len(answers) > 8
    for noun, counts in answers.items():
        assert 0.4 < counts["yes"] / counts.total() < 0.6, (noun, counts)
