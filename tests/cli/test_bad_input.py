"""Everything that a person can give wrongly: one sentence on standard error, status 2, nothing on standard output."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.servers import standard_input

from vljepa.cli import output
from vljepa.cli.main import main
from vljepa.cli.output import write_whole
from vljepa.data.encode import encode_mp4
from vljepa.runtime import choose_device


@pytest.fixture
def refused(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a verb that must fail; returns its one sentence."""

    def run(*arguments: str | Path, model: Path = tiny_folder) -> str:
        status = main([*map(str, arguments), "--model", str(model), "--device", "cpu", "--json"])
        out, err = capsys.readouterr()
        assert status == 2, err
        assert out == ""
        assert "Traceback" not in err
        assert len(err.splitlines()) == 1, err
        return err

    return run


def test_media_that_are_not_there_or_not_media(refused: Any, tmp_path: Path, picture: Path, video: Path):
    empty, noise, cut = tmp_path / "empty.jpg", tmp_path / "noise.mp4", tmp_path / "cut.mp4"
    empty.touch()
    noise.write_bytes(b"no medium at all" * 50)
    cut.write_bytes(video.read_bytes()[:900])
    half = tmp_path / "half.jpg"
    half.write_bytes(picture.read_bytes()[:-40])
    assert "there is no such file" in refused("caption", tmp_path / "nowhere.jpg")
    assert "is empty" in refused("caption", empty)
    assert str(noise) in refused("caption", noise)
    assert str(cut) in refused("caption", cut)
    assert "damaged or cut short" in refused("caption", half)
    assert "is a folder" in refused("caption", tmp_path)
    assert "still picture" in refused("watch", picture)


def test_one_bad_medium_among_good_ones_gives_no_results(refused: Any, picture: Path, tmp_path: Path):
    out = tmp_path / "rows.npy"
    assert "no such file" in refused("embed", picture, tmp_path / "nowhere.jpg", "--out", out)
    assert not out.exists()


