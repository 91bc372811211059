"""The proxy between a client and a model's server: spares what has not moved, and hands on all else unchanged."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import torch
from PIL import Image
from tests.brokers import free_port
from tests.servers import Visit, serving

from vljepa.embedder import Embedder
from vljepa.streaming import proxy as proxy_module
from vljepa.streaming.gating import GateSettings
from vljepa.streaming.proxy import GateProxy, proxy_server

SETTINGS = GateSettings(threshold=1e-4)


def png(seed: int | None) -> str:
    """A data address: noise of a seed, or plain blue."""
    picture = Image.new("RGB", (40, 40), (0, 0, 200))
    if seed is not None:
        noise = torch.randint(0, 255, (40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
        picture = Image.fromarray(noise.numpy())
    content = io.BytesIO()
    picture.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def question(*addresses: str, text: str = "what is this?", **more: Any) -> dict[str, Any]:
    pictures = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    return {
        "model": "some-vlm",
        "messages": [{"role": "user", "content": [{"type": "text", "text": text}, *pictures]}],
    } | more


class Model:
    """A VLM's server that counts and answers by number."""

    def __init__(self) -> None:
        self.visits: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status = 200

    def __call__(self, visit: Visit) -> None:
        body = visit.body() if visit.command == "POST" else b""
        self.visits.append((visit.command, visit.path, dict(visit.headers), body))
        visit.send(
            json.dumps({"choices": [{"message": {"content": f"answer {len(self.visits)}"}}]}).encode(),
            status=self.status,
        )


