"""The tracker of the default recipe: detections of a whole video in, trajectories out.

Shapes: N detections, M tracklets, E edges, R result boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sushi_lg.graph.evidence import EvidenceBuilder
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.nn.tracklet_scorer import TrackletScorer
from sushi_lg.solver.matching import maximum_weight_matching
from sushi_lg.structures import Detections
from sushi_lg.tracking.level import Level, LevelResult, Solver, run_hierarchy
from sushi_lg.tracking.recipe import TrackerConfig


class ThresholdMatching:
    """Maximum-weight matching of log-odds above a threshold.

    The sum of log-odds is the log-likelihood of a set of decisions, so the matching is the most likely set of
    associations under independent edges, with a prior that moves the break-even point from 0.5 to the threshold.

    Args:
        threshold: probability at which an edge is worth nothing.
    """

    def __init__(self, threshold: float) -> None:
        self.offset = math.log(threshold / (1 - threshold))

    def __call__(self, graph: LevelGraph, scores: LevelScores) -> Tensor:
        """Return (E,) bool."""
        log_odds = torch.logit(scores.probability.detach().to(torch.float64), eps=1e-7)
        return maximum_weight_matching(graph.edge_index, log_odds - self.offset, graph.num_nodes)


class HierarchicalTracker(nn.Module):
    """Network and hierarchy of the default recipe.

    Args:
        config: the recipe.
    """

    def __init__(self, config: TrackerConfig) -> None:
        super().__init__()
        config.validate()
        self.config = config
        self.scorer = TrackletScorer(
            config.evidence.node_width,
            config.evidence.edge_width,
            [level.slot for level in config.levels],
            config.scorer,
        )

    def run(self, detections: Detections, solvers: list[Solver] | None = None) -> Iterator[LevelResult]:
        """Yield the result of every level, the last one holding the trajectories.

        Args:
            detections: one or more clips.
            solvers: one a level, instead of matching with the recipe's thresholds (an oracle, say).
        """
        overlap = overlap_features(detections)
        return run_hierarchy(self._levels(overlap, solvers), detections)

    def _levels(self, overlap: Tensor, solvers: list[Solver] | None) -> Iterator[Level]:
        for number, level in enumerate(self.config.levels):
            builder = EvidenceBuilder(
                self.config.evidence,
                level.max_gap,
                level.num_neighbours,
                level.min_length,
                level.min_longer,
                overlap,
            )
            solver = ThresholdMatching(level.threshold) if solvers is None else solvers[number]

            def score(graph: LevelGraph, number: int = number) -> LevelScores:
                scores: LevelScores = self.scorer(graph, number)
                return scores

            yield Level(build=builder, score=score, solve=solver)
