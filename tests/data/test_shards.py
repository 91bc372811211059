"""Shards keep samples as they are, byte for byte the same each time, and damage is named by file and key."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from vljepa.data.shards import (
    ShardError,
    read_corpus,
    read_listing,
    read_shard,
    record_from_sample,
    sample_from,
    write_listing,
    write_shard,
)
from vljepa.types import Event, Question, Sample, Told

FULL = Sample(
    key="a-000",
    media=b"\x89 not really a picture",
    extension="jpg",
    captions=("a dog", "a d\u00f6g"),
    source="made",
    licence="MIT",
    concept="dog",
    split="test",
    negatives=("a cat",),
    questions=(Question(query="what?", answer="dog", candidates=("dog", "cat"), kind="name"),),
    events=(Event(action="barks", start=0.5, end=1.0),),
    label="dog",
    credit="someone",
    backwards=Told(
        captions=("a god",),
        negatives=("a tac",),
        questions=(Question(query="who?", answer="god", candidates=("god", "tac"), kind="name"),),
        label="god",
    ),
    crops=3,
)
BARE = Sample(
    key="a-001",
    media=b"x" * 700,
    extension="mp4",
    captions=("b",),
    source="made",
    licence="MIT",
    concept="b",
    split="train",
)


def corpus(folder: Path) -> Path:
    one = write_shard(folder, "one-000.tar", samples=[FULL, BARE]) | {"licence": "MIT", "source": "one"}
    two = write_shard(folder, "two-000.tar", samples=[replace(BARE, key="c")]) | {"licence": "MIT", "source": "two"}
    write_listing(folder, [one, two])
    return folder


def tar_with(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    entry = write_shard(tmp_path, "a-000.tar", samples=[FULL, BARE])
    assert list(read_shard(tmp_path / "a-000.tar")) == [FULL, BARE]
    assert entry["count"] == 2 and entry["splits"] == {"test": 1, "train": 1}
    assert entry["bytes"] == (tmp_path / "a-000.tar").stat().st_size


def test_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_shard(tmp_path / "1", "a.tar", samples=[FULL, BARE])
    second = write_shard(tmp_path / "2", "a.tar", samples=iter([FULL, BARE]))
    assert first["sha256"] == second["sha256"]


def test_nothing_is_left_when_the_samples_fail_half_way(tmp_path: Path) -> None:
    def failing():  # type: ignore[no-untyped-def]
        yield FULL
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path, "a.tar", samples=failing())
    assert list(tmp_path.iterdir()) == []


def test_two_samples_with_one_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"a\.tar: two samples have the key 'a-000'"):
        write_shard(tmp_path, "a.tar", samples=[FULL, FULL])


def test_a_record_of_another_tool_is_read_when_the_required_fields_are_there() -> None:
    foreign = {"captions": ["x"], "source": "s", "licence": "MIT", "book": "b", "core": True}
    sample = sample_from(foreign, b"m", extension="jpg", key="k")
    assert (sample.concept, sample.split, sample.questions) == ("k", "train", ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"captions": "one"}, "list of captions"),
        ({"source": None}, "no source"),
        ({"licence": None}, "no licence"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"questions": [{"query": "q"}]}, "lacks 'answer'"),
        ({"crops": -1}, "crops is -1"),
        ({"crops": "many"}, "crops is 'many'"),
    ],
)
def test_records_that_are_no_samples_are_refused_with_their_key(change: dict[str, object], words: str) -> None:
    with pytest.raises(ShardError, match=f"k: .*{words}"):
        sample_from(record_from_sample(FULL) | change, b"m", extension="jpg", key="k")


def test_corpus_is_filtered_by_split_and_source(tmp_path: Path) -> None:
    corpus(tmp_path)
    assert [sample.key for sample in read_corpus(tmp_path)] == ["a-000", "a-001", "c"]
    assert [sample.key for sample in read_corpus(tmp_path, split="train", verify=True)] == ["a-001", "c"]
    assert [sample.key for sample in read_corpus(tmp_path, sources=["two"])] == ["c"]
    with pytest.raises(ValueError, match=r"no source 'three'; it holds: one, two"):
        list(read_corpus(tmp_path, sources=["three"]))


def test_source_of_a_foreign_shard_is_the_stem_of_its_name(tmp_path: Path) -> None:
    entry = write_shard(tmp_path, "grocery-000.tar", samples=[BARE])
    write_listing(tmp_path, [entry])
    assert len(list(read_corpus(tmp_path, sources=["grocery"]))) == 1


def test_missing_truncated_and_changed_shards_are_named(tmp_path: Path) -> None:
    corpus(tmp_path)
    path = tmp_path / "one-000.tar"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"not really", b"NOT REALLY"))
    assert len(list(read_corpus(tmp_path))) == 3
    with pytest.raises(ShardError, match=r"one-000\.tar has sha256"):
        list(read_corpus(tmp_path, verify=True))
    path.write_bytes(whole[:900])
    with pytest.raises(ShardError, match=rf"one-000\.tar has 900 bytes instead of {len(whole)}"):
        list(read_corpus(tmp_path))
    with pytest.raises(ShardError, match=r"one-000\.tar.*cut short"):
        list(read_shard(path))
    path.unlink()
    with pytest.raises(ShardError, match=r"one-000\.tar is listed in shards\.json but missing"):
        list(read_corpus(tmp_path))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"k.json": b"{}"}, "k has no medium"),
        ({"k.jpg": b"m"}, r"k has no record k\.json"),
        ({"k.jpg": b"m", "k.json": b"{"}, "k: the record is not JSON"),
        ({"k.jpg": b"m", "k.json": b"[]"}, "k: the record is not a JSON object"),
        ({"k.jpg": b"m", "k.json": b"{}"}, "k: the record needs a list of captions"),
    ],
)
def test_unpaired_and_unreadable_records_are_named_by_file_and_key(
    tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    with pytest.raises(ShardError, match=rf"bad\.tar: {words}"):
        list(read_shard(tar_with(tmp_path / "bad.tar", files)))


def test_listing_errors(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="is not a corpus"):
        read_listing(tmp_path)
    (tmp_path / "shards.json").write_text(json.dumps({"shards": [{"count": 1}]}))
    with pytest.raises(ShardError, match=r"shards\.json is damaged"):
        read_listing(tmp_path)
