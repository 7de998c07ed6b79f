"""The ceiling of every stage: what a perfect stage, or all stages from one on, would make of these detections.

In: trackers with their sequences. Out: scores of a list of stages, from perfect association of the detections down to
the tracker as it is. Each stage takes away one help of the one before it, so the difference between two is what that
part of the tracker costs:

1. the detections that match the ground truth, with their identities;
2. the same detections, joined by the hierarchy with labels for scores: what graphs and levels lose;
3. kept or dropped by the network instead of by labels; 4. with boxes smoothed by the network;
5. the lowest level decides by itself, labels decide from the next one on; and so on, up to the tracker as it is.

Shapes: N detections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.evaluation.labelled import LabelledSequence
from sushi_lg.evaluation.mot import EvaluationResult, SequenceScores, combine, evaluate_in_memory
from sushi_lg.solver.oracle import accept_labels
from sushi_lg.structures import Detections
from sushi_lg.tracking.finish import empty_table, fill_gaps, finish
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.tracker import HierarchicalTracker

_METRICS = ("HOTA", "DetA", "AssA", "IDF1", "MOTA")
_NO_FILLING = 1  # the longest gap between two detections of neighbouring frames


@dataclass(frozen=True)
class Stage:
    """Scores of one stage over all sequences.

    Attributes:
        name: what is perfect and what is learned.
        plain: gaps left open.
        filled: gaps filled as in the recipe of the tracker.
    """

    name: str
    plain: EvaluationResult
    filled: EvaluationResult


def stage_names(num_levels: int) -> list[str]:
    """Return the names of the stages of a tracker with so many levels, in the order of ``ceilings``."""
    perfect = ["perfect association", "+ our graphs and levels", "+ learned keep/drop", "+ smoothed boxes"]
    return [*perfect, *(f"+ learned level {level}" for level in range(num_levels))]


def ceilings(pairs: Iterable[tuple[HierarchicalTracker, LabelledSequence]]) -> list[Stage]:
    """Score every stage on every sequence.

    Args:
        pairs: sequences with ground truth, each with the tracker that is asked about it (folds have one each); trackers
            have equally many levels.

    Returns:
        One entry a stage, named by ``stage_names``; the last one is the tracker itself.
    """
    plain: dict[str, list[SequenceScores]] = {}
    filled: dict[str, list[SequenceScores]] = {}
    for tracker, labelled in pairs:
        for name, open_gaps, filled_gaps in stage_tables(tracker, labelled):
            plain.setdefault(name, []).append(_score(labelled, open_gaps))
            filled.setdefault(name, []).append(_score(labelled, filled_gaps))
    return [Stage(name, combine(plain[name]), combine(filled[name])) for name in plain]


@torch.inference_mode()
def stage_tables(
    tracker: HierarchicalTracker, labelled: LabelledSequence
) -> Iterator[tuple[str, TrajectoryTable, TrajectoryTable]]:
    """Yield the name of every stage and its trajectories of one sequence, gaps open and gaps filled.

    Args:
        tracker: in evaluation mode; its ``output.smooth`` decides about the stages from smoothing on.
        labelled: the sequence.
    """
    names = stage_names(len(tracker.config.levels))
    detections = labelled.detections
    if len(detections) == 0:
        yield from ((name, empty_table(), empty_table()) for name in names)
        return
    perfect, graphs, kept, *learned = names
    yield perfect, *_true_members(tracker, labelled, detections.identity)
    oracle = _last(tracker, detections, num_learned=0)
    yield graphs, *_true_members(tracker, labelled, oracle.after.member_of)
    yield kept, *_finished(tracker, labelled, oracle, smooth=False)
    for num_learned, name in enumerate(learned):
        last = _last(tracker, detections, num_learned) if num_learned else oracle
        yield name, *_finished(tracker, labelled, last, smooth=tracker.config.output.smooth)


def ceiling_table(stages: Iterable[Stage]) -> list[dict[str, str]]:
    """Return one row a stage: what it reaches with gaps open and filled, and what its learned part costs in HOTA.

    ``cost`` is the fall of HOTA from the stage before, gaps filled as in the recipe; the second stage has the cost of
    graphs and levels.
    """
    rows: list[dict[str, str]] = []
    before: float | None = None
    for stage in stages:
        plain, filled = _numbers(stage.plain), _numbers(stage.filled)
        rows.append(
            {
                "stage": stage.name,
                **{key: f"{plain[key]:.1f}" for key in _METRICS},
                **{f"{key} filled": f"{filled[key]:.1f}" for key in _METRICS},
                "cost": "" if before is None else f"{before - filled['HOTA']:.1f}",
            }
        )
        before = filled["HOTA"]
    return rows


def ceilings_to_json(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """Return everything as JSON values: per stage the name, and both results as ``EvaluationResult.to_json``."""
    return [{"stage": s.name, "plain": s.plain.to_json(), "filled": s.filled.to_json()} for s in stages]


def _last(tracker: HierarchicalTracker, detections: Detections, num_learned: int) -> LevelResult:
    """Return the last level when labels decide from level ``num_learned`` on."""
    learned = tracker.solvers()
    solvers = [*learned[:num_learned], *(accept_labels for _ in learned[num_learned:])]
    *_, last = tracker.run(detections, solvers, with_labels=True)
    return last


def _true_members(
    tracker: HierarchicalTracker, labelled: LabelledSequence, owner: Tensor
) -> tuple[TrajectoryTable, TrajectoryTable]:
    """Return trajectories of the detections that are objects, boxes as detected, gaps open and filled.

    Args:
        tracker: its recipe says which gaps are filled.
        labelled: the sequence.
        owner: (N,) trajectory of each detection.
    """
    detections, output = labelled.detections, tracker.config.output
    hidden = labelled.sequence.info.layout.hidden_people_annotated
    members = np.flatnonzero(labelled.is_object)
    members = members[np.argsort(owner.numpy()[members], kind="stable")]  # detections are sorted by frame already
    plain, filled = (
        fill_gaps(detections, members, owner.numpy()[members], detections.boxes_xyxy, longest)
        for longest in (_NO_FILLING, output.max_gap_filled if hidden else output.max_gap_filled_unannotated)
    )
    return plain, filled


def _finished(
    tracker: HierarchicalTracker, labelled: LabelledSequence, last: LevelResult, smooth: bool
) -> tuple[TrajectoryTable, TrajectoryTable]:
    """Return trajectories as the tracker finishes them, gaps open and filled."""
    detections, output = labelled.detections, tracker.config.output
    probability = tracker.verify(detections, last).sigmoid()
    boxes = tracker.refine(detections, last) if smooth else detections.boxes_xyxy
    conventions = labelled.sequence.info.layout.conventions
    open_gaps = replace(output, max_gap_filled=_NO_FILLING, max_gap_filled_unannotated=_NO_FILLING)
    plain, filled = (
        finish(detections, last.after, probability, boxes, config, conventions) for config in (open_gaps, output)
    )
    return plain, filled


def _score(labelled: LabelledSequence, table: TrajectoryTable) -> SequenceScores:
    sequence = labelled.sequence
    assert labelled.truth is not None, "a ceiling needs ground truth"
    return evaluate_in_memory(
        labelled.truth,
        sequence.info.layout,
        table.frame,
        table.track_id,
        table.boxes_ltwh,
        sequence.length,
        name=labelled.name,
    )


def _numbers(result: EvaluationResult) -> dict[str, float | int]:
    assert result.combined is not None, "at least one sequence was scored"
    return result.combined.values()
