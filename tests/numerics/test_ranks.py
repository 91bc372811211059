"""One rank equals two and four: every loss and every gradient, with equal texts on several ranks and without."""

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from vljepa.objectives.joint_embedding import told_apart
from vljepa.objectives.menu import MENU, Compared, LossSettings

ROWS, DIM = 8, 4
# The text of each row and a wrong one beside it: 0 and 1 are texts of several rows, on several ranks.
TEXTS = (0, 1, 0, 2, 1, 3, 0, 4)
WRONG = (5, 0, 6, 5, 7, 2, 8, 9)
# Rows that bring another wording of their text: unlike many on each rank, and none on some.
REWORDED = (0, 1, 3, 6)
CASES = tuple(product(MENU, (True, False), (3, 256)))


def features(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed))


def parameters() -> list[torch.Tensor]:
    """Weights of a predictor and of a text encoder, scale and bias."""
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(5, DIM, generator=generator) for _ in range(2)]
    return [value.requires_grad_() for value in (*weights, torch.tensor([6.0]), torch.tensor([-2.0]))]


def columns(rows: range, *, merge: bool) -> tuple[list[int], torch.Tensor]:
    """Texts and labels of some rows, as `collate` makes them."""
    own, wrong = [TEXTS[row] for row in rows], [WRONG[row] for row in rows]
    if not merge:
        return own + wrong, torch.arange(len(own))
    texts = list(dict.fromkeys(own + wrong))
    return texts, torch.tensor([texts.index(text) for text in own])


def loss_of(case: tuple[str, bool, int], rows: range) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """One case's loss over some rows, and the parameters that it depends on."""
    name, merge, rows_at_once = case
    predictor, encoder, scale, bias = parameters()
    texts, labels = columns(rows, merge=merge)
    predicted = features(ROWS, 0)[rows.start : rows.stop] @ predictor
    targets = features(10, 1)[texts] @ encoder
    seen = Compared(
        predicted=functional.normalize(predicted, dim=-1),
        targets=functional.normalize(targets, dim=-1),
        raw_predicted=predicted,
        raw_targets=targets,
        labels=labels,
        keys=torch.tensor(texts) if merge else None,
        scale=scale,
        bias=bias,
    )
    loss = MENU[name].compute(seen, LossSettings(rows_at_once=rows_at_once, slices=6))
    return loss, [predictor, encoder, scale, bias]


def found_for(case: tuple[str, bool, int], rows: range) -> list[torch.Tensor]:
    """Loss and gradients; a parameter that the loss does not know has gradient zero."""
    loss, values = loss_of(case, rows)
    gradients = torch.autograd.grad(loss, values, allow_unused=True, materialize_grads=True)
    return [loss.detach(), *gradients]


def found_for_twins(rows: range, *, merge: bool) -> list[torch.Tensor]:
    """Loss and gradient of other wordings that look for their own text."""
    encoder, scale = parameters()[1:3]
    texts, labels = columns(rows, merge=merge)
    reworded = [row for row in rows if row in REWORDED]
    twins = functional.normalize(features(ROWS, 2)[reworded] @ encoder, dim=-1)
    targets = functional.normalize(features(10, 1)[texts] @ encoder, dim=-1)
    own = labels[[row - rows.start for row in reworded]] if reworded else None
    loss = told_apart(twins, targets, own, scale, keys=torch.tensor(texts) if merge else None)
    return [loss.detach(), *torch.autograd.grad(loss, [encoder, scale])]


def on_one_rank(
    rank: int, ranks: int, folder: str, work: Callable[[range, int], dict[str, list[torch.Tensor]]]
) -> None:
    """Do a share of the rows; the mean over ranks, which is what a data-parallel engine makes, goes into a file."""
    os.environ.update(MASTER_ADDR="127.0.0.1", USE_LIBUV="0")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    share = ROWS // ranks
    found = work(range(rank * share, (rank + 1) * share), rank)
    for tensors in found.values():
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)
            tensor.div_(ranks)
    if rank == 0:
        torch.save(found, f"{folder}/found.pt")
    torch.distributed.barrier()  # a rank that leaves early can abort the other's threads
    torch.distributed.destroy_process_group()
    # Gloo's threads may still be letting go of tensors, for which they need the interpreter. One that is being taken
    # down ends them in the middle of C++ frames, and the process dies with "terminate called without an active
    # exception": all is done and written, so leave without taking it down.
    os._exit(0)


def every_case(rows: range, rank: int) -> dict[str, list[torch.Tensor]]:
    out = {}
    for case in CASES:
        torch.manual_seed(rank)  # ranks draw different numbers; SIGReg must look along the same directions
        out[str(case)] = found_for(case, rows)
    for merge in (True, False):
        out[f"twins, merge {merge}"] = found_for_twins(rows, merge=merge)
    return out


def assert_same(found: dict[str, list[torch.Tensor]], expected: dict[str, list[torch.Tensor]]) -> None:
    """Equal to 1e-6 of the largest number in each tensor, or of 1 where all are smaller."""
    assert found.keys() == expected.keys()
    for case, values in expected.items():
        for place, (one, other) in enumerate(zip(found[case], values, strict=True)):
            error, size = float((one - other).abs().max()), max(1.0, float(other.abs().max()))
            assert error <= 1e-6 * size, f"{case}, {place}: differs by {error} where the largest number is {size}"


@pytest.mark.parametrize("ranks", [2, 4])
def test_one_rank_equals_several_in_every_loss_and_every_gradient(ranks: int, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(on_one_rank, args=(ranks, str(tmp_path), every_case), nprocs=ranks)
    assert_same(torch.load(tmp_path / "found.pt", weights_only=True), every_case(range(ROWS), 0))


def test_equal_texts_are_one_column_or_many() -> None:
    merged, apart = (found_for(("info_nce", merge, 256), range(ROWS))[0] for merge in (True, False))
    assert merged < apart - 0.01
