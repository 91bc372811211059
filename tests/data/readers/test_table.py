"""A folder with a CSV or JSONL: lines become rows, what makes no sense is named by its line and counted."""

import json
from pathlib import Path

import pytest

from vljepa.data.readers.row import Left, ReaderError, Row, Source
from vljepa.data.readers.table import open_table


def folder_with(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def rows_of(source: Source) -> list[Row | Left]:
    return [row for part in source.parts for row in part.rows()]


def test_lines_of_one_medium_are_one_row(tmp_path: Path) -> None:
    text = 'media,caption,label,recording\na.mp4,a dog runs,dog,day 1\nb.mp4,,cat,\na.mp4,"a dog, running",,\n'
    first, second = rows_of(open_table(folder_with(tmp_path, "t.csv", text)))
    assert isinstance(first, Row) and isinstance(second, Row)
    assert first.captions == ("a dog runs", "a dog, running")
    assert (first.label, first.recording, first.media) == ("dog", "day 1", tmp_path / "a.mp4")
    assert (second.label, second.captions, second.where) == ("cat", (), "t.csv line 3")


def test_questions_come_with_candidates_from_both_kinds_of_table(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "j").mkdir()
    line = {"media": "a.jpg", "question": "what colour?", "answer": "red", "candidates": ["red", "blue"], "start": 1.5}
    from_json = rows_of(open_table(folder_with(tmp_path / "j", "t.jsonl", json.dumps(line))))[0]
    text = "media,question,answer,candidates,start\na.jpg,what colour?,red,red|blue,1.5\n"
    from_csv = rows_of(open_table(folder_with(tmp_path / "c", "t.csv", text)))[0]
    for row in (from_json, from_csv):
        assert isinstance(row, Row)
        assert row.questions[0].candidates == ("red", "blue") and row.questions[0].answer == "red"
        assert row.start == 1.5


@pytest.mark.parametrize(
    ("line", "reason", "sentence"),
    [
        ("a.mp4,,,,,", "no text", "line 2: caption, label and question are empty"),
        (",a dog,,,,", "no medium", "line 2 names no medium"),
        ("a.mp4,,what?,,,", "line that makes no sense", "a question needs an answer"),
        ("a.mp4,,what?,red,blue|green,", "line that makes no sense", "'red' is not among the candidates"),
        ("a.mp4,a dog,,,,soon", "line that makes no sense", "start is 'soon': give seconds"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(tmp_path: Path, line: str, reason: str, sentence: str) -> None:
    text = f"media,caption,question,answer,candidates,start\n{line}\nb.mp4,fine,,,,\n"
    left, row = rows_of(open_table(folder_with(tmp_path, "t.csv", text)))
    assert isinstance(left, Left) and isinstance(row, Row)
    assert left.reason == reason and sentence in left.sentence


def test_a_medium_with_two_labels_keeps_the_first(tmp_path: Path) -> None:
    text = "media,label\na.mp4,dog\na.mp4,cat\n"
    row, left = rows_of(open_table(folder_with(tmp_path, "t.csv", text)))
    assert isinstance(row, Row) and row.label == "dog"
    assert isinstance(left, Left) and left.reason == "two labels"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "file,caption\na.mp4,x\n", "has no column media .it has caption, file."),
        ("t.csv", "media,capton\na.mp4,x\n", "did you mean caption"),
        ("t.csv", "media,caption\n", "holds no line"),
        ("t.csv", "media,caption\na.mp4,one,two\n", "line 2 has more cells than columns"),
        ("t.jsonl", '{"media": "a.mp4"\n', "line 1 is not JSON"),
        ("t.jsonl", "[1]\n", "line 1 is no JSON object"),
        ("t.txt", "", "should hold one CSV or JSONL and holds none"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ReaderError, match=message):
        open_table(folder_with(tmp_path, name, text))


def test_columns_that_are_not_read_are_told(tmp_path: Path) -> None:
    source = open_table(folder_with(tmp_path, "t.csv", "media,label,camera\na.mp4,x,3\n"))
    assert source.notes == ("columns that are not read: camera",)


def test_a_part_is_marked_by_its_rows_and_files(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "t.csv", "media,label\na.mp4,x\n")
    (folder / "a.mp4").write_bytes(b"one")
    before = open_table(folder).parts[0].mark
    assert open_table(folder).parts[0].mark == before
    (folder / "a.mp4").write_bytes(b"longer")
    changed = open_table(folder).parts[0].mark
    folder_with(tmp_path, "t.csv", "media,label\na.mp4,y\n")
    assert len({before, changed, open_table(folder).parts[0].mark}) == 3


def test_a_text_may_hold_what_other_programs_take_for_the_end_of_a_line(tmp_path: Path) -> None:
    caption = "one\u2028two\x85three"
    (tmp_path / "c").mkdir()
    (tmp_path / "j").mkdir()
    line = json.dumps({"media": "a.mp4", "caption": caption}, ensure_ascii=False)
    for folder in (
        folder_with(tmp_path / "j", "t.jsonl", f"{line}\n"),
        folder_with(tmp_path / "c", "t.csv", f"media,caption\na.mp4,{caption}\n"),
    ):
        (row,) = rows_of(open_table(folder))
        assert isinstance(row, Row) and row.captions == (caption,)
