"""What a solver decides.

Shapes: E edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sushi_lg.structures import Record


@dataclass(frozen=True)
class Accepted(Record):
    """Edges that a solver accepts: at most one a node to the past and one to the future.

    Attributes:
        edges: (E,) bool.
        count: how many; every one of them makes two chains one.
    """

    edges: Tensor
    count: int
