"""Box arithmetic: conversions, overlap, camera coordinates. Pure functions on tensors, any device.

``xyxy`` is left, top, right, bottom; ``cxcywh`` is centre x, centre y, width, height. Pixels, 0-based.
"""

from __future__ import annotations

import torch
from torch import Tensor


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Convert (..., 4) corner boxes to centre, width, height."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], dim=-1)


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Convert (..., 4) centre boxes to corners."""
    x, y, width, height = boxes.unbind(-1)
    return torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], dim=-1)


def paired_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of corresponding ``xyxy`` boxes.

    Args:
        first: (..., 4).
        second: (..., 4), same leading shape.

    Returns:
        (...) in [0, 1]; 0 where both boxes are empty.
    """
    overlap, union = _overlap_and_union(first, second)
    return overlap / union.clamp(min=torch.finfo(union.dtype).tiny)


def paired_giou(first: Tensor, second: Tensor) -> Tensor:
    """Return the generalised IoU of corresponding ``xyxy`` boxes (Rezatofighi et al., 2019).

    Args:
        first: (..., 4).
        second: (..., 4), same leading shape.

    Returns:
        (...) in [-1, 1].
    """
    overlap, union = _overlap_and_union(first, second)
    hull = _area(torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2]))
    tiny = torch.finfo(union.dtype).tiny
    return overlap / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


def _overlap_and_union(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    inner = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    overlap = _area(inner.clamp(min=0))
    return overlap, _area(first[..., 2:] - first[..., :2]) + _area(second[..., 2:] - second[..., :2]) - overlap


def _area(extent: Tensor) -> Tensor:
    return extent[..., 0] * extent[..., 1]


def to_camera_free(boxes_cxcywh: Tensor, camera: Tensor | None) -> Tensor:
    """Return boxes in the common coordinates of their clip: camera motion removed.

    Args:
        boxes_cxcywh: (N, 4).
        camera: (N, 2, 3) float64 affine from the box's frame to common coordinates, or None for a static camera.

    Returns:
        (N, 4) float32. Centres follow the affine, sizes its area scale: a box stays upright.
    """
    if camera is None:
        return boxes_cxcywh
    centre = boxes_cxcywh[:, :2].to(torch.float64)
    moved = (camera[:, :, :2] @ centre[:, :, None]).squeeze(-1) + camera[:, :, 2]
    scale = torch.linalg.det(camera[:, :, :2]).abs().sqrt()[:, None]
    return torch.cat([moved, boxes_cxcywh[:, 2:] * scale], dim=-1).to(boxes_cxcywh.dtype)
