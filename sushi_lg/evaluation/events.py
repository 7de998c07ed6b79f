"""Which box is a mistake: the false positives, misses and identity switches that CLEAR counts, one by one.

In: boxes of a tracker and the ground truth of a sequence. Out: one row a mistake, with the rows of both tables it is
about. Boxes are matched as in CLEAR (Bernardin and Stiefelhagen, 2008): at IoU 0.5, who was matched in the frame before
stays matched where that is possible, then the largest overlap wins. What counts at all is decided by the same
preparation as for the scores, so the numbers of rows equal the CLR_FP, CLR_FN and IDSW of ``evaluation/mot.py``.

Shapes: R boxes of a tracker, G rows of the ground truth, E events, T frames.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from sushi_lg.data.layouts import Layout
from sushi_lg.data.mot_format import MotTable
from sushi_lg.evaluation.mot import as_in_files, prepare

_SMALLEST_OVERLAP = 0.5
_CONTINUITY = 1000.0  # outweighs any sum of overlaps in a frame
_TINY = np.finfo(np.float64).eps


class EventKind(enum.IntEnum):
    """What went wrong."""

    FALSE_POSITIVE = 0
    MISS = 1
    SWITCH = 2


@dataclass(frozen=True)
class ClearEvents:
    """Mistakes of a tracker, sorted by frame; in a frame misses, then false positives, then switches.

    Attributes:
        kind: (E,) int64, values of ``EventKind``.
        frame: (E,) int64, 0-based.
        truth_id: (E,) int64, identity in the ground truth; -1 for a false positive.
        track_id: (E,) int64, trajectory whose box it is; -1 for a miss.
        previous_track_id: (E,) int64, trajectory that had this identity before; -1 except for switches.
        previous_frame: (E,) int64, last frame in which it had it, 0-based; -1 except for switches.
        truth_row: (E,) int64, row of the ground-truth table; -1 for a false positive.
        track_row: (E,) int64, row of the tracker's boxes; -1 for a miss.
        previous_track_row: (E,) int64, the tracker's box in ``previous_frame``; -1 except for switches.
        match: (R,) int64, row of the ground truth that each box of the tracker was matched to; -1 for a false positive,
            and for a box that is not scored because it lies on a distractor.
    """

    kind: NDArray[np.int64]
    frame: NDArray[np.int64]
    truth_id: NDArray[np.int64]
    track_id: NDArray[np.int64]
    previous_track_id: NDArray[np.int64]
    previous_frame: NDArray[np.int64]
    truth_row: NDArray[np.int64]
    track_row: NDArray[np.int64]
    previous_track_row: NDArray[np.int64]
    match: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kind)

    def count(self, kind: EventKind) -> int:
        """Return how many there are of a kind."""
        return int((self.kind == kind).sum())

    def of(self, kind: EventKind) -> ClearEvents:
        """Return the events of one kind; ``match`` stays whole."""
        chosen = self.kind == kind
        return ClearEvents(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)[:-1]}, match=self.match)


def find_events(
    truth: MotTable,
    layout: Layout,
    frame: ArrayLike,
    track_id: ArrayLike,
    boxes_ltwh: ArrayLike,
    num_frames: int,
    *,
    name: str = "sequence",
) -> ClearEvents:
    """Return every mistake that CLEAR counts; the arguments are those of ``mot.evaluate_in_memory``.

    Args:
        truth: G rows, all of the ground truth, frames 1 .. num_frames, boxes as in the file (1-based).
        layout: What the rows of ``truth`` mean.
        frame: (R,) integers, 0-based.
        track_id: (R,) integers, each at most once in a frame.
        boxes_ltwh: (R, 4) left, top (0-based), width, height.
        num_frames: T.
        name: Shown in messages.

    Raises:
        DataError: an id twice in a frame, or a frame outside the sequence.
    """
    frames, ids, boxes = as_in_files(frame, track_id, boxes_ltwh, num_frames, name=name)
    prepared = prepare(name, truth, layout, frames, ids, boxes, num_frames)
    trajectory = np.unique(ids, return_inverse=True)[1].reshape(-1)  # from 0, so that -1 is nobody whatever the ids are
    match = np.full(len(ids), -1, dtype=np.int64)
    last_row: dict[int, int] = {}  # identity → the tracker's row it was matched to last
    in_last_frame: dict[int, int] = {}  # identity → of ``trajectory``; not changed by frames in which one side is empty
    events: list[tuple[int, int, int, int, int]] = []  # kind, frame, truth row, track row, previous track row
    for time in range(num_frames):
        truth_rows, track_rows = prepared.truth_rows[time], prepared.result_rows[time]
        matched_truth, matched_track = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        if len(truth_rows) and len(track_rows):
            overlap = prepared.data["similarity_scores"][time]
            before = np.array([in_last_frame.get(int(i), -1) for i in truth.track_id[truth_rows]])
            matched_truth, matched_track = _match(overlap, before[:, None] == trajectory[track_rows][None])
            in_last_frame = {}
        missed = np.delete(truth_rows, matched_truth)
        invented = np.delete(track_rows, matched_track)
        events.extend((EventKind.MISS, time, int(row), -1, -1) for row in missed)
        events.extend((EventKind.FALSE_POSITIVE, time, -1, int(row), -1) for row in invented)
        for truth_row, track_row in zip(truth_rows[matched_truth], track_rows[matched_track], strict=True):
            identity = int(truth.track_id[truth_row])
            previous = last_row.get(identity)
            if previous is not None and ids[previous] != ids[track_row]:
                events.append((EventKind.SWITCH, time, int(truth_row), int(track_row), previous))
            match[track_row] = truth_row
            last_row[identity] = int(track_row)
            in_last_frame[identity] = int(trajectory[track_row])
    kind, at, truth_row, track_row, previous_row = np.array(events, dtype=np.int64).reshape(-1, 5).T

    def lookup(column: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(row >= 0, np.append(column, -1)[row], -1)

    return ClearEvents(
        kind=kind,
        frame=at,
        truth_id=lookup(truth.track_id, truth_row),
        track_id=lookup(ids, track_row),
        previous_track_id=lookup(ids, previous_row),
        previous_frame=lookup(frames - 1, previous_row),
        truth_row=truth_row,
        track_row=track_row,
        previous_track_row=previous_row,
        match=match,
    )


def _match(overlap: NDArray[np.float64], continues: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the matched rows and columns of one frame."""
    score = np.where(overlap < _SMALLEST_OVERLAP - _TINY, 0.0, _CONTINUITY * continues + overlap)
    rows, columns = linear_sum_assignment(-score)
    matched = score[rows, columns] > _TINY
    return rows[matched], columns[matched]
