"""The demo: a page that needs nothing else, says what is missing, and shows what the model gave."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vljepa.cli.demo import media
from vljepa.cli.demo.__main__ import main
from vljepa.cli.demo.media import Footage, Photo
from vljepa.data.packages import PackageError
from vljepa.types import Event


class Links(HTMLParser):
    """All addresses that a page would fetch or go to, its ids, and tags that were left open."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value for name in ("src", "href") if (value := found.get(name))]
        self.ids += [value for value in [found.get("id")] if value]
        if tag not in ("img", "meta", "link", "i", "line", "polygon", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "i" and tag not in ("line", "polygon", "polyline"):
            assert self.open.pop() == tag


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, picture: Path, video: Path) -> None:
    clip = Footage(name="clip", title="Three <colours>", credit="made here", path=video)
    known = Footage(
        name="known", title="Known", credit="us", path=video, truth=(Event(action="it is red", start=0.0, end=2.0),)
    )
    photo = Photo(
        name="halves", label="drum", question="what is it?", candidates=("a cat", "a dog"), credit="us", path=picture
    )
    monkeypatch.setattr(media, "camera_clips", lambda folder, cache: [clip])
    monkeypatch.setattr(media, "own_streams", lambda: [known])
    monkeypatch.setattr(media, "photographs", lambda folder, cache: [photo])


@pytest.mark.usefixtures("offline")
def test_page_is_whole_and_needs_nothing_else(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--into", str(tmp_path), "--model", str(tiny_folder), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"Open {(tmp_path / 'index.html').as_uri()}\n"
    text = (tmp_path / "index.html").read_text()
    page = Links()
    page.feed(text)
    assert page.open == []
    for link in page.links:
        assert link.startswith("data:") or link.removeprefix("#") in page.ids
    assert not re.search(r"url\(|@import|https?://", text)
    assert "Three &lt;colours&gt;" in text
    assert "it is red" in text
    assert len(page.ids) == len(set(page.ids))
    assert "marked as unsure" not in text and "unsure 0" not in text  # no line was fitted for the tiny model


@pytest.mark.usefixtures("offline")
def test_page_marks_what_lies_below_the_line_of_the_model(tiny_folder: Path, tmp_path: Path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["calibration"]["unsure"] = 2.0
    (folder / "config.json").write_text(json.dumps(config))
    assert main(["--into", str(tmp_path / "demo"), "--model", str(folder), "--device", "cpu"]) == 0
    text = (tmp_path / "demo" / "index.html").read_text()
    assert "below 2.0 they are marked as unsure" in text
    assert "class=unsure" in text and ">fidelity " not in text


def test_what_cannot_be_had_is_said(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def gone(package: object, cache: Path) -> Path:
        raise PackageError("package x needs the program apt-get")

    monkeypatch.setattr(media, "fetch", gone)
    monkeypatch.setattr(media, "own_streams", list)
    assert main(["--into", str(tmp_path), "--model", str(tiny_folder), "--device", "cpu"]) == 0
    text = (tmp_path / "index.html").read_text()
    assert text.count("needs the program apt-get") == 2
    assert "The real camera clips are left out" in capsys.readouterr().err


def test_missing_model_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--into", str(tmp_path / "demo"), "--model", str(tmp_path / "nowhere")]) == 2
    assert "no model folder" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
