"""The API over HTTP: what clients send, what they get, and how it is said no to them."""

import base64
import errno
import hashlib
import io
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from tests.serving.services import Running, running, wait_for
from tests.serving.test_media import gif

from vljepa.embedder import Embedder
from vljepa.library import IndexSettings, Library
from vljepa.serving.app import server as listening
from vljepa.serving.service.limits import Limits


@pytest.fixture(scope="module")
def embedder(tiny_embedder: Embedder) -> Embedder:
    return Embedder(tiny_embedder.bundle)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, picture: Path, video: Path) -> Path:
    """Media that may be named, one that may not, and a library of the former."""
    folder = tmp_path_factory.mktemp("open")
    (folder / "sub").mkdir()
    (folder / "colours.mp4").write_bytes(video.read_bytes())
    (folder / "sub" / "halves.jpg").write_bytes(picture.read_bytes())
    (folder / "secret.mp4").symlink_to(video)
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder, folder: Path) -> Path:
    place = tmp_path_factory.mktemp("libraries") / "one"
    with Library.open(place, embedder, create=True) as library:
        library.add([folder / "colours.mp4", folder / "sub"], settings=IndexSettings(rate=0.5, window=1.0, hop=0.5))
    return place


@pytest.fixture(scope="module")
def served(embedder: Embedder, folder: Path, library: Path) -> Iterator[Running]:
    """One service for most of the tests."""
    with running(embedder, roots=[folder], library=library, sources={"door": str(folder / "colours.mp4")}) as service:
        yield service


def data_address(path: Path, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def refused(reply: object, status: int, words: str) -> None:
    assert reply.status_code == status, reply.text  # type: ignore[attr-defined]
    error = reply.json()["error"]  # type: ignore[attr-defined]
    assert re.search(words, error["message"]), error
    assert error["code"] == status


def test_embeddings_of_texts_pictures_and_videos_are_the_embedders(
    served: Running, embedder: Embedder, picture: Path, video: Path
) -> None:
    coded = base64.b64encode(video.read_bytes()).decode()
    items = [
        "a red ball",
        {"type": "image_url", "image_url": {"url": data_address(picture)}},
        {"type": "video_base64", "video_base64": coded, "start": 0, "end": 2},
        {"type": "path", "path": "sub/halves.jpg"},
        {"type": "text", "text": "cat"},
    ]
    reply = served.post("/v1/embeddings", {"input": items, "model": "tiny"})
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert (told["object"], told["model"]) == ("list", "tiny")
    assert [entry["index"] for entry in told["data"]] == [0, 1, 2, 3, 4]
    assert told["usage"]["total_tokens"] > 0
    rows = np.array([entry["embedding"] for entry in told["data"]], np.float32)
    seen = embedder.predict_clips([embedder.clip(picture), embedder.clip(video, start=0.0, end=2.0)]).numpy()
    written = embedder.texts(["a red ball", "cat"]).numpy()
    expected = np.stack([written[0], seen[0], seen[1], seen[0], written[1]])
    np.testing.assert_allclose(rows, expected, atol=1e-4)
    packed = served.post("/v1/embeddings", {"input": "cat", "encoding_format": "base64"}).json()["data"][0]["embedding"]
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(packed), "<f4"), written[1], atol=1e-5)


def test_dimensions_models_and_shapes_that_mean_nothing_are_refused(served: Running) -> None:
    assert served.post("/v1/embeddings", {"input": "cat", "dimensions": 16}).status_code == 200
    refused(served.post("/v1/embeddings", {"input": "cat", "dimensions": 8}), 422, "16 dimensions")
    refused(served.post("/v1/embeddings", {"input": "cat", "model": "text-embedding-3"}), 404, "ask for 'tiny'")
    refused(served.post("/v1/embeddings", {"input": []}), 422, "nothing to embed")
    refused(served.post("/v1/embeddings", {"input": ["cat", " "]}), 422, "number 2 is empty")
    refused(served.post("/v1/embeddings", {"input": "cat", "inptu": 1}), 422, "inptu")
    refused(served.post("/v1/embeddings", {"input": [{"type": "text"}]}), 422, "needs the field 'text'")
    refused(served.post("/v1/embeddings", {"input": "word " * 500}), 422, "longer than")
    refused(
        served.client.post("/v1/embeddings", content=b"{", headers={"content-type": "application/json"}), 422, "JSON"
    )
    refused(served.client.post("/v1/embeddings", content=b"cat", headers={"content-type": "text/plain"}), 415, "json")
    refused(served.client.get("/v1/nothing"), 404, "Not Found")
    refused(served.client.get("/v1/embeddings"), 405, "Method")


