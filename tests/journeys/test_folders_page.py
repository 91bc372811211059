"""Every block of docs/folders.md runs as it is written, on a random folder of the same form."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from vljepa.cli.main import main
from vljepa.data.sampling import SAMPLINGS

PAGE = Path(__file__).parents[2] / "docs" / "folders.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def reader(tmp_path: Path, tiny_folder: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody with a model and a clip, who is offline."""
    shutil.copytree(tiny_folder, tmp_path / "my-model")
    shutil.copy(video, tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def test_the_python_blocks_run(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opening, transformers = blocks("python")
    exec(compile(opening, str(PAGE), "exec"), {})
    assert "tensor(" in capsys.readouterr().out
    exec(compile(transformers, str(PAGE), "exec"), {})
    assert "torch.Size([1, 16]) torch.Size([2, 16])" in capsys.readouterr().out
    assert (reader / "saved" / "check.json").exists()


@pytest.mark.usefixtures("reader")
def test_the_commands_run(capsys: pytest.CaptureFixture[str]) -> None:
    (commands,) = blocks("sh")
    for line in commands.strip().split("\n"):
        program, *arguments = shlex.split(line)
        assert program == "vljepa"
        assert main(arguments) == 0, (line, capsys.readouterr().err)


def test_every_sampling_rule_is_named() -> None:
    assert [rule for rule in SAMPLINGS if f"| `{rule}`" not in PAGE.read_text()] == []
