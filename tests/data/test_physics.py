"""The physics scenes: always the same, true to what is seen, and not to be guessed from the words or from one frame."""

import io
import random
import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco")

import av

from vljepa.data.corpora.physics import TEST_CAMERAS, TRAIN_CAMERAS, Physics, draw_view, slowed
from vljepa.data.corpora.physics_cast import FAMILIES, backwards, draw_cast
from vljepa.data.corpora.physics_questions import questions
from vljepa.data.corpora.physics_scene import Scene
from vljepa.data.corpora.physics_stage import COLOURS, FRAME_RATE, NUM_FRAMES, Renderer
from vljepa.data.corpora.physics_stories import direct, went
from vljepa.data.corpora.physics_verbs import VERBS
from vljepa.data.corpora.physics_words import COUNTS, Wording, plain
from vljepa.types import Question

SOURCE = Physics(total=700, size=96)
VIVID = ("red", "orange", "yellow", "green", "blue", "purple")


@pytest.fixture(scope="module")
def scenes() -> dict[int, Scene]:
    """Some scenes of every family."""
    return {index: SOURCE.scene(index) for index in range(56)}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """A small one, for all tests."""
    return Renderer(96)


def casts(number: int) -> list:
    """Casts of all families, as many of each."""
    rng = np.random.default_rng(7)
    return [draw_cast(rng, index % len(FAMILIES)) for index in range(number)]


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    """The questions about many scenes."""
    rng, number = np.random.default_rng(8), 4200
    flip = [index // len(FAMILIES) % 2 == 0 for index in range(number)]
    return [q for cast, first in zip(casts(number), flip, strict=True) for q in questions(cast, rng, truth_first=first)]


def test_a_number_gives_the_same_bytes_and_words_each_time() -> None:
    first = [SOURCE.sample(index) for index in (1, 4)]
    SOURCE.sample(2)
    random.seed(99)
    np.random.seed(99)
    assert [Physics(total=700, size=96).sample(index) for index in (1, 4)] == first
    assert Physics(total=700, size=96, seed=1).sample(1).media != first[0].media


def test_the_clip_has_eight_frames_at_four_a_second() -> None:
    with av.open(io.BytesIO(SOURCE.sample(5).media)) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 96)
    assert times == [index / FRAME_RATE for index in range(NUM_FRAMES)]


def test_parts_hold_500_clips_and_others_are_refused() -> None:
    assert SOURCE.parts() == 2
    assert Physics().parts() == 32
    with pytest.raises(ValueError, match="no part 2"):
        next(SOURCE.samples(2, {}))


def test_each_shard_has_15_percent_test_and_5_percent_validation() -> None:
    for part in range(2):
        splits = Counter(SOURCE.split(index) for index in range(part * 500, part * 500 + 500))
        assert splits == {"train": 400, "test": 75, "validation": 25}


def test_no_training_camera_is_near_a_test_camera(scenes: dict[int, Scene]) -> None:
    for quantity, ranges in TEST_CAMERAS.items():
        for low, high in ranges:
            assert all(high < other_low or low > other_high for other_low, other_high in TRAIN_CAMERAS[quantity])
    for index, scene in scenes.items():
        cameras = TEST_CAMERAS if SOURCE.split(index) == "test" else TRAIN_CAMERAS
        for quantity, ranges in cameras.items():
            assert any(low <= getattr(scene.view, quantity) <= high for low, high in ranges)


def centroid(frame: np.ndarray, colour: str) -> tuple[float, float]:
    """Where (across, down; pixels) and how much of a colour there is."""
    pixels = frame.astype(float) + 1
    wanted = np.array(COLOURS[colour]) + 1 / 255
    likeness = pixels @ wanted / np.linalg.norm(pixels, axis=-1) / np.linalg.norm(wanted)
    _, columns = np.nonzero(likeness > 0.97)
    return float(columns.mean()), float(len(columns))


def test_left_and_right_are_what_the_pixels_do(renderer: Renderer) -> None:
    seen = Counter()
    for seed in range(60):
        rng = np.random.default_rng([3, seed])
        scene = direct(rng, draw_view(rng, TRAIN_CAMERAS), 1)
        colour, way = scene.cast.subject.colour, scene.cast.way
        if colour not in VIVID or seen[way] == 3:
            continue
        frames = renderer.frames(scene.take, view=scene.view, shadows=scene.shadows)
        (start, before), (end, after) = (centroid(frames[number], colour) for number in (0, -1))
        if way in ("left", "right"):
            assert (end - start) * (1 if way == "right" else -1) > 8, plain(scene.cast)
        else:
            assert (after > 1.15 * before) if way == "towards the camera" else (before > 1.15 * after), plain(
                scene.cast
            )
        seen[way] += 1
    assert all(seen[way] == 3 for way in ("left", "right", "towards the camera", "away from the camera"))


