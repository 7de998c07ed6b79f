"""Who stands in front of whom: overlaps between the detections of one frame.

Shapes: N detections.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.geometry import paired_iou
from sushi_lg.graph.candidates import pair_blocks
from sushi_lg.graph.tracklets import FRAME_SPAN
from sushi_lg.structures import Detections

NUM_FEATURES = 3


def overlap_features(detections: Detections) -> Tensor:
    """Return how much every detection is disturbed by the others of its frame.

    Returns:
        (N, 3) float32: the largest IoU with another box; the largest share of the own area covered by a box that
        reaches lower in the picture (usually nearer to the camera); the score of the box with the largest IoU.
    """
    boxes = detections.boxes_xyxy
    count = len(detections)
    key = detections.clip * FRAME_SPAN + detections.frame
    low = torch.searchsorted(key, key)
    high = torch.searchsorted(key, key, right=True)
    result = boxes.new_zeros(count, NUM_FEATURES)
    for mine, other in pair_blocks(low, high):
        different = mine != other
        mine, other = mine[different], other[different]
        touching = (torch.minimum(boxes[mine, 2], boxes[other, 2]) > torch.maximum(boxes[mine, 0], boxes[other, 0])) & (
            torch.minimum(boxes[mine, 3], boxes[other, 3]) > torch.maximum(boxes[mine, 1], boxes[other, 1])
        )
        mine, other = mine[touching], other[touching]
        iou = paired_iou(boxes[mine], boxes[other])
        inner = torch.minimum(boxes[mine, 2:], boxes[other, 2:]) - torch.maximum(boxes[mine, :2], boxes[other, :2])
        area = (boxes[mine, 2:] - boxes[mine, :2]).prod(dim=1)
        covered = inner.clamp(min=0).prod(dim=1) / area * (boxes[other, 3] > boxes[mine, 3])
        # In place: a new column for every block would make the work grow with the square of the video.
        result[:, 0].scatter_reduce_(0, mine, iou, "amax")
        result[:, 1].scatter_reduce_(0, mine, covered, "amax")
        is_largest = iou == result[mine, 0]
        result[mine[is_largest], 2] = detections.score[other[is_largest]]
    return result
