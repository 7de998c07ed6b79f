"""Costs by which SUSHI chooses candidate edges (section 3.2 of the paper; formulas of the released code).

Shapes: P pairs (positions of the earlier and of the later tracklet).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pairwise_distance

from sushi_lg.graph.ends import TrackletEnds
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.host import free_to_look
from sushi_lg.motion import motion_giou

GPU_NUMBERS = 1 << 24
"""Numbers of vectors gathered at once for each end of pairs on a GPU: 64 MB, whatever their width."""
_EPSILON = 1e-6  # added to every difference, as by the released code
_TILE = 64  # consecutive nodes that share a matrix product
_MOST_WASTE = 64  # computed numbers a wanted one; gathering two rows costs as much as that many products
_NEAR = 0.02  # squared distances below this share of the squared lengths have lost digits in a matrix product
_ROWS = 1024  # pairs of wide rows gathered at once


def feet_distance(ends: TrackletEnds, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) Euclidean distances in pixels from the earlier end to the later start.

    Like every distance of the released code it adds 1e-6 to each difference before squaring.
    """
    return pairwise_distance(ends.start_feet[later], ends.end_feet[earlier], eps=_EPSILON)


def appearance_distance(ends: TrackletEnds, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) Euclidean distances of mean embeddings; 0 where there are no embeddings.

    Gathering two wide rows a pair is what the released code spends most of its time on. A few consecutive earlier nodes
    and all their partners are one matrix product instead. Squares cancel in it, so pairs that come out close together
    are measured again, by differences; the others are good to 3e-5 of their distance. A GPU gathers all pairs: the
    bounds of the products would have to be waited for.

    Args:
        ends: M tracklets.
        earlier: (P,) int64.
        later: (P,) int64.
    """
    if ends.embedding is None or ends.squared_length is None or len(earlier) == 0:
        return torch.zeros(len(earlier), dtype=ends.end_box.dtype, device=earlier.device)
    if not free_to_look(earlier):  # tiles would wait for their bounds
        rows = max(1, GPU_NUMBERS // max(1, ends.embedding.shape[1]))
        return _gathered_distance(ends.embedding, earlier, later, rows)
    order = None
    if bool((earlier[1:] < earlier[:-1]).any()):  # lists of candidates ascend, edges are sorted by their later node
        earlier, order = torch.sort(earlier, stable=True)
        later = later[order]
    nodes = torch.arange(int(earlier[0]), int(earlier[-1]) + _TILE, _TILE, device=earlier.device)
    counts = torch.searchsorted(earlier, nodes).diff(append=nodes.new_tensor([len(earlier)])).tolist()
    tiles = zip(torch.split(earlier, counts), torch.split(later, counts), strict=True)
    found = torch.cat([_distances_of_tile(ends.embedding, ends.squared_length, u, v) for u, v in tiles if len(u)])
    return found if order is None else torch.empty_like(found).index_copy_(0, order, found)


def _distances_of_tile(embedding: Tensor, squared_length: Tensor, earlier: Tensor, later: Tensor) -> Tensor:
    """Return distances by a matrix product over the ranges of both sides where enough of it is wanted."""
    low, high = int(later.min()), int(later.max()) + 1
    first, last = int(earlier[0]), int(earlier[-1]) + 1
    if (last - first) * (high - low) > _MOST_WASTE * len(earlier):
        return _gathered_distance(embedding, earlier, later)
    products = embedding[first:last] @ embedding[low:high].T
    lengths = squared_length[earlier] + squared_length[later]
    squared = lengths - 2 * products[earlier - first, later - low]
    distance = squared.clamp(min=0).sqrt()
    near = torch.nonzero(squared < _NEAR * lengths).squeeze(1)
    if len(near):
        distance[near] = _gathered_distance(embedding, earlier[near], later[near])
    return distance


def _gathered_distance(embedding: Tensor, earlier: Tensor, later: Tensor, rows: int = _ROWS) -> Tensor:
    parts = zip(torch.split(earlier, rows), torch.split(later, rows), strict=True)
    return torch.cat([pairwise_distance(embedding[u], embedding[v], eps=_EPSILON) for u, v in parts])


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
