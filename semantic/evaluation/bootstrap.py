"""How sure a number is: what it would be with other clips, drawn with replacement.

Clips are drawn, not sentences, because what is said about one clip hangs together. Every measure sees the same draws,
so that two runs on the same clips can be compared draw by draw.

One thing is kept as it is: CIDEr weighs words by how many references of the run have them, and those weights stay those
of the whole run.

Shapes: C clips, B draws.
"""

from __future__ import annotations

import numpy as np

from semantic.evaluation.measures import Floats, Measure
from sushi_lg.evaluation.draws import Interval, interval

DRAWS = 1_000


def measure_interval(measure: Measure, draws: Floats) -> Interval | None:
    """Return where a measure lies in 95 % of the draws; None where there is none.

    That is a measure that does not follow from sums, or that is nan, of all clips or in every draw.

    Args:
        measure: over C clips.
        draws: (B, C) from ``draw_times``.
    """
    if measure.sums is None or measure.formula is None or np.isnan(measure.value):
        return None
    values = measure.formula(draws @ measure.sums)
    values = values[~np.isnan(values)]  # draws with nothing to measure
    return interval(values) if len(values) else None
