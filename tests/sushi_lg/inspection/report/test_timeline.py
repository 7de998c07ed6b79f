"""Rows of the timeline from a table whose answer fits in a comment."""

from __future__ import annotations

import numpy as np

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.inspection.report.records import WeakLink
from sushi_lg.inspection.report.timeline import spans_of, trajectories_of


def table(rows: list[tuple[int, int, bool]]) -> TrajectoryTable:
    """Return boxes of (frame, trajectory, whether it was filled)."""
    frame, track_id, filled = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 3
    return TrajectoryTable(
        frame=frame.astype(np.int64),
        track_id=track_id.astype(np.int64),
        boxes_ltwh=np.tile([10.0, 10.0, 20.0, 50.0], (len(frame), 1)),
        confidence=np.where(filled.astype(bool), 0.0, 0.5),
        is_interpolated=filled.astype(bool),
        detection_index=np.where(filled.astype(bool), -1, np.arange(len(frame))),
    )


def test_runs_of_frames() -> None:
    assert spans_of(np.array([], dtype=np.int64)) == ()
    assert spans_of(np.array([4])) == ((4, 4),)
    assert spans_of(np.array([1, 2, 3, 7, 9, 10])) == ((1, 3), (7, 7), (9, 10))


def test_seen_filled_and_absent_are_told_apart() -> None:
    # trajectory 2 is seen in 3 and 4, filled in 5, absent in 6, seen in 7; the later one comes second
    rows = [(3, 2, False), (4, 2, False), (5, 2, True), (7, 2, False), (8, 1, False)]
    first, second = trajectories_of(table(rows[::-1]), {}, None, None)
    assert (first.track_id, first.seen, first.filled) == (2, ((3, 4), (7, 7)), ((5, 5),))
    assert (first.first, first.last, first.boxes, first.num_filled) == (3, 7, 4, 1)
    assert first.confidence == 0.5, "filled boxes have no score to speak of"
    assert first.matched is None and not first.is_false
    assert (second.track_id, second.seen, second.filled) == (1, ((8, 8),), ())


def test_links_stand_at_their_trajectory_in_time() -> None:
    late, early = WeakLink(5, 8, 3, 0.4, None), WeakLink(2, 3, 0, 0.5, True)
    (row,) = trajectories_of(table([(f, 4, False) for f in range(9)]), {4: [late, early], 9: [late]}, None, None)
    assert row.weak_links == (early, late)


def test_no_boxes_are_no_rows() -> None:
    assert trajectories_of(table([]), {}, None, None) == ()
