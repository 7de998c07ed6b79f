"""Chains of accepted edges become the tracklets of the next level."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor


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
