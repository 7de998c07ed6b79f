"""Tracklets: which detections belong together so far.

A tracklet indexes detections and never copies them. Every detection starts as a tracklet of length one, so no step of
the hierarchy asks which level it is in.

Shapes: N detections, M tracklets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from sushi_lg.structures import Detections, Record

# Frames of one clip must fit below this number, so that (clip, frame) becomes one sortable integer.
FRAME_SPAN = 1 << 32


@dataclass(frozen=True)
class Tracklets(Record):
    """A partition of detections into tracklets, numbered by (clip, first frame, first detection).

    Attributes:
        member_of: (N,) int64, tracklet of each detection.
        order: (N,) int64, detections sorted by (tracklet, frame).
        start: (M + 1,) int64, tracklet m holds ``order[start[m]:start[m + 1]]``.
        first: (M,) int64, detection each tracklet begins with.
        last: (M,) int64, detection each tracklet ends with.
        first_frame: (M,) int64, 0-based.
        last_frame: (M,) int64, 0-based, inclusive.
        clip: (M,) int64.
        successor: (M,) int64, the tracklet each one continued in before ``split`` cut them apart; -1 = none.
    """

    member_of: Tensor
    order: Tensor
    start: Tensor
    first: Tensor
    last: Tensor
    first_frame: Tensor
    last_frame: Tensor
    clip: Tensor
    successor: Tensor

    def __len__(self) -> int:
        return int(self.first.shape[0])

    @property
    def length(self) -> Tensor:
        """(M,) int64, number of detections of each tracklet."""
        return self.start.diff()

    @cached_property
    def was_cut(self) -> bool:
        """Whether ``split`` cut any of them."""
        return bool((self.successor >= 0).any())

    @property
    def key(self) -> Tensor:
        """(M,) int64, (clip, first frame) as one non-decreasing integer."""
        return self.clip * FRAME_SPAN + self.first_frame


def singletons(detections: Detections) -> Tracklets:
    """Return one tracklet a detection."""
    return from_members(detections, torch.arange(len(detections), device=detections.frame.device))


def from_members(detections: Detections, member_of: Tensor) -> Tracklets:
    """Build tracklets from a map.

    Args:
        detections: N detections sorted by (clip, frame).
        member_of: (N,) int64 labels 0 .. M-1, every label used, numbered by first detection; detections of one
            tracklet lie in one clip and in different frames.
    """
    num_tracklets = int(member_of.max()) + 1 if len(member_of) else 0
    # Detections are sorted in time, so a stable sort by tracklet leaves each tracklet sorted in time.
    order = torch.argsort(member_of, stable=True)
    counts = torch.bincount(member_of, minlength=num_tracklets)
    start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    first, last = order[start[:-1]], order[start[1:] - 1]
    return Tracklets(
        member_of=member_of,
        order=order,
        start=start,
        first=first,
        last=last,
        first_frame=detections.frame[first],
        last_frame=detections.frame[last],
        clip=detections.clip[first],
        successor=torch.full_like(first, -1),
    )


def merge(detections: Detections, tracklets: Tracklets, label: Tensor) -> Tracklets:
    """Join tracklets that share a label.

    Args:
        detections: N detections.
        tracklets: M tracklets of them.
        label: (M,) int64, numbered in the order of the first tracklet of each label.
    """
    return from_members(detections, label[tracklets.member_of])


def split(detections: Detections, tracklets: Tracklets, before: Tensor) -> Tracklets:
    """Cut tracklets.

    Args:
        detections: N detections.
        tracklets: M tracklets of them.
        before: (N,) bool, cut a tracklet between this detection and the one before it.

    Returns:
        the parts; ``successor`` leads from each part to the next one of the same tracklet.
    """
    begins = before.clone()
    begins[tracklets.first] = True
    part = begins[tracklets.order].long().cumsum(0) - 1
    first = tracklets.order[begins[tracklets.order]]
    # Parts are listed tracklet by tracklet, tracklets are numbered by their first detection.
    number = torch.empty_like(first)
    number[torch.argsort(first)] = torch.arange(len(first), device=first.device)
    member_of = torch.empty_like(tracklets.member_of)
    member_of[tracklets.order] = number[part]
    parts = from_members(detections, member_of)
    successor = torch.full_like(first, -1)
    follows = before.clone()
    follows[tracklets.first] = False
    continued = torch.nonzero(follows[first]).squeeze(1)  # parts that are not the first of their tracklet
    successor[number[continued - 1]] = number[continued]
    return replace(parts, successor=successor)


def uncut(detections: Detections, parts: Tracklets) -> Tracklets:
    """Return the tracklets that ``split`` was given; tracklets nobody cut come back as they are."""
    if not parts.was_cut:
        return parts
    whole = torch.arange(len(parts), device=parts.first.device)
    continued = torch.nonzero(parts.successor >= 0).squeeze(1)
    whole[parts.successor[continued]] = continued
    while not torch.equal(whole, whole[whole]):  # each round doubles the number of links that are followed
        whole = whole[whole]
    _, label = torch.unique(whole, return_inverse=True)  # a tracklet starts with its first part: numbers stay in order
    return merge(detections, parts, label)


GROUP = 65536
"""Detections that ``in_groups`` hands out together, about."""


def in_groups(detections: Detections, tracklets: Tracklets) -> Iterator[tuple[Detections, Tracklets, Tensor | slice]]:
    """Yield whole tracklets, a bounded number of detections at a time; with gradients everything at once.

    For work that looks at no more than one tracklet at a time and needs many numbers a detection.

    Yields:
        K detections, their tracklets, and which of the N detections they are: (K,) int64, or a slice that is all.
    """
    if torch.is_grad_enabled() or len(detections) <= GROUP:
        yield detections, tracklets, slice(None)
        return
    group = tracklets.start[:-1] // GROUP
    bounds = torch.searchsorted(group, torch.arange(int(group[-1]) + 2, device=group.device)).tolist()
    for first, end in pairwise(bounds):
        if first == end:
            continue  # one tracklet alone reaches across a whole group
        rows = tracklets.order[tracklets.start[first] : tracklets.start[end]].sort().values
        part = detections.select(rows)
        _, label = torch.unique(tracklets.member_of[rows], return_inverse=True)
        yield part, from_members(part, label), rows
