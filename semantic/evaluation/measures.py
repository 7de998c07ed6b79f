"""Numbers of an evaluation that remember the clips they are made of.

Every measure keeps sums a clip, and how a value follows from sums: enough to ask what it would be with other clips
drawn, without scoring a sentence again.

Shapes: C clips, K sums, B draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """One number over all clips.

    Attributes:
        name: heading of its column.
        value: the number; nan where there is nothing to measure.
        sums: (C, K) float64, what each clip contributes; None where a value does not follow from sums.
        formula: makes (B,) values of (B, K) sums; of the sum over all clips it makes ``value``, but for rounding.
    """

    name: str
    value: float
    sums: Floats | None = None
    formula: Callable[[Floats], Floats] | None = None


def ratio(sums: Floats) -> Floats:
    """Return the first of two sums over the second; nan where there is nothing.

    Args:
        sums: (B, 2).
    """
    return divide(sums[:, 0], sums[:, 1], nothing=np.nan)


def divide(above: Floats, below: Floats, nothing: float = 0.0) -> Floats:
    """Return (B,) quotients, ``nothing`` where the divisor is 0."""
    filled = np.full(np.broadcast(above, below).shape, nothing)
    quotients: Floats = np.divide(above, below, out=filled, where=below != 0)
    return quotients


def sum_by_clip(
    values: Floats | Sequence[float] | Sequence[Sequence[float]], owner: Sequence[int], num_clips: int
) -> Floats:
    """Return (C, K) sums of (N, K) values, or (C, 1) of (N,), by the clip that owns each.

    Args:
        values: N rows.
        owner: (N,) number of the clip of every row.
        num_clips: C.
    """
    rows = np.asarray(values, dtype=np.float64)
    rows = rows.reshape(len(owner), -1 if len(owner) else 1)
    sums = np.zeros((num_clips, rows.shape[1]))
    np.add.at(sums, np.asarray(owner, dtype=np.int64), rows)
    return sums


def mean_measure(name: str, values: Floats | Sequence[float], owner: Sequence[int], num_clips: int) -> Measure:
    """Return the mean of N values as a measure.

    Args:
        name: of the measure.
        values: (N,).
        owner: (N,) number of the clip of every value.
        num_clips: C.
    """
    each = np.asarray(values, dtype=np.float64)
    sums = sum_by_clip(np.stack([each, np.ones_like(each)], axis=1), owner, num_clips)
    return Measure(name, float(each.mean()) if len(each) else float("nan"), sums, ratio)
