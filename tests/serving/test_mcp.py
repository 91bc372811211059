"""The tools for assistants, through the official client over standard input and output."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client

import vljepa
from vljepa.embedder import Embedder
from vljepa.library import IndexSettings, Library

SOURCE = str(Path(vljepa.__file__).parents[1])


@pytest.fixture
def folder(tmp_path: Path, tiny_embedder: Embedder, video: Path, picture: Path) -> Path:
    """Two media and a library of them."""
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "colours.mp4").write_bytes(video.read_bytes())
    (tmp_path / "media" / "halves.jpg").write_bytes(picture.read_bytes())
    with Library.open(tmp_path / "library", tiny_embedder, create=True) as library:
        library.add([tmp_path / "media"], settings=IndexSettings(rate=0.5))
    return tmp_path


async def asked(parameters: StdioServerParameters, folder: Path) -> dict[str, Any]:
    """What an assistant is told, call by call."""
    told: dict[str, Any] = {}

    async def call(name: str, **arguments: Any) -> Any:
        result = await client.call_tool(name, arguments)
        text = result.content[0].text
        return f"no: {text}" if result.is_error else json.loads(text)

    async with Client(stdio_client(parameters)) as client:
        told["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        told["library"] = await call("describe_library")
        film = next(str(one["id"]) for one in told["library"]["media"] if one["kind"] == "video")
        told["search"] = await call("search", text="a red ball", top=2)
        told["ask"] = await call("ask", media=film, question="what colour?", candidates=["red", "green"], end=2.0)
        told["caption"] = await call("caption", media="halves.jpg")
        told["watch"] = await call("watch_events", source="colours.mp4", seconds=20.0, triggers=["a cat"], rate=1.0)
        told["outside"] = await call("caption", media="/etc/passwd")
        told["camera"] = await call("watch_events", source="camera:0")
    return told


def test_an_assistant_asks_everything(folder: Path, tiny_folder: Path) -> None:
    options = ["--library", str(folder / "library"), "--model", str(tiny_folder), "--device", "cpu"]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "vljepa.cli", "mcp", *options],
        env=os.environ | {"PYTHONPATH": SOURCE},
    )
    told = asyncio.run(asyncio.wait_for(asked(parameters, folder), 240))
    assert set(told["tools"]) == {"search", "ask", "caption", "watch_events", "describe_library"}
    assert told["library"]["library"]["media"] == 2
    assert told["library"]["folders"] == [str(folder / "media")]
    assert told["search"]["hits"]
    assert {score["label"] for score in told["ask"]["scores"]} == {"red", "green"}
    assert set(told["caption"]) == {"caption", "fidelity", "unsure"}
    assert told["watch"]["state"] == "ended"
    assert {"segment", "summary"} <= {event["event"] for event in told["watch"]["events"]}
    assert "outside the folders" in told["outside"]
    assert "--source NAME=ADDRESS" in told["camera"]
