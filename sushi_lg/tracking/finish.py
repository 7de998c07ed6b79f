"""From tracklets of the last level to trajectories as they are written: keep or drop, fill gaps, smooth.

Shapes: N detections, M tracklets, R result boxes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.data.layouts import Conventions
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.geometry import to_camera_free, xyxy_to_cxcywh
from sushi_lg.graph.sums import segment_means
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import OutputConfig


def finish(
    detections: Detections,
    tracklets: Tracklets,
    probability: Tensor,
    boxes_xyxy: Tensor,
    config: OutputConfig,
    conventions: Conventions,
) -> TrajectoryTable:
    """Return the trajectories of one clip.

    Args:
        detections: N detections of one clip.
        tracklets: M tracklets of the last level.
        probability: (N,) that a detection, as a member of its tracklet, is a true object.
        boxes_xyxy: (N, 4) boxes to write for the detections, smoothed or as detected.
        config: thresholds.
        conventions: of the data set; decide how long a gap is filled, and whether who comes back is somebody else.

    Returns:
        Boxes sorted by (trajectory, frame); trajectories are numbered from 1 by first frame, then first detection.
    """
    kept = keep_members(tracklets, probability, config)
    members = tracklets.order[kept[tracklets.order]].cpu().numpy()
    owner = tracklets.member_of.cpu().numpy()[members]
    is_new = config.return_is_new_identity
    if conventions.return_is_new_identity if is_new is None else is_new:
        owner = cut_where_left(detections, members, owner, config.max_seconds_outside)
        long_enough = (np.bincount(owner) >= config.min_length)[owner]
        members, owner = members[long_enough], owner[long_enough]
    hidden = conventions.hidden_people_annotated
    longest = config.max_gap_filled if hidden else config.max_gap_filled_unannotated
    return fill_gaps(detections, members, owner, boxes_xyxy, longest)


_AT_BORDER = 0.05  # box heights between a box and the border of the picture
_WALKING = 0.05  # box heights a second, towards the border or away from it
_WALK_SECONDS = 1.0


def cut_where_left(
    detections: Detections, members: NDArray[np.int64], owner: NDArray[np.int64], longest: float
) -> NDArray[np.int64]:
    """Cut trajectories where somebody walked out of the picture and back in.

    A box at the border before and after the gap is not enough: people who stand there are hidden by others. The last
    steps must lead out and the first ones in.

    Args:
        detections: N detections of one clip.
        members: (K,) detections that are kept, sorted by (trajectory, frame).
        owner: (K,) trajectory of each.
        longest: seconds that a person at the border may go unseen without having left.

    Returns:
        (K,) numbers of the parts; a trajectory nobody cut is one part.
    """
    boxes = detections.boxes_xyxy.cpu().numpy()[members].astype(np.float64)
    seconds = detections.frame.cpu().numpy()[members] / float(detections.frame_rate[0])
    width, height = detections.image_size[0].tolist()
    size = boxes[:, 3] - boxes[:, 1]
    x0, y0, x1, y1 = boxes.T
    outer = np.stack([x0, width - x1, y0, height - y1]) / size  # to the left, right, upper and lower border
    inner = np.stack([x1, width - x0, y1, height - y0]) / size  # the same of the edge that stays in the picture
    at_border = outer < _AT_BORDER
    begins = np.ones(len(owner), dtype=bool)
    begins[1:] = owner[1:] != owner[:-1]
    absent = ~begins[1:] & (np.diff(seconds) > longest) & at_border[:, :-1].any(axis=0) & at_border[:, 1:].any(axis=0)
    for last in np.flatnonzero(absent):
        first = last + 1
        earlier = _reach(owner, seconds, last, -1)
        later = _reach(owner, seconds, first, 1)
        out = at_border[:, last] & (inner[:, last] - inner[:, earlier] < -_WALKING * (seconds[last] - seconds[earlier]))
        back = at_border[:, first] & (inner[:, later] - inner[:, first] > _WALKING * (seconds[later] - seconds[first]))
        begins[first] = out.any() and back.any()
    return np.cumsum(begins)


def _reach(owner: NDArray[np.int64], seconds: NDArray[np.float64], row: int, step: int) -> int:
    """Return the row of the same trajectory that is up to a second earlier (step -1) or later (1)."""
    begin = row
    while (
        0 <= row + step < len(owner)
        and owner[row + step] == owner[row]
        and abs(seconds[row + step] - seconds[begin]) <= _WALK_SECONDS
    ):
        row += step
    return row


def fill_gaps(
    detections: Detections, members: NDArray[np.int64], owner: NDArray[np.int64], boxes_xyxy: Tensor, longest: int
) -> TrajectoryTable:
    """Return the boxes of trajectories with short gaps filled linearly.

    Args:
        detections: N detections of one clip.
        members: (K,) detections that are kept, sorted by (trajectory, frame).
        owner: (K,) trajectory of each.
        boxes_xyxy: (N, 4) boxes to write for the detections.
        longest: gaps of more frames between two detections stay open.

    Returns:
        Boxes sorted by (trajectory, frame); trajectories are numbered from 1 by first frame, then first detection, so
        that dropped ones leave no holes. A filled box has the lower confidence of its two neighbours.
    """
    if len(members) == 0:
        return empty_table()
    # Detections are sorted by frame, so the first member of a trajectory says when it begins.
    _, begins, dense = np.unique(owner, return_index=True, return_inverse=True)
    rank = np.empty(len(begins), dtype=np.int64)
    rank[np.argsort(members[begins], kind="stable")] = np.arange(len(begins))
    track = rank[dense]
    order = np.argsort(track, kind="stable")
    members, track = members[order], track[order]
    frame = detections.frame.cpu().numpy()[members]
    corners = boxes_xyxy.cpu().numpy()[members].astype(np.float64)
    score = detections.score.cpu().numpy()[members].astype(np.float64)
    source, weight, filled_frame = _fill(track, frame, longest)
    is_filled = weight > 0
    following = np.minimum(source + 1, len(track) - 1)
    boxes = corners[source]
    boxes[is_filled] = _between(
        detections,
        members,
        corners,
        source[is_filled],
        following[is_filled],
        weight[is_filled],
        filled_frame[is_filled],
    )
    return TrajectoryTable(
        frame=filled_frame,
        track_id=track[source] + 1,
        boxes_ltwh=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        confidence=np.where(is_filled, np.minimum(score[source], score[following]), score[source]),
        is_interpolated=is_filled,
        detection_index=np.where(is_filled, -1, members[source]),
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
    none = tracklets.length.new_zeros(len(tracklets))
    count = none.index_add(0, tracklets.member_of, kept.to(torch.int64))
    mean = segment_means(probability[tracklets.order], tracklets.start)
    believed = (count >= config.min_length) & (mean >= config.min_mean_probability)
    return kept & believed[tracklets.member_of]


def _fill(
    track: NDArray[np.int64], frame: NDArray[np.int64], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return for every result row the row before it, the weight of the row after that, and the frame."""
    gap = np.diff(frame, append=frame[-1] + 1)
    gap[np.diff(track, append=-1) != 0] = 1
    gap[gap > longest] = 1
    source = np.repeat(np.arange(len(track)), gap)
    step = np.arange(len(source)) - np.repeat(np.cumsum(gap) - gap, gap)
    return source, step / gap[source], frame[source] + step


