"""What is written by `make docs` is what the code and the report say today: no score or option stands by itself."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written() -> dict[Path, str]:
    specification = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    found: dict[Path, str] = module.written()
    return found


@pytest.mark.parametrize(
    "name", ["README.md", "docs/benchmarks.md", "docs/experiments.md", "src/vljepa/shipped/small/README.md"]
)
def test_scores_are_those_of_the_report(written: dict[Path, str], name: str) -> None:
    assert (ROOT / name).read_text() == written[ROOT / name], f"{name} is not what the report says: run `make docs`"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse of other versions lays its help out differently")
def test_the_command_line_page_is_that_of_the_program(written: dict[Path, str]) -> None:
    path = ROOT / "docs" / "cli.md"
    assert path.read_text() == written[path], "docs/cli.md is not what --help says: run `make docs`"
