"""The mean of models: every weight is halfway, and models that are not alike are refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from tests.conftest import tiny_bundle

from vljepa.cli.main import main
from vljepa.weights.calibration import Calibration
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import load_folder, save_folder
from vljepa.weights.mean import mean_of


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two models of different seeds, as they are."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for seed, folder in enumerate(folders):
        save_folder(tiny_bundle(seed=seed), folder, card="", int8=False)
    return folders


def test_every_weight_is_halfway_and_the_calibration_is_none(pair: list[Path]) -> None:
    one, other = (load_folder(folder).model.state_dict() for folder in pair)
    mean = mean_of(pair)
    state = mean.model.state_dict()
    assert state.keys() == one.keys() and mean.calibration == Calibration()
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, (one[name] + other[name]) / 2 if tensor.is_floating_point() else one[name])
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_the_mean_of_a_model_with_itself_is_that_model(pair: list[Path]) -> None:
    state = load_folder(pair[0]).model.state_dict()
    for name, tensor in mean_of([pair[0]] * 3).model.state_dict().items():
        torch.testing.assert_close(tensor, state[name])


def test_one_model_or_another_kind_of_model_is_refused(pair: list[Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="two or more"):
        mean_of(pair[:1])
    strange = tmp_path / "strange"
    bundle = tiny_bundle(seed=1)
    save_folder(dataclasses.replace(bundle, frames=bundle.frames + 1), strange, card="", int8=False)
    with pytest.raises(WeightsError, match="number of frames"):
        mean_of([pair[0], strange])


def test_a_command_writes_a_folder_that_opens_and_never_over_another(
    pair: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["weights", "mean", *map(str, pair), "--into", str(tmp_path / "new" / "mean")]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == [str(folder) for folder in pair]
    load_folder(tmp_path / "new" / "mean")
    assert main(["weights", "check", str(tmp_path / "new" / "mean"), "--json"]) == 0
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
