"""Addresses, served on this machine: what breaks off is opened again, what does not come back is told."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.made_videos import noisy, number_of, remuxed
from tests.servers import Visit, serving

from vljepa.data import container, network
from vljepa.data.errors import MediaError, name_of
from vljepa.data.video import Video

COUNT, RATE = 40, 10.0


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("served")
    made = noisy(COUNT, rate=RATE)
    return {
        "index-last.mp4": made,
        "clip.mp4": remuxed(made, folder / "clip.mp4", movflags="faststart").read_bytes(),
        "clip.ts": remuxed(made, folder / "clip.ts").read_bytes(),
    }


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WAITS", (0.01, 0.02, 0.03))


def seen(address: str) -> list[tuple[float, int]]:
    with Video(address) as video:
        return [(round(seconds, 2), number_of(frame)) for seconds, frame in video.iterate(rate=RATE)]


EXPECTED = [(index / 10, index) for index in range(COUNT)]


def test_a_recording_over_http(contents: dict[str, bytes]):
    with serving(lambda visit: visit.send(contents[visit.path[1:]])) as base:
        assert seen(f"{base}/clip.mp4") == EXPECTED
        with Video(f"{base}/clip.ts") as video:
            assert not video.real_time  # it says how many bytes will come


def test_hls(tmp_path: Path):
    playlist = remuxed(noisy(COUNT, rate=RATE), tmp_path / "list.m3u8", hls_time="1", hls_list_size="0")
    with serving(lambda visit: visit.send((tmp_path / visit.path[1:]).read_bytes())) as base:
        assert seen(f"{base}/list.m3u8") == EXPECTED
        playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST", ""))
        with Video(f"{base}/list.m3u8") as video:
            assert video.real_time


def first_visits(broken: Callable[[Visit], None], whole: Callable[[Visit], None], *, count: int):
    """An answer that is broken `count` times and whole afterwards."""
    visits: list[str] = []

    def answer(visit: Visit) -> None:
        visits.append(visit.path)
        broken(visit) if len(visits) <= count else whole(visit)

    return answer


def test_a_recording_that_breaks_off_goes_on_where_it_was(contents: dict[str, bytes], caplog: pytest.LogCaptureFixture):
    clip = contents["clip.mp4"]
    broken = lambda visit: visit.send(clip[: len(clip) // 2], length=len(clip))  # noqa: E731
    with serving(first_visits(broken, lambda visit: visit.send(clip), count=2)) as base:
        assert seen(base) == EXPECTED
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "broke off (Input/output error): try 1 of 3 in 0.01 s" in caplog.text
    assert "try 2 of 3 in 0.02 s" in caplog.text  # the second connection had shown nothing new


def test_a_server_that_is_gone_for_a_while(contents: dict[str, bytes]):
    clip = contents["clip.mp4"]
    visits: list[str] = []

    def answer(visit: Visit) -> None:
        visits.append(visit.path)
        if len(visits) in (2, 3):
            visit.send(status=503)
        else:
            visit.send(clip[: len(clip) // 2] if len(visits) == 1 else clip, length=len(clip))

    with serving(answer) as base:
        assert seen(base) == EXPECTED


def test_a_stream_that_does_not_come_back(contents: dict[str, bytes], caplog: pytest.LogCaptureFixture):
    gone = lambda visit: visit.send(status=404)  # noqa: E731
    live = lambda visit: visit.send_endless(contents["clip.ts"])  # noqa: E731
    with serving(first_visits(live, gone, count=2)) as base, Video(base) as video:
        assert video.real_time
        with pytest.raises(MediaError, match=r"did not come back .*: see to the camera or server, then watch again"):
            list(video.iterate(rate=RATE))
    assert caplog.text.count("try 1 of 3") == 2  # new frames start the count anew
    assert "try 3 of 3" in caplog.text


def test_the_seconds_of_a_stream_that_came_back(contents: dict[str, bytes]):
    clip = contents["clip.ts"]
    with serving(lambda visit: visit.send_endless(clip)) as base, Video(base) as video:
        frames = video.iterate(rate=RATE)
        shown = [next(frames) for _ in range(COUNT + 20)]
    assert [round(seconds, 2) for seconds, _ in shown] == [index / 10 for index in range(COUNT + 20)]
    numbers = [number_of(frame) for _, frame in shown]
    assert numbers[:30] == list(range(30))
    assert numbers.index(0, 30) >= COUNT - 6  # the last frames of a connection may be lost in the decoder
    assert numbers[-10:] == list(range(numbers[-1] - 9, numbers[-1] + 1))


def test_a_camera_that_stops_answering(
    contents: dict[str, bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(container, "_TIMEOUT_SECONDS", 1.0)
    clip = contents["clip.mp4"]

    def hanging(visit: Visit) -> None:
        visit.send(clip[: len(clip) // 2], length=len(clip))
        woken.wait(20)

    woken = threading.Event()
    with serving(first_visits(hanging, lambda visit: visit.send(clip), count=1)) as base:
        assert seen(base) == EXPECTED
        woken.set()
    assert "broke off (no answer): try 1 of 3" in caplog.text


def test_the_sentences_for_addresses(contents: dict[str, bytes], picture: Path):
    answers = {
        "/gone": lambda visit: visit.send(status=404),
        "/text": lambda visit: visit.send(b"no video at all\n" * 50),
        "/nothing": lambda visit: visit.send(b""),
        "/picture": lambda visit: visit.send(picture.read_bytes()),
        "/index-last": lambda visit: visit.send(contents["index-last.mp4"]),
    }
    sentences = {
        "/gone": "cannot be opened .*: check the address and the rights",
        "/text": "does not send a video that can be read: check the address in a player",
        "/nothing": "does not send a video that can be read",
        "/picture": "is a still picture, not a video: give the address of a video",
        "/index-last": "broke off before its first picture .* an MP4 with its index at the end has to be downloaded",
    }
    with serving(lambda visit: answers[visit.path](visit)) as base:
        for path, sentence in sentences.items():
            with pytest.raises(MediaError, match=sentence):
                seen(base + path)
    with pytest.raises(MediaError, match=r"cannot be opened \(Connection refused\)"):
        seen(base)
    with pytest.raises(MediaError, match="cannot be opened"):
        seen("nothing://like/this")


def test_an_address_that_never_answers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(container, "_TIMEOUT_SECONDS", 0.5)
    woken = threading.Event()
    with serving(lambda visit: woken.wait(20) and None) as base:
        with pytest.raises(MediaError, match=r"did not answer for 0\.5 s: check that the camera is on"):
            Video(base)
        woken.set()


def test_passwords_are_not_told():
    assert name_of("rtsp://user:secret@camera/1?a=b@c") == "rtsp://camera/1?a=b@c"
    with pytest.raises(MediaError) as raised:
        seen("http://user:secret@127.0.0.1:9/clip")
    assert "secret" not in str(raised.value)
    assert "127.0.0.1:9/clip" in str(raised.value)