def test_pictures_show_things_where_the_projection_says(scenes: dict[int, Scene], renderer: Renderer) -> None:
    checked = 0
    for scene in scenes.values():
        if scene.cast.verb not in ("falls", "rises") or scene.cast.subject.colour not in VIVID:
            continue
        frames = renderer.frames(scene.take, view=scene.view, shadows=scene.shadows)
        for frame, (across, _, _) in zip(frames, scene.picture_path(0), strict=True):
            assert abs(centroid(frame, scene.cast.subject.colour)[0] - 96 * across) < 3
        checked += 1
    assert checked > 1


def test_shadows_lie_flat_on_the_floor(scenes: dict[int, Scene], renderer: Renderer) -> None:
    checked = 0
    for scene in scenes.values():
        if scene.cast.verb != "rises":
            continue
        alone = [radius if number == 0 else 0.0 for number, radius in enumerate(scene.shadows)]
        shown, bare = (
            renderer.frames(scene.take, view=scene.view, shadows=some)[-1].astype(int)
            for some in (alone, [0.0] * len(alone))
        )
        rows, columns = np.nonzero(np.abs(shown - bare).max(-1) > 8)
        assert np.ptp(rows) + 1 < 0.8 * (np.ptp(columns) + 1), "seen from above the horizon, a disc is wider than high"
        checked += 1
    assert checked > 1


def test_the_recorded_state_bears_the_verb_out(scenes: dict[int, Scene]) -> None:
    checked = Counter()
    for scene in scenes.values():
        verb, take = scene.cast.verb, scene.take
        if verb in ("falls", "rises"):
            change = take.centres[-1, 0, 2] - take.centres[0, 0, 2]
            assert change < -0.5 if verb == "falls" else change > 0.5
        elif verb in ("hits", "stops before"):
            assert take.touched[-1] == (verb == "hits")
        elif verb in ("opens", "closes"):
            assert (take.poses[-1, 0] > take.poses[0, 0]) == (verb == "opens")
        elif verb in ("topples over", "stands up"):
            assert (take.tilt[0, 0] > take.tilt[-1, 0]) == (verb == "topples over")
        elif verb == "stands still":
            assert np.ptp(take.poses, axis=0).sum() == 0
        elif scene.cast.arrangement == "relation":
            gap = scene.picture_path(0)[0, 0] - scene.picture_path(1)[0, 0]
            assert (gap > 0) == (scene.cast.way == "right")
        checked[verb] += 1
    assert len(checked) >= 12


def test_the_middle_frame_does_not_tell_left_from_right() -> None:
    places = defaultdict(list)
    for seed in range(90):
        rng = np.random.default_rng([4, seed])
        scene = direct(rng, draw_view(rng, TRAIN_CAMERAS), 1)
        places[scene.cast.way].append(scene.picture_path(0)[3:5, 0].mean())
    difference = np.mean(places["left"]) - np.mean(places["right"])
    error = np.hypot(*(np.std(places[way]) / len(places[way]) ** 0.5 for way in ("left", "right")))
    assert abs(difference) < 4 * error


def words_changed(one: str, other: str) -> int:
    """Length of the stretch of words in which two captions differ; plural endings and an article's n do not count."""
    first, second = ([re.sub(r"^an$", "a", word.rstrip("s,")) for word in text.split()] for text in (one, other))
    while first and second and first[0] == second[0]:
        first, second = first[1:], second[1:]
    while first and second and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    return max(len(first), len(second))


def test_backwards_is_what_the_reversed_recording_shows(scenes: dict[int, Scene]) -> None:
    """Ways by the path in the picture, falls by the height; the sides of what leaves or topples stay."""
    proved = Counter()
    for scene in scenes.values():
        cast, turned = scene.cast, backwards(scene.cast)
        if turned is None:
            assert cast.verb in ("bounces", "hits", "stops before")
            continue
        assert backwards(turned) == cast
        take = scene.take.reversed()
        if cast.verb in ("rolls", "slides"):
            assert went(replace(scene, take=take).picture_path(0)) == turned.way != cast.way
        elif cast.verb in ("falls", "rises"):
            rise = take.centres[-1, 0, 2] - take.centres[0, 0, 2]
            assert turned.verb == ("rises" if rise > 0 else "falls")
        elif cast.verb in ("comes into view", "goes out of view"):
            across = np.abs(replace(scene, take=take).picture_path(0)[:, 0] - 0.5)
            assert turned.verb == ("comes into view" if across[0] > across[-1] else "goes out of view")
            assert turned.way == cast.way
        else:
            continue
        proved[turned.verb] += 1
    assert {"rolls", "falls", "rises", "comes into view", "goes out of view"} <= proved.keys()


