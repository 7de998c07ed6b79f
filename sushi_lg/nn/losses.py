"""Losses as functions of logits and labels.

Shapes: S classified steps, D edge directions, E edges.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def focal_loss(logits: Tensor, label: Tensor, gamma: float = 1.0, alpha: float = 1.0) -> Tensor:
    """Return alpha (1 - p_t)^gamma times the cross-entropy, element by element (Lin et al., 2017).

    Args:
        logits: (...).
        label: (...) bool or float, 0 or 1.
        gamma: how much sure decisions are discounted.
        alpha: constant factor.
    """
    target = label.to(logits.dtype)
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    return alpha * (1 - torch.exp(-entropy)) ** gamma * entropy


def level_loss(step_logits: Tensor, label: Tensor, gamma: float = 1.0, alpha: float = 1.0) -> Tensor:
    """Return SUSHI's loss of one level: mean over directed edges, summed over classified steps.

    Args:
        step_logits: (S, D, E).
        label: (D, E) bool.
        gamma: see ``focal_loss``.
        alpha: see ``focal_loss``.

    Returns:
        Scalar; 0 for a level without edges.
    """
    if label.numel() == 0:
        return step_logits.sum()
    return focal_loss(step_logits, label.expand_as(step_logits), gamma, alpha).mean(dim=(1, 2)).sum()
