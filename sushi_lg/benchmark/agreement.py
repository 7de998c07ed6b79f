"""Where two ways of computing the same trajectories part, and by how little.

Two devices, or two precisions, round differently. A difference is harmless where it only shows which of two nearly
equal choices came first; its margin says how nearly. Levels are compared one by one, each from the tracklets of the
first way: a difference then stands for itself and not for what follows from an earlier one.

Shapes: M tracklets, E edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sushi_lg.graph.tracklets import singletons
from sushi_lg.solver.components import chain_labels
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import Level, LevelResult, run_level
from sushi_lg.tracking.tracker import HierarchicalTracker


@dataclass(frozen=True)
class Difference:
    """Something that one way did and the other did not.

    Attributes:
        level: 0 for single detections.
        what: "candidate", a pair that only one way asked about, or "decision", a pair that only one way joined.
        earlier: first detection of the earlier tracklet.
        later: likewise.
        margin: of a candidate, by how much it was cheaper than what took its place (box heights); of a decision, by how
            much the first way's choice was better in its own eyes (log-odds). Infinite where nothing explains it.
    """

    level: int
    what: str
    earlier: int
    later: int
    margin: float


@dataclass(frozen=True)
class Agreement:
    """How two ways compare on one video.

    Attributes:
        edges: compared, summed over levels.
        largest_probability_difference: of an edge that both asked about.
        differences: in the order of levels.
        same_trajectories: whether the two results, each from its own levels, join the same detections.
        largest_box_difference: pixels, between boxes of the same frame and trajectory; infinite where the trajectories
            differ.
    """

    edges: int
    largest_probability_difference: float
    differences: tuple[Difference, ...]
    same_trajectories: bool
    largest_box_difference: float

    @property
    def largest_margin(self) -> float:
        """Of all differences; 0 without any."""
        return max((one.margin for one in self.differences), default=0.0)


@torch.inference_mode()
def compare_ways(
    one: HierarchicalTracker, other: HierarchicalTracker, here: Detections, there: Detections
) -> Agreement:
    """Track on two ways and list every difference.

    Args:
        one: the first way.
        other: the same recipe and weights on another device or in another precision.
        here: detections of one clip, on the device of ``one``.
        there: the same, on the device of ``other``.
    """
    tables = one.track(here), other.track(there)
    same = all(np.array_equal(getattr(tables[0], name), getattr(tables[1], name)) for name in ("track_id", "frame"))
    away = np.abs(tables[0].boxes_ltwh - tables[1].boxes_ltwh).max(initial=0) if same else math.inf
    here, there = one.choose(here)[0], other.choose(there)[0]
    if not len(here):
        return Agreement(0, 0.0, (), same, float(away))
    edges, largest, differences = 0, 0.0, []
    thresholds = [level.threshold for level in one.config.levels]
    other_levels: list[Level] = [level for level, _ in other.steps(there)]
    given = singletons(here)
    levels = zip(one.steps(here), other_levels, thresholds, strict=True)
    for number, ((_, first), level, threshold) in enumerate(levels):
        second = run_level(level, there, given.to(there.frame.device))
        given = first.after
        pairs = _Pairs.of(first, second)
        edges += first.graph.num_edges
        if len(pairs.shared[0]):
            probability = first.scores.probability.cpu()[pairs.shared[0]]
            again = second.scores.probability.cpu()[pairs.shared[1]]
            largest = max(largest, float((probability - again).abs().max()))
        differences += _candidates(number, pairs, first, second)
        differences += _decisions(number, pairs, first, second, math.log(threshold / (1 - threshold)))
    return Agreement(edges, largest, tuple(differences), same, float(away))


@dataclass(frozen=True)
class _Pairs:
    """Which edges of two graphs over the same nodes are the same.

    Attributes:
        shared: their rows in both, as int64.
        alone: rows that only one of them has.
    """

    shared: tuple[Tensor, Tensor]
    alone: tuple[Tensor, Tensor]

    @staticmethod
    def of(first: LevelResult, second: LevelResult) -> _Pairs:
        keys = [result.graph.edge_index.cpu() for result in (first, second)]
        keys = [index[1] * max(first.graph.num_nodes, 1) + index[0] for index in keys]
        found = [torch.isin(key, against) for key, against in (keys, keys[::-1])]
        # Both are sorted by this key, so that what they share stands in the same order.
        shared = tuple(torch.nonzero(mask).squeeze(1) for mask in found)
        alone = tuple(torch.nonzero(~mask).squeeze(1) for mask in found)
        return _Pairs((shared[0], shared[1]), (alone[0], alone[1]))


def _candidates(number: int, pairs: _Pairs, first: LevelResult, second: LevelResult) -> list[Difference]:
    """Return pairs only one way asked about, with the distance in cost to the nearest one that took such a place."""
    found = []
    results = (first, second)
    ends = [result.graph.edge_index.cpu()[:, rows] for result, rows in zip(results, pairs.alone, strict=True)]
    costs = [result.graph.cost.cpu()[rows] for result, rows in zip(results, pairs.alone, strict=True)]
    for side in (0, 1):
        for (earlier, later), cost in zip(ends[side].T.tolist(), costs[side].tolist(), strict=True):
            rivals = (ends[1 - side][0] == earlier) | (ends[1 - side][1] == later)
            away = (costs[1 - side][rivals] - cost).abs()
            margin = float(away.min()) if len(away) else math.inf
            found.append(_difference(number, "candidate", first, earlier, later, margin))
    return found


def _decisions(number: int, pairs: _Pairs, first: LevelResult, second: LevelResult, offset: float) -> list[Difference]:
    """Return pairs that only one way joined, component by component, with what the first way loses by the other."""
    index = first.graph.edge_index.cpu()[:, pairs.shared[0]]
    accepted = first.accepted.cpu()[pairs.shared[0]], second.accepted.cpu()[pairs.shared[1]]
    differs = torch.nonzero(accepted[0] != accepted[1]).squeeze(1)
    if not len(differs):
        return []
    probability = first.scores.probability.cpu()[pairs.shared[0]].to(torch.float64)
    weight = torch.logit(probability, eps=1e-7) - offset
    # Every end takes one partner, so edges that differ and meet in an end were decided together.
    component = _components(index[:, differs])
    gain = weight[differs] * (accepted[0][differs].to(weight.dtype) - accepted[1][differs].to(weight.dtype))
    regret = torch.zeros(int(component.max()) + 1, dtype=weight.dtype).index_add(0, component, gain)
    return [
        _difference(number, "decision", first, int(index[0, edge]), int(index[1, edge]), abs(float(regret[part])))
        for edge, part in zip(differs.tolist(), component.tolist(), strict=True)
    ]


def _components(index: Tensor) -> Tensor:
    """Return (K,) the number of the component of every edge; edges meet in their earlier or in their later end."""
    count = int(index.max()) + 1
    ends = torch.stack([index[0], index[1] + count])  # a node as the earlier end is another one than as the later
    label = chain_labels(ends, torch.ones(index.shape[1], dtype=torch.bool), 2 * count)
    return torch.unique(label[ends[0]], return_inverse=True)[1]


def _difference(number: int, what: str, result: LevelResult, earlier: int, later: int, margin: float) -> Difference:
    first = result.before.first
    return Difference(number, what, int(first[earlier]), int(first[later]), margin)
