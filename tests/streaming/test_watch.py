"""Watching a file: shared features change nothing, events are complete, repeated captions are one segment."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from vljepa.data.encode import encode_mp4
from vljepa.data.errors import MediaError
from vljepa.data.video import frames_at
from vljepa.embedder import Embedder
from vljepa.streaming.cuts import Method
from vljepa.streaming.narrator import Description, Narrator, joined
from vljepa.streaming.online import OnlineSettings, online_points
from vljepa.streaming.selective import decode_points
from vljepa.streaming.stream import WindowSettings, embedded_stream
from vljepa.streaming.triggers import TriggerSettings
from vljepa.streaming.watch import WatchSettings, watch


def test_window_embeddings_equal_those_of_the_clips_alone(tiny_embedder: Embedder, video: Path):
    stream = embedded_stream(video, tiny_embedder, settings=WindowSettings(query="what colour"))
    assert stream.times[:3] == ((0.0, 2.0), (0.5, 2.5), (1.0, 3.0))
    for row in (0, 3, 7):
        start = stream.times[row][0]
        window = frames_at(video, [start + 0.5, start + 1.0, start + 1.5, start + 2.0])
        alone = tiny_embedder.predict_clips([window], "what colour")[0]
        torch.testing.assert_close(stream.embeddings[row], alone, rtol=0, atol=1e-4)
    assert stream.seconds_media == pytest.approx(5.5)  # the last of the frames that are looked at


def test_each_frame_is_encoded_once(tiny_embedder: Embedder, video: Path, monkeypatch: pytest.MonkeyPatch):
    counts: list[int] = []
    features = tiny_embedder.frame_features
    monkeypatch.setattr(tiny_embedder, "frame_features", lambda frames: counts.append(len(frames)) or features(frames))
    stream = embedded_stream(video, tiny_embedder, settings=WindowSettings())
    assert sum(counts) == 12  # 6 seconds at 2 frames a second: 4 frames in 2 seconds
    assert len(stream.times) * tiny_embedder.num_frames > 30


def test_start_and_end_cut_the_stream(tiny_embedder: Embedder, video: Path):
    stream = embedded_stream(video, tiny_embedder, settings=WindowSettings(start=2.0, end=5.0))
    assert stream.times[0][0] == pytest.approx(2.0)
    assert stream.times[-1][1] <= 5.0


@pytest.mark.parametrize("decode", ["selective", "ward", "uniform", "every", "never"])
def test_segments_tile_the_stream_and_the_summary_is_last(tiny_embedder: Embedder, video: Path, decode: str):
    settings = WatchSettings(decode=decode, rate=0.5)  # type: ignore[arg-type]
    *segments, summary = list(watch(video, tiny_embedder, settings=settings))
    assert [event["event"] for event in segments] == ["segment"] * len(segments)
    assert summary["event"] == "summary"
    for one, following in itertools.pairwise(segments):
        assert one["end"] == following["start"]
    for event in segments:
        assert event["start"] <= event["time"] <= event["end"]
        assert set(event) == {"event", "start", "end", "time", "caption", "fidelity", "unsure"}
        assert (event["caption"] is None) == (decode == "never")
    # Three decodes may be spent, but six seconds have no room for three segments of two seconds between the others.
    expected = {"selective": 2, "ward": 3, "uniform": 3, "every": summary["windows"], "never": 0}
    assert summary["decodes"] == expected[decode]
    assert summary["decodes_per_hour"] == pytest.approx(summary["decodes"] / summary["seconds_media"] * 3600, rel=1e-3)


def test_selective_segments_meet_where_the_colour_changes(tiny_embedder: Embedder, three_colours: Path):
    settings = WatchSettings(decode="never", rate=0.5, window=0.5, hop=0.25)
    *segments, _ = watch(three_colours, tiny_embedder, settings=settings)
    starts = [event["start"] for event in segments]
    assert starts[1:] == pytest.approx([2.0, 4.0], abs=0.4)


def said(start: float, caption: str, fidelity: float) -> Description:
    return Description(start=start, end=start + 1, time=start + 0.5, caption=caption, fidelity=fidelity)


def test_repeated_captions_become_one_segment_with_the_most_faithful_time():
    merged = joined([said(0.0, "a", 0.2), said(1.0, "a", 0.6), said(2.0, "b", 0.1), said(3.0, "a", 0.3)])
    assert [(one.start, one.end, one.time, one.caption) for one in merged] == [
        (0, 2, 1.5, "a"),
        (2, 3, 2.5, "b"),
        (3, 4, 3.5, "a"),
    ]
    assert merged[0].fidelity == 0.6


@pytest.mark.parametrize(("line", "marked"), [(2.0, True), (-2.0, False), (None, False)])
def test_captions_below_the_line_of_the_model_are_marked(
    tiny_embedder: Embedder, video: Path, line: float | None, marked: bool
):
    calibration = replace(tiny_embedder.calibration, unsure=line)
    embedder = Embedder(replace(tiny_embedder.bundle, calibration=calibration))
    *segments, _ = watch(video, embedder, settings=WatchSettings(rate=0.5))
    assert [event["unsure"] for event in segments] == [marked] * len(segments)


def test_interrupted_stream_tells_what_was_seen(tiny_embedder: Embedder, video: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vljepa.streaming.stream.CLIPS_AT_ONCE", 2)
    settings = WatchSettings(rate=1.0)

    def stop(seconds: float) -> None:
        if seconds >= 3.0:
            raise KeyboardInterrupt

    *segments, summary = list(watch(video, tiny_embedder, settings=settings, progress=stop))
    assert summary["interrupted"]
    assert summary["windows"] == 4
    assert segments


@pytest.fixture
def three_colours(tmp_path: Path) -> Path:
    """Six seconds: red, green and blue without anything that moves."""
    frames = torch.zeros(48, 48, 64, 3, dtype=torch.uint8)
    for colour in range(3):
        frames[16 * colour : 16 * colour + 16, ..., colour] = 200
    path = tmp_path / "plain.mp4"
    path.write_bytes(encode_mp4(frames, fps=8.0))
    return path


@pytest.mark.parametrize("method", get_args(Method))
def test_online_segments_come_while_the_stream_is_running(
    tiny_embedder: Embedder, three_colours: Path, monkeypatch: pytest.MonkeyPatch, method: Method
):
    monkeypatch.setattr("vljepa.streaming.stream.CLIPS_AT_ONCE", 1)
    settings = WatchSettings(decode="never", online=method, rate=0.5, window=0.5, hop=0.25)
    reached = [0.0]
    found = watch(three_colours, tiny_embedder, settings=settings, progress=reached.append)
    told = [(event, reached[-1]) for event in found]
    *segments, (summary, _) = told
    assert [event["start"] for event, _ in segments[1:]] == pytest.approx([2.0, 4.0], abs=0.4)
    assert all(second < event["end"] + 1.5 for event, second in segments[:-1])
    assert segments[0][1] < 4.0
    for (one, _), (following, _) in itertools.pairwise(segments):
        assert one["end"] == following["start"]
    assert summary["windows"] == len(reached) - 1


@pytest.fixture
def fluent(tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    """The tiny model with a decoder that says at once which number is the largest, and so repeats itself."""
    monkeypatch.setattr(tiny_embedder, "decode", lambda rows: [f"a {int(place)}" for place in rows.argmax(dim=1)])
    return tiny_embedder


def test_online_captions_are_those_of_the_same_points_told_at_once(fluent: Embedder, video: Path):
    settings = WatchSettings(online="cluster", rate=0.5, window=0.5, hop=0.25)
    *segments, summary = list(watch(video, fluent, settings=settings))
    stream = embedded_stream(video, fluent, settings=settings)
    points = online_points(stream.embeddings, stream.times, settings=OnlineSettings(method="cluster", rate=0.5))
    narrator = Narrator(fluent, silent=False)
    told = [*narrator.tell(points), *narrator.finish()]
    assert len(points) > 1
    assert [(event["caption"], event["start"]) for event in segments] == [
        (one.caption, round(one.start, 3)) for one in told
    ]
    assert summary["decodes"] == len(points)


def test_a_trigger_is_told_before_the_segments_and_at_its_window(tiny_embedder: Embedder, three_colours: Path):
    texts = ("a red ball", "the door opens", "the cat")
    triggers = TriggerSettings(texts=texts, threshold=0.05, cooldown=100.0)
    settings = WatchSettings(window=0.5, hop=0.25, decode="never", triggers=triggers)
    events = list(watch(three_colours, tiny_embedder, settings=settings))
    fired = [event for event in events if event["event"] == "trigger"]
    assert fired
    assert events[: len(fired)] == fired
    assert "segment" in {event["event"] for event in events}
    for event in fired:
        assert set(event) == {"event", "text", "start", "end", "score"}
        assert event["text"] in texts
        assert event["end"] - event["start"] == pytest.approx(0.5)
        assert event["score"] >= 0.05
    assert len({event["text"] for event in fired}) == len(fired)


def test_ctrl_c_while_decoding_loses_no_segment(fluent: Embedder, three_colours: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vljepa.streaming.stream.CLIPS_AT_ONCE", 1)
    decode, stops = fluent.decode, [KeyboardInterrupt]

    def stop_once(embeddings: torch.Tensor) -> list[str]:
        if stops:
            raise stops.pop()
        return decode(embeddings)

    monkeypatch.setattr(fluent, "decode", stop_once)
    settings = WatchSettings(online="cluster", rate=0.5, window=0.5, hop=0.25)
    *segments, summary = list(watch(three_colours, fluent, settings=settings))
    assert summary["interrupted"]
    assert summary["seconds_embed"] > 0
    assert summary["decodes"] == 2
    assert segments[0]["start"] == 0.0
    assert segments[-1]["end"] == pytest.approx(summary["seconds_media"])


def test_ctrl_c_in_the_last_decoding_tells_what_was_decoded_and_the_rest_without_words(
    fluent: Embedder, video: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vljepa.streaming.narrator.DECODES_AT_ONCE", 2)
    places = iter(range(100))

    def stop_at_the_fifth(embeddings: torch.Tensor) -> list[str]:
        said = [f"thing {next(places)}" for _ in embeddings]
        if "thing 4" in said:
            raise KeyboardInterrupt
        return said

    monkeypatch.setattr(fluent, "decode", stop_at_the_fifth)
    *segments, summary = list(watch(video, fluent, settings=WatchSettings(decode="every")))
    captions = [event["caption"] for event in segments]
    assert captions == [*(f"thing {place}" for place in range(4)), *[None] * (summary["windows"] - 4)]
    assert len(captions) > 4
    assert summary["interrupted"]
    assert summary["decodes"] == 4


def test_descriptions_told_in_pieces_are_those_told_at_once(fluent: Embedder):
    rows = torch.eye(fluent.dim)[[0, 0, 1, 1, 1, 2, 0]]
    points = decode_points("every", rows, times=[(float(place), float(place + 1)) for place in range(7)])
    whole, pieces = Narrator(fluent, silent=False), Narrator(fluent, silent=False)
    expected = [*whole.tell(points), *whole.finish()]
    found = [one for point in points for one in pieces.tell([point])] + pieces.finish()
    assert [(one.start, one.end, one.caption) for one in found] == [
        (one.start, one.end, one.caption) for one in expected
    ]
    assert [one.caption for one in expected] == ["a 0", "a 1", "a 2", "a 0"]
    assert pieces.decodes == len(points)


def test_picture_as_a_source_is_refused(tiny_embedder: Embedder, picture: Path):
    with pytest.raises(MediaError, match="still picture"):
        list(watch(picture, tiny_embedder))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"window": 0.0}, "the window is 0 s"),
        ({"hop": float("nan")}, "the hop is nan s"),
        ({"rate": -1.0}, "the rate is -1"),
        ({"start": -1.0}, "the start is -1 s"),
        ({"end": float("inf")}, "the end is inf s"),
        ({"online": "change", "decode": "uniform"}, "online segments are 'selective', not 'uniform'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        WatchSettings(**settings)
