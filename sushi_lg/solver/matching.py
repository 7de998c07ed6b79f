"""Exact rounding of edge scores: each node keeps at most one edge to the past and one to the future.

A set of edges with at most one outgoing and one incoming edge a node is a matching between "out" and "in" copies of
the nodes, so the linear program of SUSHI has an integral optimum that maximum-weight bipartite matching finds
directly. Edges without a competitor are accepted at once; only components with a conflict are solved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from torch import Tensor

from sushi_lg.host import free_to_look, rows_of, send
from sushi_lg.solver.structures import Accepted

# Above this many cells a component is solved on its sparse matrix instead of a dense one.
_DENSE_CELLS = 4_000_000
# Conflicts that leave a GPU together with their number: 400 kB, a few microseconds.
_SENT_AT_ONCE = 1 << 14


def maximum_weight_matching(edge_index: Tensor, weight: Tensor, num_nodes: int) -> Accepted:
    """Choose the edges of a maximum-weight matching.

    Args:
        edge_index: (2, E) int64, earlier and later node of each edge, each pair once.
        weight: (E,) float; edges with weight < 0 are never chosen.
        num_nodes: N.

    Returns:
        The edges; every node keeps at most one to the past and one to the future. Among matchings of equal weight the
        result is a deterministic function of the edge order.
    """
    earlier, later = edge_index
    eligible = weight.detach() >= 0
    count = eligible.to(torch.int64)
    going_out = count.new_zeros(num_nodes).index_add(0, earlier, count)
    coming_in = count.new_zeros(num_nodes).index_add(0, later, count)
    crowded = eligible & ((going_out[earlier] > 1) | (coming_in[later] > 1))
    chosen = eligible & ~crowded
    # Only conflicts leave the device; with good scores they are a few edges in a hundred.
    found = _conflicts(edge_index, weight.detach(), crowded, chosen)
    won = _solve(found.ends[0], found.ends[1], found.weight) if len(found.edges) else np.zeros(0, dtype=np.int64)
    if len(won):
        chosen[found.edges[send(won, chosen.device)]] = True
    return Accepted(chosen, found.others + len(won))


@dataclass(frozen=True)
class _Conflicts:
    """The contested edges, on the host but for their numbers.

    Attributes:
        edges: (K,) int64 their numbers, on the device.
        ends: (2, K).
        weight: (K,).
        others: edges that are accepted without a conflict.
    """

    edges: Tensor
    ends: NDArray[np.int64]
    weight: NDArray[np.float64]
    others: int


def _conflicts(edge_index: Tensor, weight: Tensor, crowded: Tensor, chosen: Tensor) -> _Conflicts:
    if free_to_look(crowded):
        rows = torch.nonzero(crowded).squeeze(1)
        weights = weight[rows].numpy().astype(np.float64)
        return _Conflicts(rows, edge_index[:, rows].numpy(), weights, int(chosen.sum()))
    # Their number is not known before somebody waits for it, so that many come with it as there usually are at most.
    places = min(_SENT_AT_ONCE, len(crowded))
    while True:
        rows = rows_of(crowded, places)
        edges = rows.clamp(max=len(crowded) - 1)
        bits = weight[edges].to(torch.float64).view(torch.int64)
        counts = torch.stack([crowded.sum(), chosen.sum()])
        sent = torch.cat([counts, edge_index[:, edges].flatten(), bits]).cpu().numpy()
        count, table = int(sent[0]), sent[2:].reshape(3, places)
        if count <= places:
            return _Conflicts(rows[:count], table[:2, :count], table[2, :count].view(np.float64), int(sent[1]))
        places = count


def _solve(earlier: np.ndarray, later: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return positions of the chosen among the contested edges, component by component."""
    rows, row_of = np.unique(earlier, return_inverse=True)
    columns, column_of = np.unique(later, return_inverse=True)
    size = len(rows) + len(columns)
    graph = coo_matrix((np.ones(len(weight)), (row_of, column_of + len(rows))), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    edge_label = label[row_of]
    order = np.argsort(edge_label, kind="stable")
    bounds = np.flatnonzero(np.diff(edge_label[order])) + 1
    chosen = [
        member[_solve_component(row_of[member], column_of[member], weight[member])]
        for member in np.split(order, bounds)
    ]
    return np.concatenate(chosen)


def _solve_component(row: np.ndarray, column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rows, row = np.unique(row, return_inverse=True)
    columns, column = np.unique(column, return_inverse=True)
    if len(rows) == 1 or len(columns) == 1:  # a star: the best edge wins, the first on a tie
        return np.array([int(np.argmax(weight))])
    if len(rows) * len(columns) <= _DENSE_CELLS:
        cost = np.zeros((len(rows), len(columns)))
        position = np.full(cost.shape, -1, dtype=np.int64)
        cost[row, column] = -weight
        position[row, column] = np.arange(len(weight))
        matched = position[linear_sum_assignment(cost)]
        return matched[matched >= 0]
    # Sparse: every row may also take a column of its own at cost 0, so that a full matching always exists. The solver
    # treats stored zeros as absent, hence the shift by one.
    shift = float(weight.max()) + 1.0
    extended = coo_matrix(
        (
            np.concatenate([shift - weight, np.full(len(rows), shift)]),
            (
                np.concatenate([row, np.arange(len(rows))]),
                np.concatenate([column, len(columns) + np.arange(len(rows))]),
            ),
        ),
        shape=(len(rows), len(columns) + len(rows)),
    ).tocsr()
    matched_row, matched_column = min_weight_full_bipartite_matching(extended)
    partner = np.full(len(rows), -1, dtype=np.int64)
    partner[matched_row] = matched_column
    return np.flatnonzero(partner[row] == column)
