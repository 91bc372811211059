"""Published forms: image-text tars, PLM's conversations, Action100M's tree, each from a made-up piece of its form."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from vljepa.data.encode import encode_mp4
from vljepa.data.readers.action100m import open_action100m
from vljepa.data.readers.build import BuildSettings
from vljepa.data.readers.image_text import open_image_text
from vljepa.data.readers.plm import open_plm
from vljepa.data.readers.prepare import PreparedSource, prepare_source
from vljepa.data.readers.row import Left, ReaderError, Row, Source
from vljepa.data.shards import read_corpus


def rows_of(source: Source) -> list[Row | Left]:
    return [row for part in source.parts for row in part.rows()]


def prepared(source: Source, into: Path) -> PreparedSource:
    return prepare_source(source, into, settings=BuildSettings(test=0, validation=0), progress=False)


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((20, 24, 3), shade, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_image_text_shards_in_the_form_of_datacomp(tmp_path: Path) -> None:
    facts = json.dumps({"url": "http://example.com/1.jpg", "caption": "unused", "license": "CC BY"}).encode()
    tar(tmp_path / "00000.tar", {"0001.png": png(1), "0001.txt": b" a cat ", "0001.json": facts, "0002.txt": b"alone"})
    tar(tmp_path / "00001.tar", {"0001.png": png(2), "0001.json": b'{"caption": "a dog"}', "0002.png": png(3)})
    source = open_image_text(str(tmp_path))
    assert len(source.parts) == 2
    cat, alone, dog, silent = rows_of(source)
    assert isinstance(cat, Row) and isinstance(dog, Row)
    assert (cat.captions, cat.licence, cat.credit) == (("a cat",), "CC BY", "http://example.com/1.jpg")
    assert dog.captions == ("a dog",) and dog.media == png(2)
    assert isinstance(alone, Left) and alone.reason == "no medium"
    assert isinstance(silent, Left) and silent.reason == "no text"
    assert rows_of(open_image_text((tmp_path / "0000*.tar").as_uri().replace("%2A", "*"))) == [cat, alone, dog, silent]
    result = prepared(source, tmp_path / "out")
    assert result.total == 2 and result.left == {"no medium": 1, "no text": 1}


@pytest.mark.parametrize("facts", [b"[]", b"3", b"null", b"{", b"\xff"])
def test_facts_of_another_form_leave_their_picture_out(facts: bytes, tmp_path: Path) -> None:
    path = tar(tmp_path / "0.tar", {"1.png": png(1), "1.txt": b"\xef\xbb\xbfa cat", "1.json": facts, "2.png": png(2)})
    left, _ = rows_of(open_image_text(str(path)))
    assert isinstance(left, Left) and left.sentence.startswith("0.tar: 1: its texts cannot be read (")


def test_a_tar_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"1.png": png(1) * 20, "1.txt": b"x"})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ReaderError, match=r"a.tar is damaged or cut short .*: fetch it again"):
        rows_of(open_image_text(str(path)))
    with pytest.raises(ReaderError, match="holds no tar"):
        open_image_text(str(tmp_path / "b-*.tar"))


def test_conversations_in_the_form_of_plm(tmp_path: Path) -> None:
    def turns(*said: str) -> list[dict[str, str]]:
        return [{"from": ("human", "assistant")[k % 2], "value": text} for k, text in enumerate(said)]

    lines = [
        {"image": "a.png", "conversations": turns("<image>\nWhat colour?", "red", "How many?", "2")},
        {"image": "b.png", "conversations": turns("<image>", "a red square")},
        {"video": "c.mp4", "label": "juggling", "start_time": 1, "end_time": 2.5},
        {"video": "c.mp4", "question": "who?", "answer": "a clown", "candidates": ["a clown", "a dog"]},
        {"conversations": turns("hello", "hello")},
        {"image": ["a.png", "b.png"], "conversations": turns("same?", "no")},
        {"image": "a.png", "conversations": turns("only a question")},
    ]
    (tmp_path / "sft_mix.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = open_plm(tmp_path / "sft_mix.jsonl")
    assert source.name == "plm-sft-mix"
    first, second, third, fourth, *left = rows_of(source)
    assert isinstance(first, Row) and isinstance(second, Row) and isinstance(third, Row) and isinstance(fourth, Row)
    assert [(q.query, q.answer) for q in first.questions] == [("What colour?", "red"), ("How many?", "2")]
    assert second.captions == ("a red square",) and not second.questions
    assert (third.label, third.start, third.end) == ("juggling", 1.0, 2.5)
    assert fourth.questions[0].candidates == ("a clown", "a dog")
    reasons = [row.reason for row in left if isinstance(row, Left)]
    assert reasons == ["no medium", "several media", "line that makes no sense"]


def node(number: int, start: float, end: float, **texts: object) -> dict[str, object]:
    empty = {"gpt": None, "plm_caption": None, "plm_action": None, "llama3_caption": None}
    return {"node_id": str(number), "parent_id": None, "level": 1, "start": start, "end": end, **empty, **texts}


def gpt(action: str, *, detailed: str, summary: str) -> dict[str, object]:
    return {
        "action": {"brief": action, "detailed": detailed, "actor": "a cook"},
        "summary": {"brief": summary, "detailed": f"{summary}, slowly"},
    }


def test_the_tree_of_action100m_becomes_clips_with_weighted_texts(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    frames = np.zeros((30, 32, 48, 3), np.uint8)
    frames[15:] = 200
    (videos / "abc.mp4").write_bytes(encode_mp4(frames, fps=10.0))
    nodes = [
        node(0, 0.0, 1.4, gpt=gpt("cut", detailed="cut it", summary="a hand cuts"), plm_caption="cutting"),
        node(1, 1.5, 2.9, gpt=gpt("N/A", detailed="", summary="it is bright")),
        node(2, 2.0, 2.5, llama3_caption="a frame"),
    ]
    table = pa.Table.from_pylist(
        [
            {"video_uid": "abc", "metadata": {"title": "x"}, "nodes": nodes},
            {"video_uid": "gone", "metadata": {"title": "y"}, "nodes": nodes},
        ]
    )
    parquet.write_table(table, tmp_path / "part-0.parquet", row_group_size=1)
    source = open_action100m(tmp_path, media=videos)
    assert len(source.parts) == 2
    result = prepared(source, tmp_path / "out")
    assert result.left == {"no such video": 1, "no text": 1}
    dark, bright = read_corpus(tmp_path / "out")
    assert dict(zip(dark.captions, dark.weights, strict=True)) == {
        "cut": 1.0,
        "a hand cuts": 1.0,
        "cut it": 0.5,
        "a hand cuts, slowly": 0.5,
        "cutting": 0.5,
    }
    assert dict(zip(bright.captions, bright.weights, strict=True)) == {"it is bright": 1.0, "it is bright, slowly": 0.5}
    assert (dark.concept, bright.concept, dark.credit) == ("abc", "abc", "abc")
    assert dark.origin == bright.origin != "" and dark.media != bright.media


def test_nodes_without_times_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"x")
    nodes = [node(0, float("nan"), 2.0, plm_caption="a"), node(1, -1.0, 2.0, plm_caption="b"), None]
    untimed = [{"node_id": 2, "plm_caption": "c"}]
    for name, found in (("0", nodes), ("1", untimed)):
        table = pa.Table.from_pylist([{"video_uid": "v", "nodes": found}])
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    left = rows_of(open_action100m(tmp_path, media=tmp_path))
    assert [row.sentence for row in left if isinstance(row, Left)] == [
        "v node 0: start is nan: give seconds from 0",
        "v node 1: start is -1: give seconds from 0",
        "v node 2: start is None: give seconds, as 2.5",
    ]


@pytest.mark.parametrize(
    ("columns", "message"), [(["video_uid"], "no column nodes"), (None, "no parquet file that can")]
)
def test_other_files_are_refused(tmp_path: Path, columns: list[str] | None, message: str) -> None:
    path = tmp_path / "a.parquet"
    if columns is None:
        path.write_bytes(b"PAR1 not")
    else:
        parquet.write_table(pa.table({name: ["x"] for name in columns}), path)
    with pytest.raises(ReaderError, match=message):
        open_action100m(path, media=tmp_path)
    with pytest.raises(ReaderError, match="give the folder of the videos with --media"):
        open_action100m(path, media=None)
