"""The two ends of every tracklet, as SUSHI sees them: boxes, feet, short velocities, mean embedding.

Shapes: N detections, M tracklets, D embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sushi_lg.geometry import xyxy_to_cxcywh
from sushi_lg.graph.tracklets import FRAME_SPAN, Tracklets
from sushi_lg.nn.segment import segment_sum
from sushi_lg.nn.structures import Segments
from sushi_lg.structures import Detections, Record


@dataclass(frozen=True)
class TrackletEnds(Record):
    """First and last boxes of tracklets and how they move there.

    Attributes:
        start_box: (M, 4) cxcywh of the first detection.
        end_box: (M, 4) cxcywh of the last.
        start_feet: (M, 2) middle of the lower border.
        end_feet: (M, 2).
        start_velocity: (M, 2) pixels a frame, forward in time, over the first frames.
        end_velocity: (M, 2) the same over the last frames.
        has_motion: (M,) bool, two detections in both windows.
        embedding: (M, D) mean over the detections, or None without appearance.
        squared_length: (M,) of the mean embeddings, or None.
    """

    start_box: Tensor
    end_box: Tensor
    start_feet: Tensor
    end_feet: Tensor
    start_velocity: Tensor
    end_velocity: Tensor
    has_motion: Tensor
    embedding: Tensor | None
    squared_length: Tensor | None


def tracklet_ends(detections: Detections, tracklets: Tracklets, window: int) -> TrackletEnds:
    """Measure the ends of tracklets.

    Args:
        detections: N detections.
        tracklets: M tracklets.
        window: frames at each end from which the velocity is taken: between the two outermost detections there. Below
            2 nothing has a velocity.
    """
    window = max(window, 1)  # the end itself always lies in its window
    boxes = xyxy_to_cxcywh(detections.boxes_xyxy)
    feet = torch.stack([boxes[:, 0], detections.boxes_xyxy[:, 3]], dim=1)
    order = tracklets.order
    key = tracklets.member_of[order] * FRAME_SPAN + detections.frame[order]
    base = torch.arange(len(tracklets), device=key.device) * FRAME_SPAN
    # The first detection inside the last window, and the last one inside the first window.
    inner_of_end = order[torch.searchsorted(key, base + (tracklets.last_frame - window + 1).clamp(min=0))]
    inner_of_start = order[torch.searchsorted(key, base + tracklets.first_frame + window - 1, right=True) - 1]
    end_velocity, moves_at_end = _velocity(detections, boxes, inner_of_end, tracklets.last)
    start_velocity, moves_at_start = _velocity(detections, boxes, tracklets.first, inner_of_start)
    embedding = _mean_embedding(detections, tracklets)
    return TrackletEnds(
        start_box=boxes[tracklets.first],
        end_box=boxes[tracklets.last],
        start_feet=feet[tracklets.first],
        end_feet=feet[tracklets.last],
        start_velocity=start_velocity,
        end_velocity=end_velocity,
        has_motion=moves_at_end & moves_at_start,
        embedding=embedding,
        squared_length=None if embedding is None else torch.linalg.vector_norm(embedding, dim=1).square(),
    )


def _velocity(detections: Detections, boxes: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    frames = detections.frame[last] - detections.frame[first]
    step = (boxes[last, :2] - boxes[first, :2]) / frames.clamp(min=1)[:, None]
    return step, frames > 0


def _mean_embedding(detections: Detections, tracklets: Tracklets) -> Tensor | None:
    if detections.embedding is None:
        return None
    if len(tracklets) == len(detections):
        return detections.embedding  # tracklets of one detection, in the same order
    members = Segments(index=tracklets.member_of, order=tracklets.order, start=tracklets.start)
    total = segment_sum(detections.embedding, members)
    return total.div_(tracklets.length[:, None])
