"""Copies with damage: `--check` says in a sentence what is wrong, in which file and record, and where to get it."""

import dataclasses
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.public import miniatures

from vljepa.evaluation.sets.check import Checked, check_set
from vljepa.evaluation.sets.item import Benchmark, SetError
from vljepa.evaluation.sets.known import KNOWN
from vljepa.evaluation.sets.media import MediaFolder

DAMAGED = (b"", b"\n \n", b"null", b"3", b"[]", b"{}", b'["x"]', b"[[]]", b'{"a": 1}', b"<!DOCTYPE html>", b"\xff\xfe[")
SETS = sorted(miniatures.WRITERS)


def unpinned(name: str) -> Benchmark:
    """The set without its published hashes, which a miniature cannot have."""
    return dataclasses.replace(KNOWN[name], hashes={})


def check(name: str, root: Path, **settings: Any) -> Checked:
    benchmark = unpinned(name)
    return check_set(benchmark, root, dataclasses.replace(benchmark.settings, **settings))


@pytest.mark.parametrize("name", SETS)
def test_no_file_of_annotations_can_hold_something_that_is_no_sentence(name: str, tmp_path: Path) -> None:
    miniatures.WRITERS[name][0](tmp_path)
    for file in KNOWN[name].files:
        path = tmp_path / file
        published = path.read_bytes()
        for damage in DAMAGED:
            path.write_bytes(damage)
            problems = check(name, tmp_path).problems
            assert problems and KNOWN[name].obtain in problems[0], (file, damage, problems)
        path.write_bytes(published)


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document, with the first of each list."""
    inside = node.items() if isinstance(node, dict) else enumerate(node[:1]) if isinstance(node, list) else ()
    for key, value in inside:
        yield (*at, key)
        yield from places(value, (*at, key))


def replaced(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return copy


@pytest.mark.parametrize("value", [None, -1, "nan", [], {}, float("nan")])
@pytest.mark.parametrize("name", ["coin-next", "youcook2", "activitynet", "msrvtt-full", "egoexo4d-keysteps", "gqa"])
def test_no_field_can_hold_something_that_is_no_sentence(name: str, value: Any, tmp_path: Path) -> None:
    miniatures.WRITERS[name][0](tmp_path)
    path = tmp_path / KNOWN[name].files[0]
    document = json.loads(path.read_text())
    for at in places(document):
        path.write_text(json.dumps(replaced(document, at, value)))
        assert check(name, tmp_path).benchmark == name


@pytest.mark.parametrize(
    ("name", "file", "content", "sentence"),
    [
        ("ssv2", "labels.json", [], r"labels.json is \[\], expected an object"),
        ("ssv2", "validation.json", [{"template": "Opening [something]"}], "record 1 has no 'id'; it has template"),
        ("coin-sr", "COIN.json", '{"database": {"a": {}, "a": {}}}', "the key 'a' stands there twice"),
        ("activitynet", "val_1.json", {"v_one": {"sentences": "A cat."}}, "video v_one: 'sentences' is 'A cat.'"),
        ("youcook2", "youcookii_annotations_trainval.json", "[" * 100_000, "is not JSON"),
        ("msrvtt", "MSRVTT_JSFUSION_test.csv", "key,key,vid_key,video_id,sentence\n", "more than one column 'key'"),
        ("msrvtt", "MSRVTT_JSFUSION_test.csv", "key,vid_key,video_id,sentence\nr,m\n", "line 2: 2 columns, expected 4"),
        ("msrvtt", "MSRVTT_JSFUSION_test.csv", 'key,vid_key,video_id,sentence\nr,m,v,""\n', "line 2: 'sentence' is ''"),
        ("pvd-bench", "imago15k.csv", 'video_id,sentence\na,"' + "b" * 140_000, "line .* a quote that is not closed"),
        ("kinetics400", "val.csv", "label,youtube_id,time_start,time_end,split\na,b,1,x,val\n", "'time_end' is 'x'"),
        ("kinetics400", "val.csv", "label,youtube_id,time_start,time_end,split\na,b,1,2,train\n", "of the split train"),
        ("egoexo4d-keysteps", "label_mapping.csv", "label_id,step_name\n1,a\n1,b\n", "line 3: the label_id '1' stands"),
        ("ek100", "EPIC_100_noun_classes.csv", "id,key\n1,tap\n", "line 3: there is no noun_class 0 among the 1"),
        ("ek100", "EPIC_100_verb_classes.csv", "id,key\n0,take\n0,turn-on\n", "line 3: the id '0' stands there twice"),
        ("crosstask-sr", "annotations/105253_val1.csv", "x,1,2\n", "line 1: 'step' is 'x', expected a whole number"),
        ("crosstask-sr", "annotations/105253_val1.csv", "1,nan,2\n", "line 1: 'start' is 'nan', expected seconds"),
        ("crosstask-sr", "tasks_primary.txt", "1\nT\nu\n1\na\n\n1\nT\nu\n1\na\n", "task 1 stands there twice"),
        ("crosstask-sr", "tasks_primary.txt", "1\nT\nu\ntwo\na, b\n", "says two steps and lists 2"),
        ("msvd", "raw-captions.pkl", b"\x80\x02}(X\x0b\x00\x00\x00vid_one_1_4K\x01u.", "no captions of 1 videos"),
        ("msvd", "raw-captions.pkl", b"\x80\x02\x8e" + b"\xff" * 8, "no complete pickle"),
        ("tallyqa", "test.json", [{"question_id": 1, "image": "a", "question": "?", "answer": "x"}], "'answer' is 'x'"),
        ("vdc-1k", "VDC_1k.jsonl", '{"video_id": "a"}\n{"video_id', "line 2 is not JSON"),
        ("tallyqa", "test.json", [{"question_id": 1, "image": "a", "question": "?"}], "record 1 has no 'answer'"),
        (
            "state-pairs",
            "state_pairs.jsonl",
            '{"candidates": "abcd", "answer": 0}',
            "'candidates' is 'abcd', expected a",
        ),
    ],
)
def test_the_record_and_what_it_should_hold_are_named(
    name: str, file: str, content: Any, sentence: str, tmp_path: Path
) -> None:
    miniatures.WRITERS[name][0](tmp_path)
    miniatures.write(tmp_path / file, content)
    (problem,) = check(name, tmp_path).problems
    with pytest.raises(SetError, match=sentence):
        raise SetError(problem)
    assert file.rpartition("/")[2] in problem and str(tmp_path) in problem and KNOWN[name].obtain in problem


@pytest.mark.parametrize("second", [float("nan"), -1, "x", None])
def test_times_that_are_none_name_video_and_step(second: Any, tmp_path: Path) -> None:
    miniatures.coin(tmp_path)
    at = ("database", "yt_one", "annotation", 1, "segment", 0)
    miniatures.write(tmp_path / "COIN.json", replaced(miniatures.COIN, at, second))
    (problem,) = check("coin-sr", tmp_path).problems
    assert "COIN.json, database: video yt_one, annotation, number 2: 'segment' is [" in problem
    assert "expected a start and an end in seconds from 0" in problem


def test_items_that_end_before_they_start_are_a_problem_or_a_note(tmp_path: Path, video: Path, picture: Path) -> None:
    root = miniatures.miniature("coin-sr", tmp_path, video=video, picture=picture)
    at = ("database", "yt_one", "annotation", 0, "segment")
    miniatures.write(root / "COIN.json", replaced(miniatures.COIN, at, [4.0, 3.0]))
    told = "1 items end before they start, among them yt_one:1 (from 4 s to 3 s): there is nothing to see in them"
    assert told in check("coin-sr", root).problems
    assert told in check("coin-sr", root, most_failed=0.5).notes
    miniatures.write(root / "COIN.json", replaced(miniatures.COIN, at, [4.0, 0.0]))
    assert any("(from 4 s to 0 s)" in problem for problem in check("coin-sr", root).problems)


@pytest.mark.parametrize("change", [lambda raw: b"\xef\xbb\xbf" + raw, lambda raw: raw.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("name", SETS)
def test_marks_of_encoding_and_windows_line_ends_change_nothing(name: str, change: Any, tmp_path: Path) -> None:
    miniatures.WRITERS[name][0](tmp_path)
    found = check(name, tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".csv", ".tsv", ".txt"):
            path.write_bytes(change(path.read_bytes().replace(b"\r\n", b"\n")))
    again = check(name, tmp_path)
    assert (again.counts, again.problems) == (found.counts, found.problems)


def test_a_line_of_json_may_hold_what_other_programs_take_for_its_end(tmp_path: Path) -> None:
    miniatures.vdc(tmp_path)
    path = tmp_path / "VDC_1k.jsonl"
    path.write_text(path.read_text().replace("detailed 0", "one\u2028two\x85three"), encoding="utf-8")
    assert check("vdc-1k", tmp_path).counts["items"] == 2


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "COIN.json").mkdir()
    assert "COIN.json is a folder, expected a file of that name" in check("coin-sr", tmp_path).problems[0]
    (tmp_path / "ucf101__label_map.txt").mkdir()
    assert "is a folder, expected a file" in check("class-folders", tmp_path).problems[0]


def test_files_of_one_choice_alone_are_asked_for_with_where_they_come_from(tmp_path: Path) -> None:
    (problem,) = check("class-folders", tmp_path).problems
    assert "there is no ucf101__label_map.txt" in problem and "mmaction2 on GitHub" in problem
    miniatures.gqa(tmp_path)
    (tmp_path / "train_balanced_questions.json").unlink()
    assert "--set answers=testdev" in check("gqa", tmp_path).problems[0]
    miniatures.crosstask(tmp_path)
    (tmp_path / "annotations" / "105253_val1.csv").unlink()
    assert "annotations/105253_val1.csv, nor a file for any other" in check("crosstask-tr", tmp_path).problems[0]


def test_what_a_copy_holds_and_the_set_does_not_ask_for_is_told(tmp_path: Path, video: Path, picture: Path) -> None:
    root = miniatures.miniature("class-folders", tmp_path / "classes", video=video, picture=picture)
    (root / "ApplyEyeMakeUp").mkdir()
    (root / "ApplyEyeMakeup" / "._v.avi").write_bytes(b"x")
    found = check("class-folders", root)
    assert found.counts["items"] == 1
    assert found.notes == ("1 left out: folders that are named as no label, such as 'ApplyEyeMakeUp'",)
    miniatures.crosstask(tmp_path)
    miniatures.write(tmp_path / "videos_val.csv", "105253,val1,u\n23521,val2,u\n")
    assert "1 left out: videos without a file in annotations" in check("crosstask-sr", tmp_path).notes


def test_media_that_are_empty_or_unreadable_are_one_sentence_each(tmp_path: Path, video: Path, picture: Path) -> None:
    root = miniatures.miniature("youcook2", tmp_path, video=video, picture=picture)
    path = root / "videos" / "validation" / "113" / "yc_one.mp4"
    path.write_bytes(b"")
    assert check("youcook2", root).problems == (f"1 media are empty files (0 bytes), such as {path}: fetch them again",)
    path.write_bytes(b"no video" * 99)
    (problem,) = check("youcook2", root).problems
    assert problem.startswith(f"1 videos cannot be read: {path}")


def test_two_files_of_one_name_are_a_problem_of_the_copy(tmp_path: Path, video: Path, picture: Path) -> None:
    root = miniatures.miniature("youcook2", tmp_path, video=video, picture=picture)
    (root / "videos" / "yc_one.webm").write_bytes(video.read_bytes())
    (problem,) = check("youcook2", root).problems
    assert "yc_one could be" in problem and "keep one of them" in problem


def test_names_are_the_same_however_their_accents_are_stored(tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    for stored, asked in (("NFD", "NFC"), ("NFC", "NFD")):
        path = tmp_path / "cut" / unicodedata.normalize(stored, f"crème {stored}.webm")  # type: ignore[arg-type]
        path.write_bytes(b"x")
        name = unicodedata.normalize(asked, f"cut/crème {stored}.mp4")  # type: ignore[arg-type]
        assert MediaFolder(tmp_path).find(name) == path


def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path)
    assert [folder.find(name) for name in ("a sentence " * 40, "a\0b", "", ".", "..")] == [None] * 5
