"""How sure a number is: what it would be with other clips, drawn with replacement.

Clips are drawn, not sentences, because what is said about one clip hangs together. An interval holds the middle 95 % of
the draws. Every measure sees the same draws, so that two runs on the same clips can be compared draw by draw.

One thing is kept as it is: CIDEr weighs words by how many references of the run have them, and those weights stay those
of the whole run.

Shapes: C clips, B draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semantic.evaluation.measures import Floats, Measure

DRAWS, SEED = 1_000, 0
_MIDDLE = (2.5, 97.5)  # percent


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of draws."""

    low: float
    high: float


def draw_clips(num_clips: int, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """Return (B, C) how often each clip is drawn; every row sums to C."""
    random = np.random.default_rng(seed)
    return random.multinomial(num_clips, np.full(num_clips, 1 / num_clips), size=draws).astype(np.float64)


def interval(measure: Measure, draws: Floats) -> Interval | None:
    """Return where a measure lies in 95 % of the draws; None where there is none.

    That is a measure that does not follow from sums, or that is nan, of all clips or in every draw.

    Args:
        measure: over C clips.
        draws: (B, C) from ``draw_clips``.
    """
    if measure.sums is None or measure.formula is None or np.isnan(measure.value):
        return None
    values = measure.formula(draws @ measure.sums)
    values = values[~np.isnan(values)]  # draws with nothing to measure
    if not len(values):
        return None
    low, high = np.percentile(values, _MIDDLE)
    return Interval(float(low), float(high))
