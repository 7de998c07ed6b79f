"""Second looks: where tracklets are cut open again, because two people came so close that low levels may have erred.

Low levels decide with a few frames of context. In a crossing one box often covers two people, and a chain of small,
convincing steps can begin on one of them and end on the other. Once both have a past and a future, the question is
asked again: tracklets are cut where somebody appears or vanishes beside them, and where two overlap most, and the level
joins the parts anew. What was joined before is always among its candidates but not among its evidence: a network that
is told repeats it.

Shapes: N detections, M tracklets, P ordered pairs of overlapping detections of one frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sushi_lg.graph.occlusion import Contacts
from sushi_lg.graph.settings import SecondLookConfig
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.host import thinned
from sushi_lg.structures import Detections


def places_to_cut(detections: Detections, tracklets: Tracklets, contacts: Contacts, config: SecondLookConfig) -> Tensor:
    """Return (N,) bool: the tracklet of this detection is to be cut before it.

    Args:
        detections: N detections.
        tracklets: M tracklets of them.
        contacts: of all detections, see ``find_overlaps``.
        config: settings.
    """
    mine, other, iou = contacts.mine, contacts.other, contacts.iou
    owner = tracklets.member_of
    takes_part = tracklets.length >= config.min_length
    matters = takes_part[owner[mine]] & takes_part[owner[other]]
    matters, mine, other, iou = thinned(matters, mine, other, iou)
    nowhere = len(detections)  # one place more, for all that cut nothing
    cut = torch.zeros(nowhere + 1, dtype=torch.bool, device=mine.device)
    touching = matters & (iou >= config.touch_iou)
    appears = touching & (other == tracklets.first[owner[other]])  # somebody appears beside me
    cut[torch.where(appears, mine, nowhere)] = True
    is_last = mine == tracklets.last[owner[mine]]
    vanishes = touching & (other == tracklets.last[owner[other]]) & ~is_last  # somebody vanishes beside me
    position = torch.empty_like(tracklets.order)
    position[tracklets.order] = torch.arange(len(position), device=position.device)
    following = tracklets.order[(position[mine] + 1).clamp(max=nowhere - 1)]
    cut[torch.where(vanishes, following, nowhere)] = True
    is_peak = _peaks(detections, tracklets, matters & (iou >= config.peak_iou), mine, other, iou, config.encounter_gap)
    # At its very ends a tracklet has nothing to cut off; both are left alone, so that videos may run backwards.
    is_peak[tracklets.last] = False
    cut = cut[:nowhere] | is_peak
    cut[tracklets.first] = False
    return cut


def _peaks(
    detections: Detections,
    tracklets: Tracklets,
    close: Tensor,
    mine: Tensor,
    other: Tensor,
    iou: Tensor,
    encounter_gap: int,
) -> Tensor:
    """Return (N,) bool: here two tracklets overlap most in an encounter; the first of equals."""
    close, mine, other, iou = thinned(close, mine, other, iou)
    owner = tracklets.member_of
    pair = torch.where(close, owner[mine] * len(tracklets) + owner[other], -1)
    # Contacts are sorted by detection, hence by time: a stable sort leaves every pair of tracklets in time.
    order = torch.argsort(pair, stable=True)
    pair, mine, iou = pair[order], mine[order], iou[order]
    frame = detections.frame[mine]
    is_new = torch.ones(len(mine), dtype=torch.bool, device=mine.device)
    is_new[1:] = (pair[1:] != pair[:-1]) | (frame[1:] - frame[:-1] > encounter_gap)
    encounter = is_new.long().cumsum(0) - 1
    highest = torch.full_like(iou, -1.0).scatter_reduce_(0, encounter, iou, "amax")
    row, count = torch.arange(len(mine), device=mine.device), len(mine)
    at_peak = torch.where((pair >= 0) & (iou == highest[encounter]), row, count)
    # Somebody who stands still beside somebody reaches the same overlap many times.
    first = torch.full_like(row, count).scatter_reduce_(0, encounter, at_peak, "amin")
    nowhere = len(detections)
    is_peak = torch.zeros(nowhere + 1, dtype=torch.bool, device=mine.device)
    is_peak[torch.cat([mine, mine.new_full((1,), nowhere)])[first]] = True
    return is_peak[:nowhere]
