"""Each loss of the menu against its published formula, written out by other means or worked out by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from tests.objectives.sizes import kept_numbers, largest_tensor
from torch.nn import functional

from vljepa.objectives.info_nce import info_nce
from vljepa.objectives.menu import MENU, Compared, LossSettings
from vljepa.objectives.sigmoid import sigmoid
from vljepa.objectives.without_negatives import cosine, from_normal, l1, l2, random_directions, sigreg, vicreg


def rows(count: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def unit(count: int, dim: int, seed: int) -> torch.Tensor:
    return functional.normalize(rows(count, dim, seed), dim=-1)


ONE, FOUR, MINUS_THREE = torch.tensor([1.0]), torch.tensor([4.0]), torch.tensor([-3.0])


def siglip(predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The loss as transformers' SiglipModel writes it, at scale 4 and bias -3."""
    logits = targets @ predicted.t() * 4.0 - 3.0
    signs = -torch.ones_like(logits) + 2 * torch.eye(len(logits))
    return -functional.logsigmoid(signs * logits).sum(-1).mean()


@pytest.mark.parametrize("rows_at_once", [2, 256])
def test_sigmoid_is_siglips_in_loss_and_gradients(rows_at_once: int) -> None:
    found, expected = [], []
    for results, in_parts in ((found, True), (expected, False)):
        predicted, targets = unit(7, 5, 0).requires_grad_(), unit(7, 5, 1).requires_grad_()
        if in_parts:
            loss = sigmoid(predicted, targets, torch.arange(7), FOUR, MINUS_THREE, rows_at_once=rows_at_once)
        else:
            loss = siglip(predicted, targets)
        loss.backward()
        results += [loss.detach(), predicted.grad, targets.grad]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_sigmoid_by_hand() -> None:
    """Two rows share the first text, the second text is nobody's; cosines are 1 and 0."""
    predicted = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = sigmoid(predicted, torch.eye(2), torch.tensor([0, 0]), ONE, torch.tensor([-1.0]))
    match, other = math.log(1 + math.exp(0)), math.log(1 + math.exp(-1))
    assert loss.item() == pytest.approx(match + other)


def test_sigmoid_neither_makes_nor_keeps_anything_as_large_as_the_square_of_the_batch() -> None:
    predicted, targets = unit(64, 4, 0).requires_grad_(), unit(64, 4, 1)

    def forward() -> torch.Tensor:
        return sigmoid(predicted, targets, torch.arange(64), FOUR, MINUS_THREE, rows_at_once=8)

    assert largest_tensor(lambda: forward().backward()) == 8 * 64
    assert kept_numbers(forward) < 64 * 64


def test_cosine_is_one_minus_the_mean_cosine() -> None:
    targets = unit(3, 4, 0)
    assert cosine(targets, targets).item() == pytest.approx(0, abs=1e-6)
    assert cosine(-targets, targets).item() == pytest.approx(2, abs=1e-6)
    assert cosine(torch.eye(2), torch.eye(2)[[0, 0]]).item() == pytest.approx(0.5)


def test_l1_and_l2_are_means_over_coordinates() -> None:
    predicted, own = torch.tensor([[1.0, 5.0], [0.0, 0.0]]), torch.tensor([[2.0, 2.0], [0.0, 0.0]])
    assert l1(predicted, own).item() == pytest.approx((1 + 3) / 4)
    assert l2(predicted, own).item() == pytest.approx((1 + 9) / 4)


def test_vicreg_is_its_formula() -> None:
    predicted, own = rows(9, 4, 0) * 0.7, rows(9, 4, 1) * 1.3
    expected = 25 * np.mean((predicted.numpy() - own.numpy()) ** 2)
    for side in (predicted.double().numpy(), own.double().numpy()):
        covariances = np.cov(side, rowvar=False)
        deviations = np.sqrt(np.diag(covariances) + 1e-4)
        expected += 25 * np.maximum(0, 1 - deviations).mean() / 2
        expected += np.sum((covariances * (1 - np.eye(4))) ** 2) / 4
    assert vicreg(predicted, own).item() == pytest.approx(expected, rel=1e-5)


