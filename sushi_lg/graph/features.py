"""Edge features of SUSHI: named functions of a pair of tracklets; the width follows from the names chosen.

Shapes: E edges, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sushi_lg.graph.ends import TrackletEnds
from sushi_lg.graph.pruning import appearance_distance, motion_score
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections


@dataclass(frozen=True)
class Pairs:
    """Everything a feature may look at.

    Attributes:
        detections: N detections.
        tracklets: M tracklets.
        ends: their ends.
        horizon: see ``motion_giou``; 0 where motion is not measured.
        earlier: (E,) int64.
        later: (E,) int64.
        measured: (E,) values of features, by name, that are known already: those the candidates were chosen by.
    """

    detections: Detections
    tracklets: Tracklets
    ends: TrackletEnds
    horizon: int
    earlier: Tensor
    later: Tensor
    measured: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def mean_height(self) -> Tensor:
        """(E,) mean of the heights at the joint."""
        return (self.ends.start_box[self.later, 3] + self.ends.end_box[self.earlier, 3]) / 2


def _gap_seconds(pairs: Pairs) -> Tensor:
    gap = pairs.tracklets.first_frame[pairs.later] - pairs.tracklets.last_frame[pairs.earlier]
    return gap / pairs.detections.frame_rate[pairs.tracklets.clip[pairs.earlier]]


def _offset(pairs: Pairs, axis: int) -> Tensor:
    step = pairs.ends.start_feet[pairs.later, axis] - pairs.ends.end_feet[pairs.earlier, axis]
    return step / pairs.mean_height


def _log_ratio(pairs: Pairs, column: int) -> Tensor:
    return torch.log(pairs.ends.start_box[pairs.later, column] / pairs.ends.end_box[pairs.earlier, column])


FEATURES: dict[str, Callable[[Pairs], Tensor]] = {
    "gap_seconds": _gap_seconds,
    "offset_x": lambda pairs: _offset(pairs, 0),
    "offset_y": lambda pairs: _offset(pairs, 1),
    "log_height_ratio": lambda pairs: _log_ratio(pairs, 3),
    "log_width_ratio": lambda pairs: _log_ratio(pairs, 2),
    "appearance": lambda pairs: appearance_distance(pairs.ends, pairs.earlier, pairs.later),
    "motion": lambda pairs: motion_score(pairs.tracklets, pairs.ends, pairs.horizon, pairs.earlier, pairs.later),
}
"""Feet offsets are in mean box heights; ratios are later over earlier; appearance is a distance, motion a GIoU."""


def edge_features(pairs: Pairs, names: Sequence[str]) -> Tensor:
    """Return (E, F) float32, one column a name."""
    known = pairs.measured
    columns = [known[name] if name in known else FEATURES[name](pairs) for name in names]
    return torch.stack([column.to(torch.float32) for column in columns], dim=1)
