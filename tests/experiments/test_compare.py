"""`vljepa compare` at size tiny: equal conditions, records that all figures come from, runs that were broken off."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.experiments.made_ground import SETTINGS, make_ground

from vljepa.cli.main import main
from vljepa.config import SettingsError, override
from vljepa.data.asking import AskSettings
from vljepa.experiments import cells
from vljepa.experiments.arms import ready
from vljepa.experiments.cells import Outcome, folder_of, outcome, run_cell
from vljepa.experiments.compare import ARMS, CompareSettings, compare
from vljepa.experiments.compare_report import UnequalArmsError, claims, comparison
from vljepa.experiments.draws import Clock, Draws
from vljepa.experiments.ground import Ground, held_out, open_ground
from vljepa.experiments.scoring import _named
from vljepa.experiments.settings import Cell
from vljepa.models.token_vlm import TokenVLM

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

Compared = tuple[CompareSettings, Ground, list[Outcome]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A corpus and a folder with one whole comparison in it, trained with one thread as it is meant to be."""
    corpus, into = make_ground(tmp_path_factory.mktemp("compare"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vljepa.experiments.latency.ROUNDS", 1)
        command = ["compare", "--corpus", str(corpus), "--into", str(into), "--workers", "1", "--set", *SETTINGS]
        assert main(command) == 0
        yield corpus, into
    torch.set_num_threads(threads)


def again(made: tuple[Path, Path]) -> Compared:
    """All of it from its records: nothing is trained twice."""
    corpus, into = made
    return compare(corpus, into, cache=corpus, assignments=SETTINGS, workers=1, device="cpu", tell=lambda line: None)


def test_all_arms_of_a_seed_see_the_same_rows_in_the_same_order(made: tuple[Path, Path]) -> None:
    settings, ground, outcomes = again(made)
    assert [one.cell.arm for one in outcomes] == list(ARMS)
    orders = [[point["order"] for point in one.points] for one in outcomes]
    assert orders[0] == orders[1] == orders[2]
    assert len(set(orders[0])) == len(outcomes[0].points) == 8
    first, second = (drawn(outcomes[0].cell, ground, seed=seed) for seed in (0, 1))
    assert first.order[1] == orders[0][0] != second.order[1]
    # Another target of a row is another order, whoever has it.
    other = drawn(replace(outcomes[0].cell, asking=AskSettings(captions=0.0, query_free=1.0)), ground, seed=0)
    assert other.order[1] != first.order[1]
    points = (outcomes[1].points[0] | {"order": "another"}, *outcomes[1].points[1:])
    with pytest.raises(UnequalArmsError, match="seed 0"):
        comparison(settings, ground, [outcomes[0], replace(outcomes[1], points=points), *outcomes[2:]])


def drawn(cell: Cell, ground: Ground, *, seed: int) -> Draws:
    """After its first batch."""
    bundle = ground.bundle()
    rows, queries, texts = ground.rows(cell.asking), bundle.query_tokenizer, bundle.target_tokenizer
    draws = Draws(rows, cell, queries=queries, texts=texts, seed=seed, clock=Clock())
    draws(0)
    return draws


def test_arms_begin_alike_and_learn_as_many_parameters_as_they_should(made: tuple[Path, Path]) -> None:
    settings, ground, _ = again(made)
    ours, whole, equal = (ready(cell, ground) for cell in settings.cells(ground)[:3])
    assert isinstance(whole.model, TokenVLM) and isinstance(equal.model, TokenVLM)
    for theirs in (whole.model, equal.model):
        mine = ours.model.predictor.visual_projection.weight
        assert torch.equal(mine, theirs.generator.visual_projection.weight)
        assert torch.equal(ours.model.token_table.weight, theirs.token_table.weight)
        assert not theirs.token_table.weight.requires_grad
    assert len(whole.model.generator.layers.layers) == 4 and len(ours.model.predictor.layers.layers) == 2
    # The Predictor's two layers are the last half of what the token VLM has.
    first, published = ours.model.predictor.layers.layers[0], whole.model.generator.layers.layers[2]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), published.parameters(), strict=True))
    # Each side learns at its own rate.
    rates = [cell.optim.rate for cell in settings.cells(ground)[:3]]
    assert rates == [settings.cell.optim.rate, settings.vlm_rate, settings.vlm_rate] and rates[0] != rates[1]
    layer = sum(parameter.numel() for parameter in first.parameters())
    assert abs(equal.trainable - ours.trainable) <= layer / 2 + 100 < whole.trainable - ours.trainable + layer
    # Another seed draws another projection, the same for all arms.
    other = ready(replace(settings.cells(ground)[0], seed=1), ground)
    assert not torch.equal(
        other.model.predictor.visual_projection.weight, ours.model.predictor.visual_projection.weight
    )


