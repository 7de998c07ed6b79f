"""Detections of a sequence with what the ground truth says about them, as a tracker of the default recipe takes them.

Shapes: N detections that take part, A detections as loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.data.identities import match_identities
from sushi_lg.data.mot_format import MotTable, OnBadRow
from sushi_lg.data.sequence import Sequence
from sushi_lg.errors import DataError
from sushi_lg.structures import Detections
from sushi_lg.tracking.tracker import HierarchicalTracker


@dataclass(frozen=True)
class LabelledSequence:
    """What a tracker sees of a sequence, and the truth about it.

    Attributes:
        sequence: where it came from.
        name: it is scored under.
        given: A detections as loaded.
        detections: N of them that take part, with the identities of all persons; -1 everywhere without ground truth.
        rows: (N,) int64, which of those given they are.
        is_object: (N,) bool, matches a person that metrics count.
        truth: all rows of the ground truth, or None.
    """

    sequence: Sequence
    name: str
    given: Detections
    detections: Detections
    rows: Tensor
    is_object: NDArray[np.bool_]
    truth: MotTable | None


def load_labelled(
    sequence: Sequence,
    tracker: HierarchicalTracker,
    stem: str | None = None,
    *,
    galleries: str | Path | None = None,
    use_camera: bool = True,
    on_bad_row: OnBadRow = "error",
    need_truth: bool = True,
    name: str | None = None,
) -> LabelledSequence:
    """Read detections as ``track_sequences`` does and match those that take part to the ground truth.

    Args:
        sequence: to read.
        tracker: decides which detections take part.
        stem: which file in ``det/``; None where there is only one.
        galleries: folder of appearance vectors; None = boxes only.
        use_camera: read camera motion where there is a ``gmc.txt``.
        on_bad_row: see ``read_table``.
        need_truth: refuse a sequence without ground truth.
        name: to score it under; None = that of the sequence.

    Raises:
        DataError: no ground truth although it is needed, or from reading.
    """
    if need_truth and not sequence.has_ground_truth:
        raise DataError(
            f"{sequence.ground_truth_path}: absent or empty", "leave this sequence out, it needs ground truth"
        )
    given = sequence.load_detections(stem, on_bad_row=on_bad_row, use_camera=use_camera, galleries=galleries)
    detections, rows = tracker.choose(given)
    is_object = np.zeros(len(detections), dtype=bool)
    if not sequence.has_ground_truth:
        return LabelledSequence(sequence, name or sequence.name, given, detections, rows, is_object, None)
    truth = sequence.load_ground_truth()
    layout = sequence.info.layout
    persons = truth.select(layout.identity_rows(truth))
    row = match_identities(
        detections.boxes_xyxy.numpy(),
        detections.frame.numpy(),
        persons.boxes_xyxy,
        persons.frame - 1,
        np.arange(len(persons)),
    )
    identity = np.full(len(row), -1, dtype=np.int64)
    identity[row >= 0] = persons.track_id[row[row >= 0]]
    is_object[row >= 0] = layout.scored_rows(persons)[row[row >= 0]]
    known = replace(detections, identity=torch.from_numpy(identity))
    return LabelledSequence(sequence, name or sequence.name, given, known, rows, is_object, truth)
