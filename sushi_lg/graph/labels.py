"""Labels as SUSHI defines them: one majority identity a tracklet, nearest surviving partner of it.

Shapes: N detections, M tracklets, E edges.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections


def majority_identity(detections: Detections, tracklets: Tracklets, min_share: float = 0.5) -> Tensor:
    """Return the most frequent identity of every tracklet.

    Args:
        detections: N detections; -1 counts like an identity.
        tracklets: M tracklets.
        min_share: least share of a tracklet's detections.

    Returns:
        (M,) int64; the smallest number on a tie, -1 where the share is too small.
    """
    lowest = detections.identity.min() if len(detections) else torch.tensor(0)
    identity = detections.identity - lowest  # from 0, so that pairs become one sortable number
    span = int(identity.max()) + 1 if len(detections) else 1
    pair, votes = torch.unique(tracklets.member_of * span + identity, return_counts=True)
    owner = pair // span
    best = torch.zeros(len(tracklets), dtype=votes.dtype, device=votes.device).scatter_reduce(0, owner, votes, "amax")
    candidate = torch.where(votes == best[owner], pair % span, span)
    winner = torch.full_like(best, span).scatter_reduce(0, owner, candidate, "amin") + lowest
    return torch.where(best >= min_share * tracklets.length, winner, -1)


def nearest_partner_labels(tracklets: Tracklets, edge_index: Tensor, identity: Tensor) -> Tensor:
    """Label both directions of every edge.

    Args:
        tracklets: M tracklets.
        edge_index: (2, E) edges that survived pruning, sorted by (earlier, later).
        identity: (M,) majority identities.

    Returns:
        (2, E) bool. Row 0: the later node starts first among the later partners of the earlier node that share its
        identity. Row 1: the earlier node ends last among the earlier partners of the later node. Ties go to the
        smallest node number.
    """
    earlier, later = edge_index
    same = (identity[earlier] == identity[later]) & (identity[earlier] >= 0)
    span = len(tracklets) + 1
    # Rank by time first, by node number second; the later direction wants the largest end, so it counts backwards.
    forward = tracklets.first_frame[later] * span + later
    backward = -tracklets.last_frame[earlier] * span + earlier
    return torch.stack([_is_first(earlier, forward, same), _is_first(later, backward, same)])


def _is_first(group: Tensor, rank: Tensor, eligible: Tensor) -> Tensor:
    never = torch.iinfo(torch.int64).max
    size = int(group.max()) + 1 if len(group) else 0
    ranked = torch.where(eligible, rank, never)
    best = torch.full((size,), never, dtype=torch.int64, device=group.device)
    best = best.scatter_reduce(0, group, ranked, "amin")
    return eligible & (ranked == best[group])
