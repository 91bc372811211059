"""A newcomer's path: every block of the README runs as it is written, with the shipped model."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image

from vljepa.cli.main import main
from vljepa.data.encode import encode_mp4
from vljepa.embedder import shipped_folder

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photograph and a clip, as the README supposes."""
    Image.effect_mandelbrot((320, 240), (-2, -1.2, 1, 1.2), 50).convert("RGB").save(tmp_path / "photo.jpg")
    frames = torch.full((24, 120, 160, 3), 200, dtype=torch.uint8)
    for time in range(24):
        frames[time, 40:80, 4 * time : 4 * time + 40] = torch.tensor([220, 20, 20], dtype=torch.uint8)
    (tmp_path / "clip.mp4").write_bytes(encode_mp4(frames, fps=8.0))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_two_commands_are_the_makefiles() -> None:
    first = blocks("sh")[0].split("\n")
    verbs = (README.parent / "Makefile").read_text()
    assert [line for line in first if line] == ["make demo", "make test"]
    assert all(f"\n{line.removeprefix('make ')}:" in verbs for line in first if line)


@pytest.mark.usefixtures("newcomer")
def test_every_command_of_the_first_five_minutes_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for line in blocks("sh")[1].strip().split("\n"):
        program, *arguments = shlex.split(line)
        assert program == "vljepa"
        assert main(arguments) == 0, (line, capsys.readouterr().err)
        assert capsys.readouterr().out.strip() or "--out" in line, line


@pytest.mark.usefixtures("newcomer")
def test_the_python_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    exec(compile(block, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "summary" in said
    assert "a dog" in said


def test_the_shipped_folder_is_small_enough_to_ship() -> None:
    files = [path for path in shipped_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 120e6
    assert max(path.stat().st_size for path in files) < 90e6