@contextmanager
def proxying(proxy: GateProxy) -> Iterator[str]:
    server = proxy_server(proxy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(address: str, request: dict[str, Any], **headers: str) -> tuple[str, str]:
    """The answer's text and what the gate says that it did."""
    sent = Request(
        f"{address}/v1/chat/completions", json.dumps(request).encode(), {"Content-Type": "application/json", **headers}
    )
    with urlopen(sent, timeout=20) as reply:
        return json.load(reply)["choices"][0]["message"]["content"], reply.headers["X-VLJEPA-Gate"]


def test_the_same_picture_is_asked_about_once_and_another_one_anew(tiny_embedder: Embedder) -> None:
    model = Model()
    with serving(model) as to, proxying(GateProxy(f"{to}/v1", tiny_embedder, settings=SETTINGS)) as address:
        told = [ask(address, question(png(seed))) for seed in (1, 1, None, None, 1)]
        with urlopen(f"{address}/gate", timeout=10) as reply:
            counts = json.load(reply)
    assert told == [
        ("answer 1", "forwarded"),
        ("answer 1", "saved"),
        ("answer 2", "forwarded"),
        ("answer 2", "saved"),
        ("answer 3", "forwarded"),
    ]
    assert counts == {"event": "gate", "requests": 5, "forwarded": 3, "saved": 2, "share_saved": 0.4}


def test_requests_are_handed_on_byte_for_byte_with_their_key(tiny_embedder: Embedder) -> None:
    model = Model()
    request = question(png(1), temperature=0.5)
    with serving(model) as to, proxying(GateProxy(f"{to}/v1/", tiny_embedder)) as address:
        ask(address, request, Authorization="Bearer mine")
    ((method, path, headers, body),) = model.visits
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/chat/completions", "Bearer mine")
    assert json.loads(body) == request


def test_no_path_or_redirect_takes_a_key_to_another_host(tiny_embedder: Embedder) -> None:
    elsewhere = Model()
    with serving(elsewhere) as other:
        host = other.removeprefix("http://")

        def send_away(visit: Visit) -> None:
            visit.send_response(302)
            visit.send_header("Location", f"{other}/stolen")
            visit.send_header("Content-Length", "0")
            visit.end_headers()

        with serving(send_away) as to:
            proxy = GateProxy(to, tiny_embedder)
            for path in (f"@{host}/", f"//{host}/", f"http://{host}/", "/v1/models"):
                reply, decision = proxy.answer("GET", path, {"Authorization": "Bearer mine"}, b"")
                assert (reply.status, decision) == (302, "passed")
    assert elsewhere.visits == []


def test_other_words_models_and_keys_are_other_questions(tiny_embedder: Embedder) -> None:
    model = Model()
    with serving(model) as to, proxying(GateProxy(f"{to}/v1", tiny_embedder, settings=SETTINGS)) as address:
        ask(address, question(png(1)))
        assert ask(address, question(png(1), text="who is there?"))[1] == "forwarded"
        assert ask(address, question(png(1), model="another"))[1] == "forwarded"
        assert ask(address, question(png(1)), Authorization="Bearer other")[1] == "forwarded"
        assert ask(address, question(png(1)))[1] == "saved"


def test_what_holds_no_picture_or_one_that_lies_elsewhere_is_passed_on(tiny_embedder: Embedder) -> None:
    model = Model()
    broken = "data:image/png;base64," + base64.b64encode(b"no picture").decode()
    with serving(model) as to, proxying(GateProxy(f"{to}/v1", tiny_embedder)) as address:
        for request in (
            {"model": "m", "messages": [{"role": "user", "content": "hello"}]},
            question("http://elsewhere.example/a.png"),
            question(broken),
        ):
            assert [ask(address, request)[1] for _ in range(2)] == ["passed", "passed"]
        with urlopen(f"{address}/v1/models", timeout=10) as reply:
            assert json.load(reply)["choices"]
    assert len(model.visits) == 7
    assert model.visits[-1][:2] == ("GET", "/v1/models")


def test_an_error_is_handed_on_and_not_kept(tiny_embedder: Embedder) -> None:
    model = Model()
    model.status = 429
    with serving(model) as to, proxying(GateProxy(f"{to}/v1", tiny_embedder)) as address:
        with pytest.raises(HTTPError) as error:
            ask(address, question(png(1)))
        error.value.close()
        assert error.value.code == 429
        model.status = 200
        assert ask(address, question(png(1))) == ("answer 2", "forwarded")


def test_a_server_that_is_not_there_is_one_sentence(tiny_embedder: Embedder) -> None:
    with proxying(GateProxy(f"http://me:secret@127.0.0.1:{free_port()}/v1", tiny_embedder)) as address:
        with pytest.raises(HTTPError) as error:
            ask(address, question(png(1)))
        with error.value as reply:
            said = json.load(reply)["error"]["message"]
    assert error.value.code == 502
    assert "did not answer" in said and "check that the model runs there" in said and "secret" not in said


def test_large_requests_are_refused_before_they_are_read(
    tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_module, "LARGEST_BODY", 2**20)
    with (
        proxying(GateProxy("http://127.0.0.1:9/v1", tiny_embedder)) as address,
        pytest.raises((HTTPError, OSError)) as error,
    ):
        ask(address, question("x" * (2**20 + 1)))
    if isinstance(error.value, HTTPError):
        error.value.close()
        assert error.value.code == 413


def test_memory_is_bounded_by_the_number_of_questions(tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "KEPT_QUESTIONS", 2)
    model = Model()
    with serving(model) as to:
        proxy = GateProxy(f"{to}/v1", tiny_embedder)
        body = [json.dumps(question(png(1), text=str(number))).encode() for number in range(4)]
        decisions = [proxy.answer("POST", "/v1/chat/completions", {}, one)[1] for one in (*body, body[3], body[0])]
    assert decisions == ["forwarded"] * 4 + ["saved", "forwarded"]
    assert len(proxy._questions) == 2


def test_bad_addresses_and_ports_are_one_sentence(tiny_embedder: Embedder) -> None:
    with pytest.raises(ValueError, match="is no address of an API: write http"):
        GateProxy("localhost:8000", tiny_embedder)
    proxy = GateProxy("http://127.0.0.1:9/v1", tiny_embedder)
    first = proxy_server(proxy)
    with pytest.raises(ValueError, match="choose another --port"):
        proxy_server(proxy, port=first.server_address[1])
    with pytest.raises(ValueError, match="choose another --port"):
        proxy_server(proxy, port=99999)
    first.server_close()
