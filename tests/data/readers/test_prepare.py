"""A folder of somebody's becomes shards: whole, resumable, without twins, without what an evaluation set holds."""

import json
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vljepa.cli.main import main
from vljepa.data.encode import encode_mp4
from vljepa.data.media import read_clip
from vljepa.data.readers import listed
from vljepa.data.readers.build import BuildSettings
from vljepa.data.readers.prepare import PreparedSource, prepare_source
from vljepa.data.readers.row import ReaderError
from vljepa.data.readers.table import open_table
from vljepa.data.shards import read_corpus, read_listing
from vljepa.lock import LOCK_NAME, writer_lock
from vljepa.types import Sample


def save_picture(path: Path, shade: int) -> None:
    Image.fromarray(np.full((24, 32, 3), shade, np.uint8)).save(path)


def make_folder(folder: Path, count: int = 12) -> Path:
    folder.mkdir()
    lines = ["media,caption"]
    for number in range(count):
        save_picture(folder / f"{number}.png", 20 * number)
        lines.append(f"{number}.png,shade {number}")
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return folder


def prepared(folder: Path, into: Path, **options: object) -> PreparedSource:
    settings = options.pop("settings", BuildSettings(licence="CC0"))
    return prepare_source(open_table(folder), into, settings=settings, progress=False, **options)  # type: ignore[arg-type]


def samples(into: Path) -> list[Sample]:
    return list(read_corpus(into, verify=True))


