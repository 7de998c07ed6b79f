"""Costs by which SUSHI chooses candidate edges (section 3.2 of the paper; formulas of the released code).

Shapes: P pairs (positions of the earlier and of the later tracklet).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pairwise_distance

from sushi_lg.graph.ends import TrackletEnds
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.motion import motion_giou

_EPSILON = 1e-6  # added to every difference, as by the released code
_TILE = 128  # consecutive nodes that share a matrix product
_MOST_WASTE = 8  # computed numbers a wanted one


def feet_distance(ends: TrackletEnds, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) Euclidean distances in pixels from the earlier end to the later start.

    Like every distance of the released code it adds 1e-6 to each difference before squaring.
    """
    return pairwise_distance(ends.start_feet[later], ends.end_feet[earlier], eps=_EPSILON)


def appearance_distance(ends: TrackletEnds, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) Euclidean distances of mean embeddings; 0 where there are no embeddings.

    Gathering two wide rows a pair is what the released code spends most of its time on. Pairs come sorted by their
    earlier node and full ranges of later nodes, so a few consecutive nodes and all their partners are one matrix
    product, in float64 because squares cancel in it. Thin sets of pairs, such as those left by pruning, are gathered.

    Args:
        ends: M tracklets.
        earlier: (P,) int64, ascending.
        later: (P,) int64.
    """
    if ends.embedding is None or len(earlier) == 0:
        return torch.zeros(len(earlier), dtype=ends.end_box.dtype, device=earlier.device)
    nodes = torch.arange(int(earlier[0]), int(earlier[-1]) + _TILE, _TILE, device=earlier.device)
    counts = torch.searchsorted(earlier, nodes).diff(append=nodes.new_tensor([len(earlier)]))
    tiles = zip(torch.split(earlier, counts.tolist()), torch.split(later, counts.tolist()), strict=True)
    return torch.cat([_distances_of_tile(ends.embedding, u, v) for u, v in tiles if len(u)])


def _distances_of_tile(embedding: Tensor, earlier: Tensor, later: Tensor) -> Tensor:
    """Return distances by a matrix product over the ranges of both sides where enough of it is wanted."""
    low, high = int(later.min()), int(later.max()) + 1
    first, last = int(earlier[0]), int(earlier[-1]) + 1
    if (last - first) * (high - low) > _MOST_WASTE * len(earlier):
        return pairwise_distance(embedding[earlier], embedding[later], eps=_EPSILON)
    table = torch.cdist(embedding[first:last].double() + _EPSILON, embedding[low:high].double())
    return table[earlier - first, later - low].to(embedding.dtype)


def motion_score(tracklets: Tracklets, ends: TrackletEnds, horizon: int, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) motion GIoU in [-2, 1], see ``motion_giou``."""
    return motion_giou(
        ends.end_box[earlier],
        ends.end_velocity[earlier],
        ends.start_box[later],
        ends.start_velocity[later],
        tracklets.first_frame[later] - tracklets.last_frame[earlier],
        horizon,
        ends.has_motion[earlier] & ends.has_motion[later],
    )


def motion_appearance_cost(motion: Tensor, appearance: Tensor, motion_weight: float) -> Tensor:
    """Return 2 - (w g + (1 - w) exp(-a / 20)).

    Args:
        motion: (P,) g, motion GIoU.
        appearance: (P,) a, distance of embeddings.
        motion_weight: w.
    """
    return 2 - (motion_weight * motion + (1 - motion_weight) * torch.exp(-appearance / 20))
