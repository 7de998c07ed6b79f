"""From tracklets of the last level to trajectories as they are written: keep or drop, fill gaps, smooth.

Shapes: N detections, M tracklets, R result boxes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import OutputConfig


def finish(
    detections: Detections,
    tracklets: Tracklets,
    probability: Tensor,
    config: OutputConfig,
    *,
    hidden_people_annotated: bool = True,
) -> TrajectoryTable:
    """Return the trajectories of one clip.

    Args:
        detections: N detections of one clip.
        tracklets: M tracklets of the last level.
        probability: (N,) that a detection, as a member of its tracklet, is a true object.
        config: thresholds.
        hidden_people_annotated: convention of the data set; decides how long a gap is filled.

    Returns:
        Boxes sorted by (trajectory, frame); trajectories are numbered from 1 by first frame, then first detection.
    """
    kept = keep_members(tracklets, probability, config)
    members = tracklets.order[kept[tracklets.order]].cpu().numpy()
    owner = tracklets.member_of.cpu().numpy()[members]
    frame = detections.frame.cpu().numpy()[members]
    corners = detections.boxes_xyxy.cpu().numpy()[members].astype(np.float64)
    score = detections.score.cpu().numpy()[members].astype(np.float64)

    longest = config.max_gap_filled if hidden_people_annotated else config.max_gap_filled_unannotated
    source, weight, filled_frame = _fill(owner, frame, longest)
    is_filled = weight > 0
    following = np.minimum(source + 1, max(len(owner) - 1, 0))
    boxes = corners[source] * (1 - weight[:, None]) + corners[following] * weight[:, None]
    confidence = np.where(is_filled, np.minimum(score[source], score[following]), score[source])
    track = owner[source]
    if config.smoothing > 0:
        boxes = smooth_boxes(track, filled_frame, boxes, config.smoothing)
    # Numbers follow the first remaining detection; dropped tracklets leave no holes.
    first = np.full(len(tracklets), np.iinfo(np.int64).max)
    np.minimum.at(first, owner, frame * np.int64(len(detections) + 1) + members)
    rank = np.empty(len(tracklets), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(tracklets))
    return TrajectoryTable(
        frame=filled_frame,
        track_id=rank[track] + 1,
        boxes_ltwh=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        confidence=confidence,
        is_interpolated=is_filled,
        detection_index=np.where(is_filled, -1, members[source]) if len(members) else np.zeros(0, dtype=np.int64),
    )


def empty_table() -> TrajectoryTable:
    """Return a result without boxes: what a video without detections gives."""
    integers, numbers = np.zeros(0, dtype=np.int64), np.zeros(0)
    return TrajectoryTable(integers, integers, np.zeros((0, 4)), numbers, np.zeros(0, dtype=bool), integers)


def keep_members(tracklets: Tracklets, probability: Tensor, config: OutputConfig) -> Tensor:
    """Return (N,) bool: detections of trajectories that are believed, without the members that are not.

    Args:
        tracklets: M tracklets.
        probability: (N,).
        config: thresholds.
    """
    kept = probability >= config.min_probability
    count = torch.zeros(len(tracklets), device=kept.device).index_add(0, tracklets.member_of, kept.to(torch.float32))
    total = torch.zeros(len(tracklets), device=kept.device).index_add(
        0, tracklets.member_of, probability.to(torch.float32)
    )
    believed = (count >= config.min_length) & (total / tracklets.length >= config.min_mean_probability)
    return kept & believed[tracklets.member_of]


def smooth_boxes(
    track: NDArray[np.int64], frame: NDArray[np.int64], boxes: NDArray[np.float64], deviation: float
) -> NDArray[np.float64]:
    """Average corners along each trajectory with Gaussian weights in time.

    A local straight line is fitted rather than a mean, so that the ends of a trajectory are not pulled inwards.

    Args:
        track: (R,) trajectory of each box.
        frame: (R,); rows sorted by (track, frame).
        boxes: (R, 4).
        deviation: standard deviation of the weights in frames.

    Returns:
        (R, 4).
    """
    reach = int(np.ceil(2.5 * deviation))
    sums = np.zeros((len(boxes), 3))
    value = np.zeros((len(boxes), 4))
    slope = np.zeros((len(boxes), 4))
    position = np.arange(len(boxes))
    for step in range(-reach, reach + 1):
        other = np.clip(position + step, 0, len(boxes) - 1)
        distance = (frame[other] - frame).astype(np.float64)
        weight = np.exp(-0.5 * (distance / deviation) ** 2)
        weight *= (track[other] == track) & (other == position + step)
        sums += weight[:, None] * np.stack([np.ones_like(distance), distance, distance**2], axis=1)
        value += weight[:, None] * boxes[other]
        slope += (weight * distance)[:, None] * boxes[other]
    spread = sums[:, 0] * sums[:, 2] - sums[:, 1] ** 2
    straight = (sums[:, 2:3] * value - sums[:, 1:2] * slope) / np.maximum(spread, 1e-9)[:, None]
    return np.where((spread > 1e-6)[:, None], straight, boxes)


def _fill(
    track: NDArray[np.int64], frame: NDArray[np.int64], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return for every result row the row before it, the weight of the row after that, and the frame."""
    if len(track) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64)
    gap = np.diff(frame, append=frame[-1] + 1)
    gap[np.diff(track, append=-1) != 0] = 1
    gap[gap > longest] = 1
    source = np.repeat(np.arange(len(track)), gap)
    step = np.arange(len(source)) - np.repeat(np.cumsum(gap) - gap, gap)
    return source, step / gap[source], frame[source] + step
