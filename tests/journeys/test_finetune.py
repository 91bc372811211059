"""A stranger's path with clips of their own: docs/finetune.md runs as written, and the model gets better by it."""

import re
import shlex
from pathlib import Path

import pytest
from tests.journeys.made_clips import STATES, make_folder

import vljepa
from vljepa.cli.main import main
from vljepa.data.shards import read_corpus

PAGE = Path(__file__).parents[2] / "docs" / "finetune.md"

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")


def share_named(model: vljepa.Model, corpus: Path) -> float:
    held_out = list(read_corpus(corpus, split="test"))
    assert len(held_out) >= 8
    named = [model.classify(sample.media, STATES).scores[0].label == sample.label for sample in held_out]
    return sum(named) / len(named)


def test_the_page_runs_and_held_out_clips_are_named_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(tmp_path / "clips", each=16)
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for line in block.strip().split("\n"):
        program, *arguments = shlex.split(line)
        assert program == "vljepa"
        assert main(arguments) == 0, (line, capsys.readouterr().err)
    said = capsys.readouterr()
    assert re.search(r"%  jam\n", said.out)
    before, after = (share_named(vljepa.load(folder), Path("corpus")) for folder in (None, "run/model"))
    assert after >= 0.7
    assert after >= before + 0.2
    assert f"| test_named | {before:.1%} | " in Path("run/report.md").read_text()


def test_the_table_of_the_page_is_that_of_the_clips() -> None:
    shown = re.search(r"```text\nmedia,label\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert {line.split(",")[1] for line in shown.group(1).strip().split("\n")} == set(STATES)
