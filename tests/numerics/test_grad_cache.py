"""GradCache equals the large batch in one pass: loss and every gradient, dropout included, on one rank and on two."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.numerics.test_ranks import ROWS, assert_same, on_one_rank
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from vljepa.data.collate import Example, collate
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.objectives.menu import LossName
from vljepa.training.grad_cache import cached_backward
from vljepa.training.optim import OptimSettings, parameter_groups
from vljepa.types import Batch, Losses

TEXTS = ("a red ball", "the cat", "a red ball", "blue cube falls", "the dog", "a door opens", "the cat", "a green ball")


def objective_and_batch(
    rows: range, *, dropout: float = 0.0, loss: LossName = "info_nce"
) -> tuple[JointEmbedding, Batch]:
    """The tiny objective with dropout on both sides, and some rows of a batch in which texts repeat."""
    bundle = tiny_bundle()
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings(loss=loss, class_weight=0.3)).train()
    generator = torch.Generator().manual_seed(1)
    objective.class_names.copy_(torch.randn(objective.class_names.shape, generator=generator))
    for module in objective.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    predictor = bundle.model.predictor
    predictor.head = torch.nn.Sequential(torch.nn.Dropout(dropout), predictor.head)  # type: ignore[assignment]
    parameter_groups(objective, bundle.model, OptimSettings())  # freezes what training freezes
    frames = torch.rand(ROWS, 2, bundle.model.settings.x_encoder.frame_width, generator=generator)
    examples = [
        Example(frames=frames[row], query="what colour" if row % 2 else "", target=TEXTS[row], negatives=("the cat",))
        for row in rows
    ]
    batch = collate(examples, query_tokenizer=bundle.query_tokenizer, target_tokenizer=bundle.target_tokenizer)
    return objective, batch


def gradients(objective: JointEmbedding, losses: Losses) -> dict[str, torch.Tensor]:
    named = {name: value.grad for name, value in objective.named_parameters() if value.grad is not None}
    return {"loss": losses.total.detach(), **named}


def in_one_pass(objective: JointEmbedding, batch: Batch) -> dict[str, torch.Tensor]:
    losses = objective(batch)
    losses.total.backward()
    return gradients(objective, losses)


def in_one_graph(objective: JointEmbedding, batch: Batch) -> dict[str, torch.Tensor]:
    """One graph over the whole batch, with the random draws in the order in which pieces of at most three make them."""
    rows, texts = [(0, 2), (2, 5), (5, 8)], [(0, 3), (3, 6)]
    predicted = [objective.predict(batch.frames[a:b], batch.query.rows(slice(a, b))) for a, b in rows]
    targets = [objective.encode(batch.targets.rows(slice(a, b))) for a, b in texts]
    losses = objective.compare(torch.cat(predicted), torch.cat(targets), batch)
    losses.total.backward()
    return gradients(objective, losses)


def cached(objective: JointEmbedding, batch: Batch, micro_rows: int) -> dict[str, torch.Tensor]:
    return gradients(objective, cached_backward(objective, batch, micro_rows=micro_rows, computing=nullcontext))


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert_same({name: [value] for name, value in found.items()}, {name: [value] for name, value in expected.items()})


@pytest.mark.parametrize("micro_rows", [1, 3, 100])
def test_it_equals_the_large_batch_in_one_pass(micro_rows: int) -> None:
    expected = in_one_pass(*objective_and_batch(range(ROWS)))
    assert {"log_scale", "model.predictor.visual_projection.weight", "model.y_encoder.head.weight"} <= expected.keys()
    assert_equal(cached(*objective_and_batch(range(ROWS)), micro_rows), expected)


@pytest.mark.parametrize("loss", ["info_nce", "sigreg"])
def test_with_dropout_the_second_pass_draws_what_the_first_one_drew(loss: LossName) -> None:
    """SIGReg draws between the passes, and neither that draw nor those of the next step may be drawn twice."""
    torch.manual_seed(7)
    expected = in_one_graph(*objective_and_batch(range(ROWS), dropout=0.4, loss=loss))
    after = torch.rand(3)
    torch.manual_seed(7)
    found = cached(*objective_and_batch(range(ROWS), dropout=0.4, loss=loss), 3)
    torch.testing.assert_close(torch.rand(3), after, rtol=0, atol=0)
    assert_equal(found, expected)
    without = in_one_pass(*objective_and_batch(range(ROWS), loss=loss))
    assert abs(float(found["loss"] - without["loss"])) > 1e-3


def test_a_rank_with_fewer_texts_than_pieces_keeps_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another rank of 20 rows makes ten pieces of two necessary here too, some of them empty."""
    expected = in_one_pass(*objective_and_batch(range(ROWS)))
    monkeypatch.setattr("vljepa.training.grad_cache.rows_of_ranks", lambda rows: [len(rows), 20])
    objective, batch = objective_and_batch(range(ROWS))
    calls = []
    objective.model.predictor.register_forward_hook(lambda part, inputs, output: calls.append(len(output)))
    assert_equal(cached(objective, batch, 2), expected)
    assert calls == [1] * 20