def _between(
    detections: Detections,
    members: NDArray[np.int64],
    corners: NDArray[np.float64],
    source: NDArray[np.int64],
    following: NDArray[np.int64],
    weight: NDArray[np.float64],
    frame: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return (Q, 4) boxes on the line between two members of a trajectory, straight in the scene.

    Where the camera moves, the line is drawn in camera-free coordinates and seen through the camera of its own frame;
    a frame without any detection has no known camera and gets the line on the picture.
    """
    on_picture = corners[source] * (1 - weight[:, None]) + corners[following] * weight[:, None]
    if detections.camera is None or len(source) == 0:
        return on_picture
    camera = detections.camera.cpu().numpy()
    video_frame = detections.frame.cpu().numpy()
    witness = np.minimum(np.searchsorted(video_frame, frame), len(video_frame) - 1)
    is_known = video_frame[witness] == frame
    free = to_camera_free(xyxy_to_cxcywh(torch.from_numpy(corners)), torch.from_numpy(camera[members])).numpy()
    line = free[source] * (1 - weight[:, None]) + free[following] * weight[:, None]
    view = camera[witness]
    centre = np.linalg.solve(view[:, :, :2], (line[:, :2] - view[:, :, 2])[:, :, None])[:, :, 0]
    half = line[:, 2:] / np.sqrt(np.abs(np.linalg.det(view[:, :, :2])))[:, None] / 2
    return np.where(is_known[:, None], np.concatenate([centre - half, centre + half], axis=1), on_picture)
