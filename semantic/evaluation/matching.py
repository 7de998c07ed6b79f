"""Which annotated person a predicted track is.

Three rules:

* ``gt``: predictions were made on the annotated tracks, and ids say who is who.
* ``argmax``: the rule of the code released with BenSMOT. A prediction belongs to the annotated track with the largest
  mean overlap, if that is above 0.2. The mean runs over frames both are in, so one frame in common is enough, and any
  number of predictions may belong to one annotated track. That code compares boxes of two scales where pictures were
  resized; here both are in pixels of the picture as it was filmed.
* ``hungarian``: the same overlaps, each track at most once, chosen so that the sum of overlaps is largest.

Overlap is intersection over union with boxes that include their last pixel (one is added to every width and height).

Shapes: P predicted tracks, G annotated tracks.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from semantic.evaluation.measures import Floats
from semantic.structures import Track
from sushi_lg.errors import DataError

LEAST_OVERLAP = 0.2
_SAME_TRACK = 0.5  # boxes of a track and of the same track after a round trip through a file overlap far more


class Rule(enum.Enum):
    """How predictions find their annotated tracks."""

    gt = "gt"
    argmax = "argmax"
    hungarian = "hungarian"


def match(predicted: Sequence[Track], annotated: Sequence[Track], rule: Rule, clip: str) -> Mapping[int, int]:
    """Return the annotated id of every predicted id that has one.

    Args:
        predicted: P.
        annotated: G.
        rule: as above.
        clip: for messages.

    Raises:
        DataError: with ``gt``, a predicted track that is none of the annotated ones.
    """
    overlap = mean_overlap(predicted, annotated)
    if rule is Rule.gt:
        return _same_ids(predicted, annotated, overlap, clip)
    pairs = _argmax(annotated, overlap) if rule is Rule.argmax else _one_to_one(overlap)
    return {predicted[p].track_id: annotated[g].track_id for p, g in pairs}


def mean_overlap(predicted: Sequence[Track], annotated: Sequence[Track]) -> Floats:
    """Return (P, G) mean intersection over union over the frames two tracks share; 0 where they share none."""
    overlap = np.zeros((len(predicted), len(annotated)))
    for p, first in enumerate(predicted):
        for g, second in enumerate(annotated):
            _, in_first, in_second = np.intersect1d(first.frame, second.frame, assume_unique=True, return_indices=True)
            if len(in_first):
                boxes = first.boxes_xyxy[in_first], second.boxes_xyxy[in_second]
                overlap[p, g] = paired_overlap(*boxes, last_pixel=1.0).mean()
    return overlap


def paired_overlap(first: Floats, second: Floats, last_pixel: float = 0.0) -> Floats:
    """Return the intersection over union of corresponding boxes, 0 where both are empty.

    Args:
        first: (..., 4) left, top, right, bottom in pixels.
        second: (..., 4).
        last_pixel: added to every width and height.
    """
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    shared = np.prod(np.maximum(high - low + last_pixel, 0.0), axis=-1)
    areas = [np.prod(boxes[..., 2:] - boxes[..., :2] + last_pixel, axis=-1) for boxes in (first, second)]
    union = areas[0] + areas[1] - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def _same_ids(predicted: Sequence[Track], annotated: Sequence[Track], overlap: Floats, clip: str) -> Mapping[int, int]:
    place = {track.track_id: g for g, track in enumerate(annotated)}
    for p, track in enumerate(predicted):
        g = place.get(track.track_id)
        if g is None or overlap[p, g] < _SAME_TRACK:
            raise DataError(
                f"{clip}: track {track.track_id} of the results is not the annotated track of that number",
                "results of a tracker are compared with --tracks hungarian or argmax",
            )
    return {track.track_id: track.track_id for track in predicted}


def _argmax(annotated: Sequence[Track], overlap: Floats) -> list[tuple[int, int]]:
    """Return pairs (p, g) as the released code has them: of equal overlaps, the track that appears last wins."""
    if not len(annotated):
        return []
    order = np.array(sorted(range(len(annotated)), key=lambda g: (annotated[g].frame[0], annotated[g].track_id)))[::-1]
    best = order[np.argmax(overlap[:, order], axis=1)]
    return [(p, int(g)) for p, g in enumerate(best) if overlap[p, g] > LEAST_OVERLAP]


def _one_to_one(overlap: Floats) -> list[tuple[int, int]]:
    allowed = np.where(overlap > LEAST_OVERLAP, overlap, 0.0)
    rows, columns = linear_sum_assignment(-allowed)
    return [(int(p), int(g)) for p, g in zip(rows, columns, strict=True) if allowed[p, g] > 0]
