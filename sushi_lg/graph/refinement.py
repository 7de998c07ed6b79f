"""Boxes of a trajectory seen against their neighbours in time: input of the learned smoothing.

A detector's boxes tremble; how much, and how far smoothing may reach without cutting corners, depends on the scene and
on the person. A small network chooses for every box how much weight each neighbour gets; the result is a weighted mean,
so it can never invent a position.

Shapes: N detections, M tracklets, K neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.geometry import to_camera_free, xyxy_to_cxcywh
from sushi_lg.graph.kinematics import boxes_at
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections

OFFSETS = (-12, -8, -5, -3, -2, -1, 1, 2, 3, 5, 8, 12)
NUM_FEATURES = 5 * len(OFFSETS) + 5


def neighbour_steps(detections: Detections, tracklets: Tracklets) -> tuple[Tensor, Tensor]:
    """Return where a trajectory is a few frames before and after each of its detections.

    Returns:
        steps (N, K, 4): centre offset in box heights, log width and log height ratio to the detection's own box, in
        camera-free coordinates turned back to the orientation of the detection's frame; and is_inside (N, K) bool:
        whether the trajectory exists there. Steps outside are 0. Missing frames inside are interpolated.
    """
    boxes = to_camera_free(xyxy_to_cxcywh(detections.boxes_xyxy), detections.camera)
    owner = tracklets.member_of
    frame = detections.frame[:, None] + torch.tensor(OFFSETS, device=boxes.device)
    inside = (frame >= tracklets.first_frame[owner, None]) & (frame <= tracklets.last_frame[owner, None])
    frame = torch.where(inside, frame, detections.frame[:, None])
    other = boxes_at(detections, tracklets, boxes, owner[:, None].expand_as(frame), frame)
    offset = other[..., :2] - boxes[:, None, :2]
    height = boxes[:, 3]
    if detections.camera is not None:
        turn = detections.camera[:, :, :2]
        scale = torch.linalg.det(turn).abs().sqrt()[:, None, None]
        turned = torch.linalg.solve(turn / scale, offset.transpose(1, 2).to(torch.float64))
        offset = turned.transpose(1, 2).to(boxes.dtype)
    size = (other[..., 2:] / boxes[:, None, 2:]).clamp(0.2, 5).log()
    steps = torch.cat([(offset / height[:, None, None]).clamp(-4, 4), size], dim=2)
    return steps * inside[..., None], inside


def refinement_features(detections: Detections, steps: Tensor, inside: Tensor, overlap: Tensor) -> Tensor:
    """Return (N, 5 K + 5) features from the output of ``neighbour_steps`` and ``overlap_features``."""
    squashed = steps.sign() * (20 * steps.abs()).log1p()
    return torch.cat(
        [
            squashed.flatten(1),
            inside.to(steps.dtype),
            detections.score[:, None],
            overlap,
            detections.frame_rate[detections.clip].log()[:, None] - 3,
        ],
        dim=1,
    )


def mean_step(steps: Tensor, inside: Tensor, weight_logits: Tensor) -> Tensor:
    """Return the weighted mean of the steps, the detection itself being one of the places (step 0).

    Args:
        steps: (N, K, 4).
        inside: (N, K) bool.
        weight_logits: (N, 2, K + 1) logits of the weights for position (row 0) and size (row 1); the last column is
            the detection itself.

    Returns:
        (N, 4) by which the box is moved: centre in box heights, log width and log height.
    """
    present = torch.cat([inside, torch.ones_like(inside[:, :1])], dim=1)
    weight = weight_logits.masked_fill(~present[:, None, :], -torch.inf).softmax(dim=2)[..., :-1]
    place = (weight[:, 0, :, None] * steps[..., :2]).sum(dim=1)
    size = (weight[:, 1, :, None] * steps[..., 2:]).sum(dim=1)
    return torch.cat([place, size], dim=1)


def move_boxes(boxes_xyxy: Tensor, step: Tensor) -> Tensor:
    """Return (N, 4) boxes moved by the output of ``mean_step``."""
    x, y, width, height = xyxy_to_cxcywh(boxes_xyxy).unbind(1)
    x, y = x + step[:, 0] * height, y + step[:, 1] * height
    width, height = width * step[:, 2].exp(), height * step[:, 3].exp()
    return torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], dim=1)
