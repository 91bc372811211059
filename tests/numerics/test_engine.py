"""The whole trainer on several ranks equals one: FSDP2, GradCache, recomputed blocks, checkpoints that change ranks."""

import functools
from pathlib import Path

import pytest
import torch
from tests.numerics.test_bfloat16 import slow_moves
from tests.numerics.test_ranks import assert_same, on_one_rank
from tests.training import made_runs
from tests.training.made_runs import ToldTrainer

from vljepa.config import SettingsError
from vljepa.training.trainer import Interrupted, LoopSettings

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

EVERY_STEP = LoopSettings(steps=3, record_every=1, evaluate_every=2, save_every=3)
CASES = {
    "whole batch": EVERY_STEP,
    "GradCache": LoopSettings(steps=3, record_every=1, evaluate_every=2, save_every=3, micro_rows=3),
    "blocks recomputed": LoopSettings(steps=3, record_every=1, evaluate_every=2, save_every=3, checkpoint_blocks=True),
}
LEGS = LoopSettings(steps=6, evaluate_every=2, save_every=100)
make_run = functools.partial(made_runs.make_run, epsilon=1e-3)


def outcome(trainer: ToldTrainer) -> list[torch.Tensor]:
    trainer.fit()
    return [*trainer.losses, *trainer.weights()]


def leg(folder: Path, stop_after: int) -> None:
    """Some steps of a stage of six, stopped with its state saved."""
    with pytest.raises(Interrupted):
        make_run(folder, loop=LEGS, stop_after=stop_after).fit()


def on_ranks(rows: range, rank: int, *, folder: Path) -> dict[str, list[torch.Tensor]]:
    found = {name: outcome(make_run(folder / name, loop=loop)) for name, loop in CASES.items()}
    leg(folder / "legs", 4)
    torch.save(slow_moves(folder / "bfloat16", torch.bfloat16), folder / f"moves-{rank}.pt")
    with pytest.raises(SettingsError, match="ranks do not agree on their steps \\(rank 0 at 0 of 3, rank 1 at 0 of 4"):
        make_run(folder / "unlike", loop=LoopSettings(steps=3 + rank)).fit()
    with pytest.raises(SettingsError, match="every rank drew the same rows"):
        same = make_run(folder / "same", loop=EVERY_STEP)
        batch = same.draw(rank)  # a draw that knows nothing of ranks
        torch.distributed.broadcast(batch[0].frames, 0)
        same.draw = lambda step: batch
        same.fit()
    return found


def test_two_ranks_equal_one_and_a_run_may_change_their_number(tmp_path: Path) -> None:
    expected = {name: outcome(make_run(tmp_path / "one" / name, loop=EVERY_STEP)) for name in CASES}
    unbroken = outcome(make_run(tmp_path / "one" / "legs", loop=LEGS))[-len(expected["GradCache"]) + 3 :]
    leg(tmp_path / "legs", 2)
    work = functools.partial(on_ranks, folder=tmp_path)
    torch.multiprocessing.spawn(on_one_rank, args=(2, str(tmp_path), work), nprocs=2)
    assert_same(torch.load(tmp_path / "found.pt", weights_only=True), expected)
    last = make_run(tmp_path / "legs", loop=LEGS)
    last.fit()
    assert len(last.losses) == 2
    assert_same({"legs": last.weights()}, {"legs": unbroken})
    wanted = slow_moves(tmp_path / "float32", torch.float32)
    moves = [torch.load(tmp_path / f"moves-{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert torch.equal(moves[0], moves[1])  # each rank brought the whole weights home
    assert float((moves[0] != 0).float().mean()) > 0.9
    assert float(moves[0].abs().mean()) == pytest.approx(float(wanted.abs().mean()), rel=0.1)


def on_four_ranks(rows: range, rank: int, *, folder: Path) -> dict[str, list[torch.Tensor]]:
    return {name: outcome(make_run(folder / name, loop=CASES[name])) for name in ("whole batch", "GradCache")}


def test_four_ranks_equal_one(tmp_path: Path) -> None:
    expected = outcome(make_run(tmp_path / "one", loop=EVERY_STEP))
    work = functools.partial(on_four_ranks, folder=tmp_path)
    torch.multiprocessing.spawn(on_one_rank, args=(4, str(tmp_path), work), nprocs=4)
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    assert_same(found, {"whole batch": expected, "GradCache": expected})


def test_recomputed_blocks_train_as_kept_ones_do(tmp_path: Path) -> None:
    kept = outcome(make_run(tmp_path / "kept", loop=EVERY_STEP))
    trainer = make_run(tmp_path / "again", loop=CASES["blocks recomputed"])
    calls = []
    block = trainer.twin.model.predictor.layers.layers[0]
    # Before, not after: computing again stops as soon as the last tensor that is needed is there.
    block.mlp.register_forward_pre_hook(lambda *seen: calls.append(torch.is_grad_enabled()))
    recomputed = outcome(trainer)
    assert len(calls) == 2 * 3  # forward, and once more in the backward pass
    assert_same({"": recomputed}, {"": kept})


def test_compiled_blocks_train_as_plain_ones_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def stand_in(forward: object) -> object:  # a real compiler takes a minute and is not on every machine
        compiled.append(forward)
        return forward

    monkeypatch.setattr(torch, "compile", stand_in)
    plain = outcome(make_run(tmp_path / "plain", loop=EVERY_STEP))
    loop = LoopSettings(steps=3, record_every=1, evaluate_every=2, save_every=3, compile_blocks=True)
    assert_same({"": outcome(make_run(tmp_path / "compiled", loop=loop))}, {"": plain})
    assert len(compiled) == 4  # two layers of the Predictor, two of the Y-Encoder, none of the frozen Y-Decoder
