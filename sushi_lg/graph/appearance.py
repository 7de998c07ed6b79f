"""How people look, made comparable: whatever network the vectors came from, 0 means two people and 1 means one.

Networks differ in width, scale and in how far apart two strangers lie. A video tells all of that by itself: boxes of
one frame are different people, boxes that follow each other without anybody near are one. Similarities are measured
against these two; how far the two lie apart, in their own deviations, says how much the vectors are worth here.

Shapes: N detections, M tracklets, E edges, C clips, D width of the vectors, K views of a tracklet.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sushi_lg.geometry import paired_iou
from sushi_lg.graph.candidates import pair_blocks
from sushi_lg.graph.tracklets import FRAME_SPAN, Tracklets
from sushi_lg.structures import Detections, Record

NUM_VIEWS = 4
"""K, views that a tracklet keeps: the clearest of each quarter of its members."""
MOST_DIMENSIONS = 64
"""Vectors are reduced to this width: comparing is what they are for, and its cost is proportional to the width."""
EDGE_WIDTH = 11
NODE_WIDTH = 4

_NEIGHBOURS = 4  # boxes of its own frame that a box is compared with
_CLEAR_IOU = 0.2  # boxes that overlap more may show one another
_SAME_IOU = 0.6  # overlap with a box of the next frame that leaves no doubt, where nobody else is near
_PRIOR_ALIKE = 0.7  # cosine of one person, counted like _PRIOR_PAIRS pairs, for videos too short to tell
_PRIOR_PAIRS = 10
_SAMPLE = 2048  # vectors that the reduction is fitted to


@dataclass(frozen=True)
class Looks(Record):
    """Vectors of a run of detections, and what similarities between them mean.

    Attributes:
        vectors: (N, D) float32 of length 1, or 0 where nothing is known.
        quality: (N,) float32, how clearly each detection shows one person; 0 where nothing is known.
        unlike: (C,) mean cosine of different people.
        alike: (C,) mean cosine of one person in neighbouring frames.
        spread: (C,) deviation of the cosine of different people.
        contrast: (C,) distance between the two means in deviations (d').
    """

    vectors: Tensor
    quality: Tensor
    unlike: Tensor
    alike: Tensor
    spread: Tensor
    contrast: Tensor

    def likeness(self, cosine: Tensor, clip: Tensor) -> Tensor:
        """Return cosines (...) of pairs in clips (...) on the scale 0 = two people, 1 = one person."""
        unit = (self.alike - self.unlike).clamp(min=0.05)
        return ((cosine - self.unlike[clip]) / unit[clip]).clamp(-2, 2)

    def surprise(self, cosine: Tensor, clip: Tensor) -> Tensor:
        """Return by how many deviations cosines exceed those of different people, divided by 4."""
        return ((cosine - self.unlike[clip]) / (4 * self.spread[clip])).clamp(-2, 4)


@dataclass(frozen=True)
class TrackletLooks(Record):
    """How tracklets look.

    Attributes:
        mean: (M, D) float32 of length 1, mean over the members by quality; 0 where nothing is known.
        views: (M, K) int64, detections; the clearest of each stretch of the members, in time.
    """

    mean: Tensor
    views: Tensor


@torch.no_grad()
def measure_looks(detections: Detections, overlap: Tensor) -> Looks | None:
    """Return the looks of all detections, or None where they carry no vectors.

    Args:
        detections: N detections, with ``embedding`` (N, any width) of any scale; a row of zeros says nothing.
        overlap: (N, 3) output of ``overlap_features``.
    """
    if detections.embedding is None:
        return None
    vectors = detections.embedding.to(torch.float32)
    known = vectors.square().sum(dim=1) > 0
    vectors = torch.nn.functional.normalize(vectors) * known[:, None]
    # What all people of a video share says nothing about who they are.
    clip, clips = detections.clip, detections.num_clips
    count = _sums(known.to(torch.float32), clip, clips).clamp(min=1)
    vectors = (vectors - (_sums(vectors, clip, clips) / count[:, None])[clip]) * known[:, None]
    if vectors.shape[1] > MOST_DIMENSIONS:
        vectors = _reduced(vectors, known)
    vectors = torch.nn.functional.normalize(vectors) * known[:, None]
    visible = (1 - overlap[:, 1]).clamp(min=0.02)
    quality = visible.square() * _inside_share(detections) * detections.score.clamp(0.05, 1) * known

    clear = known & (overlap[:, 0] < _CLEAR_IOU)
    other = _mean_and_deviation(*_strangers(detections, vectors, clear), detections, prior=0.0)
    same = _mean_and_deviation(*_followers(detections, vectors, clear), detections, prior=_PRIOR_ALIKE)
    pooled = ((other[1].square() + same[1].square()) / 2).sqrt()
    return Looks(
        vectors=vectors,
        quality=quality,
        unlike=other[0],
        alike=torch.maximum(same[0], other[0] + 0.05),
        spread=other[1],
        contrast=((same[0] - other[0]) / pooled).clamp(0, 8),
    )


@torch.no_grad()
def tracklet_looks(looks: Looks, tracklets: Tracklets) -> TrackletLooks:
    """Return means and views of tracklets."""
    weight = (looks.quality + 1e-4 * (looks.quality > 0))[:, None]
    total = looks.vectors.new_zeros(len(tracklets), looks.vectors.shape[1])
    total.index_add_(0, tracklets.member_of, looks.vectors * weight)
    return TrackletLooks(mean=torch.nn.functional.normalize(total), views=_views(looks.quality, tracklets))


def mean_likeness(looks: Looks, of: TrackletLooks, tracklets: Tracklets, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) likeness of the means of pairs of tracklets; 0.5, which says nothing, where one is not known."""
    cosine = (of.mean[earlier] * of.mean[later]).sum(dim=1)
    values = looks.likeness(cosine, tracklets.clip[earlier])
    # Means are of length 1 or 0, and a cosine of exactly 0 comes from nowhere else.
    return torch.where(cosine == 0, torch.full_like(values, 0.5), values)


@torch.no_grad()
def edge_likeness(looks: Looks, of: TrackletLooks, tracklets: Tracklets, edge_index: Tensor) -> Tensor:
    """Return (E, 11) features of edges: how alike both tracklets look, and how much that is worth.

    Everything is 0 where one of the two has no vector.
    """
    earlier, later = edge_index
    clip = tracklets.clip[earlier]
    views_from, views_to = of.views[earlier], of.views[later]
    quality_from, quality_to = looks.quality[views_from], looks.quality[views_to]
    cosine = torch.bmm(looks.vectors[views_from], looks.vectors[views_to].transpose(1, 2))
    weight = quality_from[:, :, None] * quality_to[:, None, :]
    known = weight > 0
    best = cosine.masked_fill(~known, -1.0).flatten(1).max(dim=1).values
    total = weight.flatten(1).sum(dim=1)
    balanced = (cosine * weight).flatten(1).sum(dim=1) / total.clamp(min=1e-9)
    joint_known = known[:, -1, 0]
    joint = torch.where(joint_known, cosine[:, -1, 0], balanced)
    mean = (of.mean[earlier] * of.mean[later]).sum(dim=1)
    columns = [
        torch.ones_like(mean),
        looks.likeness(mean, clip),
        looks.likeness(best, clip),
        looks.likeness(balanced, clip),
        looks.likeness(joint, clip),
        looks.surprise(mean, clip),
        looks.surprise(best, clip),
        looks.contrast[clip] / 4,
        quality_from.max(dim=1).values,
        quality_to.max(dim=1).values,
        joint_known.to(torch.float32),
    ]
    return torch.stack(columns, dim=1) * (total > 0)[:, None]


@torch.no_grad()
def node_likeness(looks: Looks, of: TrackletLooks, tracklets: Tracklets, rows: slice | Tensor) -> Tensor:
    """Return (R, 4) features of the tracklets ``rows``: how much they look like themselves; 0 without vectors."""
    views = of.views[rows]
    clip = tracklets.clip[rows]
    quality = looks.quality[views]
    vectors = looks.vectors[views]
    cosine = torch.bmm(vectors, vectors.transpose(1, 2))
    known = (quality[:, :, None] * quality[:, None, :]) > 0
    least = cosine.masked_fill(~known, 1.0).flatten(1).min(dim=1).values
    columns = [
        torch.ones_like(least),
        looks.likeness(least, clip),
        quality.max(dim=1).values,
        looks.contrast[clip] / 4,
    ]
    return torch.stack(columns, dim=1) * known.flatten(1).any(dim=1)[:, None]


def _views(quality: Tensor, tracklets: Tracklets) -> Tensor:
    """Return (M, K) the clearest member of each stretch; tracklets with fewer than K members repeat some."""
    if len(tracklets) == len(quality):
        return tracklets.first[:, None]
    length = tracklets.length
    position = torch.arange(len(quality), device=quality.device)
    owner = tracklets.member_of[tracklets.order]
    place = position - tracklets.start[owner]
    stretch = (NUM_VIEWS * (place + 1) - 1) // length[owner]
    # Quality and place in one integer: the clearest wins, of equals the first.
    rank = (quality[tracklets.order].to(torch.float64) * (1 << 30)).to(torch.int64) << 32
    rank = rank + ((1 << 32) - 1 - position)
    best = torch.zeros(len(tracklets) * NUM_VIEWS, dtype=torch.int64, device=quality.device)
    best.scatter_reduce_(0, owner * NUM_VIEWS + stretch.clamp(max=NUM_VIEWS - 1), rank, "amax")
    chosen = (1 << 32) - 1 - (best & ((1 << 32) - 1))
    quarter = torch.arange(NUM_VIEWS, device=quality.device)
    spaced = tracklets.start[:-1, None] + quarter * length[:, None] // NUM_VIEWS
    is_short = (length < NUM_VIEWS)[:, None]
    return tracklets.order[torch.where(is_short, spaced, chosen.view(-1, NUM_VIEWS).clamp(max=len(quality) - 1))]


def _inside_share(detections: Detections) -> Tensor:
    """Return (N,) which share of each box lies in the picture."""
    boxes, size = detections.boxes_xyxy, detections.image_size[detections.clip]
    low = boxes[:, :2].clamp(min=0)
    high = torch.minimum(boxes[:, 2:], size)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=1e-6)
    return ((high - low).clamp(min=0).prod(dim=1) / area).clamp(0, 1)


