"""Sums of fractions that come out the same in any order: on a CPU, on a GPU, in groups and at once.

A GPU adds in whatever order its threads finish, and rounding then differs from run to run. Integers do not round, so
fractions are counted in steps of 2^-40, far below what float32 can tell apart near 1.

Shapes: N values, M segments.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEP = 2.0**-40


def running_sums(values: Tensor) -> Tensor:
    """Return sums of everything before each row, and of all; differences of two are sums of what lies between.

    Args:
        values: (N,) of magnitude below 2^10 or so; up to 2^13 of them may be added up between two rows at that
            magnitude, 2^23 of magnitude 1, whatever N is.

    Returns:
        (N + 1,) int64, in steps: see ``fractions``.
    """
    steps = in_steps(values)
    return torch.cat([steps.new_zeros(1), steps.cumsum(0)])


def in_steps(values: Tensor) -> Tensor:
    """Return numbers as int64 multiples of the step."""
    return (values.to(torch.float64) / _STEP).round().to(torch.int64)


def fractions(steps: Tensor) -> Tensor:
    """Return int64 multiples of the step as float64."""
    return steps.to(torch.float64) * _STEP


def segment_means(values: Tensor, start: Tensor) -> Tensor:
    """Return (M,) means of runs of rows, of the dtype of ``values``.

    Args:
        values: (N,), see ``running_sums``.
        start: (M + 1,) int64, segment m holds rows ``start[m]:start[m + 1]``; none is empty.
    """
    sums = running_sums(values)
    return (fractions(sums[start[1:]] - sums[start[:-1]]) / start.diff()).to(values.dtype)