def test_figures_are_made_from_the_records(made: tuple[Path, Path]) -> None:
    settings, ground, outcomes = again(made)
    report = json.loads((made[1] / "report.json").read_text())
    ends = [one.points[-1] for one in outcomes if one.cell.arm == "vlm"]
    cider = [value for end in ends for value in end["cider"]]
    assert report["found"]["arms"]["vlm"]["curves"]["cider"][-1]["mean"] == pytest.approx(sum(cider) / len(cider))
    named = [rank <= 1 for end in ends for rank in end["label_ranks"]]
    assert report["found"]["arms"]["vlm"]["curves"]["top1"][-1]["mean"] == pytest.approx(sum(named) / len(named))
    # The decoder of its own that VL-JEPA has at its end, of one run here, against the token VLM's own words.
    own = [value for one in outcomes for value in one.whole.get("own_decoder", {}).get("cider", [])]
    found = report["found"]
    assert found["arms"]["vl-jepa"]["own_decoder"]["cider"]["mean"] == pytest.approx(sum(own) / 4)
    ratio = found["against"]["vlm"]["cider"]["ratio_with_own_decoder"]["mean"]
    assert ratio == pytest.approx(sum(own) / 4 / max(sum(cider) / 4, 1e-9))
    # A name that is liked whatever is seen loses what it is liked for.
    even = [rank <= 1 for end in ends for rank in end["even_label_ranks"]]
    assert report["found"]["arms"]["vlm"]["even"]["top1"]["mean"] == pytest.approx(sum(even) / len(even))
    changed = [
        replace(one, points=tuple(point | {"cider": [value] * 4} for point in one.points))
        for one, value in zip(outcomes, (2.0, 1.0, 1.0), strict=True)
    ]
    found = comparison(settings, ground, changed)
    assert found["against"]["vlm"]["cider"]["ratio_at_end"] == {"mean": 2.0, "low": 2.0, "high": 2.0}
    assert found["against"]["vlm"]["cider"]["share_of_samples"] == {"share": 1.0, "interval": [1.0, 1.0], "missed": 0}
    # The other side's level is there at the first checkpoint: what had been spent then, by the clock of each.
    spent = {arm: found["arms"][arm]["cpu_seconds"][0] for arm in ("vl-jepa", "vlm")}
    share = found["against"]["vlm"]["cider"]["share_of_cpu_seconds"]["share"]
    assert share == pytest.approx(spent["vl-jepa"] / spent["vlm"])
    held = {one["claim"]: one["holds"] for one in claims(found)}
    assert (
        held["at least 1.5 times its CIDEr-D at the end"]
        and held["ahead in CIDEr-D at every checkpoint after the first"]
    )
    assert not held["ahead in top-5 at every checkpoint after the first"]  # with two names nobody is ahead
    for name in ("report.md", "curves.png", "curves.svg"):
        assert (made[1] / name).stat().st_size > 500


