"""Reductions over segments: sums of the edges that meet in one node.

Shapes: E edges, N nodes, F features.
"""

from __future__ import annotations

from torch import Tensor


def segment_sum(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """Sum rows that share an index.

    Args:
        values: (E, F).
        index: (E,) int64 in [0, num_segments).
        num_segments: N; segments without rows give 0.

    Returns:
        (N, F).
    """
    return values.new_zeros(num_segments, values.shape[1]).index_add(0, index, values)