def _strangers(detections: Detections, vectors: Tensor, clear: Tensor) -> tuple[Tensor, Tensor]:
    """Return (P,) cosines of boxes of one frame and their clips."""
    chosen = torch.nonzero(clear).squeeze(1)
    key = (detections.clip * FRAME_SPAN + detections.frame)[chosen]
    cosines, clips = [], []
    for step in range(1, _NEIGHBOURS + 1):
        here, there = chosen[:-step], chosen[step:]
        together = torch.nonzero(key[:-step] == key[step:]).squeeze(1)
        cosines.append((vectors[here[together]] * vectors[there[together]]).sum(dim=1))
        clips.append(detections.clip[here[together]])
    return torch.cat(cosines), torch.cat(clips)


def _followers(detections: Detections, vectors: Tensor, clear: Tensor) -> tuple[Tensor, Tensor]:
    """Return (P,) cosines of boxes that follow each other in neighbouring frames without doubt, and their clips."""
    chosen = torch.nonzero(clear).squeeze(1)
    key = (detections.clip * FRAME_SPAN + detections.frame)[chosen]
    low = torch.searchsorted(key, key + 1)
    high = torch.searchsorted(key, key + 1, right=True)
    boxes = detections.boxes_xyxy
    cosines, clips = [vectors.new_zeros(0)], [detections.clip[:0]]
    for first, second in pair_blocks(low, high):
        here, there = chosen[first], chosen[second]
        same = torch.nonzero(paired_iou(boxes[here], boxes[there]) > _SAME_IOU).squeeze(1)
        here, there = here[same], there[same]
        cosines.append((vectors[here] * vectors[there]).sum(dim=1))
        clips.append(detections.clip[here])
    return torch.cat(cosines), torch.cat(clips)