def test_media_are_classified_asked_and_captioned_by_address_path_and_upload(
    served: Running, picture: Path, folder: Path
) -> None:
    labels = ["red", "green", "blue"]
    by_address = served.post("/v1/classify", {"medium": data_address(picture), "labels": labels}).json()
    by_path = served.post("/v1/classify", {"medium": "sub/halves.jpg", "labels": labels}).json()
    form = {"labels": labels, "query": ""}
    sent = served.client.post("/v1/classify", data=form, files={"file": ("x.jpg", picture.read_bytes())}).json()
    assert by_address == by_path == sent
    assert sum(score["probability"] for score in sent["scores"]) + sent["none_of_these"] == pytest.approx(1, abs=1e-4)
    asked = served.post("/v1/answer", {"medium": "colours.mp4", "question": "what?", "candidates": labels}).json()
    assert asked["ranked"]
    assert asked["answer"] == asked["scores"][0]["label"]
    part = {"type": "path", "path": str(folder / "colours.mp4"), "start": 1, "end": 2}
    told = served.post("/v1/caption", {"medium": part}).json()
    assert set(told) == {"caption", "fidelity", "unsure"}


def test_what_is_not_open_or_no_medium_is_refused(served: Running, picture: Path, video: Path) -> None:
    for path in ("../../x.mp4", "/etc/passwd", str(video), "secret.mp4", "sub/../../../x"):
        refused(served.post("/v1/caption", {"medium": path}), 403, "outside the folders")
    refused(served.post("/v1/caption", {"medium": "none.mp4"}), 404, "there is no 'none.mp4'")
    refused(served.post("/v1/caption", {"medium": "http://example.org/a.mp4"}), 403, "not fetched here")
    refused(served.post("/v1/caption", {"medium": "data:image/png;base64,AAAA"}), 415, "not a video")
    refused(served.post("/v1/caption", {"medium": "data:image/png;base64,"}), 415, "empty")
    refused(served.post("/v1/classify", {"medium": data_address(picture), "labels": ["a", "a"]}), 422, "more often")
    refused(served.post("/v1/classify", {"medium": data_address(picture), "labels": []}), 422, "at least one")
    refused(served.post("/v1/classify", {"labels": ["a"]}), 422, "medium")


def test_a_name_of_a_file_leads_nowhere(served: Running) -> None:
    before = sorted(path.name for path in served.service.shelf._folder.iterdir())
    content = io.BytesIO()
    Image.new("RGB", (40, 30), (1, 2, 3)).save(content, "PNG")
    for name in (
        "../../../tmp/evil.jpg",
        "/etc/passwd",
        "..\\..\\evil.jpg",
        "a\x01b.jpg",
        "x" * 3000 + ".jpg",
        "<b>.html",
    ):
        reply = served.client.post("/v1/media", files={"file": (name, content.getvalue())})
        assert reply.status_code == 201, reply.text
    kept = sorted(path.name for path in served.service.shelf._folder.iterdir())
    assert len(set(kept) - set(before)) <= 1
    assert all(name.startswith("upload-") for name in kept)
    key = reply.json()["id"]
    headers = served.client.get(f"/v1/media/{key}/content").headers
    assert headers["content-type"] in ("application/octet-stream", "image/jpeg")
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]
    refused(served.client.post("/v1/media", files={"file": ("a.mp4", b"PK\x05\x06" + bytes(18))}), 415, "not a video")
    refused(served.client.post("/v1/media", files={"file": ("a.mp4", b"")}), 415, "empty")
    refused(served.client.post("/v1/media", data={"file": "text"}), 422, "holds no file")
    refused(served.client.get("/v1/media/upload-0/content"), 404, "no upload")
    refused(served.client.get("/v1/media/..%2f..%2fetc%2fpasswd/content"), 404, ".")


