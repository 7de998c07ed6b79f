"""How people look, made comparable: whatever network the vectors came from, 0 means two people and 1 means one.

Networks differ in width, scale and in how far apart two strangers lie. A video tells all of that by itself: boxes of
one frame are different people, boxes that follow each other without anybody near are one. Similarities are measured
against these two; how far the two lie apart, in their own deviations, says how much the vectors are worth here. How
much of a person's look lasts longer than a frame is measured on the tracklets that lower levels hand up.

Shapes: N detections, M tracklets, E edges, C clips, D width of the vectors, K views of a tracklet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sushi_lg.errors import DataError
from sushi_lg.geometry import paired_iou
from sushi_lg.graph.candidates import pair_blocks
from sushi_lg.graph.tracklets import FRAME_SPAN, Tracklets
from sushi_lg.structures import Detections, Record

MOST_DIMENSIONS = 64
"""Vectors are reduced to this width: comparing is what they are for, and its cost is proportional to the width."""
COMPARED_PAIRS = 1 << 17
"""Pairs whose vectors stand side by side, in 100 MB with their products."""
EDGE_WIDTH = 11
NODE_WIDTH = 4

_NEIGHBOURS = 4  # boxes of its own frame that a box is compared with
_CLEAR_IOU = 0.2  # boxes that overlap more may show one another
_CLEAR_SHARE = 0.2  # a view counts if it is this clear, measured by the clearest of its tracklet
_SAME_IOU = 0.6  # overlap with a box of the next frame that leaves no doubt, where nobody else is near
_PRIOR_ALIKE = 0.7  # cosine of one person, where too little was seen to tell
_PRIOR_SPREAD = 0.2  # deviation of cosines, likewise
_PRIOR_SECONDS = 3  # what priors weigh, in pairs of persons times seconds: neighbouring frames say the same
_PRIOR_TRACKLETS = 5  # what the prior of lasting looks weighs
_LASTING_SECONDS = 1.0  # tracklets of this length tell how much of a look lasts
_NOTHING = 1e-3  # what is left of a unit vector when all vectors of a video are equal
_SAMPLE = 2048  # vectors that the reduction is fitted to
_ROWS = 16384  # vectors in full precision at once
_ENCODED_ROWS = 2048  # the same before an encoder, which makes several tables of their size


@dataclass(frozen=True)
class Looks(Record):
    """Vectors of a run of detections, and what similarities between them mean.

    Attributes:
        vectors: (N, D) float32 of length 1, or 0 where nothing is known.
        quality: (N,) float32, how clearly each detection shows one person; 0 where nothing is known.
        seconds: (N,) float32, when each was seen.
        unlike: (C,) mean cosine of different people.
        alike: (C,) mean cosine of one person in neighbouring frames.
        spread: (C,) deviation of the cosine of different people.
        contrast: (C,) distance between the two means in deviations (d'), less where little was seen.
    """

    vectors: Tensor
    quality: Tensor
    seconds: Tensor
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
        known: (M,) bool, whether anything is.
        views: (M, 6) int64, the clearest detections of its first second, of each quarter, and of its last second;
            (M, 1) where every tracklet has one detection.
        lasting: (C,) likeness of the first and the last view of long tracklets, on average.
    """

    mean: Tensor
    known: Tensor
    views: Tensor
    lasting: Tensor


def measure_looks(detections: Detections, overlap: Tensor) -> Looks | None:
    """Return the looks of all detections, or None where they carry no vectors.

    Wide vectors are reduced by one projection for the whole batch. Gradients reach the vectors, not the scale on which
    they are compared.

    Args:
        detections: N detections, with ``embedding`` (N, any width) of any scale; a row of zeros says nothing.
        overlap: (N, 3) output of ``overlap_features``.

    Raises:
        DataError: vectors that are not finite.
    """
    if detections.embedding is None:
        return None
    known, clear = _known(detections, overlap)
    visible = (1 - overlap[:, 1]).clamp(min=0.02)
    with _full_precision(known):
        vectors = _centred(detections, known, clear)
        with torch.no_grad():
            known = known & (vectors.square().sum(dim=1) > 0.5)
            quality = visible.square() * _inside_share(detections) * detections.score.clamp(0.05, 1) * known
            clear = clear & known
            other = _Statistic(detections, 0.0, *_strangers(detections, vectors, clear, _NEIGHBOURS))
            same = _Statistic(detections, _PRIOR_ALIKE, *_followers(detections, vectors, clear))
    pooled = ((other.deviation.square() + same.deviation.square()) / 2).sqrt()
    return Looks(
        vectors=vectors,
        quality=quality,
        seconds=detections.frame / detections.frame_rate[detections.clip],
        unlike=other.mean,
        alike=torch.maximum(same.mean, other.mean + 0.05),
        spread=other.deviation,
        # without strangers or followers the scale is a guess, and the vectors are worth nothing
        contrast=(other.trust * same.trust * (same.mean - other.mean) / pooled).clamp(0, 8),
    )


def unit_rows(detections: Detections) -> Iterator[Tensor]:
    """Yield the vectors of all detections (rows, D) for an encoder, a block at a time: of length 1, or 0.

    Args:
        detections: N detections with ``embedding`` (N, D).

    Raises:
        DataError: vectors that are not finite.
    """
    for _, vectors in _unit_rows(detections, _ENCODED_ROWS):
        _refuse_infinite(vectors)
        yield vectors


def tracklet_looks(looks: Looks, tracklets: Tracklets) -> TrackletLooks:
    """Return means and views of tracklets."""
    order = tracklets.order
    with _full_precision(looks.vectors):
        weighted = looks.vectors[order] * looks.quality[order, None]
        total = torch.segment_reduce(weighted, "sum", lengths=tracklets.length, axis=0, unsafe=True)
        with torch.no_grad():
            views = _views(looks, tracklets)
            lasting = _lasting(looks, tracklets, views)
        return TrackletLooks(
            mean=normalize(total),
            known=total.square().sum(dim=1) > 0,
            views=views,
            lasting=lasting,
        )


def mean_likeness(looks: Looks, of: TrackletLooks, tracklets: Tracklets, earlier: Tensor, later: Tensor) -> Tensor:
    """Return (P,) likeness of the means of pairs of tracklets; 0.5, which says nothing, where one is not known."""
    parts = zip(earlier.split(COMPARED_PAIRS), later.split(COMPARED_PAIRS), strict=True)
    cosines = [(of.mean[u] * of.mean[v]).sum(dim=1) for u, v in parts]
    cosine = cosines[0] if len(cosines) == 1 else torch.cat(cosines)
    values = looks.likeness(cosine, tracklets.clip[earlier])
    return torch.where(of.known[earlier] & of.known[later], values, torch.full_like(values, 0.5))


def edge_likeness(looks: Looks, of: TrackletLooks, tracklets: Tracklets, edge_index: Tensor) -> Tensor:
    """Return (E, 11) features of edges: how alike both tracklets look, and how much that is worth.

    Everything is 0 where one of the two has no vector.
    """
    earlier, later = edge_index
    clip = tracklets.clip[earlier]
    vectors_from, quality_from, clear_from = _shown(looks, of.views[earlier])
    vectors_to, quality_to, clear_to = _shown(looks, of.views[later])
    with _full_precision(looks.vectors):
        cosine = torch.bmm(vectors_from, vectors_to.transpose(1, 2))
    clear = clear_from[:, :, None] & clear_to[:, None, :]
    weight = quality_from[:, :, None] * quality_to[:, None, :] * clear
    total = weight.flatten(1).sum(dim=1)
    best = cosine.masked_fill(~clear, -1.0).flatten(1).max(dim=1).values
    balanced = (cosine * weight).flatten(1).sum(dim=1) / total.clamp(min=1e-9)
    # the views on both sides of the gap, which look alike most and are covered most
    joint = torch.where(clear[:, -1, 0], cosine[:, -1, 0], balanced)
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
        of.lasting[clip],
        (quality_from[:, -1] * quality_to[:, 0]).sqrt(),
        torch.minimum(quality_from.max(dim=1).values, quality_to.max(dim=1).values),
    ]
    return torch.stack(columns, dim=1) * (total > 0)[:, None]