def test_a_sample_says_what_is_true_of_it_backwards() -> None:
    for index in range(14):
        sample = SOURCE.described(index, SOURCE.scene(index), media=b"")
        if sample.backwards is None:
            continue
        still = sample.label in ("stands still", "spins")
        assert still or not set(sample.captions[:1]) & set(sample.backwards.captions)
        ways = [{q.answer for q in told.questions if q.kind == "direction"} for told in (sample, sample.backwards)]
        assert not ways[0] or not ways[1] or ways[0] != ways[1] or "view" in sample.label


def test_negatives_differ_from_the_plain_caption_in_one_phrase() -> None:
    rng = np.random.default_rng(5)
    for cast in casts(420):
        captions, negatives = Wording(cast, rng).captions(), Wording(cast, rng).negatives()
        assert 4 <= len(captions) <= 6 and captions[0] == plain(cast)
        assert 2 <= len(negatives) <= 4
        assert not set(captions) & set(negatives)
        for negative in negatives:
            assert 1 <= words_changed(captions[0], negative) <= 4, (captions[0], negative)
        for text in (*captions, *negatives):
            assert not re.search(r"[{}]|  |\ba [aeiou]|\ban [^aeiou]| $", text), text


def test_every_verb_occurs_and_is_the_label(scenes: dict[int, Scene]) -> None:
    assert {cast.verb for cast in casts(1400)} == set(VERBS)
    for index, scene in scenes.items():
        assert SOURCE.described(index, scene, media=b"clip").label == scene.cast.verb


def test_three_to_six_questions_whose_answers_are_candidates() -> None:
    rng = np.random.default_rng(6)
    for cast in casts(420):
        found = questions(cast, rng, truth_first=True)
        assert 3 <= len(found) <= 6, cast
        assert all(question.answer in question.candidates for question in found)


def test_yes_and_no_are_equally_frequent_whatever_is_asked(asked: list[Question]) -> None:
    answers = defaultdict(Counter)
    for question in asked:
        if question.kind == "yesno":
            answers["all"][question.answer] += 1
            answers[re.sub("|".join(COLOURS), "", question.query)][question.answer] += 1
    assert answers["all"]["yes"] == answers["all"]["no"]
    for query, counts in answers.items():
        total = counts.total()
        assert abs(counts["yes"] - total / 2) < 4.5 * (total / 4) ** 0.5 + 1, (query, counts)


@pytest.mark.parametrize("kind", ["colour", "shape", "count", "direction", "relation", "verb"])
def test_the_text_of_a_question_does_not_give_its_answer_away(kind: str, asked: list[Question]) -> None:
    answers = defaultdict(Counter)
    for question in asked:
        if question.kind == kind:
            query = question.query if kind == "shape" else re.sub("|".join(COLOURS), "", question.query)
            answers[query, question.candidates][question.answer] += 1
    assert answers
    for (query, candidates), counts in answers.items():
        total, chance = counts.total(), 1 / len(candidates)
        for candidate in candidates:
            spread = (total * chance * (1 - chance)) ** 0.5
            assert abs(counts[candidate] - total * chance) < 4.5 * spread + 1, (query, candidate, counts)


def test_counts_are_those_of_the_things_in_the_scene(scenes: dict[int, Scene]) -> None:
    for index, scene in scenes.items():
        for question in SOURCE.described(index, scene, media=b"clip").questions:
            if question.kind == "count":
                assert question.answer == COUNTS[scene.take.centres.shape[1] - 1]


@pytest.mark.parametrize("index", [0, 1, 2, 4])
def test_slow_motion_goes_through_what_was_recorded_in_even_steps(scenes: dict[int, Scene], index: int) -> None:
    take = scenes[index].take
    slow = slowed(take, num_frames=4 * (NUM_FRAMES - 1) + 1)
    np.testing.assert_allclose(slow.poses[::4], take.poses, atol=1e-12)
    np.testing.assert_allclose(slow.centres[::4], take.centres, atol=1e-9)
    steps = np.diff(slow.poses, axis=0)
    for first in range(0, len(steps), 4):
        np.testing.assert_allclose(
            steps[first : first + 4], np.diff(take.poses, axis=0)[first // 4][None] / 4 + np.zeros((4, 1)), atol=1e-12
        )


def test_a_shot_begins_and_ends_as_the_clip_of_its_scene() -> None:
    def frames(media: bytes) -> list[np.ndarray]:
        with av.open(io.BytesIO(media)) as container:
            return [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]

    clip, shot = frames(SOURCE.sample(1).media), frames(SOURCE.shot(1, num_frames=15))
    assert (len(clip), len(shot)) == (NUM_FRAMES, 15)
    for one, other in ((clip[0], shot[0]), (clip[-1], shot[-1]), (clip[3], shot[6])):
        assert np.abs(one - other).mean() < 3
    assert np.abs(shot[0] - shot[-1]).mean() > 2 * np.abs(clip[0] - shot[0]).mean()
