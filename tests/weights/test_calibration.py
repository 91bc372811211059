"""A pair for each of four cases: kept in a folder, and read from folders of the older form as it was meant there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import tiny_bundle

from vljepa.config import SettingsError
from vljepa.hub import VLJEPAConfig
from vljepa.weights.calibration import Calibration, Pair
from vljepa.weights.folder import load_companions, save_folder

FOUR = Calibration(
    picture=Pair(scale=11.0, background=0.1),
    picture_asked=Pair(scale=12.0, background=0.2),
    clip=Pair(scale=13.0, background=0.3),
    clip_asked=Pair(scale=14.0, background=0.4),
    unsure=0.5,
)


@pytest.fixture(name="folder")
def saved_folder(tmp_path: Path) -> Path:
    save_folder(replace(tiny_bundle(), calibration=FOUR), tmp_path / "model", card="", int8=False)
    return tmp_path / "model"


def opened(folder: Path, calibration: Any) -> Calibration:
    """The calibration of a folder whose `config.json` says this of it; transformers' configuration says the same."""
    values = json.loads((folder / "config.json").read_text()) | {"calibration": calibration}
    (folder / "config.json").write_text(json.dumps(values))
    found = load_companions(folder).calibration
    assert VLJEPAConfig(**values).settings.calibration == found
    return found


def test_a_pair_for_each_case() -> None:
    assert FOUR.of(moving=False, asked=False) is FOUR.picture
    assert FOUR.of(moving=False, asked=True) is FOUR.picture_asked
    assert FOUR.of(moving=True, asked=False) is FOUR.clip
    assert FOUR.of(moving=True, asked=True) is FOUR.clip_asked


def test_all_pairs_are_kept_in_a_folder(folder: Path) -> None:
    assert load_companions(folder).calibration == FOUR
    told = json.loads((folder / "config.json").read_text())["calibration"]
    assert told["clip"] == {"scale": 13.0, "background": 0.3}
    assert opened(folder, {"clip": {"scale": 9.0}}) == Calibration(clip=Pair(scale=9.0))


def test_the_older_form_means_what_it_meant(folder: Path) -> None:
    described, asked = Pair(scale=20.0, background=0.2), Pair(scale=39.0, background=0.325)
    whole = {"scale": 20.0, "background": 0.2, "asked_scale": 39.0, "asked_background": 0.325}
    pairs = Calibration(picture=described, clip=described, picture_asked=asked, clip_asked=asked)
    assert opened(folder, whole) == pairs
    assert opened(folder, whole | {"unsure": 0.27}) == replace(pairs, unsure=0.27)
    only = Pair(background=0.4)
    assert opened(folder, {"asked_background": 0.4}) == Calibration(picture_asked=only, clip_asked=only)
    assert opened(folder, {}) == Calibration()


@pytest.mark.parametrize(
    ("calibration", "sentence"),
    [
        ({"scale": 20.0, "ground": 0.2}, "unknown setting calibration.ground"),
        ({"scale": 20.0, "clip": {"scale": 9.0}}, "unknown setting calibration.scale"),
        ({"clip": {"asked_scale": 9.0}}, "unknown setting calibration.clip.asked_scale; did you mean"),
        (20.0, "setting calibration"),
    ],
)
def test_what_is_in_neither_form_is_an_error(folder: Path, calibration: Any, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        opened(folder, calibration)
