"""Settings of several kinds: read strictly by their `kind`, written with it, and the first one without it."""

from dataclasses import dataclass, replace

import pytest

from vljepa.config import SettingsError, as_dict, override, settings_from
from vljepa.models.sizes import open, paper, small, tiny
from vljepa.models.vljepa import VLJEPASettings


@pytest.mark.parametrize("size", [tiny, small, open, paper])
def test_every_size_is_read_as_it_was_written(size) -> None:
    settings = size()
    assert settings_from(VLJEPASettings, as_dict(settings)) == settings


def test_a_kind_that_is_not_told_is_the_first_one() -> None:
    """Folders from before there were several do not tell."""
    values = as_dict(small())
    for part in ("x_encoder", "y_encoder"):
        del values[part]["kind"]
    assert settings_from(VLJEPASettings, values) == small()


def test_wrong_settings_of_a_kind_are_named_by_their_path() -> None:
    values = as_dict(paper())
    for part, wrong, said in (
        ("x_encoder", {"cells": 3}, r"unknown setting x_encoder\.cells"),
        ("x_encoder", {"kind": "vjepa3"}, r"x_encoder\.kind cannot be 'vjepa3'; did you mean x_encoder|vjepa2"),
        ("x_encoder", {"layers": "many"}, r"setting x_encoder\.layers: .*integer"),
        ("y_encoder", {"pooling": "last"}, r"y_encoder\.pooling cannot be 'last'"),
    ):
        with pytest.raises(SettingsError, match=said):
            settings_from(VLJEPASettings, values | {part: values[part] | wrong})
    with pytest.raises(SettingsError, match=r"setting x_encoder\.resolution: Field required"):
        settings_from(VLJEPASettings, values | {"x_encoder": {"kind": "vjepa2"}})


def test_settings_of_a_kind_are_overridden_by_their_dotted_names() -> None:
    changed = override(paper(), ["y_encoder.dense=3072", "predictor.llama.rope_scaling.factor=8"])
    assert changed.y_encoder == replace(paper().y_encoder, dense=3072)
    assert changed.predictor.llama.rope_scaling is not None and changed.predictor.llama.rope_scaling.factor == 8


def test_what_settings_refuse_themselves_is_said_in_their_own_words() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Share:
        share: float = 1.0

        def __post_init__(self) -> None:
            if self.share > 1:
                raise SettingsError("share is above 1: give less")

    with pytest.raises(SettingsError, match=r"^share is above 1: give less$"):
        settings_from(Share, {"share": 2.0})