def test_vicreg_by_hand() -> None:
    """Deviation 0 in both coordinates: collapse costs the whole hinge on both sides, and nothing else."""
    collapsed = torch.ones(4, 2)
    assert vicreg(collapsed, collapsed).item() == pytest.approx(25 * (1 - math.sqrt(1e-4)))
    # Variances 4/3 and covariance 4/3 between two equal coordinates: two entries of (4/3)^2 over two coordinates.
    related = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]])
    assert vicreg(related, related).item() == pytest.approx(2 * (4 / 3) ** 2)


def epps_pulley(values: np.ndarray, largest: float) -> float:
    """rows * integral from -largest to largest, by adaptive quadrature."""

    def integrand(t: float) -> float:
        empirical = np.exp(1j * t * values).mean()
        return float(abs(empirical - math.exp(-t * t / 2)) ** 2 * math.exp(-t * t / 2))

    return len(values) * float(quad(integrand, -largest, largest, limit=200)[0])


def test_distance_from_normal_is_the_epps_pulley_statistic() -> None:
    values, directions = rows(12, 3, 0).exp(), unit(5, 3, 1).T.contiguous()
    expected = np.mean([epps_pulley((values @ direction).double().numpy(), 3.0) for direction in directions.T])
    assert from_normal(values, directions, knots=2001).item() == pytest.approx(expected, rel=1e-4)
    assert from_normal(values, directions).item() == pytest.approx(expected, rel=1e-2)


def test_collapse_to_the_origin_is_as_far_from_normal_as_its_closed_form() -> None:
    far = from_normal(torch.zeros(10, 3), unit(4, 3, 0).T.contiguous(), largest=8.0, knots=401).item()
    assert far == pytest.approx(10 * math.sqrt(2 * math.pi) * (1 - math.sqrt(2) + 1 / math.sqrt(3)), rel=1e-4)
    assert far > 3 * from_normal(rows(10, 3, 1), unit(4, 3, 0).T.contiguous()).item()


def test_sigreg_weighs_distance_against_normality_of_both_sides() -> None:
    predicted, own, directions = rows(8, 3, 0), rows(8, 3, 1), unit(4, 3, 2).T.contiguous()
    far = (from_normal(predicted, directions) + from_normal(own, directions)) / 2
    torch.testing.assert_close(sigreg(predicted, own, directions, share=0.3), 0.7 * l2(predicted, own) + 0.3 * far)


def test_directions_are_unit_vectors_and_new_each_time() -> None:
    one, other = (random_directions(5, 7, torch.device("cpu")) for _ in range(2))
    torch.testing.assert_close(one.norm(dim=0), torch.ones(7))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", MENU)
def test_the_menu_gives_each_loss_what_it_takes(name: str) -> None:
    raw_predicted, raw_targets, labels = rows(6, 4, 0), rows(5, 4, 1), torch.tensor([0, 1, 2, 1, 4, 0])
    predicted, targets = (functional.normalize(raw, dim=-1) for raw in (raw_predicted, raw_targets))
    settings = LossSettings(sigreg_share=0.2, slices=3, contrast_weight=0.4)
    seen = Compared(
        predicted=predicted,
        targets=targets,
        raw_predicted=raw_predicted,
        raw_targets=raw_targets,
        labels=labels,
        keys=None,
        scale=FOUR,
        bias=MINUS_THREE,
    )
    torch.manual_seed(0)
    directions = random_directions(4, 3, torch.device("cpu"))
    own, raw_own = targets[labels], raw_targets[labels]
    contrast = info_nce(predicted, targets, labels, FOUR)
    expected = {
        "info_nce": contrast,
        "sigmoid": sigmoid(predicted, targets, labels, FOUR, MINUS_THREE),
        "cosine": cosine(predicted, own),
        "l1": l1(raw_predicted, raw_own),
        "l2": l2(raw_predicted, raw_own),
        "vicreg": vicreg(raw_predicted, raw_own),
        "sigreg": sigreg(raw_predicted, raw_own, directions, share=0.2),
        "prediction_alignment": cosine(predicted, own) + 0.4 * contrast,
    }
    torch.manual_seed(0)
    torch.testing.assert_close(MENU[name].compute(seen, settings), expected[name])
