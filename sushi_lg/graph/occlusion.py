"""Who stands in front of whom: overlaps between the detections of one frame.

Shapes: N detections, P ordered pairs of overlapping detections of one frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sushi_lg.geometry import paired_iou
from sushi_lg.graph.candidates import pair_blocks, within_band
from sushi_lg.graph.settings import OVERLAP_FEATURES
from sushi_lg.graph.tracklets import FRAME_SPAN
from sushi_lg.host import free_to_look, rows_of, thinned
from sushi_lg.structures import Detections


@dataclass(frozen=True)
class Contacts:
    """Detections of one frame that overlap; every pair stands in both orders, sorted by (mine, other).

    Attributes:
        mine: (P,) int64 detection.
        other: (P,) int64 detection.
        iou: (P,) float32.
    """

    mine: Tensor
    other: Tensor
    iou: Tensor


def overlap_features(detections: Detections) -> Tensor:
    """Return how much every detection is disturbed by the others of its frame.

    Returns:
        (N, 3) float32: the largest IoU with another box; the largest share of the own area covered by a box that
        reaches lower in the picture (usually nearer to the camera); the score of the box with the largest IoU.
    """
    return find_overlaps(detections, least=2.0)[0]


def find_overlaps(detections: Detections, least: float) -> tuple[Tensor, Contacts]:
    """Return ``overlap_features`` and the pairs it found on the way.

    Args:
        detections: N detections.
        least: pairs below this IoU are not kept, above 0.
    """
    boxes = detections.boxes_xyxy
    count = len(detections)
    key = detections.clip * FRAME_SPAN + detections.frame
    low = torch.searchsorted(key, key)
    high = torch.searchsorted(key, key, right=True)
    result = boxes.new_zeros(count, OVERLAP_FEATURES)
    largest = torch.full_like(key, -1)
    none = key.new_zeros(0)
    found = [(none, none, boxes.new_zeros(0))]
    order = None
    if free_to_look(boxes):
        left, right = boxes[:, 0], boxes[:, 2]
        widest = torch.zeros_like(left).scatter_reduce_(0, low, right - left, "amax")[low]
        order, low, high = within_band(low, high, left, left - widest - 1, right + 1)
    for mine, other in pair_blocks(low, high):
        other = other if order is None else order[other]
        different, mine, other = thinned(mine != other, mine, other)
        touching = (
            different
            & (torch.minimum(boxes[mine, 2], boxes[other, 2]) > torch.maximum(boxes[mine, 0], boxes[other, 0]))
            & (torch.minimum(boxes[mine, 3], boxes[other, 3]) > torch.maximum(boxes[mine, 1], boxes[other, 1]))
        )
        touching, mine, other = thinned(touching, mine, other)
        if order is not None:  # by (mine, other) again
            rows = torch.argsort(mine * count + other)
            touching, mine, other = touching[rows], mine[rows], other[rows]
        iou = paired_iou(boxes[mine], boxes[other]) * touching
        inner = torch.minimum(boxes[mine, 2:], boxes[other, 2:]) - torch.maximum(boxes[mine, :2], boxes[other, :2])
        area = (boxes[mine, 2:] - boxes[mine, :2]).prod(dim=1)
        covers = touching & (boxes[other, 3] > boxes[mine, 3])
        covered = torch.where(covers, inner.clamp(min=0).prod(dim=1) / area, 0.0)
        # In place: a new column for every block would make the work grow with the square of the video.
        result[:, 0].scatter_reduce_(0, mine, iou, "amax")
        result[:, 1].scatter_reduce_(0, mine, covered, "amax")
        is_largest = touching & (iou == result[mine, 0])
        largest.scatter_reduce_(0, mine, torch.where(is_largest, other, -1), "amax")  # the last one of equals
        is_contact = iou >= least
        if free_to_look(iou):
            rows = torch.nonzero(is_contact).squeeze(1)
        else:
            rows = rows_of(is_contact, int(is_contact.sum()))
        found.append((mine[rows], other[rows], iou[rows]))
    result[:, 2] = torch.where(largest >= 0, detections.score[largest.clamp(min=0)], 0.0)
    mine, other, iou = (torch.cat(parts) for parts in zip(*found, strict=True))
    return result, Contacts(mine, other, iou)