def node_likeness(looks: Looks, of: TrackletLooks, tracklets: Tracklets, rows: slice | Tensor) -> Tensor:
    """Return (R, 4) features of the tracklets ``rows``: how much they look like themselves; 0 without vectors."""
    clip = tracklets.clip[rows]
    vectors, quality, clear = _shown(looks, of.views[rows])
    with _full_precision(looks.vectors):
        cosine = torch.bmm(vectors, vectors.transpose(1, 2))
    both = clear[:, :, None] & clear[:, None, :]
    least = cosine.masked_fill(~both, 1.0).flatten(1).min(dim=1).values
    columns = [
        torch.ones_like(least),
        looks.likeness(least, clip),
        quality.max(dim=1).values,
        looks.contrast[clip] / 4,
    ]
    return torch.stack(columns, dim=1) * clear.any(dim=1)[:, None]


def _full_precision(like: Tensor) -> AbstractContextManager[object]:
    """Keep products in float32 inside a training in half precision: differences of cosines are small."""
    return torch.autocast(like.device.type, enabled=False)


def _shown(looks: Looks, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return vectors (R, K, D) and quality (R, K) of views, and (R, K) bool: clear enough to count."""
    quality = looks.quality[views]
    least = _CLEAR_SHARE * quality.max(dim=1, keepdim=True).values
    return looks.vectors[views], quality, (quality > 0) & (quality >= least)


# --------------------------------------------------------------------------------------------------------- vectors


def _known(detections: Detections, overlap: Tensor) -> tuple[Tensor, Tensor]:
    """Return (N,) bool, where vectors say anything, and (N,) bool, where they say it of one person."""
    assert detections.embedding is not None
    blocks = detections.embedding.detach().split(_ROWS)
    for block in blocks:
        _refuse_infinite(block)
    known = torch.cat([(block != 0).any(dim=1) for block in blocks])
    return known, known & (overlap[:, 0] < _CLEAR_IOU)


def _refuse_infinite(vectors: Tensor) -> None:
    if not bool(torch.isfinite(vectors).all()):
        raise DataError("appearance vectors hold NaN or infinity", "make them again with `sushi-lg embed`")


def _centred(detections: Detections, known: Tensor, clear: Tensor) -> Tensor:
    """Return (N, at most 64) unit vectors without what strangers share; zeros where nothing is known."""
    assert detections.embedding is not None
    common_part = _common_part(detections, known, clear)
    width = detections.embedding.shape[1]
    basis = _basis(detections, known, common_part) if width > MOST_DIMENSIONS else None
    parts = [
        _without(part, common_part[detections.clip[rows]], known[rows], basis) for rows, part in _unit_rows(detections)
    ]
    return torch.cat(parts)


@torch.no_grad()
def _common_part(detections: Detections, known: Tensor, clear: Tensor) -> Tensor:
    """Return (C, D) what the vectors of a clip share.

    The mean of all vectors is mostly whoever is seen most. Only as much of it is taken as the cosine of strangers says
    that they have in common.
    """
    assert detections.embedding is not None
    clip, clips = detections.clip, detections.num_clips
    count = _sums(known.to(torch.float64), clip, clips).clamp(min=1)
    mean = torch.stack([_sums(part, clip[rows], clips) for rows, part in _unit_rows(detections)]).sum(dim=0)
    mean = mean / count[:, None]
    common = _Statistic(detections, 0.0, *_strangers(detections, detections.embedding, clear, 1)).mean
    length = torch.linalg.vector_norm(mean, dim=1)
    share = torch.minimum(common.clamp(min=0).sqrt(), length.to(torch.float32))
    return normalize(mean, dim=1).to(torch.float32) * share[:, None]


def _without(vectors: Tensor, common_part: Tensor, known: Tensor, basis: Tensor | None = None) -> Tensor:
    """Return (K, D or less) unit vectors without the common part of their clips; zeros where nothing is left."""
    centred = vectors - common_part
    centred = centred if basis is None else centred @ basis
    left = torch.linalg.vector_norm(centred.detach(), dim=1, keepdim=True)
    return normalize(centred) * ((left > _NOTHING) & known[:, None])


def _unit_rows(detections: Detections, at_once: int = _ROWS) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of the detections and their vectors, float32 of length 1 or 0: wide ones exist a block at a time."""
    assert detections.embedding is not None
    for begin in range(0, max(len(detections), 1), at_once):
        rows = slice(begin, min(begin + at_once, len(detections)))
        yield rows, normalize(detections.embedding[rows].to(torch.float32))


@torch.no_grad()
def _basis(detections: Detections, known: Tensor, common_part: Tensor) -> Tensor:
    """Return (D, 64): the directions in which vectors differ most."""
    assert detections.embedding is not None
    rows = torch.nonzero(known).squeeze(1)
    # At random: every n-th box may well be one and the same person.
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:_SAMPLE].to(rows.device)
    rows = rows[chosen]
    sample = normalize(detections.embedding[rows].to(torch.float32)) - common_part[detections.clip[rows]]
    sample = sample.to(torch.float64)
    if len(sample) < sample.shape[1]:  # the smaller of the two Gram matrices has the same spectrum
        values, basis = torch.linalg.eigh(sample @ sample.T)
        values, basis = values[-MOST_DIMENSIONS:], basis[:, -MOST_DIMENSIONS:]
        basis = sample.T @ (basis * (values.clamp(min=1e-12).rsqrt() * (values > 1e-9)))
    else:
        basis = torch.linalg.eigh(sample.T @ sample).eigenvectors[:, -MOST_DIMENSIONS:]
    missing = MOST_DIMENSIONS - basis.shape[1]
    return torch.nn.functional.pad(basis, (0, missing)).to(torch.float32)


