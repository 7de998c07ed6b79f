"""Chains of accepted edges become the tracklets of the next level.

Shapes: N nodes, E edges.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from sushi_lg.host import free_to_look
from sushi_lg.solver.structures import Accepted


def number_chains(edge_index: Tensor, accepted: Accepted, num_nodes: int) -> tuple[Tensor, int]:
    """Number the chains of accepted edges.

    On a GPU every node looks for the first one of its chain, twice as far in every round, in as many rounds as the
    longest possible chain needs: their number is fixed, so nobody has to ask whether all are done.

    Args:
        edge_index: (2, E) int64, the earlier node has the lower number.
        accepted: some of the edges.
        num_nodes: N.

    Returns:
        (N,) int64 chain of every node, in the order of their first nodes, and the number of chains.
    """
    count = num_nodes - accepted.count
    if free_to_look(edge_index):
        return chain_labels(edge_index, accepted.edges, num_nodes), count
    earlier, later = edge_index
    node = torch.arange(num_nodes, device=earlier.device)
    before = torch.cat([node, node.new_zeros(1)])  # one place more, for edges that were not accepted
    before = before.scatter_(0, torch.where(accepted.edges, later, num_nodes), earlier)[:num_nodes]
    for _ in range(max(num_nodes - 1, 0).bit_length()):
        before = before[before]
    is_first = before == node
    return (is_first.cumsum(0) - 1)[before], count


def chain_labels(edge_index: Tensor, accepted: Tensor, num_nodes: int) -> Tensor:
    """Label the connected components of the accepted edges.

    Args:
        edge_index: (2, E) int64.
        accepted: (E,) bool.
        num_nodes: N.

    Returns:
        (N,) int64; components are numbered in the order of their first node.
    """
    earlier, later = edge_index[:, accepted].cpu().numpy()
    graph = coo_matrix((np.ones(len(earlier), dtype=np.int8), (earlier, later)), shape=(num_nodes, num_nodes))
    _, label = connected_components(graph, directed=False)
    # SciPy numbers components by their first node already; the re-numbering states it rather than relies on it.
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return torch.from_numpy(rank[inverse]).to(edge_index.device)
