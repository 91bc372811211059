"""The command line from outside: JSON and nothing else on standard output, exit statuses, whole files."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.made_videos import noisy, remuxed
from tests.servers import Visit, serving, standard_input

import vljepa
from vljepa.cli import watch
from vljepa.cli.main import VERBS, main
from vljepa.tasks.answer import Answer
from vljepa.tasks.caption import Caption

SOURCE = str(Path(vljepa.__file__).parents[1])


@pytest.fixture
def told(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a verb with --json on the tiny model; returns the objects on standard output, one a line."""

    def run(*arguments: str | Path) -> list[dict[str, Any]]:
        status = main([*map(str, arguments), "--model", str(tiny_folder), "--device", "cpu", "--json"])
        out, err = capsys.readouterr()
        assert status == 0, err
        return [json.loads(line) for line in out.splitlines()]

    return run


def test_embed_gives_vectors_of_all_kinds(told: Any, picture: Path, video: Path):
    (found,) = told("embed", picture, video, "--text", "a red ball", "cat")
    assert set(found) == {"embeddings", "model"}
    assert [entry["kind"] for entry in found["embeddings"]] == ["image", "video", "text", "text"]
    assert [entry["input"] for entry in found["embeddings"]] == [str(picture), str(video), "a red ball", "cat"]
    for entry in found["embeddings"]:
        assert entry["dim"] == len(entry["vector"]) == 16
        assert np.linalg.norm(entry["vector"]) == pytest.approx(1, abs=1e-2)
    assert found["model"].startswith("tiny ")


