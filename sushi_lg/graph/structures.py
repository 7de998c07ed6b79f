"""The graph of one level and what a scorer says about it.

Shapes: M nodes, E edges, F edge features, G node features, S classified steps, D edge directions (1 or 2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from sushi_lg.nn.structures import Segments, make_segments
from sushi_lg.structures import Record


@dataclass(frozen=True)
class Rows:
    """A table that is computed a few rows at a time, when they are asked for: ``rows[10:20]``.

    Features are several times wider than what the network keeps of them; of a long video they never exist all at once.

    Attributes:
        shape: (R, F).
        compute: returns the rows of a slice, or of (K,) int64 numbers.
    """

    shape: tuple[int, int]
    compute: Callable[[slice | Tensor], Tensor]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        return self.compute(rows)


@dataclass(frozen=True)
class LevelGraph(Record):
    """Candidate edges of one level.

    Attributes:
        edge_index: (2, E) int64, row 0 the earlier node, row 1 the later; each pair once. Sorted by
            (later, earlier): message passing is fastest so.
        edge_features: (E, F) float32, or computed when asked for.
        cost: (E,) float32, cost by which the candidates were chosen.
        node_features: (M, G) float32, or computed when asked for, or None where nodes start without information
            (SUSHI).
        num_nodes: M.
        num_candidates: pairs that were looked at before pruning.
        label: (E,) bool, the edge joins consecutive tracklets of one identity, or None where nobody asked.
        edge_likeness: (E, A) float32, how alike the tracklets look, or computed when asked for; None where nothing is
            known of how they look.
        node_likeness: (M, B) float32, how much they look like themselves; goes with ``edge_likeness``.
    """

    edge_index: Tensor
    edge_features: Tensor | Rows
    cost: Tensor
    node_features: Tensor | Rows | None
    num_nodes: int
    num_candidates: int
    label: Tensor | None = None
    edge_likeness: Tensor | Rows | None = None
    node_likeness: Tensor | Rows | None = None

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
        latents: S times (D, E, W), edges as the classifier got them; None in tracking.
    """

    step_logits: Tensor
    probability: Tensor
    node_logits: Tensor | None = None
    latents: tuple[Tensor, ...] | None = None
