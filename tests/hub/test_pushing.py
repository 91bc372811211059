"""Uploading, against a server on this machine that answers as the hub does, and the card that goes along."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from tests.conftest import tiny_bundle
from tests.servers import Visit, serving
from transformers import AutoModel

from vljepa.hub import VLJEPAModel
from vljepa.hub.card import model_card
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import load_folder, settings_of

REPORT = {
    "benchmark": "small",
    "rows": [
        {
            "name": "colours",
            "score": 0.751,
            "num_items": 776,
            "baselines": {"chance": 0.125},
            "protocol": "best of the candidates",
            "unit": "share",
        }
    ],
    "receipt": {"command": "vljepa evaluate small", "commit": "0123456789ab"},
    "curves": {},
}


class Hub:
    """What a hub was asked, and the files that it was sent."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.made: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.token: str | None = None

    def answer(self, visit: Visit) -> None:
        self.asked.append(f"{visit.command} {visit.path}")
        self.token = visit.headers.get("Authorization")
        visit.send(json.dumps(self.reply(visit)).encode())

    def reply(self, visit: Visit) -> dict[str, Any]:
        if visit.path == "/api/repos/create":
            self.made = json.loads(visit.body())
            return {"url": f"{self.address}/somebody/tiny", "name": "somebody/tiny"}
        if visit.path.endswith("/preupload/main"):
            files = json.loads(visit.body())["files"]
            return {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
        if visit.path.endswith("/commit/main"):
            for line in visit.body().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            return {"commitUrl": f"{self.address}/somebody/tiny/commit/1", "commitOid": "1" * 40}
        return {"errors": [], "warnings": []}

    address = ""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    found = Hub()
    with serving(found.answer) as address:
        found.address = address
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        yield found


@pytest.fixture(scope="module")
def model(tiny_folder: Path) -> VLJEPAModel:
    return AutoModel.from_pretrained(tiny_folder, dtype=torch.float32)


def test_a_pushed_model_is_a_whole_folder(model: VLJEPAModel, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    said = model.push_to_hub("somebody/tiny", token="hf_secret", private=True, report=tmp_path / "report.json")
    assert said == f"{hub.address}/somebody/tiny/commit/1"
    assert (hub.made["name"], hub.made["visibility"]) == ("tiny", "private")
    assert hub.token == "Bearer hf_secret"
    (tmp_path / "got").mkdir()
    for name, content in hub.files.items():
        (tmp_path / "got" / name).write_bytes(content)
    opened = load_folder(tmp_path / "got")
    before = tiny_bundle().model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in opened.model.state_dict().items())
    assert {"README.md", "check.json", "processor_config.json", "query_tokenizer.json"} <= hub.files.keys()
    assert ModelCard(hub.files["README.md"].decode()).data.eval_results[0].metric_value == 0.751


def test_saving_may_push_at_once(model: VLJEPAModel, hub: Hub, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "tiny", push_to_hub=True, repo_id="somebody/tiny", token="hf_secret")
    assert "model.safetensors" in hub.files
    assert hub.files["config.json"] == (tmp_path / "tiny" / "config.json").read_bytes()


def test_a_card_is_made_where_there_is_none_and_says_what_was_measured() -> None:
    bundle = tiny_bundle()
    settings = settings_of(bundle, bundle.model.settings)
    card = ModelCard(model_card(settings, "", REPORT))
    assert card.data.library_name == "vljepa"
    (result,) = card.data.eval_results
    assert (result.metric_name, result.metric_value, result.dataset_type) == ("colours", 0.751, "small")
    assert "| colours | 0.751 | chance 0.125 | 776 |" in card.content
    assert "- colours: best of the candidates" in card.content and "vljepa evaluate small" in card.content
    again = model_card(settings, str(card), REPORT | {"rows": [REPORT["rows"][0] | {"score": 0.8}]})  # type: ignore[index]
    assert again.count("## Measured") == 1 and "0.751" not in again and "0.8" in again


@pytest.mark.parametrize("content", ["<html>", "[]", '{"rows": []}'])
def test_what_is_no_report_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(content)
    bundle = tiny_bundle()
    with pytest.raises(ValueError, match=r"report\.json is no report"):
        model_card(settings_of(bundle, bundle.model.settings), "", tmp_path / "report.json")


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (403, "GatedRepo", "somebody/tiny is gated: accept its terms"),
        (404, "RepoNotFound", "the hub has no such model"),
    ],
)
def test_what_the_hub_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, code: str, sentence: str
) -> None:
    def refuse(visit: Visit) -> None:
        visit.send_response(status)
        visit.send_header("X-Error-Code", code)
        visit.send_header("Content-Length", "0")
        visit.end_headers()

    with serving(refuse) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        with pytest.raises(WeightsError, match=sentence):
            VLJEPAModel.from_pretrained("somebody/tiny", cache_dir=str(tmp_path))


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    for options in ({}, {"local_files_only": True}):
        with pytest.raises(WeightsError, match="the hub cannot be reached"):
            VLJEPAModel.from_pretrained("somebody/tiny", cache_dir=str(tmp_path), **options)
