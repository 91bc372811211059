"""The laboratory: one folder holds one of them, its hash is over words, its state pairs ask for changes alone."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("mujoco")

from vljepa.data.corpora import lab as lab_module
from vljepa.data.corpora.lab import contents_hash, prepare_lab
from vljepa.data.corpora.lab_states import STATES, pick_states, write_states
from vljepa.data.corpora.lab_streams import CLIPS_A_STREAM, FPS, write_streams
from vljepa.data.encode import encode_mp4
from vljepa.data.packages import Package
from vljepa.data.shards import read_corpus
from vljepa.evaluation.sets.protocol import WorldProtocol
from vljepa.evaluation.sets.states import read_states
from vljepa.types import Event, Sample

PAIRS = (("falls", "rises"), ("opens", "closes"), ("topples over", "stands up"))
CHANGES = tuple(label for pair in PAIRS for label in pair)
OPPOSITES = {("physics", one): other for pair in PAIRS for one, other in (pair, pair[::-1])}


def made(number: int, label: str) -> Sample:
    """A clip of eight frames that grow lighter, each of another grey."""
    frames = np.stack([np.full((32, 32, 3), 40 + 20 * frame + number % 7, dtype=np.uint8) for frame in range(8)])
    return Sample(
        key=f"physics-{number:03d}",
        media=encode_mp4(frames, fps=4.0),
        extension="mp4",
        captions=(f"something {label}",),
        source="physics",
        licence="MIT",
        concept=str(number),
        split="test",
        label=label,
    )


CLIPS = [made(number, CHANGES[number % len(CHANGES)]) for number in range(2 * CLIPS_A_STREAM)]


class Made:
    """A source of all clips in two parts."""

    name, licence, about = "physics", "MIT", "made for the test"
    packages: tuple[Package, ...] = ()
    folders: tuple[str, ...] = ()

    def parts(self) -> int:
        return 2

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        yield from CLIPS[part::2]


def test_a_folder_holds_shards_states_and_streams_and_tells_their_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab_module, "lab_sources", lambda scale, seed: {"physics": Made()})
    lab = prepare_lab(tmp_path, scale="small", progress=False)
    assert lab.prepared.total == len(CLIPS)
    assert lab.contents == contents_hash(CLIPS)
    assert len(list(read_corpus(tmp_path / "streams"))) == 2
    again = prepare_lab(tmp_path, scale="small", progress=False)
    assert (again.prepared.built, again.contents) == (0, lab.contents)
    for other in ({"seed": 1, "scale": "small"}, {"scale": "default"}):
        with pytest.raises(ValueError, match="another laboratory"):
            prepare_lab(tmp_path, progress=False, **other)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no scale 'huge'"):
        prepare_lab(tmp_path / "new", scale="huge", progress=False)
    assert not (tmp_path / "new").exists()


def test_the_hash_is_over_words_and_splits_and_not_over_pixels_or_order() -> None:
    one = contents_hash(CLIPS)
    assert contents_hash([replace(clip, media=b"other pixels") for clip in reversed(CLIPS)]) == one
    for change in ({"captions": ("something else",)}, {"split": "train"}, {"key": "another"}):
        assert contents_hash([replace(CLIPS[0], **change), *CLIPS[1:]]) != one  # type: ignore[arg-type]


def test_state_pairs_are_read_by_the_world_reader(tmp_path: Path) -> None:
    assert write_states(tmp_path, CLIPS, most=20, seed=0) == 20
    items = read_states(tmp_path, WorldProtocol()).items
    assert len(items) == 20
    for item in items:
        assert all((tmp_path / name).is_file() for name in (*item.media, *item.candidates))
    before = (tmp_path / STATES).read_bytes()
    assert write_states(tmp_path, CLIPS, most=5, seed=1) == 20
    assert (tmp_path / STATES).read_bytes() == before


def test_candidates_are_other_recordings_and_one_shows_the_same_change() -> None:
    known = {clip.key: clip for clip in CLIPS}
    items = pick_states(known, OPPOSITES, most=100, seed=0)
    assert len(items) == len(CLIPS)
    places = Counter(item["answer"] for item in items)
    assert set(places) == {0, 1, 2, 3}
    for item in items:
        shown = [known[name.removesuffix(".mp4")] for name in item["candidates"]]
        asked = known[item["id"]]
        assert asked.key not in {clip.key for clip in shown}
        right = [place for place, clip in enumerate(shown) if clip.label == asked.label]
        assert right == [item["answer"]]
        assert OPPOSITES["physics", asked.label] in {clip.label for clip in shown}


def test_changes_that_were_recorded_once_are_not_asked_for() -> None:
    known = {clip.key: clip for clip in CLIPS[:7]}
    assert [item["id"] for item in pick_states(known, OPPOSITES, most=9, seed=0)] != []
    assert {known[item["id"]].label for item in pick_states(known, OPPOSITES, most=9, seed=0)} == {"falls"}


def test_streams_tell_what_happens_at_which_second(tmp_path: Path) -> None:
    phases = (Event(action="first", start=0.0, end=0.5), Event(action="then", start=0.5, end=2.0))
    clips = [replace(clip, events=phases) if clip.label == "falls" else clip for clip in CLIPS]
    assert write_streams(tmp_path, clips, number=9, seed=0) == 2
    stream = next(read_corpus(tmp_path))
    with av.open(io.BytesIO(stream.media)) as container:
        frames = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
    assert len(frames) == CLIPS_A_STREAM * 2 * FPS
    assert stream.events[-1].end == CLIPS_A_STREAM * 2.0
    starts = [event.start for event in stream.events if event.action != "then"]
    assert starts == [2.0 * place for place in range(CLIPS_A_STREAM)]
    # Each clip begins dark and ends light, so scenes begin where the stream turns dark again.
    turns = [place / FPS for place in range(1, len(frames)) if frames[place] < frames[place - 1] - 60]
    assert [0.0, *turns] == starts


def test_settings_are_written_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lab_module, "lab_sources", lambda scale, seed: {"physics": Made()})
    monkeypatch.setattr(lab_module, "build", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepare_lab(tmp_path, seed=4, scale="small", progress=False)
    assert json.loads((tmp_path / "lab.json").read_text())["seed"] == 4
