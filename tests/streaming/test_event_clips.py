"""Clips around triggers: the right seconds, in bounded memory, whole or not at all."""

import shutil
from pathlib import Path

import pytest
import torch

from vljepa.data.video import iterate, probe
from vljepa.embedder import Embedder
from vljepa.streaming.event_clips import ClipSettings, EventClips
from vljepa.streaming.triggers import Firing, TriggerSettings
from vljepa.streaming.watch import WatchSettings, watch

RATE = 4.0


def grey(second: float) -> torch.Tensor:
    return torch.full((32, 48, 3), int(second * 10) % 250, dtype=torch.uint8)


def firing(start: float, text: str = "A person falls / über") -> Firing:
    return Firing(text=text, start=start, end=start + 2, score=4.0)


def seen(clips: EventClips, *, until: float, begin: float = 0.0) -> None:
    for number in range(round(begin * RATE), round(until * RATE)):
        clips.see(number / RATE, grey(number / RATE))


def test_a_clip_holds_the_seconds_before_and_after_and_comes_when_it_is_complete(tmp_path: Path) -> None:
    clips = EventClips(ClipSettings(folder=tmp_path / "new", before=1.0, after=2.0), rate=RATE, ahead=4.0)
    seen(clips, until=6.0)
    clips.want(firing(3.0))
    assert clips.write() == []
    seen(clips, begin=6.0, until=7.25)
    (clip,) = clips.write()
    assert (clip.start, clip.end, clip.text) == (2.0, 7.0, "A person falls / über")
    assert clip.path.name == "0000003.00-a-person-falls-über.mp4"
    assert probe(clip.path).duration == pytest.approx(21 / RATE)
    greys = [float(frame.float().mean()) for _, frame in iterate(clip.path, rate=RATE)]
    assert greys == pytest.approx([20 + 2.5 * place for place in range(21)], abs=2.5)
    assert clips.write() == []
    assert [path.name for path in clip.path.parent.iterdir()] == [clip.path.name]


def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    clips = EventClips(ClipSettings(folder=tmp_path, before=1.0, after=1.0), rate=RATE, ahead=3.0)
    seen(clips, until=20.0)
    held = clips.num_held
    seen(clips, begin=20.0, until=60.0)
    assert clips.num_held == held == 21


def test_what_is_cut_short_by_the_end_is_saved_too(tmp_path: Path) -> None:
    clips = EventClips(ClipSettings(folder=tmp_path, before=5.0, after=5.0), rate=RATE, ahead=4.0)
    seen(clips, until=3.0)
    clips.want(firing(0.5))
    (clip,) = clips.write(all_of_them=True)
    assert (clip.start, clip.end) == (0.0, 2.75)


def test_no_clip_is_written_over_another(tmp_path: Path) -> None:
    long = "a person with a red bag walks through the door"
    names = []
    for _ in range(2):  # a second watching into the same folder
        clips = EventClips(ClipSettings(folder=tmp_path), rate=RATE, ahead=4.0)
        seen(clips, until=3.0)
        for text in (long, f"{long} twice"):
            clips.want(firing(0.5, text))
        names += [clip.path.name for clip in clips.write(all_of_them=True)]
    first = "0000000.50-a-person-with-a-red-bag-walks-through-th"
    assert names == [f"{first}.mp4", f"{first}-2.mp4", f"{first}-3.mp4", f"{first}-4.mp4"]
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_watched(
    tiny_embedder: Embedder, video: Path, tmp_path: Path
) -> None:
    settings = WatchSettings(triggers=TriggerSettings(texts=("a cat",)), clips=ClipSettings(folder=video / "inside"))
    reached: list[float] = []
    with pytest.raises(ValueError, match="no clips can be saved in"):
        list(watch(video, tiny_embedder, settings=settings, progress=reached.append))
    assert reached == []


def test_a_sliver_longer_than_jpeg_can_be_is_saved_smaller(tmp_path: Path) -> None:
    clips = EventClips(ClipSettings(folder=tmp_path), rate=RATE, ahead=1.0)
    for number in range(3):
        clips.see(number / RATE, torch.zeros(32, 70_000, 3, dtype=torch.uint8))
    clips.want(firing(0.0))
    (clip,) = clips.write(all_of_them=True)
    assert (probe(clip.path).width, probe(clip.path).height) == (4096, 2)


def test_watch_tells_the_clip_of_a_trigger(tiny_embedder: Embedder, video: Path, tmp_path: Path) -> None:
    texts = ("a cat", "red", "left", "what colour", "a dog opens", "blue ball")
    settings = WatchSettings(
        decode="never",
        triggers=TriggerSettings(texts=texts, threshold=0.01, cooldown=100.0),
        clips=ClipSettings(folder=tmp_path / "clips", before=0.5, after=0.5),
    )
    events = list(watch(video, tiny_embedder, settings=settings))
    triggers = [event for event in events if event["event"] == "trigger"]
    clips = [event for event in events if event["event"] == "clip"]
    assert {event["text"] for event in clips} == {event["text"] for event in triggers} != set()
    trigger, clip = triggers[0], next(event for event in clips if event["text"] == triggers[0]["text"])
    assert clip["start"] == pytest.approx(max(trigger["start"] - 0.5, 0), abs=0.51)
    assert clip["end"] == pytest.approx(min(trigger["end"] + 0.5, 5.5), abs=0.51)
    assert probe(Path(clip["path"])).height == 32


@pytest.mark.parametrize(("name", "seconds"), [("before", -1.0), ("after", 121.0), ("before", float("nan"))])
def test_seconds_that_cannot_be_are_refused(name: str, seconds: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"seconds {name} are"):
        ClipSettings(folder=tmp_path, **{name: seconds})


def test_a_folder_that_is_none_or_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match="is no folder"):
        ClipSettings(folder=file)
    with pytest.raises(ValueError, match=r"no clips can be saved in .*inside \(Not a directory\): name another folder"):
        EventClips(ClipSettings(folder=file / "inside"), rate=RATE, ahead=1.0)
    folder = tmp_path / "folder"
    clips = EventClips(ClipSettings(folder=folder), rate=RATE, ahead=1.0)
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
    folder.touch()
    seen(clips, until=3.0)
    clips.want(firing(0.0))
    with pytest.raises(ValueError, match=r"could not be written .*: free space or name another folder"):
        clips.write(all_of_them=True)


def test_clips_without_triggers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="say what to watch for"):
        WatchSettings(clips=ClipSettings(folder=tmp_path))
