"""What others rely on: public names, the version, and a help that answers at once because it loads nothing heavy."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import vljepa

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "numpy", "av", "PIL", "tokenizers", "safetensors", "huggingface_hub", "mujoco"}
VERBS = (
    "embed",
    "classify",
    "ask",
    "caption",
    "watch",
    "index",
    "search",
    "gate",
    "serve",
    "mcp",
    "evaluate",
    "compare",
    "ablate",
    "prepare",
    "train",
    "weights",
    "doctor",
)
MODEL_VERBS = ("embed", "classify", "ask", "caption", "watch")


def run(code: str) -> str:
    """Standard output of a fresh interpreter, without pytest's import hook."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100", "NO_COLOR": "1"}
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def loaded_by(code: str) -> set[str]:
    ending = "\nimport json, sys\nprint('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    return set(json.loads(run(code + ending).splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import vljepa") & HEAVY == set()


def test_opening_the_model_loads_neither_a_compiler_nor_a_model_library():
    """Each of them takes longer to import than the model takes to open."""
    names = json.loads(
        run(
            "import json, sys, vljepa\nvljepa.load(device='cpu')\nprint('\\n' + json.dumps(list(sys.modules)))"
        ).splitlines()[-1]
    )
    assert not {"torch._dynamo", "transformers"} & set(names)


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]):
    code = f"""
import sys
sys.argv = ["vljepa", *{arguments!r}]
from vljepa.cli.main import main
try:
    status = main()
except SystemExit as stop:
    status = stop.code
assert not status, status
"""
    assert loaded_by(code) & HEAVY == set()


def test_help_names_every_verb():
    shown = run("import sys; sys.argv = ['vljepa', '--help']; from vljepa.cli.main import main; main()")
    assert [verb for verb in VERBS if verb not in shown] == []


def test_public_names():
    assert vljepa.__all__ == ["Clip", "Model", "__version__", "load", "watch"]
    assert all(getattr(vljepa, name) is not None for name in vljepa.__all__)


def test_a_wrong_public_name_lists_the_right_ones():
    with pytest.raises(AttributeError, match="there are Clip, Model"):
        vljepa.nothing  # noqa: B018


def test_the_model_has_the_verbs_of_the_command_line():
    assert [verb for verb in MODEL_VERBS if not callable(getattr(vljepa.Model, verb, None))] == []


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert vljepa.__version__ == project["version"]


def test_typing_information_is_shipped():
    assert (ROOT / "src/vljepa/py.typed").is_file()


def test_the_written_command_line_is_the_real_one():
    """`make docs` writes docs/cli.md; it is stale when this fails."""
    code = "import runpy; print(runpy.run_path('docs/generate.py')['command_line'](), end='')"
    assert run(code) == (ROOT / "docs/cli.md").read_text()


def test_the_verbs_are_exactly_these():
    assert set(VERBS) == set(json.loads(run("import json, vljepa.cli.main as m; print(json.dumps(list(m.VERBS)))")))
