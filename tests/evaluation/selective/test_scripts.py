"""Scripts: as long and as full of events as they promise, with cuts and dissolves, and always the same."""

from itertools import pairwise

import pytest

from vljepa.evaluation.benchmarks.selective.scripts import (
    Frame,
    Play,
    Recording,
    Script,
    join_recordings,
    write_script,
)

RATE = 4.0
SLOW = 57
PLAYS = [
    Play(
        key=f"clip {number}",
        captions=(f"caption {number}",),
        num_frames=SLOW if number % 3 else 8,
        loops=number % 3 == 0,
    )
    for number in range(90)
]


def scripts(count: int = 12) -> list[Script]:
    return [write_script(PLAYS, rate=RATE, seed=seed) for seed in range(count)]


def shown_at(script: Script, second: float) -> Frame:
    return script.frames[int(second * RATE)]


def test_streams_are_as_long_and_as_full_as_promised() -> None:
    for script in scripts():
        assert 180 <= script.seconds <= 360
        assert len(script.annotations) >= 60
        assert len(script.boundaries) == len(script.annotations) - 1
        assert [one.time for one in script.annotations] == sorted(one.time for one in script.annotations)
        lengths = [after - before for before, after in pairwise((0.0, *script.boundaries, script.seconds))]
        assert max(lengths) > 3 * min(lengths)


def test_an_annotation_is_true_of_what_is_shown_at_its_second() -> None:
    for script in scripts():
        for annotation in script.annotations:
            frame = shown_at(script, annotation.time)
            number = annotation.captions[0].removeprefix("caption ")
            assert f"clip {number}" in (frame.clip, frame.over)


def test_scenes_change_with_cuts_and_with_dissolves_around_the_boundary() -> None:
    cuts = dissolves = 0
    for script in scripts():
        for boundary in script.boundaries:
            place = round(boundary * RATE)
            if script.frames[place].over:
                dissolves += 1
                run = [frame.share for frame in script.frames[place - 4 : place + 4] if frame.over]
                assert run == sorted(run) and 0 < run[0] < 0.5 < run[-1] < 1
            else:
                cuts += 1
                assert script.frames[place - 1].clip != script.frames[place].clip
    assert dissolves > 60 and cuts > 3 * dissolves / 2


def test_clips_are_looped_or_take_the_time_of_their_scene() -> None:
    for script in scripts():
        edges = [0, *(round(boundary * RATE) for boundary in script.boundaries), len(script.frames)]
        for first, last in pairwise(edges):
            plain = [frame for frame in script.frames[first:last] if not frame.over]
            numbers = [frame.number for frame in script.frames[first:last] if frame.clip == plain[0].clip]
            if int(plain[0].clip.split()[1]) % 3:
                assert numbers == sorted(numbers), "it goes through its clip once"
                if len(plain) == last - first:
                    assert (numbers[0], numbers[-1]) == (0, SLOW - 1)
            else:
                assert max(numbers) == 7
                assert all(after in (before + 1, 0) for before, after in pairwise(numbers))


def test_no_clip_is_shown_twice_and_seeds_decide() -> None:
    first, again, other = (write_script(PLAYS, rate=RATE, seed=seed) for seed in (3, 3, 4))
    assert first == again != other
    captions = [annotation.captions for annotation in first.annotations]
    assert len(set(captions)) == len(captions)


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="40 held-out clips are too few"):
        write_script(PLAYS[:40], rate=RATE, seed=0)


def test_recordings_are_joined_with_their_events_in_the_middle() -> None:
    recordings = [
        Recording(key="a", num_frames=12, events=((0.0, 1.0, ("walks",)), (1.0, 9.0, ("falls",)))),
        Recording(key="b", num_frames=8, events=((0.25, 1.75, ("sits",)),)),
    ]
    joined = [join_recordings(recordings, rate=RATE, seed=seed) for seed in range(8)]
    assert len({script.frames[0].clip for script in joined}) == 2
    script = next(script for script in joined if script.frames[0].clip == "a")
    assert script.seconds == 5.0
    assert [(one.time, one.captions) for one in script.annotations] == [
        (0.5, ("walks",)),
        (2.0, ("falls",)),
        (4.0, ("sits",)),
    ]
    assert script.boundaries == (1.0, 3.0)  # 3.25 is too near to where the recordings meet