def test_odd_pictures_are_read(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    cmyk, deep, sliver, moving = (tmp_path / name for name in ("c.jpg", "d.png", "s.png", "m.gif"))
    Image.new("CMYK", (40, 30), (10, 200, 30, 0)).save(cmyk)
    Image.fromarray((np.arange(1200).reshape(30, 40) * 50).astype(np.uint16)).save(deep)
    Image.new("RGB", (1, 1), (200, 0, 0)).save(sliver)
    frames = [Image.new("RGB", (20, 21), (value, 0, 0)) for value in (0, 250)]
    frames[0].save(moving, save_all=True, append_images=frames[1:], duration=100)
    one = tmp_path / "one.mp4"
    one.write_bytes(encode_mp4(np.zeros((1, 33, 35, 3), np.uint8), fps=10.0))
    media = [str(path) for path in (cmyk, deep, sliver, moving, one)]
    assert main(["embed", *media, "--model", str(tiny_folder), "--json"]) == 0
    kinds = [entry["kind"] for entry in json.loads(capsys.readouterr().out)["embeddings"]]
    assert kinds == ["image", "image", "image", "video", "video"]
    assert main(["watch", str(one), "--model", str(tiny_folder), "--json"]) == 0


def test_enormous_picture_is_refused(refused: Any, tmp_path: Path):
    path = tmp_path / "enormous.png"
    Image.new("1", (15000, 15000)).save(path)
    assert "too large" in refused("caption", path)


def test_labels(refused: Any, picture: Path, tmp_path: Path):
    latin, binary = tmp_path / "latin.txt", tmp_path / "binary.txt"
    latin.write_bytes("Katze\nBär\n".encode("latin-1"))
    binary.write_bytes(b"cat\0dog")
    assert "label number 2 is empty" in refused("classify", picture, "--labels", "cat", " ", "dog")
    assert "'cat'" in refused("classify", picture, "--labels", "cat", "dog", "cat")
    assert "no labels" in refused("classify", picture)
    assert "line 2 holds other bytes" in refused("classify", picture, "--labels-file", latin)
    assert "zero bytes" in refused("classify", picture, "--labels-file", binary)
    assert "there is no file" in refused("classify", picture, "--labels-file", tmp_path / "nowhere.txt")
    assert "--top is 0" in refused("classify", picture, "--labels", "cat", "--top", "0")


def test_questions(refused: Any, picture: Path):
    assert "the question is empty" in refused("ask", picture, "  ")
    assert "longer than 63 tokens" in refused("ask", picture, "why " * 10_000)
    assert "candidate number 1 is empty" in refused("ask", picture, "what", "--candidates", "")
    assert "the text is empty" in refused("embed", "--text", " ")
    assert "nothing to embed" in refused("embed")


def test_ranges_and_settings(refused: Any, video: Path, tmp_path: Path):
    assert "ends at" in refused("caption", video, "--start", "100")
    assert "before the start" in refused("caption", video, "--start", "3", "--end", "2")
    assert "ends at" in refused("caption", video, "--start", "1e300")
    assert "shows nothing from 1e+300 s on" in refused("watch", video, "--start", "1e300")
    assert "shows nothing from 0 s to 0 s" in refused("watch", video, "--end", "0")
    assert "the hop is 0 s" in refused("watch", video, "--hop", "0")
    assert "the rate is -1" in refused("watch", video, "--rate=-1")
    assert "trigger number 2 is empty" in refused("watch", video, "--trigger", "a cat", "--trigger", " ")
    assert "'a cat' stands there twice" in refused("watch", video, "--trigger", "a cat", "--trigger", "a cat ")
    assert "longer than 63 tokens" in refused("watch", video, "--trigger", "why " * 100)
    assert "the threshold is 21" in refused("watch", video, "--trigger", "a cat", "--threshold", "21")
    assert "the cooldown is -1 s" in refused("watch", video, "--trigger", "a cat", "--cooldown=-1")
    assert "not 'uniform'" in refused("watch", video, "--online", "--decode", "uniform")
    assert "no folder" in refused("watch", video, "--srt", tmp_path / "nowhere" / "a.srt")
    assert "is a folder" in refused("embed", video, "--out", tmp_path)


def test_model_folders(refused: Any, picture: Path, tiny_folder: Path, tmp_path: Path):
    assert "no model folder" in refused("caption", picture, model=tmp_path / "nowhere")
    assert "config.json is missing" in refused("caption", picture, model=tmp_path)
    for name, change in (("lacking", "drop"), ("extra", "add")):
        folder = tmp_path / name
        shutil.copytree(tiny_folder, folder)
        tensors = load_file(folder / "model.safetensors")
        if change == "drop":
            tensors.pop("predictor.head.bias")
        else:
            tensors["predictor.surplus"] = tensors["predictor.head.bias"].clone()
        save_file(tensors, folder / "model.safetensors")
        sentence = refused("caption", picture, model=folder)
        assert ("predictor.head.bias" if change == "drop" else "predictor.surplus") in sentence
    cut = tmp_path / "cut"
    shutil.copytree(tiny_folder, cut)
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "no complete safetensors file" in refused("caption", picture, model=cut)


def test_sources_of_watch(refused: Any, video: Path, tmp_path: Path):
    folder = tmp_path / "frames"
    folder.mkdir()
    assert "folder without pictures" in refused("watch", folder)
    Image.new("RGB", (8, 8)).save(folder / "1.png")
    assert "give the fps (--fps)" in refused("watch", folder)
    assert "the fps is -1" in refused("watch", folder, "--fps=-1")
    assert "leave the fps (25) out" in refused("watch", video, "--fps", "25")
    assert "there is no camera /dev/video63" in refused("watch", "camera:63")
    assert "names no camera" in refused("watch", "camera:back")
    assert "there is no such file" in refused("watch", tmp_path / "nowhere.mp4")
    sentence = refused("watch", "http://me:secret@127.0.0.1:9/clip.mp4")
    assert "127.0.0.1:9/clip.mp4 cannot be opened" in sentence and "secret" not in sentence
    with standard_input(b"no video at all"):
        assert "standard input holds no video" in refused("watch", "-")


def test_sinks_of_watch(refused: Any, video: Path, tmp_path: Path):
    assert "no address to post to" in refused("watch", video, "--webhook", "example.org")
    same = tmp_path / "same"
    assert "named for two kinds" in refused("watch", video, "--srt", same, "--jsonl", tmp_path / "." / "same")
    assert "no folder" in refused("watch", video, "--vtt", tmp_path / "nowhere" / "a.vtt")
    assert "is no MQTT address" in refused("watch", video, "--mqtt", "broker.local/door")
    assert "is no port to listen on" in refused("watch", video, "--serve-events", "door")
    assert "say what to watch for" in refused("watch", video, "--save-clips", tmp_path / "clips")
    assert "seconds before are -1" in refused("watch", video, "--save-clips", tmp_path, "--before=-1", "--trigger", "a")


def test_nothing_is_written_over_what_is_read(refused: Any, video: Path, tmp_path: Path):
    clip, link = tmp_path / "clip.mp4", tmp_path / "link.srt"
    clip.write_bytes(video.read_bytes())
    link.symlink_to(clip)
    for option in ("--srt", "--vtt", "--jsonl"):
        assert "would be written over" in refused("watch", clip, option, link)
    assert "would be written over" in refused("embed", clip, "--out", clip)
    assert clip.read_bytes() == video.read_bytes()


def test_a_file_that_may_not_be_written_is_told_before_watching(
    refused: Any, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = tmp_path / "kept.srt"
    kept.write_text("mine")
    may = output.os.access
    monkeypatch.setattr(output.os, "access", lambda path, mode: path != kept and may(path, mode))
    assert f"{kept} may not be written: name another file" in refused("watch", video, "--srt", kept)
    assert kept.read_text() == "mine"


def test_a_file_that_fails_costs_neither_the_terminal_nor_the_other_files(
    tiny_folder: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vljepa.streaming.sinks.JsonLines.text", full)
    lines, kept = tmp_path / "events.jsonl", tmp_path / "kept.vtt"
    watched = ["watch", str(video), "--jsonl", str(lines), "--vtt", str(kept), "--model", str(tiny_folder)]
    assert main([*watched, "--rate", "0.5", "--json"]) == 2
    out, err = capsys.readouterr()
    *segments, summary = map(json.loads, out.splitlines())
    assert segments and summary["event"] == "summary"
    assert kept.read_text().count(" --> ") == sum(bool(event["caption"].strip()) for event in segments)
    assert err.splitlines() == [
        f"vljepa: {lines} could not be written (No space left on device): free space or name another file",
        f"written: {kept}",
    ]


@pytest.mark.parametrize("option", ["--srt", "--vtt", "--jsonl"])
def test_a_full_disk_is_one_sentence(
    option: str, tiny_folder: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    assert main(["watch", str(video), option, str(full), "--model", str(tiny_folder), "--json"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence == f"vljepa: {full} could not be written (No space left on device): free space or name another file"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["caption"],
        ["watch", "a.mp4", "--decode", "sometimes"],
        ["watch", "a.mp4", "--online", "soon"],
        ["ask", "a.jpg"],
        ["train", "large"],
    ],
)
def test_wrong_usage_is_status_two(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: vljepa" in err


def test_folders_of_prepare_and_train_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    nowhere = str(tmp_path / "nowhere")
    assert main(["prepare", "small-corpus", "--into", str(tmp_path / "corpus"), "--photos", nowhere]) == 2
    assert "--photos" in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()
    assert main(["train", "small", "--corpus", nowhere, "--run", str(tmp_path / "run")]) == 2
    assert "there is no corpus" in capsys.readouterr().err


def test_devices_that_are_none():
    for name in ("foo", "meta"):
        with pytest.raises(ValueError, match=f"unknown device '{name}': write one of auto, cpu, cuda"):
            choose_device(name)


def test_seconds_that_are_no_number(refused: Any, video: Path):
    for option in ("--start", "--end"):
        assert "is no number" in refused("caption", video, option, "nan")


def test_of_several_media_a_missing_one_is_told_before_any_work(refused: Any, picture: Path, tmp_path: Path):
    assert "nowhere.jpg: there is no such" in refused(
        "classify", picture, tmp_path / "nowhere.jpg", "--labels", "a", "b"
    )


def test_a_page_of_hits_is_named_as_one(refused: Any, tmp_path: Path, picture: Path):
    before = picture.read_bytes()
    assert "does not end with .html" in refused("search", "a", "--in", tmp_path, "--show", picture)
    assert picture.read_bytes() == before


def test_output_goes_where_a_link_leads_and_leaves_a_pipe_what_it_is(tmp_path: Path):
    real, link, pipe = tmp_path / "real.html", tmp_path / "link.html", tmp_path / "pipe"
    real.write_text("old")
    link.symlink_to(real)
    write_whole(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"new")
    assert os.read(reader, 10) == b"new" and pipe.is_fifo()
    os.close(reader)


def test_an_empty_path_is_not_the_folder_one_stands_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["index", "", "--into", str(tmp_path / "library")]) == 2
    assert "a path is empty" in capsys.readouterr().err
    assert not (tmp_path / "library").exists()
