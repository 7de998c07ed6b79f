"""The graph of one level and what a scorer says about it.

Shapes: M nodes, E edges, F edge features, G node features, S classified steps, D edge directions (1 or 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from sushi_lg.nn.segment import Segments, make_segments
from sushi_lg.structures import Record


@dataclass(frozen=True)
class LevelGraph(Record):
    """Candidate edges of one level.

    Attributes:
        edge_index: (2, E) int64, row 0 the earlier node, row 1 the later; each pair once. Sorted by
            (later, earlier): message passing is fastest so.
        edge_features: (E, F) float32.
        cost: (E,) float32, cost by which the candidates were chosen.
        node_features: (M, G) float32, or None where nodes start without information (SUSHI).
        num_nodes: M.
        num_candidates: pairs that were looked at before pruning.
        label: (E,) bool, the edge joins consecutive tracklets of one identity, or None where nobody asked.
    """

    edge_index: Tensor
    edge_features: Tensor
    cost: Tensor
    node_features: Tensor | None
    num_nodes: int
    num_candidates: int
    label: Tensor | None = None

    @property
    def num_edges(self) -> int:
        """E."""
        return int(self.edge_index.shape[1])

    @cached_property
    def by_earlier(self) -> Segments:
        """Edges by their earlier node."""
        return make_segments(self.edge_index[0], self.num_nodes)

    @cached_property
    def by_later(self) -> Segments:
        """Edges by their later node."""
        return make_segments(self.edge_index[1], self.num_nodes)


@dataclass(frozen=True)
class LevelScores(Record):
    """Output of a scorer.

    Attributes:
        step_logits: (S, D, E), classified message-passing steps; D = 2 where both directions of an edge are scored
            (row 0 earlier → later).
        probability: (E,) in [0, 1], from the last step, directions averaged.
        node_logits: (M,) logit that a node is a true object, or None.
    """

    step_logits: Tensor
    probability: Tensor
    node_logits: Tensor | None = None
