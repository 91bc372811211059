"""Opposites are pulled apart in the shared space, and nothing else moves."""

import pytest
import torch
from tests.conftest import tiny_bundle
from torch.nn import functional

from vljepa.recipes import opposites


def test_opposites_move_apart_and_what_lies_across_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opposites, "OPPOSITES", (("left", "right"), ("opens", "closes")))
    bundle = tiny_bundle()
    model, tokenizer = bundle.model, bundle.target_tokenizer
    before = model.y_encoder.head.weight.clone()
    with torch.no_grad():
        sides = functional.normalize(model.y_encoder.pooled(tokenizer(["left", "right", "opens", "closes"])), dim=-1)
    along = torch.stack([sides[0] - sides[1], sides[2] - sides[3]])
    opposites.pull_apart(model, tokenizer, factor=4.0)
    after = model.y_encoder.head.weight
    torch.testing.assert_close(after @ along.T, 4 * before @ along.T, atol=1e-5, rtol=1e-4)
    across = torch.randn(24, generator=torch.Generator().manual_seed(0))
    across -= torch.linalg.lstsq(along.T, across[:, None]).solution[:, 0] @ along
    torch.testing.assert_close(after @ across, before @ across, atol=1e-5, rtol=1e-4)