def _mean_and_deviation(values: Tensor, clip: Tensor, detections: Detections, prior: float) -> tuple[Tensor, Tensor]:
    """Return (C,) mean and deviation of values by clip, drawn towards ``prior`` and 0.2 where there are few."""
    clips = detections.num_clips
    count = _sums(torch.ones_like(values), clip, clips) + _PRIOR_PAIRS
    mean = (_sums(values, clip, clips) + _PRIOR_PAIRS * prior) / count
    squares = _sums((values - mean[clip]).square(), clip, clips) + _PRIOR_PAIRS * 0.04
    return mean, (squares / count).sqrt()


def _sums(values: Tensor, group: Tensor, count: int) -> Tensor:
    return values.new_zeros(count, *values.shape[1:]).index_add(0, group, values)


def _reduced(vectors: Tensor, known: Tensor) -> Tensor:
    """Return (N, 64) vectors in the directions in which they differ most."""
    rows = torch.nonzero(known).squeeze(1)
    sample = vectors[rows[:: max(1, len(rows) // _SAMPLE)]].to(torch.float64)
    # The smaller of the two Gram matrices has the same spectrum.
    if len(sample) < sample.shape[1]:
        values, basis = torch.linalg.eigh(sample @ sample.T)
        basis = sample.T @ (basis[:, -MOST_DIMENSIONS:] / values[-MOST_DIMENSIONS:].clamp(min=1e-12).sqrt())
    else:
        basis = torch.linalg.eigh(sample.T @ sample).eigenvectors[:, -MOST_DIMENSIONS:]
    return vectors @ basis.to(torch.float32)
