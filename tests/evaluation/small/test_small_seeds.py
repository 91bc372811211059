"""Several models of one training in one report: their mean, how far they lie apart, and each by itself."""

from pathlib import Path

import pytest

from vljepa.cli.main import main
from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks import small_seeds
from vljepa.evaluation.benchmarks.held_out import HeldOut
from vljepa.evaluation.benchmarks.small_seeds import evaluate_seeds, together
from vljepa.evaluation.report import Row


def row(score: float, name: str = "naming") -> Row:
    return Row(name=name, score=score, num_items=20, baselines={"chance": 0.1}, protocol="", floor=0.75)


def test_the_mean_stands_between_the_least_and_the_most() -> None:
    found = together([row(0.5), row(0.9), row(0.7)])
    assert found.score == pytest.approx(0.7) and found.interval == (0.5, 0.9)
    assert found.baselines == {"seed 1": 0.5, "seed 2": 0.9, "seed 3": 0.7}
    assert (found.num_items, found.floor) == (20, 0.75)
    with pytest.raises(ValueError, match="rows differ"):
        together([row(0.5), row(0.9, "answering")])


def test_every_model_is_opened_and_measured(
    tmp_path: Path, tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"a": 0.4, "b": 0.6}
    opened = []
    monkeypatch.setattr(HeldOut, "open", lambda embedder, root, report: opened[-1])
    monkeypatch.setattr(small_seeds, "headline", lambda name, cache: [row(scores[name])])

    def open_folder(folder: Path) -> Embedder:
        opened.append(folder.name)
        return tiny_embedder

    (tmp_path / "shards.json").write_text("{}")
    folders = [tmp_path / name for name in scores]
    report = evaluate_seeds(folders, tmp_path, open_folder=open_folder, cache=tmp_path, command="asked")
    assert opened == ["a", "b"] and report.rows == (together([row(0.4), row(0.6)]),)
    assert report.receipt.command == "asked" and report.receipt.model.count(tiny_embedder.bundle.fingerprint) == 2
    with pytest.raises(ValueError, match="two or more"):
        evaluate_seeds(folders[:1], tmp_path, open_folder=open_folder, cache=tmp_path, command="")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["small-seeds", "--root", "."], "needs it"),
        (["small", "--root", ".", "--models", "a", "b"], "for small-seeds"),
        (["small-seeds", "--root", ".", "--models", "a", "b", "--model", "c"], "leave --model out"),
        (["small-seeds", "--models", "a", "b"], "--root"),
        (["small-seeds", "--root", ".", "--models", "a"], "two or more"),
    ],
)
def test_what_cannot_be_is_told(given: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *given]) == 2
    assert why in capsys.readouterr().err
