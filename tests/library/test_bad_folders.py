"""What a folder may hold, and what may happen to an index: nothing is lost, nothing hangs, a sentence says why."""

import io
import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.conftest import tiny_bundle
from tests.library.conftest import SETTINGS, write_picture, write_video

import vljepa
from vljepa.cli.main import main
from vljepa.embedder import Embedder
from vljepa.index.engines.opened import settled
from vljepa.library import IndexFolderError, Library
from vljepa.library.library import rebuild
from vljepa.library.looking import jpeg
from vljepa.lock import LOCK_NAME, writer_lock


def reasons(indexed: Any) -> dict[str, str]:
    return {Path(failure.path).name: failure.error for failure in indexed.failures}


def test_what_is_no_medium_is_told_and_not_tried_again(library: Library, media: Path, monkeypatch: pytest.MonkeyPatch):
    (media / "noise.mp4").write_bytes(b"no medium at all" * 50)
    (media / "empty.jpg").touch()
    (media / "half.mp4").write_bytes((media / "colours.mp4").read_bytes()[:900])
    (media / "link.png").symlink_to(media / "nowhere.png")
    indexed = library.add([media], settings=SETTINGS)
    assert indexed.counts.added == 4
    said = reasons(indexed)
    assert set(said) == {"noise.mp4", "empty.jpg", "half.mp4", "link.png"}
    assert "is not a video that can be read" in said["noise.mp4"]
    assert "is empty (0 bytes)" in said["empty.jpg"]
    assert "cut short" in said["half.mp4"]
    assert "cannot be read" in said["link.png"]
    monkeypatch.setattr("vljepa.library.looking._opened", lambda *_: pytest.fail("looked at again"))
    again = library.add([media])
    assert (again.counts.failed, again.counts.unchanged) == (4, 4)
    assert reasons(again) == said


def test_pipes_and_devices_are_told_and_not_waited_for(library: Library, media: Path):
    os.mkfifo(media / "pipe.mp4")
    (media / "endless.mp4").symlink_to("/dev/zero")
    indexed = library.add([media], settings=SETTINGS)
    assert indexed.counts.added == 4
    said = reasons(indexed)
    assert set(said) == {"pipe.mp4", "endless.mp4"}
    assert all("is a pipe or a device" in sentence for sentence in said.values())


