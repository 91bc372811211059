"""`vljepa ablate` at size tiny: every variant can be trained, cells are shared, the table stands on the records."""

import json
from pathlib import Path

import pytest
import torch
from tests.experiments.made_ground import SETTINGS, make_ground

from vljepa.cli.main import main
from vljepa.config import SettingsError, fingerprint, override
from vljepa.experiments.ablate import AblateSettings
from vljepa.experiments.ablations import GROUPS
from vljepa.experiments.arms import ready
from vljepa.experiments.ground import Ground, lay_ground
from vljepa.models.vljepa import VLJEPA

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
OWN = [one.replace("cell.decoder.", "decoder.") for one in SETTINGS if not one.startswith(("steps", "cell.own"))]
OWN += ["steps=2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Ground]:
    corpus, into = make_ground(tmp_path_factory.mktemp("ablate"))
    settings = override(AblateSettings(), OWN)
    ground = lay_ground(corpus, into, settings=settings.ground, cache=corpus, device="cpu", tell=lambda line: None)
    return corpus, into, ground


def test_every_variant_differs_from_its_groups_first_and_can_be_built(made: tuple[Path, Path, Ground]) -> None:
    ground = made[2]
    cells = override(AblateSettings(), OWN).cells(ground, list(GROUPS))
    for name, variants in cells.items():
        marks = [fingerprint(seeds[0]) for seeds in variants.values()]
        assert len(set(marks)) == len(marks), f"two variants of {name} are one cell"
        for seeds in variants.values():
            if seeds[0].y_weights == "shipped":
                with pytest.raises(SettingsError, match="shape"):  # the shipped one is no tiny one
                    ready(seeds[0], ground)
            else:
                arm = ready(seeds[0], ground)
                assert isinstance(arm.model, VLJEPA) and arm.trainable > 0


def test_variants_change_what_they_name(made: tuple[Path, Path, Ground]) -> None:
    ground = made[2]
    cells = override(AblateSettings(), OWN).cells(ground, list(GROUPS))

    def arm(group: str, variant: str):
        return ready(cells[group][variant][0], ground)

    layers = {name: len(arm("predictor", name).model.predictor.layers.layers) for name in cells["predictor"]}
    assert layers | {"last half": 2, "all": 4, "first half": 2, "first quarter": 1} == layers
    assert arm("predictor", "causal mask").model.predictor.layers.causal
    published, drawn = (arm("predictor", name).model.predictor for name in ("last half", "random at the start"))
    assert not torch.equal(published.layers.layers[0].mlp.up_proj.weight, drawn.layers.layers[0].mlp.up_proj.weight)
    assert torch.equal(published.head.weight, drawn.head.weight)
    rates = {
        name: {group.name: group.rate for group in arm("y-encoder-rate", name).groups} for name in ("0.05", "1", "0")
    }
    assert rates["1"]["y_encoder.body"] == pytest.approx(20 * rates["0.05"]["y_encoder.body"])
    assert "y_encoder.body" not in rates["0"] and "y_encoder.head" in rates["0"]
    assert not any(name.startswith("y_encoder") for name in {g.name for g in arm("loss", "cosine").groups})
    assert arm("query-projection", "without").trainable < arm("query-projection", "with").trainable


def test_the_paper_s_numbers_are_those_of_its_table() -> None:
    assert sorted(group.letter for group in GROUPS.values() if group.letter) == ["a", "b", "c", "d", "e"]
    default = (27.3, 30.2, 42.5)
    for name in ("pretraining", "y-encoder-rate", "predictor"):
        assert GROUPS[name].variants[0].paper == default


def test_groups_share_cells_and_make_one_table(
    made: tuple[Path, Path, Ground], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, into, _ = made
    monkeypatch.setattr("vljepa.experiments.latency.ROUNDS", 1)
    command = ["ablate", "--corpus", str(corpus), "--into", str(into), "--workers", "1"]
    command += ["--groups", "query-projection", "read-out", "decoder", "--set", *OWN]
    assert main(command) == 0
    report = json.loads((into / "ablations.json").read_text())
    assert [row["group"] for row in report["rows"]] == ["query-projection"] * 2 + ["read-out"] * 2 + ["decoder"] * 3
    # The default that two groups share, without projection, query tokens, three decoders.
    assert len(list((into / "cells").iterdir())) == 6
    assert report["chance"] == {"top-1": 0.5, "R@1": 0.25, "answers": 0.5}
    first, second = report["rows"][0], report["rows"][2]
    assert first["scores"] == second["scores"] and set(first["scores"]) == {"top-1", "R@1", "answers"}
    assert first["scores"]["top-1"]["against"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert all("CIDEr-D" in row["scores"] for row in report["rows"][4:])
    assert "| read-out | query tokens |" in (into / "ablations.md").read_text()


def test_a_group_that_does_not_exist_is_told_with_the_nearest(
    made: tuple[Path, Path, Ground], capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, into, _ = made
    assert main(["ablate", "--corpus", str(corpus), "--into", str(into), "--groups", "losses"]) == 2
    assert "did you mean loss?" in capsys.readouterr().err
    assert main(["ablate", "--list"]) == 0
    assert "temperature" in capsys.readouterr().out
