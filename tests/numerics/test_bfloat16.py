"""Training in bfloat16 moves the slow group (x0.05) as float32 does: its master weights are float32."""

from pathlib import Path

import pytest
import torch
from tests.training.made_runs import make_run

from vljepa.training.trainer import LoopSettings

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")


def slow_moves(folder: Path, dtype: torch.dtype) -> torch.Tensor:
    """By how much each trained weight of the Y-Encoder's body moved in twelve steps."""
    trainer = make_run(folder, loop=LoopSettings(steps=12, evaluate_every=50, save_every=50), dtype=dtype)
    body = trainer.objective.model.y_encoder.body
    before = {name: value.detach().clone() for name, value in body.named_parameters() if value.requires_grad}
    trainer.fit()
    after = dict(body.named_parameters())
    return torch.cat([(after[name].detach() - value).flatten() for name, value in before.items()])


def test_the_slow_group_moves_as_it_does_in_float32(tmp_path: Path) -> None:
    wanted, found = (slow_moves(tmp_path / str(dtype), dtype) for dtype in (torch.float32, torch.bfloat16))
    changed = [float((moves != 0).float().mean()) for moves in (wanted, found)]
    assert changed[0] > 0.9
    assert changed[1] == pytest.approx(changed[0], rel=0.1)
    assert float(found.abs().mean()) == pytest.approx(float(wanted.abs().mean()), rel=0.1)
    assert not torch.equal(wanted, found)  # it did compute in another number type
    # A step of a twentieth of the rate is lost in the digits of a bfloat16 weight of ordinary size.
    rounded = (torch.full_like(wanted, 0.05).bfloat16() + wanted.bfloat16() / 12) != torch.tensor(0.05).bfloat16()
    assert float(rounded.float().mean()) < 0.5
