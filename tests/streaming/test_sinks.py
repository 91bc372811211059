"""The same events in every format; files that hold all that came at any moment, and say when the disk is full."""

import json
from pathlib import Path
from typing import Any

import pytest

from vljepa.streaming.sinks import JsonLines, Sink, SubRip, WebVtt, server_sent

EVENTS: list[dict[str, Any]] = [
    {"event": "segment", "start": 0.0, "end": 61.25, "caption": "a cat & <b>Bär</b> -->\n\n two", "fidelity": 0.2,
     "unsure": False},
    {"event": "segment", "start": 61.25, "end": 62.0, "caption": None, "fidelity": None, "unsure": False},
    {"event": "segment", "start": 62.0, "end": 63.0, "caption": " ", "fidelity": 0.1, "unsure": True},
    {"event": "trigger", "time": 62.0, "text": "a cat"},
    {"event": "segment", "start": 3723.004, "end": 3723.004, "caption": "a dog", "fidelity": 0.3, "unsure": True},
    {"event": "summary", "windows": 7},
]  # fmt: skip


def written(sink: Sink, path: Path) -> str:
    for event in EVENTS:
        sink.put(event)
    sink.close()
    return path.read_bytes().decode()


def test_subrip(tmp_path: Path):
    assert written(SubRip(tmp_path / "a.srt"), tmp_path / "a.srt") == (
        "1\n00:00:00,000 --> 00:01:01,250\na cat & <b>Bär</b> --> two\n\n"
        "2\n01:02:03,004 --> 01:02:03,504\n(unsure) a dog\n\n"
    )


def test_webvtt_is_escaped(tmp_path: Path):
    assert written(WebVtt(tmp_path / "a.vtt"), tmp_path / "a.vtt") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:01:01.250\na cat &amp; &lt;b&gt;Bär&lt;/b&gt; --&gt; two\n\n"
        "01:02:03.004 --> 01:02:03.504\n(unsure) a dog\n\n"
    )


def test_json_lines_hold_every_event(tmp_path: Path):
    lines = written(JsonLines(tmp_path / "a.jsonl"), tmp_path / "a.jsonl").splitlines()
    assert [json.loads(line) for line in lines] == EVENTS
    assert "Bär" in lines[0]


def test_a_name_that_is_no_text_is_written_and_read_back(tmp_path: Path):
    event: dict[str, Any] = {"event": "clip", "path": b"k\xf6ln.mp4".decode(errors="surrogateescape")}
    sink = JsonLines(tmp_path / "a.jsonl")
    sink.put(event)
    sink.close()
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8")) == event
    assert server_sent(event).encode()


def test_server_sent_events_name_their_kind():
    text = server_sent(EVENTS[0])
    kind, data, *rest = text.split("\n")
    assert kind == "event: segment"
    assert json.loads(data.removeprefix("data: ")) == EVENTS[0]  # on one line, although the caption has three
    assert rest == ["", ""]


def test_files_grow_with_the_events_and_replace_older_ones(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text("of last week\n" * 100)
    sink = JsonLines(path)
    assert path.read_text().startswith("of last week")  # until there is something to tell
    for count, event in enumerate(EVENTS, start=1):
        sink.put(event)
        assert len(path.read_text().splitlines()) == count
    sink.close()


def test_a_stream_without_captions_has_empty_subtitles(tmp_path: Path):
    for sink, content in ((SubRip(tmp_path / "a"), ""), (WebVtt(tmp_path / "b"), "WEBVTT\n\n")):
        sink.put(EVENTS[-1])
        sink.close()
        assert sink._path.read_text() == content


@pytest.mark.parametrize("kind", [SubRip, WebVtt, JsonLines])
def test_a_full_disk(kind: type[JsonLines]):
    sink = kind(Path("/dev/full"))
    with pytest.raises(ValueError, match=r"/dev/full could not be written \(No space left on device\): free space or"):
        sink.put(EVENTS[0])
    sink.close()
    assert Path("/dev/full").is_char_device()
