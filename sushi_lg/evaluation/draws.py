"""How sure a number is: what it would be with other sequences or clips, drawn with replacement.

An interval holds the middle 95 % of the draws. Numbers that see the same draws can be compared draw by draw.

Shapes: S sequences or clips, B draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MIDDLE = (2.5, 97.5)  # percent

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of draws."""

    low: float
    high: float


def draw_times(count: int, draws: int, seed: int | np.random.Generator = 0) -> Floats:
    """Return (B, S) how often each of S is drawn; every row sums to S.

    Args:
        count: S.
        draws: B.
        seed: of the draws; a generator is drawn from.
    """
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)


def interval(values: Floats) -> Interval:
    """Return the middle 95 % of (B,) values."""
    low, high = np.percentile(values, _MIDDLE)
    return Interval(float(low), float(high))
