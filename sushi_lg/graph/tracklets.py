"""Tracklets: which detections belong together so far.

A tracklet indexes detections and never copies them. Every detection starts as a tracklet of length one, so no step of
the hierarchy asks which level it is in.

Shapes: N detections, M tracklets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from sushi_lg.host import free_to_look, rows_of
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
        whole: what ``split`` cut apart, or None where it did not.
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
    whole: Tracklets | None = None

    def __len__(self) -> int:
        return int(self.first.shape[0])

    @property
    def length(self) -> Tensor:
        """(M,) int64, number of detections of each tracklet."""
        return self.start.diff()

    @property
    def was_cut(self) -> bool:
        """Whether these are parts that ``split`` made."""
        return self.whole is not None

    @property
    def uncut(self) -> Tracklets:
        """The tracklets that ``split`` was given; tracklets nobody cut are themselves."""
        return self if self.whole is None else self.whole

    @property
    def is_part(self) -> Tensor:
        """(M,) bool, ``split`` cut something off at one end or both."""
        count, continues = len(self), self.successor >= 0
        marked = torch.cat([continues, continues.new_zeros(1)])  # one more, for those without a successor
        marked[torch.where(continues, self.successor, count)] = True
        return marked[:count]

    @property
    def whole_length(self) -> Tensor:
        """(M,) int64, number of detections of each; of parts, of what they were cut from."""
        whole = self.uncut
        return whole.length[whole.member_of[self.first]]

    def takes_part(self, min_length: int) -> Tensor:
        """Return (M,) bool: long enough to be joined at a level that asks for ``min_length``; parts always are."""
        return (self.length >= min_length) | self.is_part

    @property
    def key(self) -> Tensor:
        """(M,) int64, (clip, first frame) as one non-decreasing integer."""
        return self.clip * FRAME_SPAN + self.first_frame


def singletons(detections: Detections) -> Tracklets:
    """Return one tracklet a detection."""
    count = len(detections)
    return from_members(detections, torch.arange(count, device=detections.frame.device), count)


def from_members(detections: Detections, member_of: Tensor, count: int | None = None) -> Tracklets:
    """Build tracklets from a map.

    Args:
        detections: N detections sorted by (clip, frame).
        member_of: (N,) int64 labels 0 .. M-1, every label used, numbered by first detection; detections of one
            tracklet lie in one clip and in different frames.
        count: M, where it is known; looking for it waits for a GPU.
    """
    if count is None:
        count = int(member_of.max()) + 1 if len(member_of) else 0
    # Detections are sorted in time, so a stable sort by tracklet leaves each tracklet sorted in time.
    order = torch.argsort(member_of, stable=True)
    start = member_of.new_zeros(count + 1)
    start[1:].scatter_add_(0, member_of, torch.ones_like(member_of))
    start = start.cumsum(0)
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


def merge(detections: Detections, tracklets: Tracklets, label: Tensor, count: int | None = None) -> Tracklets:
    """Join tracklets that share a label.

    Args:
        detections: N detections.
        tracklets: M tracklets of them.
        label: (M,) int64, numbered in the order of the first tracklet of each label.
        count: number of labels, where it is known.
    """
    return from_members(detections, label[tracklets.member_of], count)


def split(detections: Detections, tracklets: Tracklets, before: Tensor) -> Tracklets:
    """Cut tracklets.

    Args:
        detections: N detections.
        tracklets: M tracklets of them.
        before: (N,) bool, cut a tracklet between this detection and the one before it.

    Returns:
        the parts; ``successor`` leads from each part to the next one of the same tracklet. Where looking is free,
        tracklets nobody cut come back as they are.
    """
    if free_to_look(before) and not bool(before.any()):
        return tracklets
    begins = before.clone()
    begins[tracklets.first] = True
    begins = begins[tracklets.order]
    part = begins.long().cumsum(0) - 1
    count = int(begins.sum())
    first = tracklets.order[rows_of(begins, count)]
    # Parts are listed tracklet by tracklet, tracklets are numbered by their first detection.
    number = torch.empty_like(first)
    number[torch.argsort(first)] = torch.arange(count, device=first.device)
    member_of = torch.empty_like(tracklets.member_of)
    member_of[tracklets.order] = number[part]
    parts = from_members(detections, member_of, count)
    follows = before.clone()
    follows[tracklets.first] = False
    # A part that is not the first of its tracklet comes right after the one it continues; the last place is for others.
    continued = torch.where(follows[first[1:]], number[:-1], count)
    successor = first.new_full((count + 1,), -1).scatter_(0, continued, number[1:])[:count]
    return replace(parts, successor=successor, whole=tracklets)


GROUP = 65536
"""Detections that ``in_groups`` hands out together, about."""


def in_groups(detections: Detections, tracklets: Tracklets) -> Iterator[tuple[Detections, Tracklets, Tensor | slice]]:
    """Yield whole tracklets, a bounded number of detections at a time; with gradients or on a GPU everything at once.

    For work that looks at no more than one tracklet at a time and needs many numbers a detection.

    Yields:
        K detections, their tracklets, and which of the N detections they are: (K,) int64, or a slice that is all.
    """
    if torch.is_grad_enabled() or len(detections) <= GROUP or not free_to_look(detections.frame):
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