def test_embed_writes_the_same_vectors_into_a_file(told: Any, picture: Path, tmp_path: Path):
    (shown,) = told("embed", picture, "--text", "cat")
    (found,) = told("embed", picture, "--text", "cat", "--out", tmp_path / "rows")
    rows = np.load(tmp_path / "rows")
    assert all("vector" not in entry for entry in found["embeddings"])
    np.testing.assert_array_equal(rows, np.array([entry["vector"] for entry in shown["embeddings"]], np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_classify_ranks_labels_of_both_kinds(told: Any, picture: Path, video: Path, tmp_path: Path):
    file = tmp_path / "labels.txt"
    file.write_text("blaue Kugel\nçiçek\n\n", encoding="utf-8-sig")
    (found,) = told("classify", picture, video, "--labels", "cat", "dog", "--labels-file", file)
    assert [result["media"] for result in found["results"]] == [str(picture), str(video)]
    for result in found["results"]:
        scores = result["scores"]
        assert {score["label"] for score in scores} == {"cat", "dog", "blaue Kugel", "çiçek"}
        assert [score["cosine"] for score in scores] == sorted((score["cosine"] for score in scores), reverse=True)
        total = sum(score["probability"] for score in scores) + result["none_of_these"]
        assert total == pytest.approx(1, abs=1e-4)


def test_classify_tells_the_best_only(told: Any, picture: Path):
    (found,) = told("classify", picture, "--top", "1", "--labels", "cat", "dog", "door")
    assert len(found["results"][0]["scores"]) == 1


def test_ask_ranks_or_decodes(told: Any, video: Path):
    (ranked,) = told("ask", video, "what colour is it", "--candidates", "red", "green")
    assert ranked["ranked"] is True
    assert ranked["answer"] == ranked["scores"][0]["label"]
    (said,) = told("ask", video, "what colour is it", "--start", "1", "--end", "2.5")
    assert said["ranked"] is False
    assert said["scores"] == []


def test_caption_has_a_fidelity(told: Any, picture: Path):
    (found,) = told("caption", picture)
    assert set(found) == {"caption", "fidelity", "unsure"}
    assert -1 <= found["fidelity"] <= 1


def test_watch_gives_one_event_a_line_and_subtitles(told: Any, video: Path, tmp_path: Path):
    srt = tmp_path / "said.srt"
    *segments, summary = told("watch", video, "--rate", "0.5", "--srt", srt)
    assert summary["event"] == "summary"
    needed = {"windows", "decodes", "seconds_media", "seconds_embed", "seconds_decode", "decodes_per_hour"}
    assert needed <= set(summary)
    assert srt.read_text().count(" --> ") == sum(bool(event["caption"].strip()) for event in segments)


def test_watch_sends_the_same_events_everywhere(told: Any, video: Path, tmp_path: Path):
    vtt, lines, posted = tmp_path / "said.vtt", tmp_path / "events.jsonl", []

    def answer(visit: Visit) -> None:
        posted.append(json.loads(visit.body()))
        visit.send(status=204)

    with serving(answer) as address:
        events = told("watch", video, "--rate", "0.5", "--vtt", vtt, "--jsonl", lines, "--webhook", address)
    assert events[-1]["event"] == "summary"
    assert [json.loads(line) for line in lines.read_text().splitlines()] == events
    assert posted == events
    assert vtt.read_text().startswith("WEBVTT\n\n00:00:00.000 --> ")


def test_watch_takes_a_folder_and_standard_input(told: Any, video: Path, tmp_path: Path):
    for number in range(8):
        Image.new("RGB", (40, 30), (number * 30, 0, 0)).save(tmp_path / f"{number}.png")
    *_, summary = told("watch", tmp_path, "--fps", "2", "--decode", "never")
    assert summary["seconds_media"] == 3.5
    with standard_input(remuxed(video.read_bytes(), tmp_path / "clip.ts").read_bytes()):
        *_, summary = told("watch", "-", "--when-slow", "wait", "--decode", "never")
    assert (summary["windows"], summary["dropped_frames"]) == (8, 0)


def test_ctrl_c_on_a_silent_pipe_ends_with_the_summary(tiny_folder: Path, tmp_path: Path):
    """A process of its own: its thread still waits for the pipe when it ends."""
    clip = remuxed(noisy(40, rate=2.0), tmp_path / "clip.ts").read_bytes()
    command = [sys.executable, "-m", "vljepa.cli", "watch", "-", "--model", str(tiny_folder), "--decode", "never"]
    reading, writing = os.pipe()
    with open(tmp_path / "out", "w+b") as out, open(tmp_path / "err", "w+b") as err, open(writing, "wb") as pipe:
        process = subprocess.Popen(
            [*command, "--json"], stdin=reading, stdout=out, stderr=err, env=os.environ | {"PYTHONPATH": SOURCE}
        )
        pipe.write(clip)
        pipe.flush()
        while fcntl.ioctl(reading, termios.FIONREAD, bytes(4)) != bytes(4) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(2)  # from the last byte to an embedding
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, err.seek(0) or err.read()
    os.close(reading)
    assert (tmp_path / "err").read_text() == ""
    *segments, summary = map(json.loads, (tmp_path / "out").read_text().splitlines())
    assert summary["interrupted"] and summary["windows"] > 0
    assert segments


def test_watch_tells_segments_online_and_triggers(told: Any, video: Path, tiny_folder: Path, capsys: Any):
    watched = ("watch", video, "--window", "0.5", "--hop", "0.25", "--rate", "0.5", "--decode", "never")
    triggers = ("--trigger", "a red ball", "--trigger", "the cat", "--threshold", "0.01", "--cooldown", "0.5")
    *events, _ = told(*watched, "--online", *triggers)
    assert {event["event"] for event in events} == {"segment", "trigger"}
    assert {event["text"] for event in events if event["event"] == "trigger"} <= {"a red ball", "the cat"}
    *named, _ = told(*watched, "--online", "clear")
    assert named == [event for event in events if event["event"] == "segment"]
    assert main([*map(str, (*watched, *triggers)), "--model", str(tiny_folder)]) == 0
    assert re.search(r"^0:\d\d\.\d - 0:\d\d\.\d  ! (a red ball|the cat)   \(score \d", capsys.readouterr().out, re.M)


def test_words_for_people_go_to_standard_output(
    tiny_folder: Path, picture: Path, video: Path, capsys: pytest.CaptureFixture[str]
):
    model = ["--model", str(tiny_folder), "--device", "cpu"]
    assert main(["classify", str(picture), "--labels", "cat", "dog", *model]) == 0
    assert "(none of these)" in capsys.readouterr().out
    assert main(["watch", str(video), "--decode", "never", *model]) == 0
    assert "0 decodes for 8 windows" in capsys.readouterr().out
    assert main(["embed", str(picture), *model]) == 0
    assert "16 numbers" in capsys.readouterr().out
    assert main(["ask", str(picture), "what is it", "--candidates", "cat", *model]) == 0
    assert capsys.readouterr().out.startswith("cat\n")


UNSURE = [(True, "a dog   (fidelity 0.20, unsure)\n"), (False, "a dog   (fidelity 0.20)\n")]


@pytest.mark.parametrize(("unsure", "words"), UNSURE)
def test_watch_says_which_captions_are_unsure(unsure: bool, words: str, capsys: pytest.CaptureFixture[str]):
    said = {"event": "segment", "start": 0.0, "end": 2.0, "caption": "a dog", "fidelity": 0.2, "unsure": unsure}
    watch._say_event(said)
    assert capsys.readouterr().out.endswith(words)


@pytest.mark.parametrize(("unsure", "words"), UNSURE)
def test_captions_and_decoded_answers_say_whether_they_are_unsure(
    picture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, unsure: bool, words: str
):
    caption = Caption(caption="a dog", fidelity=0.2, unsure=unsure)
    answer = Answer(answer="a dog", ranked=False, fidelity=0.2, unsure=unsure)
    monkeypatch.setattr("vljepa.api.Model.caption", lambda *given, **told: caption)
    monkeypatch.setattr("vljepa.api.Model.ask", lambda *given, **told: answer)
    for verb in (["caption", str(picture)], ["ask", str(picture), "what is it?"]):
        assert main([*verb, "--device", "cpu"]) == 0
        assert capsys.readouterr().out == words


def test_doctor_looks_at_everything(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["doctor", "--json", "--device", "cpu", "--model", str(tiny_folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    names = {check["name"] for check in found["checks"]}
    assert names == {
        "python", "memory", "torch", "device", "graphics processors", "bfloat16", "8 bits", "torchvision", "video",
        "pictures", "hub", "model",
    }  # fmt: skip
    assert main(["doctor", "--json", "--model", str(tmp_path)]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_help_and_version_import_no_torch():
    script = "import sys\nfrom vljepa.cli.main import main\nmain(sys.argv[1:])\nassert 'torch' not in sys.modules"
    for arguments in (["--help"], ["--version"], ["classify", "--help"], ["watch", "--help"]):
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": SOURCE}
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_each_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]):
    assert main([verb, "--help"]) == 0
    assert f"usage: vljepa {verb}" in capsys.readouterr().out


def test_a_mistake_of_ours_is_status_one_without_a_traceback(
    tiny_folder: Path, picture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vljepa.api.Model.caption", lambda *_, **__: 1 / 0)
    assert main(["caption", str(picture), "--model", str(tiny_folder)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "ZeroDivisionError" in err
    assert "report" in err
    assert "Traceback" not in err
