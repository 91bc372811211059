"""Preparing goes on where it was stopped, gives the same bytes however it ran, and keeps each picture once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.data.given_shards import GROCERY, OPENSTAX, write_given

from vljepa.data.corpora import prepare as prepare_module
from vljepa.data.corpora.names import NAMES, SIMULATED, corpora
from vljepa.data.corpora.prepare import Prepared, prepare
from vljepa.data.packages import Package
from vljepa.data.shards import ShardError, read_corpus, read_listing
from vljepa.lock import LOCK_NAME, writer_lock
from vljepa.types import Sample


class Made:
    """Three parts of three pictures; the second part repeats a picture of the first, and one is left out."""

    name = "made"
    licence = "MIT"
    about = "made for the test"
    packages: tuple[Package, ...] = ()
    folders: tuple[str, ...] = ()

    def __init__(self, *, stops_at: int = -1) -> None:
        self.skipped: Counter[str] = Counter()
        self.stops_at = stops_at

    def parts(self) -> int:
        return 3

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        self.skipped = Counter({"too blurred": 1})
        for index in range(3):
            if part == self.stops_at and index == 1:
                raise KeyboardInterrupt
            twice = part == 1 and index == 0
            yield Sample(
                key=f"made-{part}-{index}",
                media=b"picture 0 0" if twice else f"picture {part} {index}".encode(),
                extension="jpg",
                captions=("a thing",),
                source="made",
                licence="MIT",
                concept=f"{part}",
                split=("train", "validation", "test")[index],
            )


class NeedsPhotos(Made):
    name = "needs-photos"
    folders = ("photos",)


def made(monkeypatch: pytest.MonkeyPatch, folder: Path, source: Made, **settings: object) -> Prepared:
    monkeypatch.setattr(prepare_module, "corpora", lambda names: {source.name: source})
    return prepare(folder, cache=folder / "cache", sources=(source.name,), progress=False, **settings)  # type: ignore[arg-type]


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != LOCK_NAME}


def test_counts_splits_and_reasons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepared = made(monkeypatch, tmp_path, Made())
    assert prepared.counts["made"] == {"train": 2, "validation": 3, "test": 3}
    assert prepared.skipped["made"] == {"too blurred": 3, "picture twice": 1}
    assert (prepared.total, prepared.built, prepared.reused) == (8, 3, 0)
    assert len(list(read_corpus(tmp_path, verify=True))) == 8
    assert {entry["source"] for entry in read_listing(tmp_path)} == {"made"}


def test_an_interrupted_preparation_resumes_and_gives_identical_bytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made(monkeypatch, tmp_path / "whole", Made())
    with pytest.raises(KeyboardInterrupt):
        made(monkeypatch, tmp_path / "cut", Made(stops_at=1))
    assert sorted(shards(tmp_path / "cut")) == ["made-000.tar", "shards.json"]
    resumed = made(monkeypatch, tmp_path / "cut", Made())
    assert (resumed.built, resumed.reused) == (2, 1)
    assert shards(tmp_path / "cut") == shards(tmp_path / "whole")


def test_a_second_run_builds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = made(monkeypatch, tmp_path, Made())
    second = made(monkeypatch, tmp_path, Made(stops_at=0))
    assert (second.built, second.reused) == (0, 3)
    assert (second.counts, second.skipped) == (first.counts, first.skipped)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_shard_is_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str) -> None:
    made(monkeypatch, tmp_path, Made())
    whole = shards(tmp_path)
    path = tmp_path / "made-002.tar"
    path.write_bytes(b"cut") if damage == "cut" else path.unlink()
    assert made(monkeypatch, tmp_path, Made()).built == 1
    assert shards(tmp_path) == whole


def test_processes_give_the_same_shards(tmp_path: Path) -> None:
    photos = write_given(tmp_path / "photos", {"openstax-000.tar": [OPENSTAX], "grocery-000.tar": [GROCERY]})
    for workers in (1, 2):
        prepare(
            tmp_path / str(workers),
            cache=tmp_path / "cache",
            sources=("openstax", "grocery"),
            photos=photos,
            workers=workers,
            progress=False,
        )
    assert shards(tmp_path / "1") == shards(tmp_path / "2")
    assert len(shards(tmp_path / "2")) == 3


def test_sources_without_their_folder_are_left_out_with_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepared = made(monkeypatch, tmp_path, NeedsPhotos())
    assert prepared.total == 0
    assert prepared.notes == ["needs-photos is left out: it needs --photos FOLDER"]
    assert made(monkeypatch, tmp_path, NeedsPhotos(), photos=tmp_path).total == 8


def test_unknown_sources_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no source 'photos'; choose among openstax, .*physics"):
        prepare(tmp_path / "new", cache=tmp_path, sources=("photos",), progress=False)
    assert not (tmp_path / "new").exists()


def test_each_light_source_says_what_it_is_and_needs() -> None:
    found = corpora(tuple(name for name in NAMES if name not in SIMULATED))
    assert tuple(found) == NAMES[: -len(SIMULATED)]
    for name, source in found.items():
        assert source.name == name and source.licence and source.about and source.parts() > 0
        # Shapes are drawn by us; everything else comes from somewhere.
        assert bool(source.packages or source.folders) == (name != "shapes")


def test_a_second_one_in_the_same_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        writer_lock(tmp_path, error=ShardError),
        pytest.raises(ShardError, match=r"is being written by process \d+ on .*: wait until it is done"),
    ):
        made(monkeypatch, tmp_path, Made())
    assert made(monkeypatch, tmp_path, Made()).total == 8
