"""Second looks: where tracklets are cut open again, because two people came so close that low levels may have erred.

Low levels decide with a few frames of context. In a crossing one box often covers two people, and a chain of small,
convincing steps can begin on one of them and end on the other. Once both have a past and a future, the question is
asked again: tracklets are cut where somebody appears or vanishes beside them, and where two overlap most, and the level
joins the parts anew. What was joined before is always among its candidates but not among its evidence: a network that
is told repeats it.

Shapes: N detections, M tracklets, P ordered pairs of overlapping detections of one frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sushi_lg.errors import ConfigError
from sushi_lg.geometry import paired_iou
from sushi_lg.graph.candidates import pair_blocks
from sushi_lg.graph.tracklets import FRAME_SPAN, Tracklets
from sushi_lg.structures import Detections


@dataclass
class SecondLookConfig:
    """Where tracklets are cut.

    Attributes:
        min_length: detections a tracklet must have to be cut, or to cut others.
        touch_iou: overlap with somebody who appears or vanishes from which on a tracklet is cut there.
        peak_iou: overlap from which on two tracklets are cut where they overlap most.
        encounter_gap: frames without such an overlap after which the next one of the same two is another encounter.
    """

    min_length: int = 4
    touch_iou: float = 0.1
    peak_iou: float = 0.5
    encounter_gap: int = 10

    def validate(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: naming the key.
        """
        for key in ("touch_iou", "peak_iou"):
            if not 0 < getattr(self, key) <= 1:
                raise ConfigError(f"second_look.{key}: {getattr(self, key)} is not above 0 and at most 1")
        for key in ("min_length", "encounter_gap"):
            if getattr(self, key) < 1:
                raise ConfigError(f"second_look.{key}: {getattr(self, key)} is below 1")


@dataclass(frozen=True)
class Contacts:
    """Detections of one frame that overlap; every pair stands in both orders.

    Attributes:
        mine: (P,) int64 detection.
        other: (P,) int64 detection.
        iou: (P,) float32.
    """

    mine: Tensor
    other: Tensor
    iou: Tensor


def find_contacts(detections: Detections, config: SecondLookConfig) -> Contacts:
    """Return all pairs that overlap enough to matter; they are the same for all levels."""
    boxes = detections.boxes_xyxy
    least = min(config.touch_iou, config.peak_iou)
    key = detections.clip * FRAME_SPAN + detections.frame
    low, high = torch.searchsorted(key, key), torch.searchsorted(key, key, right=True)
    none = torch.zeros(0, dtype=torch.int64, device=boxes.device)
    found = [(none, none, boxes.new_zeros(0))]
    for mine, other in pair_blocks(low, high):
        iou = paired_iou(boxes[mine], boxes[other])
        kept = (iou >= least) & (mine != other)
        found.append((mine[kept], other[kept], iou[kept]))
    mine, other, iou = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Contacts(mine, other, iou)


def places_to_cut(detections: Detections, tracklets: Tracklets, contacts: Contacts, config: SecondLookConfig) -> Tensor:
    """Return (N,) bool: the tracklet of this detection is to be cut before it.

    Args:
        detections: N detections.
        tracklets: M tracklets of them.
        contacts: of all detections.
        config: settings.
    """
    mine, other, iou = contacts.mine, contacts.other, contacts.iou
    owner = tracklets.member_of
    takes_part = tracklets.length >= config.min_length
    matters = takes_part[owner[mine]] & takes_part[owner[other]]
    mine, other, iou = mine[matters], other[matters], iou[matters]
    cut = torch.zeros(len(detections), dtype=torch.bool, device=mine.device)
    touching = iou >= config.touch_iou
    cut[mine[touching & (other == tracklets.first[owner[other]])]] = True  # somebody appears beside me
    vanishing = mine[touching & (other == tracklets.last[owner[other]])]  # somebody vanishes beside me
    vanishing = vanishing[vanishing != tracklets.last[owner[vanishing]]]
    position = torch.empty_like(tracklets.order)
    position[tracklets.order] = torch.arange(len(position), device=position.device)
    cut[tracklets.order[position[vanishing] + 1]] = True
    close = iou >= config.peak_iou
    peak = _peaks(detections, owner, mine[close], other[close], iou[close], config.encounter_gap)
    # At its very ends a tracklet has nothing to cut off; both are left alone, so that videos may run backwards.
    cut[peak[peak != tracklets.last[owner[peak]]]] = True
    cut[tracklets.first] = False
    return cut


def _peaks(
    detections: Detections, owner: Tensor, mine: Tensor, other: Tensor, iou: Tensor, encounter_gap: int
) -> Tensor:
    """Return for every encounter the detection at which the two tracklets overlap most, the first of equals."""
    pair = owner[mine] * (owner.max() + 1 if len(owner) else 1) + owner[other]
    # Contacts are sorted by detection, hence by time: a stable sort leaves every pair of tracklets in time.
    order = torch.argsort(pair, stable=True)
    pair, mine, iou = pair[order], mine[order], iou[order]
    frame = detections.frame[mine]
    is_new = torch.ones(len(mine), dtype=torch.bool, device=mine.device)
    is_new[1:] = (pair[1:] != pair[:-1]) | (frame[1:] - frame[:-1] > encounter_gap)
    encounter = is_new.long().cumsum(0) - 1
    count = int(is_new.sum())
    highest = iou.new_full((count,), -1.0).scatter_reduce(0, encounter, iou, "amax")
    at_peak = torch.nonzero(iou == highest[encounter]).squeeze(1)
    # Somebody who stands still beside somebody reaches the same overlap many times.
    first = encounter.new_full((count,), len(mine)).scatter_reduce(0, encounter[at_peak], at_peak, "amin")
    return mine[first]
