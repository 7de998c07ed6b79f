"""Ground-truth identities of detections: one optimal matching a frame.

Inside a frame boxes pair up so that as many pairs as possible overlap enough, and among those the summed overlap is
largest. Frames are sliced from sorted tables, never searched for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_FORBIDDEN = 1e4  # cost of a pair that overlaps too little; larger than any sum of allowed costs in a frame


def match_identities(
    boxes_xyxy: NDArray[np.floating],
    frames: NDArray[np.integer],
    gt_boxes_xyxy: NDArray[np.floating],
    gt_frames: NDArray[np.integer],
    gt_ids: NDArray[np.integer],
    iou_threshold: float = 0.5,
    plus_one: bool = False,
) -> NDArray[np.int64]:
    """Return the identity of every detection.

    Args:
        boxes_xyxy: (N, 4) detections, any order.
        frames: (N,) their frames, in the numbering of ``gt_frames``.
        gt_boxes_xyxy: (G, 4) ground truth in the same pixel convention.
        gt_frames: (G,).
        gt_ids: (G,), at most once in a frame.
        iou_threshold: Pairs below it are forbidden.
        plus_one: Measure a box as right - left + 1 wide (the original SUSHI's convention).

    Returns:
        (N,) int64; -1 where no box was matched.
    """
    identity = np.full(len(frames), -1, dtype=np.int64)
    order = np.argsort(frames, kind="stable")
    gt_order = np.argsort(gt_frames, kind="stable")
    boxes, gt_boxes = np.asarray(boxes_xyxy, np.float64)[order], np.asarray(gt_boxes_xyxy, np.float64)[gt_order]
    common = np.intersect1d(frames, gt_frames)
    starts, stops = (np.searchsorted(frames[order], common, side) for side in ("left", "right"))
    gt_starts, gt_stops = (np.searchsorted(gt_frames[gt_order], common, side) for side in ("left", "right"))
    for low, high, gt_low, gt_high in zip(starts, stops, gt_starts, gt_stops, strict=True):
        iou = iou_matrix(boxes[low:high], gt_boxes[gt_low:gt_high], plus_one=plus_one)
        allowed = iou >= iou_threshold
        cost = np.where(allowed, 1.0 - iou, _FORBIDDEN)
        rows, columns = linear_sum_assignment(cost)
        good = allowed[rows, columns]
        identity[order[low + rows[good]]] = gt_ids[gt_order[gt_low + columns[good]]]
    return identity


def iou_matrix(
    first: NDArray[np.floating], second: NDArray[np.floating], *, plus_one: bool = False
) -> NDArray[np.float64]:
    """Return the (N, M) intersection over union of ``xyxy`` boxes; with ``plus_one`` sizes count both border pixels."""
    extra = 1.0 if plus_one else 0.0
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    overlap = np.clip(high - low + extra, 0.0, None).prod(axis=2)
    area_first = (first[:, 2:] - first[:, :2] + extra).prod(axis=1)
    area_second = (second[:, 2:] - second[:, :2] + extra).prod(axis=1)
    union = area_first[:, None] + area_second[None, :] - overlap
    return np.asarray(overlap / np.maximum(union, np.finfo(np.float64).tiny), dtype=np.float64)
