"""Motion of tracklets as SUSHI measures it: constant velocity from both ends, in closed form.

The original interpolates boxes frame by frame and keeps a table of predictions a node; the mean of one-frame
differences telescopes, so five numbers a node and four evaluated an edge say the same.

Shapes: E pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.geometry import cxcywh_to_xyxy, paired_giou
from sushi_lg.host import free_to_look

NO_MOTION = -2.0
"""Score of a pair of which one tracklet has no velocity."""


def motion_giou(
    end_box: Tensor,
    end_velocity: Tensor,
    start_box: Tensor,
    start_velocity: Tensor,
    gap: Tensor,
    horizon: int,
    has_motion: Tensor,
) -> Tensor:
    """Return how well two tracklets meet half-way when both keep their velocity.

    With gap t, tau = min(t / 2, horizon): the earlier box moves ceil(tau) frames ahead, the later one
    max(floor(tau), 1) frames back. At t = 1 each is compared with the other's real box and the two are averaged.

    Args:
        end_box: (E, 4) cxcywh, last box of the earlier tracklet.
        end_velocity: (E, 2) centre velocity there, pixels a frame, forward in time.
        start_box: (E, 4) cxcywh, first box of the later tracklet.
        start_velocity: (E, 2) centre velocity there, forward in time.
        gap: (E,) int64 frames from the end to the start, >= 1.
        horizon: frames over which motion is believed; later predictions stand still.
        has_motion: (E,) bool, whether both velocities are known.

    Returns:
        (E,) in [-2, 1]; -2 without motion.
    """
    tau = (gap.to(end_box.dtype) / 2).clamp(max=horizon)
    ahead = _moved(end_box, end_velocity, tau.ceil())
    back = _moved(start_box, start_velocity, -tau.floor().clamp(min=1))
    score = paired_giou(ahead, back)
    if free_to_look(gap):
        next_frame = torch.nonzero(gap == 1).squeeze(1)
    else:
        next_frame = torch.arange(len(gap), device=gap.device)
    if len(next_frame):
        met_ahead = paired_giou(ahead[next_frame], cxcywh_to_xyxy(start_box[next_frame]))
        met_back = paired_giou(back[next_frame], cxcywh_to_xyxy(end_box[next_frame]))
        score[next_frame] = torch.where(gap[next_frame] == 1, (met_ahead + met_back) / 2, score[next_frame])
    return score.clamp_(-2, 1).masked_fill_(~has_motion, NO_MOTION)


def _moved(box: Tensor, velocity: Tensor, frames: Tensor) -> Tensor:
    """Return corners of boxes after some frames."""
    half = box[:, 2:] / 2
    centre = torch.addcmul(box[:, :2], velocity, frames[:, None])
    return torch.cat([centre - half, centre + half], dim=1)
