"""The objective's equalities: InfoNCE against its closed forms and against plain autograd, in parts and whole."""

import math
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.objectives.sizes import kept_numbers, largest_tensor
from torch.nn import functional

from vljepa.data.collate import Example, collate
from vljepa.objectives.info_nce import info_nce
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings, by_length, towards_classes
from vljepa.training.grad_cache import cached_backward
from vljepa.types import Batch, Tokens


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


def rows(*, twin: str) -> Batch:
    bundle = tiny_bundle()
    width = bundle.model.x_encoder.settings.frame_width
    texts = (
        ("a red ball", "a ball, red", ("a blue ball",)),
        ("a cat", "", ()),
        ("a green cube", twin, ("a red cube",)),
    )
    return collate(
        [
            Example(frames=torch.randn(1, width), query="", target=text, twin=other, negatives=wrong)
            for text, other, wrong in texts
        ],
        query_tokenizer=bundle.query_tokenizer,
        target_tokenizer=bundle.target_tokenizer,
    )


@pytest.mark.parametrize("twin", ["a cube, green", "a cat", "a blue ball", ""])
def test_another_wording_is_told_from_all_columns_and_is_none_itself(twin: str) -> None:
    """A wording that is somebody's target, or wrong for somebody, is left out."""
    model, batch = tiny_bundle().model.eval(), rows(twin=twin)
    plain = JointEmbedding(model, JointEmbeddingSettings())
    with_twins = JointEmbedding(model, JointEmbeddingSettings(twin_weight=0.5))
    columns = ["a red ball", "a cat", "a green cube", "a blue ball", "a red cube"]
    found = {"a ball, red": 0} | ({twin: 2} if twin == "a cube, green" else {})
    embedded = {
        text: model.encode_text(tiny_bundle().target_tokenizer([text]))[0] for text in [*columns, "a ball, red", twin]
    }
    targets = torch.stack([embedded[text] for text in columns])
    scores = torch.stack([embedded[text] for text in found]) @ targets.T / 0.07
    expected = functional.cross_entropy(scores, torch.tensor(list(found.values())))
    losses = with_twins(batch)
    torch.testing.assert_close(losses.parts["twins"], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(losses.total, plain(batch).total + 0.5 * losses.parts["twins"])
    # Columns are what they would be without the further wordings.
    alone = collate_without_twins(batch)
    torch.testing.assert_close(plain(batch).total, plain(alone).total, atol=1e-5, rtol=1e-5)


def collate_without_twins(batch: Batch) -> Batch:
    count = len(batch.targets.ids) - len(batch.twins)  # type: ignore[arg-type]
    return replace(batch, targets=batch.targets.rows(slice(count)), twins=None)


def test_keeping_is_the_cosine_to_what_was_said_before_and_nothing_at_the_start() -> None:
    model, batch = tiny_bundle().model.eval(), rows(twin="")
    objective = JointEmbedding(model, JointEmbeddingSettings(keep_weight=2.0, keep_texts=2))
    before = model.encode_text(batch.targets.rows(slice(2))).detach()
    assert objective(batch).parts["kept"].item() == pytest.approx(0.0, abs=1e-6)
    assert not any("before" in name for name in objective.state_dict())
    with torch.no_grad():
        model.y_encoder.head.weight += 0.3 * torch.randn_like(model.y_encoder.head.weight)
    losses = objective(batch)
    moved = 1 - (model.encode_text(batch.targets.rows(slice(2))) * before).sum(-1).mean()
    torch.testing.assert_close(losses.parts["kept"], moved.detach(), atol=1e-5, rtol=1e-4)
    plain = JointEmbedding(model, JointEmbeddingSettings())(batch)
    torch.testing.assert_close(losses.total, plain.total + 2.0 * moved, atol=1e-5, rtol=1e-4)
    (gradient,) = torch.autograd.grad(losses.total - plain.total, model.y_encoder.head.weight)
    assert gradient.abs().max() > 1e-4


def test_what_is_kept_in_parts_has_the_gradient_of_the_whole() -> None:
    """GradCache passes further wordings and the memory of the start through unchanged."""
    gradients = []
    for micro_rows in (0, 2):
        bundle = tiny_bundle()
        model, batch = bundle.model.eval(), rows(twin="a cube, green")
        objective = JointEmbedding(model, JointEmbeddingSettings(keep_weight=1.0, twin_weight=1.0))
        with torch.no_grad():
            model.y_encoder.head.weight += 0.3 * torch.ones_like(model.y_encoder.head.weight).tril()
        if micro_rows:
            cached_backward(objective, batch, micro_rows=micro_rows, computing=nullcontext)
        else:
            objective(batch).total.backward()
        gradients.append(model.y_encoder.head.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-4)