def test_a_video_plays_in_ranges_and_has_a_timeline_with_captions(served: Running, video: Path) -> None:
    key = served.client.post("/v1/media", files={"file": ("colours.mp4", video.read_bytes())}).json()["id"]
    part = served.client.get(f"/v1/media/{key}/content", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, video.read_bytes()[10:20])
    assert part.headers["content-type"] == "video/mp4"
    assert served.client.get(f"/v1/media/{key}/content", headers={"Range": "bytes=99999999-"}).status_code == 416
    refused(served.post(f"/v1/media/{key}/captions", {"spans": [[0, 1]]}), 422, "ask for its timeline first")
    drawn = wait_for(
        lambda: (reply := served.client.get(f"/v1/media/{key}/timeline")).status_code == 200 and reply.json()
    )
    windows = len(drawn["change"])
    assert len(drawn["edges"]) == windows + 1
    assert sorted(drawn["boundaries"]) == list(range(1, windows))
    assert len(drawn["costs"]) == windows - 1
    told = served.post(f"/v1/media/{key}/captions", {"spans": [[0, windows], [0, 2], [0, windows]]}).json()["captions"]
    assert told[0] == told[2]
    refused(served.post(f"/v1/media/{key}/captions", {"spans": [[2, 1]]}), 422, "no windows 2 to 1")


def test_the_library_is_listed_searched_and_played(served: Running, picture: Path) -> None:
    media = served.client.get("/v1/media").json()["media"]
    assert [Path(medium["path"]).name for medium in media] == ["colours.mp4", "halves.jpg"]
    film = media[0]["id"]
    found = served.post("/v1/search", {"text": "a red ball", "top": 3}).json()
    assert found["hits"]
    assert 0 <= found["no_match"] <= 1
    assert {hit["media"] for hit in found["hits"]} <= {medium["id"] for medium in media}
    assert served.post("/v1/search", {"like": data_address(picture), "top": 1}).json()["hits"]
    segments = served.client.get(f"/v1/media/{film}/segments").json()["segments"]
    thumbnail = served.client.get(f"/v1/segments/{segments[0]['id']}/thumbnail")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert served.client.get(f"/v1/media/{film}/content").status_code == 200
    assert served.client.get(f"/v1/media/{film}/timeline").status_code == 200
    assert served.post(f"/v1/media/{film}/captions", {"spans": [[0, 2]]}).status_code == 200
    refused(served.client.get("/v1/media/999/content"), 404, "no medium")
    refused(served.post("/v1/search", {}), 422, "nothing to look for")


def test_what_was_indexed_and_now_lies_elsewhere_is_not_played(
    served: Running, folder: Path, library: Path, embedder: Embedder, tmp_path: Path
) -> None:
    film = next(m for m in served.client.get("/v1/media").json()["media"] if m["path"].endswith("halves.jpg"))
    path = Path(film["path"])
    content = path.read_bytes()
    path.unlink()
    refused(served.client.get(f"/v1/media/{film['id']}/content"), 404, "not there any more")
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(content)
    path.symlink_to(secret)
    refused(served.client.get(f"/v1/media/{film['id']}/content"), 403, "outside the folders")
    path.unlink()
    path.write_bytes(content)


def test_a_job_indexes_what_is_open_and_nothing_else(served: Running, folder: Path, picture: Path, video: Path) -> None:
    (folder / "more").mkdir(exist_ok=True)
    (folder / "more" / "another.png").write_bytes(picture.read_bytes())
    strange = os.fsencode(folder) + b"/more/n\xff\n.mp4"
    Path(os.fsdecode(strange)).write_bytes(video.read_bytes()[:3000])
    (folder / "more" / os.fsdecode(b"w\xff.gif")).write_bytes(b"no picture")
    refused(served.post("/v1/index", {"paths": ["/etc"]}), 403, "outside the folders")
    refused(served.post("/v1/index", {"paths": []}), 422, "at least one path")
    started = served.post("/v1/index", {"paths": ["more"]})
    assert started.status_code == 202
    key = started.json()["id"]
    job = wait_for(
        lambda: (told := served.client.get(f"/v1/index/{key}").json())["state"] in ("done", "failed") and told
    )
    assert job["state"] == "done", job["error"]
    assert job["result"]["files"] == 3
    assert "w\ufffd.gif" in str(job["result"]["failures"])
    assert served.client.get("/v1/media").status_code == 200
    assert served.client.get("/v1/index").json()["jobs"]
    assert served.client.delete(f"/v1/index/{key}").status_code == 202
    refused(served.client.get("/v1/index/none"), 404, "no job")


