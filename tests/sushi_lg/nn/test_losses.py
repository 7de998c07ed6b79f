from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from sushi_lg.nn.losses import focal_loss, level_loss


def by_formula(logit: float, label: bool, gamma: float, alpha: float) -> float:
    probability = 1 / (1 + math.exp(-logit))
    right = probability if label else 1 - probability
    return -alpha * (1 - right) ** gamma * math.log(right)


@pytest.mark.parametrize(("gamma", "alpha"), [(0, 1), (1, 1), (2, 0.25), (0.5, 3)])
def test_focal_loss_equals_its_formula(gamma: float, alpha: float) -> None:
    logits, labels = [-4.0, -1.5, 0.0, 0.3, 5.0], [True, False, True, True, False]
    ours = focal_loss(torch.tensor(logits, dtype=torch.float64), torch.tensor(labels), gamma, alpha)
    expected = [by_formula(logit, label, gamma, alpha) for logit, label in zip(logits, labels, strict=True)]
    assert ours.tolist() == pytest.approx(expected, rel=1e-9)


def test_gamma_zero_is_cross_entropy() -> None:
    logits = torch.linspace(-8, 8, 9)
    label = torch.arange(9) % 2 == 0
    entropy = binary_cross_entropy_with_logits(logits, label.float(), reduction="none")
    torch.testing.assert_close(focal_loss(logits, label, gamma=0), entropy)


def test_sure_logits_stay_finite() -> None:
    logits = torch.tensor([-300.0, 300.0, -300.0, 300.0], requires_grad=True)
    label = torch.tensor([False, True, True, False])
    loss = focal_loss(logits, label)
    assert loss.tolist() == pytest.approx([0, 0, 300, 300])
    loss.sum().backward()
    assert logits.grad is not None and logits.grad.tolist() == pytest.approx([0, 0, -1, 1])


def test_gradient_in_double_precision() -> None:
    logits = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    label = torch.arange(7) % 2 == 0
    assert torch.autograd.gradcheck(lambda x: focal_loss(x, label, gamma=1.5, alpha=0.7), (logits,))


def test_level_loss_is_a_mean_over_edges_and_a_sum_over_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    step_logits = torch.randn(3, 2, 5, generator=generator)
    label = torch.rand(2, 5, generator=generator) < 0.5
    expected = sum(
        by_formula(float(step_logits[s, d, e]), bool(label[d, e]), 1, 1) / 10
        for s in range(3)
        for d in range(2)
        for e in range(5)
    )
    assert float(level_loss(step_logits, label)) == pytest.approx(expected, rel=1e-5)


def test_each_direction_has_its_own_label() -> None:
    step_logits = torch.tensor([[[50.0], [-50.0]]])
    assert float(level_loss(step_logits, torch.tensor([[True], [False]]))) == pytest.approx(0)
    assert float(level_loss(step_logits, torch.tensor([[False], [True]]))) == pytest.approx(50)


def test_a_level_without_edges_adds_nothing_and_can_be_differentiated() -> None:
    step_logits = torch.zeros(11, 2, 0, requires_grad=True)
    loss = level_loss(step_logits, torch.zeros(2, 0, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and step_logits.grad is not None