def _inside_share(detections: Detections) -> Tensor:
    """Return (N,) which share of each box lies in the picture."""
    boxes, size = detections.boxes_xyxy, detections.image_size[detections.clip]
    low = boxes[:, :2].clamp(min=0)
    high = torch.minimum(boxes[:, 2:], size)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=1e-6)
    return ((high - low).clamp(min=0).prod(dim=1) / area).clamp(0, 1)


# ------------------------------------------------------------------------------------------------------- statistics


class _Statistic:
    """Mean and deviation of cosines by clip, drawn towards a prior where little was seen.

    Attributes:
        mean: (C,).
        deviation: (C,).
        trust: (C,) in 0 .. 1, how much was seen.
    """

    def __init__(self, detections: Detections, prior: float, values: Tensor, clip: Tensor) -> None:
        clips = detections.num_clips
        # Frames that follow each other say the same: evidence is counted in seconds.
        weight = 1 / detections.frame_rate.to(torch.float64)
        seen = _sums(torch.ones_like(values, dtype=torch.float64), clip, clips) * weight
        values = values.to(torch.float64)
        total = seen + _PRIOR_SECONDS
        mean = (_sums(values, clip, clips) * weight + _PRIOR_SECONDS * prior) / total
        squares = _sums((values - mean[clip]).square(), clip, clips) * weight
        self.mean = mean.to(torch.float32)
        self.deviation = ((squares + _PRIOR_SECONDS * _PRIOR_SPREAD**2) / total).sqrt().to(torch.float32)
        self.trust = (seen / total).to(torch.float32)