def test_a_stream_is_followed_to_its_end_and_deleted(served: Running) -> None:
    created = served.post("/v1/streams", {"source": "door", "rate": 1.0, "triggers": ["a red ball"], "window": 1.0})
    assert created.status_code == 201, created.text
    key = created.json()["id"]
    assert served.service.streams.get(key).settings.online == "clear"  # as `watch --online`
    events = list(served.events(f"/v1/streams/{key}/events"))
    kinds = [event["event"] for event in events]
    assert {"window", "segment", "summary"} <= set(kinds)
    assert kinds[-1] == "state"
    assert events[-1]["state"] == "ended", events[-1]
    assert served.client.get(f"/v1/streams/{key}").json()["windows"] == kinds.count("window")
    assert served.client.get(f"/v1/streams/{key}/picture").content[:2] == b"\xff\xd8"
    assert served.client.delete(f"/v1/streams/{key}").status_code == 204
    refused(served.client.get(f"/v1/streams/{key}"), 404, "no stream")


def test_streams_of_what_was_not_allowed_are_refused(served: Running) -> None:
    for source in ("rtsp://10.0.0.1/a", "camera:0", "/dev/video0", "-", "http://127.0.0.1/x.mp4"):
        refused(served.post("/v1/streams", {"source": source}), 403, "started with .door.: start it with --source")
    refused(served.post("/v1/streams", {"source": "../../x.mp4"}), 403, "outside")
    refused(served.post("/v1/streams", {"source": "door", "rate": 0}), 422, "rate is 0")


def test_health_metrics_and_description_are_there_and_load_nothing_from_elsewhere(served: Running) -> None:
    assert served.client.get("/healthz").json() == {"status": "ok"}
    assert served.client.get("/v1/service").json()["library"]["media"] >= 2
    served.post("/v1/embeddings", {"input": "one more"})
    families = {family.name: family for family in text_string_to_metric_families(served.client.get("/metrics").text)}
    counted = {s.labels["route"]: s.value for s in families["vljepa_requests"].samples if s.name.endswith("_total")}
    assert counted["/v1/embeddings"] >= 1
    assert {"vljepa_request_seconds", "vljepa_batch_size", "vljepa_waiting"} <= set(families)
    described = served.client.get("/openapi.json").json()
    assert "/v1/streams/{key}/events" in described["paths"]
    assert described["components"]["schemas"]["EmbeddingsRequest"]["properties"]["input"]
    static = Path(listening.__file__).parents[1] / "static"
    for path in ("/", "/docs", *(f"/static/{file.name}" for file in static.iterdir())):
        page = served.client.get(path)
        assert page.status_code == 200
        addresses = [found for found in re.findall(r"https?://[\w.]+", page.text) if found != "http://www.w3.org"]
        assert [found for found in addresses if "camera.local" not in found] == []


def test_strangers_are_let_in_nowhere(embedder: Embedder, folder: Path) -> None:
    with running(embedder, token="a long word", roots=[folder]) as served:
        stranger = {"Authorization": ""}
        for path in ("/v1/service", "/metrics", "/v1/media", "/v1/streams", "/v1/index"):
            refused(served.client.get(path, headers=stranger), 401, "Authorization: Bearer")
            for wrong in ("Bearer a long wor", "Bearer", "Basic a long word", "Bearer Ä"):
                assert served.client.get(path, headers={"Authorization": wrong.encode()}).status_code == 401
        assert served.client.get("/v1/service").status_code == 200
        for path in ("/", "/docs", "/healthz", "/static/main.js"):
            assert served.client.get(path, headers=stranger).status_code == 200
        assert served.client.get("/static/../v1/service", headers=stranger).status_code == 401
        refused(served.post("/v1/session", {"token": "wrong"}, headers=stranger), 401, "not the token")
        entered = served.post("/v1/session", {"token": "a long word"}, headers=stranger)
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "a long word" not in cookie
        assert served.client.get("/v1/service", headers=stranger).status_code == 200  # by its cookie now
        served.client.cookies.clear()
        assert served.client.get("/v1/service", headers=stranger | {"Cookie": "vljepa=guess"}).status_code == 401