def test_a_file_that_becomes_whole_is_indexed_then(library: Library, media: Path):
    whole = (media / "white.mp4").read_bytes()
    (media / "white.mp4").write_bytes(whole[: len(whole) // 2])
    assert library.add([media], settings=SETTINGS).counts.failed == 1
    (media / "white.mp4").write_bytes(whole)
    assert library.add([media]).counts.added == 1
    assert library.failures() == []
    (media / "white.mp4").write_bytes(b"damaged")
    assert library.add([media / "white.mp4"]).counts.failed == 1
    assert not [medium for medium in library.media() if medium.path.endswith("white.mp4")]


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_time(
    library: Library, media: Path, monkeypatch: pytest.MonkeyPatch
):
    from vljepa.library import looking

    opened = looking._opened

    def growing(file: Any, *rest: Any) -> Any:
        found = opened(file, *rest)
        if file.path.endswith("red.png"):
            write_picture(Path(file.path), (1, 2, 3)).touch()
        return found

    monkeypatch.setattr(looking, "_opened", growing)
    assert "changed while it was read" in reasons(library.add([media], settings=SETTINGS))["red.png"]
    monkeypatch.undo()
    assert library.add([media]).counts.added == 1


def test_links_in_circles_end(library: Library, media: Path):
    (media / "photos" / "up").symlink_to(media)
    (media / "photos" / "self").symlink_to(media / "photos")
    assert library.add([media], settings=SETTINGS).counts.files == len(library.media()) == 4


def test_a_folder_that_may_not_be_read_keeps_what_was_indexed(
    library: Library, media: Path, monkeypatch: pytest.MonkeyPatch
):
    library.add([media], settings=SETTINGS)
    scan = os.scandir

    def closed(path: Any) -> Any:
        if str(path).endswith("photos"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    indexed = library.add([media])
    assert indexed.unreadable == (str(media / "photos"),)
    assert indexed.counts.dropped == 0
    assert len(library.media()) == 4


def test_names_with_newlines_and_bytes_that_are_no_text(
    library: Library, media: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
):
    odd = os.path.join(os.fsencode(media), b"white\n\xff\xfe.mp4")
    os.rename(media / "white.mp4", odd)
    write_picture(Path(os.fsdecode(os.path.join(os.fsencode(media), b"\xe9.png"))), (9, 9, 9))
    assert library.add([media], settings=SETTINGS).counts.added == 5
    assert os.fsdecode(odd) in [medium.path for medium in library.media()]
    for extra in (["--json"], [], ["--show", str(media / "found.html")]):
        given = ["search", "cat", "--in", str(library.folder), "--model", str(tiny_folder), "--device", "cpu"]
        assert main([*given, "--path", "*white*", *extra]) == 0
        out = capsys.readouterr().out
        if "--json" in extra:
            assert {hit["media"] for hit in json.loads(out)["hits"]} == {os.fsdecode(odd)}
    assert "\\udcff" in (media / "found.html").read_text()


def test_a_folder_of_a_hundred_thousand_files(library: Library, tmp_path: Path, media: Path):
    folder = tmp_path / "huge"
    folder.mkdir()
    write_picture(folder / "one.png", (1, 1, 1))
    source = str(media / "notes.txt")
    descriptor = os.open(folder, os.O_RDONLY)
    # A file has 65,000 names at most on some systems.
    for number in range(100_000):
        if number % 50_000 == 0:
            source = str(folder / f"{number}.txt")
            Path(source).touch()
        else:
            os.link(source, f"{number}.txt", dst_dir_fd=descriptor)
    os.close(descriptor)
    indexed = library.add([folder], settings=SETTINGS)
    assert (indexed.counts.files, indexed.counts.added, indexed.counts.others) == (1, 1, 100_000)


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """Sets how large files may become, as a disk that fills up would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [16, 60_000])
def test_a_full_disk_loses_nothing(
    library: Library, media: Path, tmp_path: Path, room: Callable[[int], None], size: int
):
    library.add([media / "photos"], settings=SETTINGS)
    kept = library.media()
    room(size)
    with pytest.raises(IndexFolderError, match="free space and run the same command again"):
        for number in range(200):  # until the limit is reached
            write = write_picture if number % 2 else write_video
            room(resource.RLIM_INFINITY)
            write(tmp_path / f"{number}.{'png' if number % 2 else 'mp4'}", (number, 200 - number, number))
            room(size)
            library.add([tmp_path / f"{number}.{'png' if number % 2 else 'mp4'}"])
    room(resource.RLIM_INFINITY)
    assert [medium for medium in library.media() if medium.path.startswith(str(media / "photos"))] == kept
    library.add([media])
    assert library._engine.stats().count == sum(medium.num_segments for medium in library.media())
    assert library.search(like=media / "photos" / "red.png", top=1).hits[0].cosine == pytest.approx(1, abs=1e-2)


def test_a_second_indexer_is_told_who_the_first_is(library: Library, media: Path):
    code = (
        "import sys, pathlib\nfrom vljepa.lock import writer_lock\n"
        "with writer_lock(pathlib.Path(sys.argv[1]), error=ValueError):\n"
        "    print('held', flush=True)\n    sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(vljepa.__file__).parents[1])}
    arguments = [sys.executable, "-c", code, str(library.folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as first:
        assert first.stdout is not None and first.stdout.readline() == b"held\n"
        with pytest.raises(IndexFolderError, match=f"is being written by process {first.pid} on .*: wait until"):
            library.add([media])
        first.kill()  # its file stays, and is recognised as nobody's
    assert (library.folder / LOCK_NAME).read_text().startswith(f"process {first.pid}")
    assert library.add([media], settings=SETTINGS).counts.added == 4
    with writer_lock(library.folder, error=IndexFolderError):
        pass


def test_the_index_of_another_model_is_refused_with_the_command_that_rebuilds_it(
    library: Library, media: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
):
    library.add([media], settings=SETTINGS)
    library.close()
    with pytest.raises(IndexFolderError, match="was made by the model tiny") as refused:
        Library.open(library.folder, Embedder(tiny_bundle(seed=1)))
    command = str(refused.value).rsplit(": ", 1)[1]
    assert command == f"vljepa index {media} --into {library.folder} --rebuild"
    assert main([*command.split()[1:], "--model", str(tiny_folder), "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["added"], told["failed"], told["bottleneck"]) == (4, 0, told["bottleneck"])


def test_a_rebuilt_library_keeps_its_settings_and_nothing_is_emptied_for_a_wrong_command(
    library: Library, media: Path, tiny_folder: Path, tiny_embedder: Embedder, tmp_path: Path
):
    library.add([media], settings=SETTINGS)
    library.close()

    def index(*arguments: str | Path) -> int:
        return main(["index", *map(str, arguments), "--model", str(tiny_folder), "--device", "cpu"])

    def held() -> int:
        with Library.open(library.folder, tiny_embedder) as opened:
            assert opened.settings == SETTINGS
            return len(opened.media())

    assert index(tmp_path / "typo", "--into", library.folder, "--rebuild") == 2
    assert index(media, "--into", library.folder, "--rebuild", "--rate", "0") == 2
    assert index(media, "--into", library.folder, "--rebuild", "--engine", "none:here") == 2
    assert held() == 4
    assert index(media, "--into", library.folder, "--rebuild") == 0
    assert held() == 4
    assert index(media, "--into", tmp_path / "new", "--rebuild") == 0


def test_a_library_whose_vectors_are_gone_says_so(library: Library, media: Path, tiny_embedder: Embedder):
    library.add([media], settings=SETTINGS)
    library.close()
    for path in library.folder.glob("vectors*"):
        path.unlink()
    with pytest.raises(IndexFolderError, match=r"knows of \d+ vectors, of which 0 are in its engine flat.*--rebuild"):
        Library.open(library.folder, tiny_embedder)
    rebuild(library.folder, tiny_embedder)
    with Library.open(library.folder, tiny_embedder) as opened:
        assert opened.settings == SETTINGS
        assert opened.add([media]).counts.added == 4


def test_a_name_of_an_engine_is_settled_only_where_it_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert settled("milvus:a.db") == f"milvus:{tmp_path}/a.db"
    for name in ("flat", "qdrant:http://host:6333", "pgvector:host=here dbname=vectors", "qdrant:", "none:here"):
        assert settled(name) == name


def test_an_engine_in_a_folder_is_found_from_everywhere(
    media: Path, tmp_path: Path, tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with Library.open("made", tiny_embedder, create=True, engine="qdrant:here") as opened:
        opened.add([media], settings=SETTINGS)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with Library.open("../made", tiny_embedder) as opened:
        assert opened.search("cat").hits
    assert not list(Path().iterdir())


def test_copies_of_what_cannot_be_used_are_told_too(library: Library, media: Path):
    for name in ("one.mp4", "two.mp4"):
        (media / name).write_bytes(b"no medium at all" * 50)
    said = reasons(library.add([media], settings=SETTINGS))
    assert {name: name in error for name, error in said.items()} == {"one.mp4": True, "two.mp4": True}


def test_a_frame_too_long_for_a_jpeg_becomes_a_smaller_one():
    small = Image.open(io.BytesIO(jpeg(torch.zeros(70_400, 32, 3, dtype=torch.uint8), 64)))
    assert (small.width, small.height) == (30, 65_500)


def test_a_hit_whose_file_is_gone_is_not_asked(library: Library, media: Path, caplog: pytest.LogCaptureFixture):
    library.add([media], settings=SETTINGS)
    (media / "white.mp4").unlink()
    hits = library.search("cat", question="what is it?", top=50).hits
    assert hits and not [hit for hit in hits if hit.media.endswith("white.mp4")]
    assert "white.mp4" in caplog.text and "vljepa index" in caplog.text


def test_brackets_in_a_path_are_letters(library: Library, media: Path):
    (media / "[2023] trip").mkdir()
    write_picture(media / "[2023] trip" / "red.png", (210, 0, 0))
    library.add([media], settings=SETTINGS)
    for path in ("[2023] trip", "*/[2023]*"):
        assert [Path(hit.media).parent.name for hit in library.search("cat", path=path).hits] == ["[2023] trip"]


@pytest.mark.parametrize("name", ["start", "end", "min_seconds", "max_seconds"])
def test_what_is_no_number_of_seconds_is_refused(library: Library, name: str):
    with pytest.raises(ValueError, match="no number"):
        library.search("cat", **{name: float("nan")})


def test_an_index_that_may_not_be_opened_is_not_called_damaged(library: Library, monkeypatch: pytest.MonkeyPatch):
    library.close()

    def closed(*_: Any, **__: Any) -> Any:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", closed)
    with pytest.raises(IndexFolderError, match="check its rights"):
        Library.open(library.folder)


def test_what_is_no_index_is_refused(tmp_path: Path, tiny_embedder: Embedder):
    with pytest.raises(IndexFolderError, match=f"no index in {tmp_path}: vljepa index PATHS --into"):
        Library.open(tmp_path, tiny_embedder)
    (tmp_path / "library.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(IndexFolderError, match="is damaged or no index"):
        Library.open(tmp_path, tiny_embedder)


def test_ctrl_c_keeps_what_was_finished(library: Library, media: Path):
    def pressed(state: Any) -> None:
        if state.counts.added:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.add([media], settings=SETTINGS, progress=pressed)
    kept = len(library.media())
    assert 0 < kept < 4
    again = library.add([media])
    assert (again.counts.unchanged, again.counts.added) == (kept, 4 - kept)
