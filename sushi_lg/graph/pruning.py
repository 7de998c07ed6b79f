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


def feet_distance(ends: TrackletEnds, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) Euclidean distances in pixels from the earlier end to the later start.

    Like every distance of the released code it adds 1e-6 to each difference.
    """
    return pairwise_distance(ends.start_feet[later], ends.end_feet[earlier], eps=1e-6)


def appearance_distance(ends: TrackletEnds, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) Euclidean distances of mean embeddings; 0 where there are no embeddings."""
    if ends.embedding is None:
        return torch.zeros(len(earlier), dtype=ends.end_box.dtype, device=earlier.device)
    return pairwise_distance(ends.embedding[earlier], ends.embedding[later], eps=1e-6)


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