def test_plain_accumulation_is_something_else() -> None:
    """Two small batches that never meet have fewer negatives, a smaller loss and other gradients."""
    whole = cached(*objective_and_batch(range(ROWS)), 4)
    halves = [in_one_pass(*objective_and_batch(rows)) for rows in (range(4), range(4, ROWS))]
    assert float(whole["loss"]) > float(sum(half["loss"] for half in halves)) / 2 + 0.1


def test_a_frozen_side_is_computed_once_and_gets_no_gradient() -> None:
    objective, batch = objective_and_batch(range(ROWS))
    objective.model.y_encoder.requires_grad_(False)
    calls = []
    objective.model.y_encoder.register_forward_hook(lambda *inputs: calls.append(torch.is_grad_enabled()))
    found = cached(objective, batch, 4)
    assert calls
    assert not any(calls)
    assert not any("y_encoder" in name for name in found)


def test_forward_passes_and_no_backward_pass_run_in_the_given_context() -> None:
    objective, batch = objective_and_batch(range(ROWS))
    inside = []

    @contextmanager
    def computing() -> Iterator[None]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield

    objective.model.predictor.register_forward_hook(lambda *values: inside.append(torch.is_autocast_enabled("cpu")))
    objective.log_scale.register_hook(lambda gradient: inside.append(not torch.is_autocast_enabled("cpu")))
    cached_backward(objective, batch, micro_rows=4, computing=computing)
    assert len(inside) == 5
    assert all(inside)


def cached_share(rows: range, rank: int) -> dict[str, list[torch.Tensor]]:
    return {name: [value] for name, value in cached(*objective_and_batch(rows), 3).items()}


def test_two_ranks_with_grad_cache_equal_one_without(tmp_path: Path) -> None:
    expected = in_one_pass(*objective_and_batch(range(ROWS)))
    torch.multiprocessing.spawn(on_one_rank, args=(2, str(tmp_path), cached_share), nprocs=2)
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    assert_same(found, {name: [value] for name, value in expected.items()})


def sharded_share(rows: range, rank: int) -> dict[str, list[torch.Tensor]]:
    """Blocks sharded over the ranks as FSDP2 does it: the engine averages gradients, each rank holds a part of them."""
    objective, batch = objective_and_batch(rows)
    for part in (objective.model.predictor, objective.model.y_encoder, objective):
        fully_shard(part)
    for method in ("predict", "encode", "compare"):
        register_fsdp_forward_method(objective, method)
    found = cached(objective, batch, 3)
    return {name: [value.full_tensor() if isinstance(value, DTensor) else value] for name, value in found.items()}


def test_two_ranks_with_sharded_weights_equal_one_without(tmp_path: Path) -> None:
    expected = in_one_pass(*objective_and_batch(range(ROWS)))
    torch.multiprocessing.spawn(on_one_rank, args=(2, str(tmp_path), sharded_share), nprocs=2)
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    assert_same(found, {name: [value] for name, value in expected.items()})