def _strangers(detections: Detections, vectors: Tensor, clear: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Return (P,) cosines of boxes of one frame and their clips."""
    chosen = torch.nonzero(clear).squeeze(1)
    key = (detections.clip * FRAME_SPAN + detections.frame)[chosen]
    found = []
    for step in range(1, neighbours + 1):
        here, there = chosen[:-step], chosen[step:]
        together = torch.nonzero(key[:-step] == key[step:]).squeeze(1)
        found.append(torch.stack([here[together], there[together]]))
    pairs = torch.cat(found, dim=1)
    return _cosines(vectors, pairs), detections.clip[pairs[0]]


def _followers(detections: Detections, vectors: Tensor, clear: Tensor) -> tuple[Tensor, Tensor]:
    """Return (P,) cosines of boxes that follow each other in neighbouring frames without doubt, and their clips."""
    chosen = torch.nonzero(clear).squeeze(1)
    key = (detections.clip * FRAME_SPAN + detections.frame)[chosen]
    low = torch.searchsorted(key, key + 1)
    high = torch.searchsorted(key, key + 1, right=True)
    boxes = detections.boxes_xyxy
    found = [chosen.new_zeros(2, 0)]
    for first, second in pair_blocks(low, high):
        here, there = chosen[first], chosen[second]
        same = torch.nonzero(paired_iou(boxes[here], boxes[there]) > _SAME_IOU).squeeze(1)
        found.append(torch.stack([here[same], there[same]]))
    pairs = torch.cat(found, dim=1)
    return _cosines(vectors, pairs), detections.clip[pairs[0]]


def _cosines(vectors: Tensor, pairs: Tensor) -> Tensor:
    """Return (P,) cosines of pairs (2, P) of rows of any length and precision."""
    parts = [
        torch.nn.functional.cosine_similarity(vectors[here].to(torch.float32), vectors[there].to(torch.float32))
        for here, there in zip(pairs[0].split(_ROWS), pairs[1].split(_ROWS), strict=True)
    ]
    return torch.cat(parts) if parts else vectors.new_zeros(0, dtype=torch.float32)


def _sums(values: Tensor, group: Tensor, count: int) -> Tensor:
    """Return (count, ...) sums by group in float64: millions of cosines are added up."""
    if count == 1:
        return values.sum(dim=0, dtype=torch.float64)[None]
    return torch.zeros(count, *values.shape[1:], dtype=torch.float64, device=values.device).index_add(
        0, group, values.to(torch.float64)
    )


# ------------------------------------------------------------------------------------------------------------ views


def _views(looks: Looks, tracklets: Tracklets) -> Tensor:
    """Return (M, K) the clearest member of each stretch; tracklets with fewer than four members repeat some."""
    quality, order, length = looks.quality, tracklets.order, tracklets.length
    if len(tracklets) == len(quality):
        return tracklets.first[:, None]
    owner = tracklets.member_of[order]
    position = torch.arange(len(quality), device=quality.device)
    quarter = (4 * (position - tracklets.start[owner] + 1) - 1) // length[owner]
    seconds = looks.seconds[order]
    early = seconds - looks.seconds[tracklets.first][owner] < _LASTING_SECONDS
    late = looks.seconds[tracklets.last][owner] - seconds < _LASTING_SECONDS
    # Quality and place in one integer: the clearest wins, of equals the one nearer to its end of the tracklet.
    rank = (quality[order].to(torch.float64) * (1 << 30)).to(torch.int64) << 32
    from_start = rank + ((1 << 32) - 1 - position)
    from_end = rank + position
    nowhere = torch.full_like(rank, -1)
    first = _best(torch.where(early, from_start, nowhere), owner, len(tracklets), backwards=True)
    last = _best(torch.where(late, from_end, nowhere), owner, len(tracklets), backwards=False)
    inner = _best(from_start, 4 * owner + quarter.clamp(0, 3), 4 * len(tracklets), backwards=True).view(-1, 4)
    spaced = tracklets.start[:-1, None] + torch.arange(4, device=quality.device) * length[:, None] // 4
    inner = torch.where((length < 4)[:, None], spaced, inner)
    return order[torch.cat([first[:, None], inner, last[:, None]], dim=1).clamp(0, len(quality) - 1)]


def _best(rank: Tensor, group: Tensor, count: int, *, backwards: bool) -> Tensor:
    """Return (count,) the place that the highest rank of each group names in its lower half."""
    best = torch.full((count,), -1, dtype=torch.int64, device=rank.device).scatter_reduce_(0, group, rank, "amax")
    place = best & ((1 << 32) - 1)
    return (1 << 32) - 1 - place if backwards else place


def _lasting(looks: Looks, tracklets: Tracklets, views: Tensor) -> Tensor:
    """Return (C,) how alike the first and the last clear view of long tracklets are, by clip."""
    clips = len(looks.alike)
    prior = torch.full((clips,), _PRIOR_ALIKE, device=views.device)
    if views.shape[1] == 1:
        return prior
    first, last = views[:, 0], views[:, -1]
    long = looks.seconds[last] - looks.seconds[first] >= _LASTING_SECONDS
    weight = (looks.quality[first] * looks.quality[last]).sqrt() * long
    cosine = (looks.vectors[first] * looks.vectors[last]).sum(dim=1)
    likeness = looks.likeness(cosine, tracklets.clip)
    total = _sums(weight * likeness, tracklets.clip, clips) + _PRIOR_TRACKLETS * _PRIOR_ALIKE
    return (total / (_sums(weight, tracklets.clip, clips) + _PRIOR_TRACKLETS)).to(torch.float32)
