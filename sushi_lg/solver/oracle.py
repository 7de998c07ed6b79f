"""A solver that reads labels instead of scores: what perfect scores would give with the same graphs."""

from __future__ import annotations

import torch

from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.solver.matching import maximum_weight_matching
from sushi_lg.solver.structures import Accepted


def accept_labels(graph: LevelGraph, scores: LevelScores) -> Accepted:
    """Accept the edges that are right.

    Tracklets that mix identities can make two edges of one node right; then the matching chooses, so that the result is
    a set of chains whatever the levels below did.

    Args:
        graph: with labels, see ``HierarchicalTracker.run``.
        scores: not looked at.

    Returns:
        The edges; every node keeps at most one to the past and one to the future.
    """
    assert graph.label is not None, "an oracle needs labels: run(..., with_labels=True)"
    return maximum_weight_matching(graph.edge_index, torch.where(graph.label, 1.0, -1.0), graph.num_nodes)
