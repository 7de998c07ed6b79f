"""Which edges meet in which node: the record that graphs and networks share.

Shapes: E rows (edges), N segments (nodes).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sushi_lg.host import free_to_look
from sushi_lg.structures import Record

# Only products with these matrices are used, and tests compare them with plain sums.
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


@dataclass(frozen=True)
class Segments(Record):
    """Which rows meet in which segment.

    Attributes:
        index: (E,) int64, segment of every row.
        order: (E,) int64, rows sorted by segment, those of one segment ascending; None where ``index`` ascends.
        start: (N + 1,) int64, segment n holds rows ``order[start[n]:start[n + 1]]``.
    """

    index: Tensor
    order: Tensor | None
    start: Tensor

    @property
    def num_segments(self) -> int:
        """N."""
        return int(self.start.shape[0]) - 1

    @cached_property
    def _pattern(self) -> tuple[Tensor, Tensor]:
        """Row pointers and columns of the (N, E) matrix of ones that sums rows, as int32."""
        order = torch.arange(len(self.index), device=self.index.device) if self.order is None else self.order
        return self.start.to(torch.int32), order.to(torch.int32)

    def summing_matrix(self, dtype: torch.dtype) -> Tensor:
        """Return the (N, E) sparse matrix whose product with rows is their sum per segment."""
        pointers, columns = self._pattern
        ones = torch.ones(len(columns), dtype=dtype, device=columns.device)
        size = (self.num_segments, len(columns))
        return torch.sparse_csr_tensor(pointers, columns, ones, size=size, check_invariants=False)


def make_segments(index: Tensor, num_segments: int, *, is_sorted: bool | None = None) -> Segments:
    """Sort rows by segment.

    Args:
        index: (E,) int64 in [0, num_segments).
        num_segments: N.
        is_sorted: whether ``index`` ascends; None = looked up on a CPU, taken as no elsewhere (looking would wait).
    """
    if is_sorted is None:
        is_sorted = free_to_look(index) and not bool((index[1:] < index[:-1]).any())
    order = None if is_sorted else torch.argsort(index, stable=True)
    ascending = index if order is None else index[order]
    bounds = torch.arange(num_segments + 1, device=index.device)
    return Segments(index=index, order=order, start=torch.searchsorted(ascending.contiguous(), bounds))
