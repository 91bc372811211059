"""`--check`: what is wrong with a copy is known before anything is computed."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.public import miniatures

from vljepa.cli.main import main
from vljepa.evaluation.sets.check import Checked, check_set
from vljepa.evaluation.sets.known import KNOWN


def check(name: str, root: Path) -> Checked:
    return check_set(KNOWN[name], root, KNOWN[name].settings)


@pytest.mark.parametrize("name", ["coin-sr", "msvd", "pope", "state-pairs"])
def test_an_empty_root_is_told_what_belongs_there(name: str, tmp_path: Path) -> None:
    (problem,) = check(name, tmp_path).problems
    assert all(file in problem for file in KNOWN[name].files) and KNOWN[name].obtain in problem
    assert "there is no folder" in check(name, tmp_path / "nowhere").problems[0]


@pytest.mark.parametrize("name", ["coin-sr", "msrvtt", "vdc-1k", "egoexo4d-keysteps", "ek100", "tallyqa"])
def test_counts_that_differ_are_problems_where_they_are_sure(
    name: str, tmp_path: Path, video: Path, picture: Path
) -> None:
    found = check(name, miniatures.miniature(name, tmp_path, video=video, picture=picture))
    assert found.missing == () and len(found.hashes) == len(KNOWN[name].files)
    data = KNOWN[name].read(tmp_path, KNOWN[name].settings)
    sure = [one for one, count in data.expected.items() if count.sure]
    assert [problem.split(", expected")[0] for problem in found.problems] == [
        f"{data.counts()[one]} {one}" for one in sure
    ]
    assert len(found.notes) == len(data.expected) - len(sure)


def test_another_file_under_the_published_name_is_told_by_its_hash(tmp_path: Path) -> None:
    miniatures.sugarcrepe(tmp_path)
    (problem,) = check("sugarcrepe++", tmp_path).problems
    assert "replace_att.json has the sha256" in problem and "the published file 682641359289" in problem


def test_media_that_are_missing_and_times_past_the_end(tmp_path: Path, video: Path, picture: Path) -> None:
    root = miniatures.miniature("youcook2", tmp_path, video=video, picture=picture)
    assert check("youcook2", root).problems == ()
    path = root / "youcookii_annotations_trainval.json"
    late = json.loads(path.read_text())
    late["database"]["yc_one"]["annotations"][1]["segment"] = [8, 30]
    path.write_text(json.dumps(late))
    (problem,) = check("youcook2", root).problems
    assert problem == "1 videos are shorter than their annotations: yc_one ends at 6.0 s and is annotated up to 30.0 s"
    (root / "videos" / "validation" / "113" / "yc_one.mp4").unlink()
    found = check("youcook2", root)
    assert found.missing == ("yc_one",) and "1 of 1 media are not below" in found.problems[0]


def test_the_command_says_it_in_lines_in_json_and_in_its_status(
    tmp_path: Path, video: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = miniatures.miniature("youcook2", tmp_path, video=video, picture=picture)
    arguments = ["evaluate", "youcook2", "--root", str(root), "--check"]
    assert main(arguments) == 0
    assert "this copy can be measured" in capsys.readouterr().out
    assert main([*arguments, "--json", "--set", "media=elsewhere"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and found["missing"] == ["yc_one"] and found["counts"]["items"] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["msrvtt"], "msrvtt needs its data: give the folder that holds them with --root"),
        (["small", "--root", ".", "--check"], "small knows no --check"),
        (["small", "--root", ".", "--embedder", "clip:x", "--set", "a=1"], "no --embedder and no --set"),
        (["visla", "--root", ".", "--embedder", "clip:x", "--model", "y"], "name two models"),
        (["visla", "--root", ".", "--embedder", "clop:x"], "give clip:FOLDER or siglip2:FOLDER"),
        (["visla", "--root", ".", "--embedder", "clip:nowhere"], "nothing is downloaded"),
        (["visla", "--root", ".", "--set", "prompts=x", "--check"], "unknown setting prompts; did you mean prompt?"),
        (["ek100", "--root", ".", "--set", "actions=some", "--check"], "cannot be 'some'"),
        (["visla", "--root", "nowhere"], "is no folder"),
    ],
)
def test_what_was_meant_is_asked_in_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *arguments]) == 2
    told = capsys.readouterr()
    assert sentence in told.err and len(told.err.splitlines()) == 1 and told.out == ""


def test_the_list_names_every_set_by_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "our own:" and all(any(line.startswith(f"  {name}  ") for line in lines) for name in KNOWN)
    assert main(["evaluate", "--list", "--json"]) == 0
    listed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["benchmarks"]
    assert {"name": "visla", "task": "triplets", "measures": KNOWN["visla"].measures} in listed


def test_a_report_from_the_command_line(
    tmp_path: Path, video: Path, picture: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = miniatures.miniature("clevr", tmp_path / "root", video=video, picture=picture)
    out = tmp_path / "report.md"
    arguments = ["evaluate", "clevr", "--root", str(root), "--model", str(tiny_folder), "--device", "cpu", "--json"]
    assert main([*arguments, "--set", "seed=3", "--cache", str(tmp_path / "cache"), "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"][0]["name"] == "accuracy" and report["rows"][0]["num_items"] == 2
    assert report["receipt"]["command"] == f"vljepa evaluate clevr --root {root} --set seed=3"
    assert (tmp_path / "cache" / "embeddings.sqlite").is_file() and not (root / "packages").exists()
    assert "| accuracy |" in out.read_text() and "sha256" not in out.read_text().split("Receipt")[0]
