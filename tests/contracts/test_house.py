"""The house rules that a program can check: layers, sizes, docstrings, markers, addresses, declared packages."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "vljepa"
MAX_LINES = 350
# Extras of the program itself; each of their packages is imported somewhere in it.
PROGRAM_EXTRAS = (
    *("train", "hub", "corpus", "mqtt", "eval", "serve", "mcp"),
    *("qdrant", "pgvector", "lancedb", "milvus", "ray"),
)
# Programs that load a module of ours: where it is imported they are there, and we never install them.
HOSTS = {"lmms_eval"}
# Imported by packages that we use, not by us: Starlette reads forms with it.
USED_BY_OTHERS = {"python_multipart"}
# Distribution names whose import name differs.
IMPORT_NAMES = {
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "import-linter": "importlinter",
    "paho-mqtt": "paho",
    "faiss-cpu": "faiss",
    "pybullet": "pybullet_data",
}


def source_files() -> Iterator[Path]:
    return iter(sorted(SOURCE.rglob("*.py")))


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def tracked_texts() -> Iterator[tuple[str, str]]:
    for path in tracked_files():
        if path.name.endswith("_tokenizer.json"):
            continue  # a published vocabulary, which holds every word there is
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            yield str(path.relative_to(ROOT)), content.decode("utf-8", errors="replace")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def declared(requirements: list[str]) -> set[str]:
    names = {re.split(r"[\s<>=!~\[;]", requirement)[0].lower() for requirement in requirements}
    return {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}


def imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules.add(node.module.split(".")[0])
    return modules - set(sys.stdlib_module_names) - {"vljepa", "tests", "benchmarks"}


def test_the_layers_hold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("logging.config.dictConfig", lambda settings: None)  # it would silence every other logger
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_source_file_is_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in source_files()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_function_is_long():
    long = {}
    for path in source_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > 60:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}


def test_every_module_says_what_it_is():
    silent = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_open_points_name_their_issue():
    marker = re.compile(r"\b(?:TO" + "DO|FIX" + r"ME|XX" + r"X)\b(?!\(#\d+\))")
    found = [
        f"{name}: {line.strip()}" for name, text in tracked_texts() for line in text.splitlines() if marker.search(line)
    ]
    assert found == []


def test_no_registry_host_or_path_of_a_machine_is_written_down():
    hosts = ["py" + "pi.org", "npm" + "js", "deb" + "ian.org", "python" + "hosted", "/ro" + "ot/", "/ho" + "me/"]
    found = [f"{name}: {host}" for name, text in tracked_texts() for host in hosts if host in text]
    assert found == []


def test_source_has_no_future_annotations():
    # They turn shapes into strings that beartype cannot check.
    future = "from __future__ import " + "annotations"
    assert [path.name for path in source_files() if future in path.read_text()] == []


def test_every_import_of_the_program_is_declared():
    settings = project()["project"]
    extras = settings["optional-dependencies"]
    allowed = HOSTS.union(declared(settings["dependencies"]), *(declared(extras[name]) for name in PROGRAM_EXTRAS))
    undeclared = {str(p.relative_to(ROOT)): imported(p) - allowed for p in source_files() if imported(p) - allowed}
    assert undeclared == {}


def test_every_declared_package_of_the_program_is_imported():
    settings = project()["project"]
    extras = settings["optional-dependencies"]
    wanted = declared(settings["dependencies"]).union(*(declared(extras[name]) for name in PROGRAM_EXTRAS))
    assert wanted - set().union(*map(imported, source_files())) == USED_BY_OTHERS


def test_every_import_of_the_tests_is_declared():
    settings = project()["project"]
    extras = settings["optional-dependencies"]
    oracles = declared([line for line in (ROOT / "tests/oracles.txt").read_text().splitlines() if line[:1] != "#"])
    allowed = declared(settings["dependencies"]).union(oracles, *map(declared, extras.values()))
    scripts = [path for folder in ("tests", "benchmarks", "docs") for path in sorted((ROOT / folder).rglob("*.py"))]
    undeclared = {str(p.relative_to(ROOT)): imported(p) - allowed for p in scripts if imported(p) - allowed}
    assert undeclared == {}


def test_constraints_pin_versions_that_the_project_allows():
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"
    )
    assert pins["torch"] == "2.13.0"
    settings = project()["project"]
    requirements = [*settings["dependencies"], *chain(*settings["optional-dependencies"].values())]
    floors = dict(re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", requirement).groups() for requirement in requirements)  # type: ignore[union-attr]
    too_low = {name: pin for name, pin in pins.items() if name in floors and _parts(pin) < _parts(floors[name])}
    assert too_low == {}


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_the_changelog_knows_the_version():
    version = project()["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
