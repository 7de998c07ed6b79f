"""What a detection looks like inside its trajectory: evidence for keeping or dropping it.

A low score next to a long, confident trajectory is a person who is partly hidden; the same score on a short trajectory
is usually nothing. One global threshold cannot tell them apart, a small network on these features can.

Shapes: N detections, M tracklets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.geometry import xyxy_to_cxcywh
from sushi_lg.graph.sums import fractions, running_sums, segment_means
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections

_NEIGHBOURHOOD = 5  # detections on each side over which scores are averaged
NUM_FEATURES = 28


def membership_features(detections: Detections, tracklets: Tracklets, overlap: Tensor, node_logits: Tensor) -> Tensor:
    """Return features of every detection as a member of its tracklet.

    Args:
        detections: N detections.
        tracklets: M tracklets, usually those of the last level.
        overlap: (N, 3), see ``overlap_features``.
        node_logits: (N,) the network's logit that the node of a detection at the last level is a true object.

    Returns:
        (N, 28) float32 in the order of the detections.
    """
    order, start, owner = tracklets.order, tracklets.start, tracklets.member_of[tracklets.order]
    position = torch.arange(len(order), device=order.device)
    low, high = start[owner], start[owner + 1]
    score, frame = detections.score[order], detections.frame[order]
    boxes = xyxy_to_cxcywh(detections.boxes_xyxy)[order]

    sums = running_sums(score)
    before = torch.maximum(low, position - _NEIGHBOURHOOD)
    after = torch.minimum(high, position + _NEIGHBOURHOOD + 1)
    local = (fractions(sums[after] - sums[before]) / (after - before)).to(score.dtype)
    mean = segment_means(score, start)
    # The lengths are right by construction, and the check of them would fail without tracklets; hence unsafe.
    best = torch.segment_reduce(score, "max", lengths=tracklets.length, unsafe=True)

    previous, following = torch.maximum(position - 1, low), torch.minimum(position + 1, high - 1)
    gap_before, gap_after = frame - frame[previous], frame[following] - frame
    # How far the box lies from the line between its neighbours, in box heights.
    weight = (gap_before / (gap_before + gap_after).clamp(min=1))[:, None]
    between = boxes[previous] * (1 - weight) + boxes[following] * weight
    is_inner = ((gap_before > 0) & (gap_after > 0)).to(score.dtype)
    height = boxes[:, 3]
    drift = ((boxes[:, :2] - between[:, :2]).square().sum(dim=1).sqrt() / height).clamp(max=2) * is_inner
    swell = torch.stack([(boxes[:, 3] / between[:, 3]).log(), (boxes[:, 2] / between[:, 2]).log()]).clamp(-1, 1)

    image = detections.image_size[detections.clip[order]]
    raw = detections.boxes_xyxy[order]
    length = tracklets.length[owner].to(score.dtype)
    span = (tracklets.last_frame - tracklets.first_frame + 1)[owner].to(score.dtype)
    seconds = span / detections.frame_rate[detections.clip[order]]
    columns = [
        score,
        local,
        mean[owner],
        best[owner],
        node_logits[order].clamp(-8, 8),
        length.log1p(),
        span.log1p(),
        seconds.log1p(),
        length / span,
        (frame - tracklets.first_frame[owner]).to(score.dtype).log1p(),
        (tracklets.last_frame[owner] - frame).to(score.dtype).log1p(),
        gap_before.to(score.dtype).log1p(),
        gap_after.to(score.dtype).log1p(),
        is_inner,
        drift,
        swell[0] * is_inner,
        swell[1] * is_inner,
        *overlap[order].unbind(1),
        (height / image[:, 1]).clamp(min=1e-3).log(),
        (boxes[:, 2] / height).log(),
        (raw[:, 0] / height).clamp(-1, 2),
        (raw[:, 1] / height).clamp(-1, 2),
        ((image[:, 0] - raw[:, 2]) / height).clamp(-1, 2),
        ((image[:, 1] - raw[:, 3]) / height).clamp(-1, 2),
        score - local,
        score - overlap[order, 2],
    ]
    features = torch.empty(len(order), NUM_FEATURES, dtype=score.dtype, device=score.device)
    features[order] = torch.stack(columns, dim=1)
    return features
