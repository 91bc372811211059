"""docs/streams.md works as written: its blocks are run with the shipped model and media that a reader may have."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image

from vljepa.cli.main import main
from vljepa.data.encode import encode_mp4

PAGE = Path(__file__).parents[2] / "docs" / "streams.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photograph, a clip and a folder of frames."""
    Image.effect_mandelbrot((320, 240), (-2, -1.2, 1, 1.2), 50).convert("RGB").save(tmp_path / "photo.jpg")
    frames = torch.full((24, 120, 160, 3), 200, dtype=torch.uint8)
    for time in range(24):
        frames[time, 40:80, 4 * time : 4 * time + 40] = torch.tensor([220, 20, 20], dtype=torch.uint8)
    (tmp_path / "clip.mp4").write_bytes(encode_mp4(frames, fps=8.0))
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame.numpy()).save(tmp_path / "frames" / f"{number:03d}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs(newcomer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks("sh") for line in block.strip().split("\n")]
    assert len(lines) == 7
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "vljepa"
        assert main(arguments) == 0, (line, capsys.readouterr().err)
        assert "decodes for" in (told := capsys.readouterr().out) or '"summary"' in told, line
    assert {path.name for path in newcomer.glob("clip.*")} == {"clip.mp4", "clip.srt", "clip.vtt", "clip.jsonl"}


@pytest.mark.usefixtures("newcomer")
def test_the_gate_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    exec(compile(block, "streams.md", "exec"), {})
    assert "3 asked for, 2 spared" in capsys.readouterr().out


def test_commands_that_are_only_shown_have_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks("text") for line in block.strip().split("\n") if line.startswith("vljepa ")]
    assert len(lines) == 2
    for line in lines:
        _, verb, *arguments = shlex.split(line.split(" >")[0])
        assert main([verb, "--help"]) == 0
        told = capsys.readouterr().out
        assert [option for option in arguments if option.startswith("--") and option not in told] == []
    for script in re.findall(r"python (benchmarks/\w+\.py)", PAGE.read_text()):
        assert (PAGE.parents[1] / script).is_file()
