"""Labels of the default recipe: who continues whom, judged at the two ends of a tracklet.

A tracklet that mixes two people still has a clear owner at each end; joining it by those is what a repair at a higher
level should do. (SUSHI's labels use one majority identity for the whole tracklet, see ``labels``.)

Shapes: N detections, M tracklets, E edges.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections

# So many that the few detections around an encounter, where people are easily swapped, do not decide who somebody is:
# a join at which a swapped stretch goes on is then wrong, and the one that ends it right.
END_DETECTIONS = 30


def label_edges(detections: Detections, tracklets: Tracklets, edge_index: Tensor) -> Tensor:
    """Return (E,) bool: the edge joins consecutive tracklets of one identity, judged at their ends."""
    return continuation_labels(tracklets, edge_index, *end_identities(detections, tracklets))


def end_identities(detections: Detections, tracklets: Tracklets) -> tuple[Tensor, Tensor]:
    """Return the identity at the start and at the end of every tracklet.

    Returns:
        two (M,) int64: the most frequent identity of the first (last) ``END_DETECTIONS`` detections, the lowest number
        on a tie, if it covers at least half of them; else -1.
    """
    longest = int(tracklets.length.max()) if len(tracklets) else 1
    steps = torch.arange(min(END_DETECTIONS, longest), device=detections.frame.device)
    low, high = tracklets.start[:-1, None], tracklets.start[1:, None]
    at_start = _majority(detections, tracklets, low + steps, (low + steps) < high)
    at_end = _majority(detections, tracklets, high - 1 - steps, (high - 1 - steps) >= low)
    return at_start, at_end


def _majority(detections: Detections, tracklets: Tracklets, position: Tensor, valid: Tensor) -> Tensor:
    position = position.clamp(0, max(len(detections) - 1, 0))
    identity = torch.where(valid, detections.identity[tracklets.order[position]], -2)
    votes = torch.zeros_like(identity)
    for column in range(identity.shape[1]):  # all pairs at once would take 30 times the memory
        votes += (identity == identity[:, column, None]) & valid[:, column, None]
    best = votes.amax(dim=1, keepdim=True)
    largest = torch.iinfo(torch.int64).max
    winner = torch.where((votes == best) & valid, identity, largest).amin(dim=1)
    enough = 2 * best[:, 0] >= valid.sum(dim=1)
    return torch.where(enough, winner, -1)


def continuation_labels(
    tracklets: Tracklets, edge_index: Tensor, start_identity: Tensor, end_identity: Tensor
) -> Tensor:
    """Label edges that join consecutive tracklets of one identity.

    Returns:
        (E,) bool: same identity, and no candidate of that identity starts before the later node (seen from the
        earlier) or ends after the earlier node (seen from the later).
    """
    earlier, later = edge_index
    same = (end_identity[earlier] == start_identity[later]) & (end_identity[earlier] >= 0)
    never = torch.iinfo(torch.int64).max
    begins = torch.where(same, tracklets.first_frame[later], never)
    first_begin = torch.full_like(end_identity, never).scatter_reduce(0, earlier, begins, "amin")
    ends = torch.where(same, tracklets.last_frame[earlier], -1)
    last_end = torch.full_like(start_identity, -1).scatter_reduce(0, later, ends, "amax")
    return same & (begins == first_begin[earlier]) & (ends == last_end[later])
