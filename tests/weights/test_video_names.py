"""V-JEPA's own checkpoints: versions are told apart, other files refused (their numbers: test_parity)."""

import pytest

from vljepa.models.vjepa2_1 import VJEPA21, VJEPA21Settings
from vljepa.weights.convert import WeightsError
from vljepa.weights.video_names import encoder_table, is_2_1


def test_versions_are_told_apart_and_other_files_refused():
    plain = VJEPA21(VJEPA21Settings(hidden=48, intermediate=96, layers=1, heads=2, resolution=32)).state_dict()
    wrapped = {f"module.{key}": value for key, value in plain.items()}
    table = encoder_table({"ema_encoder": wrapped}, name="vitb.pt")
    assert is_2_1(table)
    assert table.keys() == plain.keys()
    with pytest.raises(WeightsError, match="holds none of target_encoder, ema_encoder, encoder but model"):
        encoder_table({"model": plain}, name="other.pt")
