"""The tracker of the default recipe: detections of a whole video in, trajectories out.

Shapes: N detections, M tracklets, E edges, R result boxes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from sushi_lg.data.layouts import Conventions
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.errors import WeightsError
from sushi_lg.graph.appearance import EDGE_WIDTH, NODE_WIDTH, Looks, measure_looks, unit_rows
from sushi_lg.graph.evidence import EvidenceBuilder
from sushi_lg.graph.identity import label_edges
from sushi_lg.graph.kinematics import count_frames
from sushi_lg.graph.membership import NUM_FEATURES, membership_features
from sushi_lg.graph.occlusion import Contacts, find_overlaps, overlap_features
from sushi_lg.graph.refinement import NUM_FEATURES as REFINEMENT_FEATURES
from sushi_lg.graph.refinement import OFFSETS, mean_step, move_boxes, neighbour_steps, refinement_features
from sushi_lg.graph.second_look import places_to_cut
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.graph.tracklets import Tracklets, in_groups, split
from sushi_lg.nn.appearance_encoder import AppearanceEncoder
from sushi_lg.nn.mlp import MLP
from sushi_lg.nn.precision import in_float32, products_in
from sushi_lg.nn.tracklet_scorer import FeatureNorm, InputWidths, TrackletScorer
from sushi_lg.solver.matching import maximum_weight_matching
from sushi_lg.solver.structures import Accepted
from sushi_lg.structures import Detections, Record
from sushi_lg.timing import stage
from sushi_lg.tracking.finish import empty_table, finish
from sushi_lg.tracking.level import Level, LevelResult, Solver, run_hierarchy
from sushi_lg.tracking.recipe import TrackerConfig

logger = logging.getLogger(__name__)

# What the confidences of a usual detector span; the training data look like this.
_RANKED_RANGE = (0.1, 0.95)


class ThresholdMatching:
    """Maximum-weight matching of log-odds above a threshold.

    The sum of log-odds is the log-likelihood of a set of decisions, so the matching is the most likely set of
    associations under independent edges, with a prior that moves the break-even point from 0.5 to the threshold.

    Args:
        threshold: probability at which an edge is worth nothing.
    """

    def __init__(self, threshold: float) -> None:
        self.offset = math.log(threshold / (1 - threshold))

    def __call__(self, graph: LevelGraph, scores: LevelScores) -> Accepted:
        """Return the edges."""
        log_odds = torch.logit(scores.probability.detach().to(torch.float64), eps=1e-7)
        return maximum_weight_matching(graph.edge_index, log_odds - self.offset, graph.num_nodes)


@dataclass(frozen=True)
class Encoded(Record):
    """Output of the appearance encoder.

    Attributes:
        hidden: (N, H), between the two layers; None in tracking.
        embedding: (N, d) of length 1; 0 where nothing is known.
    """

    hidden: Tensor | None
    embedding: Tensor


class HierarchicalTracker(nn.Module):
    """Network and hierarchy of the default recipe.

    Args:
        config: the recipe.

    Attributes:
        precision: float32, or bfloat16 for the products of the scorer (see ``nn.precision``); not stored with weights.
    """

    def __init__(self, config: TrackerConfig) -> None:
        super().__init__()
        config.validate()
        self.config = config
        self.precision = torch.float32
        self.scorer = TrackletScorer(
            InputWidths(config.evidence.node_width, config.evidence.edge_width, NODE_WIDTH, EDGE_WIDTH),
            [level.slot for level in config.levels],
            config.blocks,
        )
        self.appearance = AppearanceEncoder(config.appearance) if config.appearance.dim else None
        self.verifier_norm = FeatureNorm(NUM_FEATURES)
        self.verifier = MLP([NUM_FEATURES, 32, 32, 1], activate_last=False)
        self.refiner_norm = FeatureNorm(REFINEMENT_FEATURES)
        self.refiner = MLP([REFINEMENT_FEATURES, 48, 32, 2 * (len(OFFSETS) + 1)], activate_last=False)

    def verify(self, detections: Detections, last: LevelResult, overlap: Tensor | None = None) -> Tensor:
        """Return (N,) logits that each detection, as a member of its trajectory, is a true object.

        Args:
            detections: N detections.
            last: result of the last level for them.
            overlap: output of ``overlap_features`` for them, where it is known already.
        """
        assert last.scores.node_logits is not None
        overlap = overlap_features(detections) if overlap is None else overlap
        of_member = last.scores.node_logits.detach()[last.before.member_of]
        logits = overlap.new_empty(len(detections))
        for part, tracklets, rows in in_groups(detections, last.after):
            features = membership_features(part, tracklets, overlap[rows], of_member[rows])
            logits[rows] = self.verifier(self.verifier_norm(features)).squeeze(-1)
        return logits

    def refine(self, detections: Detections, last: LevelResult, overlap: Tensor | None = None) -> Tensor:
        """Return (N, 4) boxes smoothed along their trajectories, xyxy in pixels of their own frames.

        Args:
            detections: N detections.
            last: result of the last level for them.
            overlap: output of ``overlap_features`` for them, where it is known already.
        """
        overlap = overlap_features(detections) if overlap is None else overlap
        boxes = torch.empty_like(detections.boxes_xyxy)
        for part, tracklets, rows in in_groups(detections, last.after):
            steps, inside = neighbour_steps(part, tracklets)
            features = refinement_features(part, steps, inside, overlap[rows])
            logits = self.refiner(self.refiner_norm(features)).unflatten(1, (2, -1))
            boxes[rows] = move_boxes(part.boxes_xyxy, mean_step(steps, inside, logits))
        return boxes

    def run(
        self,
        detections: Detections,
        solvers: list[Solver] | None = None,
        *,
        with_labels: bool = False,
        overlaps: tuple[Tensor, Contacts] | None = None,
        encoded: Encoded | None = None,
    ) -> Iterator[LevelResult]:
        """Yield the result of every level, the last one holding the trajectories.

        Args:
            detections: one or more clips.
            solvers: one a level, instead of ``solvers()`` (an oracle, say).
            with_labels: label the edges by the identities of the detections, for solvers that read labels.
            overlaps: output of ``overlaps`` for the detections, where it is known already.
            encoded: output of ``encode`` for them, likewise.
        """
        steps = self.steps(detections, solvers, with_labels=with_labels, overlaps=overlaps, encoded=encoded)
        return (result for _, result in steps)

    def steps(
        self,
        detections: Detections,
        solvers: list[Solver] | None = None,
        *,
        with_labels: bool = False,
        overlaps: tuple[Tensor, Contacts] | None = None,
        encoded: Encoded | None = None,
    ) -> Iterator[tuple[Level, LevelResult]]:
        """Yield every level with its result, see ``run``."""
        overlaps = self.overlaps(detections) if overlaps is None else overlaps
        with stage("features"):
            encoded = self.encode(detections) if encoded is None else encoded
            seen = detections if encoded is None else replace(detections, embedding=encoded.embedding)
            looks = measure_looks(seen, overlaps[0])
        levels = list(self._levels(solvers or self.solvers(), with_labels, *overlaps, looks, count_frames(detections)))
        return zip(levels, run_hierarchy(levels, detections), strict=True)

    def encode(self, detections: Detections) -> Encoded | None:
        """Return the detections' vectors as the tracker compares them; None without an encoder or without vectors.

        Raises:
            WeightsError: vectors of a width that the encoder was not made for.
        """
        if self.appearance is None or detections.embedding is None:
            return None
        if detections.embedding.shape[1] != self.appearance.width:
            learned = self.config.appearance
            raise WeightsError(
                f"vectors of width {detections.embedding.shape[1]}, the weights were trained with those of "
                f"{learned.embedder} ({learned.width})",
                f"sushi-lg embed --embedder {learned.embedder}",
            )
        hidden, embedding = [], []
        for vectors in unit_rows(detections):
            with in_float32(vectors.device):
                parts = self.appearance(vectors)
            embedding.append(parts[1])
            if self.training:
                hidden.append(parts[0])
        return Encoded(torch.cat(hidden) if hidden else None, torch.cat(embedding))

    def overlaps(self, detections: Detections) -> tuple[Tensor, Contacts]:
        """Return ``overlap_features`` of detections and the contacts that second looks cut at."""
        return find_overlaps(detections, self.config.second_look.least_iou)

    def solvers(self) -> list[Solver]:
        """Return the solver of every level: matching with the thresholds of the recipe."""
        return [ThresholdMatching(level.threshold) for level in self.config.levels]

    @torch.inference_mode()
    def track(self, detections: Detections, conventions: Conventions = Conventions()) -> TrajectoryTable:  # noqa: B008
        """Return the trajectories of one clip, usually a whole video.

        Args:
            detections: N detections of one clip, any confidence; those below the recipe's ``min_score`` are left out.
                Confidences that are no probabilities (some below 0 or above 1) are judged by their rank.
            conventions: of the data set, see ``finish``.

        Returns:
            Boxes whose ``detection_index`` counts rows of ``detections`` as given.
        """
        assert detections.num_clips == 1, "one clip at a time: its trajectories go to one file"
        seen, used = self.choose(detections)
        if len(seen) == 0:
            return empty_table()
        with stage("features"):
            overlaps = self.overlaps(seen)
        last = None
        for result in self.run(seen, overlaps=overlaps):
            last = result
        assert last is not None
        return self.write_up(detections, seen, used, last, conventions, overlaps[0])

    def choose(self, detections: Detections) -> tuple[Detections, Tensor]:
        """Return the detections that take part, with confidences in [0, 1], and their rows among those given.

        Args:
            detections: of one clip, any confidence.
        """
        probability_like = _as_probabilities(detections.score)
        used = torch.nonzero(probability_like >= self.config.min_score).squeeze(1)
        return replace(detections.select(used), score=probability_like[used]), used

    def write_up(
        self,
        detections: Detections,
        seen: Detections,
        used: Tensor,
        last: LevelResult,
        conventions: Conventions,
        overlap: Tensor | None = None,
    ) -> TrajectoryTable:
        """Return the boxes to write of the trajectories of the last level, see ``track``.

        Args:
            detections: as given to ``choose``, at least one of which takes part.
            seen: what it returned: N detections.
            used: (N,) int64, likewise.
            last: result of the last level for ``seen``.
            conventions: of the data set.
            overlap: output of ``overlap_features`` for ``seen``, where it is known already.
        """
        overlap = overlap_features(seen) if overlap is None else overlap
        with stage("post-process"):
            table = finish(
                detections.select(used),  # with the confidences as given: those are written
                last.after,
                self.verify(seen, last, overlap).sigmoid(),
                self.refine(seen, last, overlap) if self.config.output.smooth else seen.boxes_xyxy,
                self.config.output,
                conventions,
            )
        index = np.where(table.is_interpolated, -1, used.cpu().numpy()[np.maximum(table.detection_index, 0)])
        return replace(table, detection_index=index)

    def _levels(
        self,
        solvers: list[Solver],
        with_labels: bool,
        overlap: Tensor,
        contacts: Contacts,
        looks: Looks | None,
        num_frames: int,
    ) -> Iterator[Level]:
        def reopen(detections: Detections, tracklets: Tracklets) -> Tracklets:
            places = places_to_cut(detections, tracklets, contacts, self.config.second_look)
            return split(detections, tracklets, places)

        for number, (level, solve) in enumerate(zip(self.config.levels, solvers, strict=True)):
            builder = EvidenceBuilder(
                self.config.evidence,
                level.max_gap,
                level.num_neighbours,
                level.min_length,
                level.min_longer,
                overlap,
                looks,
                in_parts=not torch.is_grad_enabled(),
                num_frames=num_frames,
            )

            def score(graph: LevelGraph, number: int = number) -> LevelScores:
                with products_in(self.precision, graph.edge_index.device):
                    scores: LevelScores = self.scorer(graph, number)
                return scores

            yield Level(
                build=builder,
                score=score,
                solve=solve,
                label=label_edges if with_labels else None,
                reopen=reopen if level.second_look else None,
            )


def _as_probabilities(score: Tensor) -> Tensor:
    """Return scores in [0, 1]: as they are, or their ranks where a detector's scale is another one (ACF, DPM)."""
    if len(score) == 0 or (float(score.min()) >= 0 and float(score.max()) <= 1):
        return score
    logger.warning(
        "confidences from %g to %g are no probabilities: their ranks are used", float(score.min()), float(score.max())
    )
    _, rank = torch.unique(score, return_inverse=True)  # equal scores share a rank
    low, high = _RANKED_RANGE
    return low + (high - low) * rank.to(score.dtype) / rank.max().clamp(min=1)