def test_settings_can_be_chosen_without_a_look_at_test(made: tuple[Path, Path], tmp_path: Path) -> None:
    items = open_ground(made[1]).items
    assert {item.split for item in items} == {"test"}
    moved = [*items[:2], *(replace(item, split="validation") for item in items[2:])]
    assert held_out(moved, 10, "validation") == moved[2:] and held_out(moved, 10) == moved[:2]
    into = tmp_path / "run"
    shutil.copytree(made[1], into, ignore=shutil.ignore_patterns("cells"))
    facts = json.loads((into / "ground.json").read_text())
    facts["settings"]["split"] = "validation"
    (into / "ground.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="0 samples with captions are held out for validation"):
        open_ground(into)


def test_a_name_that_is_liked_whatever_is_seen_is_ranked_without_that(made: tuple[Path, Path]) -> None:
    first, second = open_ground(made[1]).items[:2]
    items = [replace(first, label="falls"), replace(second, label="rises")]
    found = _named(torch.tensor([[5.0, 0.0], [5.0, 1.0]]), items, ["falls", "rises"])
    assert found == {"label_ranks": [1, 2], "even_label_ranks": [1, 1]}


def without_time(one: Outcome) -> list[dict[str, Any]]:
    taken = {"cpu_seconds", "seconds", "scoring_cpu_seconds"}
    return [{name: value for name, value in point.items() if name not in taken} for point in one.points]


@pytest.mark.parametrize("arm", ["vl-jepa", "vlm"])
def test_a_cell_that_was_killed_ends_as_if_it_had_not_been(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arm: str
) -> None:
    _, _, outcomes = again(made)
    (unbroken,) = [one for one in outcomes if one.cell.arm == arm and one.cell.seed == 0]
    into = tmp_path / "run"
    shutil.copytree(made[1], into, ignore=shutil.ignore_patterns("cells"))
    other, steps, true_score = open_ground(into), [], cells.score

    def score(cell: Any, *given: Any, **named: Any) -> dict[str, Any]:
        steps.append(cell)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return true_score(cell, *given, **named)

    monkeypatch.setattr(cells, "score", score)
    with pytest.raises(KeyboardInterrupt):
        run_cell(unbroken.cell, other, device="cpu", tell=lambda line: None)
    folder = folder_of(into, unbroken.cell)
    assert len(list(folder.glob("step-*.json"))) == 5 and not (folder / "done.json").exists()
    resumed = run_cell(unbroken.cell, other, device="cpu", tell=lambda line: None)
    assert without_time(resumed) == without_time(unbroken)
    assert resumed.whole.get("own_decoder", {}).get("cider") == unbroken.whole.get("own_decoder", {}).get("cider")
    again_and_own = 9 + (arm == "vl-jepa")
    assert len(steps) == again_and_own, "what was scored before is not scored again"
    assert resumed.points[-1]["cpu_seconds"] > resumed.points[4]["cpu_seconds"]
    assert not (folder / "checkpoints").exists()


def test_other_settings_are_refused_and_name_what_differs(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, into = made
    common = ["compare", "--corpus", str(corpus), "--into", str(into), "--workers", "1", "--set", *SETTINGS]
    assert main([*common, "cell.rows=2"]) == 2
    assert "cell.rows was 4, is 2" in capsys.readouterr().err
    assert main([*common, "cell.arms=2"]) == 2
    assert "did you mean cell.arm?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "--corpus"),
        (["--corpus", "nowhere", "--into", "x"], "vljepa prepare"),
        (["--corpus", ".", "--into", "x", "--scale", "0"], "above 0"),
        (["--corpus", ".", "--into", "x", "--workers", "0"], "from 1"),
    ],
)
def test_bad_input_is_told_before_the_work(
    given: Sequence[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *given]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_source_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, into = make_ground(tmp_path)
    assert main(["compare", "--corpus", str(corpus), "--into", str(into), "--sources", "physics"]) == 2
    assert "no source physics; it has made" in capsys.readouterr().err


def test_a_scale_changes_the_steps_of_everything() -> None:
    settings = override(CompareSettings(), [])
    assert settings.scaled(1) == settings
    twice = settings.scaled(2)
    assert (twice.steps, twice.cell.decoder.steps) == (2 * settings.steps, 2 * settings.cell.decoder.steps)
    with pytest.raises(SettingsError, match="16 are the least"):
        settings.scaled(0.01)


def test_outcomes_are_read_from_their_files(made: tuple[Path, Path]) -> None:
    settings, ground, outcomes = again(made)
    path = folder_of(made[1], outcomes[0].cell) / "step-000016.json"
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept) | {"cider": [9.0] * 4}))
    try:
        assert outcome(made[1], outcomes[0].cell).points[-1]["cider"] == [9.0] * 4
        found = comparison(settings, ground, again(made)[2])
        assert found["arms"]["vl-jepa"]["each_seed"]["cider"][-1][0] == 9.0
    finally:
        path.write_text(kept)