def test_pages_of_other_sites_reach_nothing(served: Running) -> None:
    refused(served.client.get("/v1/media", headers={"Host": "evil.example"}), 403, "evil.example")
    refused(
        served.post("/v1/embeddings", {"input": "a"}, headers={"Origin": "http://evil.example"}), 403, "other sites"
    )
    own = f"http://127.0.0.1:{served.port}"
    assert served.post("/v1/embeddings", {"input": "a"}, headers={"Origin": own}).status_code == 200
    assert served.client.get("/v1/media", headers={"Host": f"localhost:{served.port}"}).status_code == 200
    assert "access-control-allow-origin" not in served.client.get("/v1/media").headers


@pytest.fixture(scope="module")
def strict(embedder: Embedder) -> Iterator[Running]:
    """A service with small limits."""
    limits = Limits(body=20_000, receive=1.0, requests=2, bodies=30_000, items=4, streams=1, seconds=20)
    with running(embedder, limits=limits) as service:
        yield service


def raw(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back for bytes that are sent by hand."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        with suppress(BrokenPipeError, ConnectionResetError):  # the answer may come before all is sent
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
        return answer


HEAD = b"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"


def test_what_is_too_large_is_refused_before_it_has_come(strict: Running) -> None:
    announced = raw(strict.port, HEAD + b"Content-Length: 99999999\r\n\r\n")
    assert announced.startswith(b"HTTP/1.1 413")
    assert b"larger than 20000 bytes" in announced
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    unannounced = raw(strict.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk[:100])
    assert unannounced.startswith(b"HTTP/1.1 413")
    refused(strict.post("/v1/embeddings", {"input": ["a"] * 5}), 413, "more than 4")
    packed = strict.client.post("/v1/embeddings", content=b"x", headers={"content-encoding": "gzip"})
    refused(packed, 415, "not unpacked")


def test_those_who_send_slowly_are_left(strict: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = time.monotonic()
    slow_body = raw(strict.port, HEAD + b'Content-Length: 20\r\n\r\n{"inp')
    assert slow_body.startswith(b"HTTP/1.1 408")
    monkeypatch.setattr(listening, "HEADER_SECONDS", 0.3)
    for parts in ((b"",), (b"POST /v1/emb",), (HEAD,), (b"G", b"E", b"T", b" ", b"/", b" ")):
        assert raw(strict.port, *parts, pause=0.1).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - begin < 8
    assert strict.client.get("/healthz").status_code == 200


def test_too_many_at_a_time_are_told_when_to_come_again(strict: Running) -> None:
    with ExitStack() as lines:

        def one_more() -> httpx.Response | None:
            line = lines.enter_context(socket.create_connection(("127.0.0.1", strict.port), timeout=10))
            line.sendall(HEAD + b"Content-Length: 20\r\n\r\n")
            reply = strict.client.get("/healthz")
            return reply if reply.status_code == 503 else None

        reply = wait_for(one_more)
    refused(reply, 503, "handled already")
    assert int(reply.headers["retry-after"]) >= 1
    wait_for(lambda: strict.client.get("/healthz").status_code == 200)


def test_bodies_together_stay_within_memory(strict: Running) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as first:
        first.sendall(HEAD + b"Content-Length: 19000\r\n\r\n" + b" " * 18_000)
        time.sleep(0.1)
        answer = raw(strict.port, HEAD + b"Content-Length: 19000\r\n\r\n" + b" " * 18_000)
        assert answer.startswith((b"HTTP/1.1 503", b"HTTP/1.1 408"))
        assert b"bodies fill the memory" in answer
    wait_for(lambda: strict.post("/v1/embeddings", {"input": "a"}).status_code == 200)


def test_one_stream_too_many_is_the_clients_own_doing(embedder: Embedder, folder: Path) -> None:
    sources = {"door": str(folder / "colours.mp4")}
    with running(embedder, limits=Limits(streams=1), sources=sources) as served:
        with served.service.worker._changed:  # the model does not get on, so the first stream lasts
            first = served.service.watch("door", settings=_settings())
            reply = served.post("/v1/streams", {"source": "door"})
            refused(reply, 429, "delete one first")
            assert int(reply.headers["retry-after"]) >= 1
        wait_for(lambda: first.state == "ended")
        assert served.post("/v1/streams", {"source": "door"}).status_code == 201


def _settings() -> object:
    from vljepa.streaming.watch import WatchSettings

    return WatchSettings(online="cluster", decode="never")


def test_the_end_finishes_what_was_accepted(embedder: Embedder, folder: Path, picture: Path) -> None:
    """Requests that wait for the model when the service is told to stop are answered; streams end with a summary."""
    events: list[dict[str, Any]] = []
    replies: list[int] = []
    with running(embedder, sources={"door": str(folder / "colours.mp4")}) as served:
        key = served.post("/v1/streams", {"source": "door", "rate": 1.0}).json()["id"]
        reader = threading.Thread(target=lambda: events.extend(served.events(f"/v1/streams/{key}/events")))
        reader.start()

        def ask(number: int) -> None:
            replies.append(served.post("/v1/embeddings", {"input": f"text {number}"}).status_code)

        gate = threading.Event()
        stuck = threading.Thread(target=served.service.embedder._call, args=(lambda: gate.wait(10),))
        stuck.start()
        askers = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for asker in askers:
            asker.start()
        wait_for(lambda: served.service.worker.waiting >= 6)
        served.server.should_exit = True
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", served.port), timeout=1).close()
        gate.set()
        for asker in [*askers, stuck, reader]:
            asker.join(15)
        assert replies == [200] * 6
    assert events[-1]["event"] == "state"
    (summary,) = (event for event in events if event["event"] == "summary")
    assert summary["interrupted"]  # it was not waited for until the film was over


def test_an_upload_that_would_not_be_read_is_not_kept_in_any_way(embedder: Embedder, folder: Path) -> None:
    content = gif(60, 64)
    with running(embedder, limits=Limits(moving_pixels=50 * 64 * 64)) as served:
        refused(served.client.post("/v1/media", files={"file": ("a.gif", content)}), 413, "too many frames")
        refused(served.client.post("/v1/caption", files={"file": ("a.gif", content)}), 413, "too many frames")
        key = f"upload-{hashlib.sha256(content).hexdigest()[:24]}"
        refused(served.post("/v1/streams", {"source": key}), 404, "send the medium again")
        assert list(served.service.shelf._folder.iterdir()) == []


def test_strangers_leave_nothing_behind(embedder: Embedder, picture: Path) -> None:
    with running(embedder, token="a secret of the house") as served:
        reply = httpx.post(f"{served.address}/v1/session", files={"file": ("a.jpg", picture.read_bytes())})
        refused(reply, 415, "send application/json")
        assert list(served.service.shelf._folder.iterdir()) == []


def test_a_full_disk_takes_no_upload_and_no_other_request_with_it(
    served: Running, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as begun:
            begun.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    content = picture.read_bytes() + b"\0"
    before = sorted(served.service.shelf._folder.iterdir())
    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        refused(served.client.post("/v1/media", files={"file": ("a.jpg", content)}), 503, r"No space left.*free space")
        assert served.post("/v1/embeddings", {"input": "a"}).status_code == 200
    assert sorted(served.service.shelf._folder.iterdir()) == before
    assert served.client.post("/v1/media", files={"file": ("a.jpg", content)}).status_code == 201


def test_numbers_and_names_beyond_all_measure_are_the_askers_mistake(served: Running) -> None:
    refused(served.client.get(f"/v1/segments/{'9' * 30}/thumbnail"), 404, "no thumbnail")
    refused(served.client.get("/v1/segments/-1/thumbnail"), 404, "no thumbnail")
    far = {"type": "path", "path": "colours.mp4", "start": 1e300}
    refused(served.post("/v1/caption", {"medium": far}), 422, "ends at")
    refused(served.client.get("/healthz", headers={"host": "[::1"}), 403, "does not answer to the name")
    refused(served.post("/v1/search", {"text": "a"}, headers={"origin": "http://[::1"}), 403, "other sites")