def test_rows_come_back_as_samples(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    result = prepared(folder, tmp_path / "out")
    found = samples(tmp_path / "out")
    assert [sample.captions for sample in found] == [(f"shade {number}",) for number in range(12)]
    assert [sample.media for sample in found] == [(folder / f"{number}.png").read_bytes() for number in range(12)]
    assert {(sample.source, sample.licence, sample.extension) for sample in found} == {("mine", "CC0", "png")}
    assert result.total == 12 and result.splits == Counter(sample.split for sample in found)
    (entry,) = read_listing(tmp_path / "out")
    assert entry["count"] == 12 and len(entry["sha256"]) == 64


def test_one_recording_falls_on_one_side_and_shares_are_kept_to(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    lines = ["media,caption,recording"] + [f"{k}.png,shade {k},day {k % 3}" for k in range(12)]
    (folder / "t.csv").write_text("\n".join(lines))
    prepared(folder, tmp_path / "out", settings=BuildSettings(test=50, validation=0))
    sides = {(sample.concept, sample.split) for sample in samples(tmp_path / "out")}
    assert len(sides) == 3 and {concept for concept, _ in sides} == {"day 0", "day 1", "day 2"}
    prepared(folder, tmp_path / "all", settings=BuildSettings(test=0, validation=0))
    assert {sample.split for sample in samples(tmp_path / "all")} == {"train"}


def test_what_cannot_be_used_is_counted_and_told(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine", count=3)
    (folder / "0.png").write_bytes(b"no picture at all")
    (folder / "1.png").unlink()
    result = prepared(folder, tmp_path / "out")
    assert dict(result.left) == {"cannot be decoded": 1, "no such file": 1}
    assert any("t.csv line 2" in note for note in result.notes) and any(
        "line 3: there is no file" in note for note in result.notes
    )
    assert len(samples(tmp_path / "out")) == 1


def test_a_clip_without_video_is_left_out(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine", count=2)
    with wave.open(str(folder / "0.png"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    result = prepared(folder, tmp_path / "out")
    assert result.left == {"cannot be decoded": 1} and "no video" in result.notes[0]


def test_another_source_of_the_same_name_takes_no_place(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = make_folder(tmp_path / "mine", count=3), make_folder(tmp_path / "other" / "mine", count=5)
    prepared(one, tmp_path / "out")
    with pytest.raises(ReaderError, match=r"already holds a source mine from another place: .* \(--name\)"):
        prepared(other, tmp_path / "out")
    command = ["prepare", "folder", str(other), "--into", str(tmp_path / "out"), "--name", "Other ones"]
    assert main(command) == 0
    assert {entry["source"] for entry in read_listing(tmp_path / "out")} == {"mine", "other-ones"}
    assert len(samples(tmp_path / "out")) == 5  # three of the other five are the same content


def test_rows_that_are_taken_out_of_the_table_leave_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "ROWS_A_PART", 5)
    folder = make_folder(tmp_path / "mine")
    prepared(folder, tmp_path / "out")
    lines = (folder / "t.csv").read_text().splitlines()
    (folder / "t.csv").write_text("\n".join(lines[:6]))
    assert prepared(folder, tmp_path / "out").reused == 1
    assert len(samples(tmp_path / "out")) == 5
    assert len(list((tmp_path / "out").iterdir())) == 4  # a shard, its contents, the listing, the lock


def test_where_nothing_can_be_used_nothing_is_left_behind(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine", count=1)
    (folder / "0.png").write_bytes(b"")
    with pytest.raises(ReaderError, match=r"nothing of mine can be used; for example: t.csv line 2: .*empty"):
        prepared(folder, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK_NAME]


def test_a_second_writer_is_told(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    (tmp_path / "out").mkdir()
    with writer_lock(tmp_path / "out", error=ReaderError):
        before = sorted((tmp_path / "out").iterdir())
        with pytest.raises(ReaderError, match="is being written by process"):
            prepared(folder, tmp_path / "out")
    assert sorted((tmp_path / "out").iterdir()) == before
    assert prepared(folder, tmp_path / "out").total == 12


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    (folder / "3.png").write_bytes((folder / "5.png").read_bytes())
    result = prepared(folder, tmp_path / "out")
    assert result.left == {"content twice": 1} and result.total == 11


def test_an_interrupted_build_goes_on_and_workers_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "ROWS_A_PART", 5)
    folder = make_folder(tmp_path / "mine")
    first = prepared(folder, tmp_path / "out")
    assert (first.built, first.reused) == (3, 0)
    entries = read_listing(tmp_path / "out")
    (tmp_path / "out" / entries[1]["name"]).unlink()
    again = prepared(folder, tmp_path / "out")
    assert (again.built, again.reused) == (1, 2)
    assert read_listing(tmp_path / "out") == entries
    prepared(folder, tmp_path / "two", workers=2)
    assert read_listing(tmp_path / "two") == entries


def test_changed_files_are_prepared_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine", count=2)
    prepared(folder, tmp_path / "out")
    save_picture(folder / "1.png", 255)
    again = prepared(folder, tmp_path / "out")
    assert again.built == 1
    assert samples(tmp_path / "out")[1].media == (folder / "1.png").read_bytes()


def test_what_is_in_an_evaluation_set_is_not_trained_on(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    everything = BuildSettings(test=0, validation=0)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "renamed").write_bytes((folder / "7.png").read_bytes())
    result = prepared(folder, tmp_path / "out", settings=everything, not_in=[plain])
    assert result.left == {"in an evaluation set": 1} and result.total == 11
    assert "shade 7" not in [sample.captions[0] for sample in samples(tmp_path / "out")]
    corpus = tmp_path / "evaluation"
    prepared(folder, corpus, settings=BuildSettings(test=99, validation=0))
    with pytest.raises(
        ReaderError, match=r"training samples of mine-00000.tar are in an evaluation set.*take them out"
    ):
        prepared(folder, tmp_path / "refused", settings=everything, not_in=[corpus], leaks="refuse")
    assert not (tmp_path / "refused" / "shards.json").exists()


def test_test_samples_may_be_in_an_evaluation_set(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mine")
    result = prepared(folder, tmp_path / "out", settings=BuildSettings(test=99, validation=0), not_in=[folder])
    assert result.splits["test"] > 0 and result.splits.get("train", 0) == 0


def test_a_range_is_cut_out_and_its_origin_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    frames = np.zeros((40, 32, 48, 3), np.uint8)
    frames[20:] = 220
    (folder / "film.mp4").write_bytes(encode_mp4(frames, fps=10.0))
    (folder / "t.csv").write_text("media,caption,start,end\nfilm.mp4,dark,0,1.9\nfilm.mp4,bright,2.0,3.9\n")
    prepared(folder, tmp_path / "out", settings=BuildSettings(test=0, validation=0))
    dark, bright = samples(tmp_path / "out")
    for sample, low, high in ((dark, -1, 30), (bright, 200, 256)):
        clip = read_clip(sample.media, num_frames=8)
        assert low < float(clip.frames.float().mean()) < high
        assert float(clip.times[-1]) == pytest.approx(1.8, abs=0.15)
        assert sample.concept == "film.mp4" and len(sample.origin) == 64
    with pytest.raises(ReaderError, match="2 training samples"):
        prepared(folder, tmp_path / "no", settings=BuildSettings(test=0, validation=0), not_in=[folder], leaks="refuse")


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path / "mine")
    assert main(["prepare", "folder", str(folder), "--into", str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["total"] == 12 and sum(said["splits"].values()) == 12 and said["built"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["folder"], "where is the source"),
        (["folder", "nowhere"], "there is no folder nowhere"),
        (["folder", ".", "--test", "90", "--validation", "10"], "percentages"),
        (["small-corpus", "here"], "takes no source"),
    ],
)
def test_wrong_commands_say_what_is_wrong(
    tmp_path: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", *arguments, "--into", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
