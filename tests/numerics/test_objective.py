"""The objective's equalities: InfoNCE against its closed forms and against plain autograd, in parts and whole."""

import math

import pytest
import torch
from tests.objectives.sizes import kept_numbers, largest_tensor
from torch.nn import functional

from vljepa.objectives.info_nce import info_nce
from vljepa.objectives.joint_embedding import by_length, towards_classes
from vljepa.types import Tokens


def unit(rows: int, dim: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_info_nce_of_orthogonal_pairs_is_its_closed_form() -> None:
    rows, scale = 6, 5.0
    loss = info_nce(torch.eye(rows), torch.eye(rows), torch.arange(rows), torch.tensor([scale]))
    assert loss.item() == pytest.approx(math.log(1 + (rows - 1) * math.exp(-scale)), abs=1e-6)


def test_info_nce_equals_clips_loss_where_every_row_has_a_text_of_its_own() -> None:
    predicted, targets = unit(7, 5, 0), unit(7, 5, 1)
    scores = 9.0 * predicted @ targets.T
    own = torch.arange(7)
    clip = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
    torch.testing.assert_close(info_nce(predicted, targets, own, torch.tensor([9.0])), clip)


def test_a_shared_target_has_to_find_each_of_its_rows() -> None:
    predicted, targets = unit(3, 4, 0), unit(2, 4, 1)
    labels = torch.tensor([0, 1, 0])
    scores = 3.0 * targets @ predicted.T
    backward = -(scores.log_softmax(-1)[0, [0, 2]].mean() + scores.log_softmax(-1)[1, 1]) / 2
    forward = functional.cross_entropy(3.0 * predicted @ targets.T, labels)
    torch.testing.assert_close(info_nce(predicted, targets, labels, torch.tensor([3.0])), (forward + backward) / 2)


def test_further_texts_are_negatives_of_the_forward_direction_alone() -> None:
    predicted, targets = unit(4, 5, 0), unit(6, 5, 1)
    labels = torch.arange(4)
    more = info_nce(predicted, targets, labels, torch.tensor([4.0]))
    forward = functional.cross_entropy(4.0 * predicted @ targets.T, labels)
    backward = functional.cross_entropy(4.0 * targets[:4] @ predicted.T, labels)
    torch.testing.assert_close(more, (forward + backward) / 2)


def plain(predicted: torch.Tensor, targets: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """InfoNCE with both whole score matrices and autograd's own gradient."""
    forward = functional.cross_entropy(scale * predicted @ targets.T, labels)
    owned = labels.unique()
    found = (scale * targets[owned] @ predicted.T).log_softmax(-1)
    mine = (labels[None] == owned[:, None]).float()
    return (forward - ((found * mine).sum(-1) / mine.sum(-1)).mean()) / 2


@pytest.mark.parametrize("rows_at_once", [1, 3, 4, 256])
def test_some_rows_at_once_equal_plain_autograd_in_loss_and_every_gradient(rows_at_once: int) -> None:
    labels = torch.tensor([0, 1, 2, 1, 4, 5, 0, 7, 1, 3, 6])  # columns 8 and 9 belong to nobody

    def run(in_parts: bool) -> list[torch.Tensor]:
        inputs = [unit(11, 5, 0), unit(10, 5, 1), torch.tensor([6.0])]
        inputs = [value.requires_grad_() for value in inputs]
        predicted, targets, scale = inputs
        if in_parts:
            loss = info_nce(predicted, targets, labels, scale, rows_at_once=rows_at_once)
        else:
            loss = plain(predicted, targets, labels, scale)
        (0.5 * loss).backward()
        return [loss.detach(), *(value.grad for value in inputs)]

    for found, expected in zip(run(True), run(False), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_scores_beyond_the_range_of_exp_are_exact() -> None:
    eye = torch.eye(4).requires_grad_()
    loss = info_nce(-eye, torch.eye(4), torch.arange(4), torch.tensor([100.0]), rows_at_once=2)
    loss.backward()
    assert loss.item() == pytest.approx(100 + math.log(3), rel=1e-6)
    assert bool(eye.grad.isfinite().all())


def test_nothing_as_large_as_the_square_of_the_batch_is_made_or_kept() -> None:
    predicted, targets = unit(64, 4, 0).requires_grad_(), unit(64, 4, 1).requires_grad_()

    def forward(rows_at_once: int) -> torch.Tensor:
        return info_nce(predicted, targets, torch.arange(64), torch.tensor([9.0]), rows_at_once=rows_at_once)

    assert largest_tensor(lambda: forward(8).backward()) == 8 * 64
    assert largest_tensor(lambda: forward(64).backward()) == 64 * 64
    assert kept_numbers(lambda: forward(8)) < 64 * 64


def test_under_autocast_products_are_rounded_and_sums_are_not() -> None:
    predicted, targets = unit(16, 8, 0).requires_grad_(), unit(16, 8, 1)
    exact = info_nce(predicted, targets, torch.arange(16), torch.tensor([30.0]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = info_nce(predicted, targets, torch.arange(16), torch.tensor([30.0]))
    rounded.backward()
    assert rounded.dtype == predicted.grad.dtype == torch.float32
    assert 0 < abs(rounded.item() - exact.item()) < 0.02 * exact.item()


def test_classes_pull_towards_conse_and_only_rows_with_weight() -> None:
    names = torch.eye(3)
    posterior = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    predicted = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    both = towards_classes(predicted, posterior, names, torch.ones(2))
    assert both.item() == pytest.approx(0.5)
    assert towards_classes(predicted, posterior, names, torch.tensor([1.0, 0.0])).item() == pytest.approx(0)


def test_texts_by_length_come_back_in_their_order() -> None:
    lengths = [5, 1, 3, 2, 4]
    ids = torch.arange(25).reshape(5, 5)
    mask = torch.arange(5)[None] < torch.tensor(lengths)[:, None]

    def total(texts: Tokens) -> torch.Tensor:
        return (texts.ids * texts.mask).sum(1, keepdim=True).float()

    tokens = Tokens(ids=ids, mask=mask)
    torch.testing.assert_close(by_length(total, tokens, parts=3), total(tokens))


@pytest.mark.parametrize("texts", [1, 3, 5])
def test_texts_by_length_call_the_encoder_equally_often_however_many_they_are(texts: int) -> None:
    calls = []

    def count(some: Tokens) -> torch.Tensor:
        calls.append(len(some.ids))
        return some.ids[:, :1].float()

    ids = torch.arange(texts)[:, None]
    torch.testing.assert_close(by_length(count, Tokens(ids=ids, mask=ids >= 0)), ids.float())
    assert len(calls) == 4
