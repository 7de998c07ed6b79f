"""Files beside trajectories: whether they are of these."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.trajectory_io import TrajectoryTable, write_trajectories
from sushi_lg.errors import DataError
from sushi_lg.inspection.stored import are_frames_of, scored_boxes


def table(*rows: tuple[int, int]) -> TrajectoryTable:
    """Return boxes in the given (frame, id)."""
    frame, track_id = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    count = len(rows)
    boxes = np.tile([10.123456, 20.0, 30.0, 60.0], (count, 1))
    return TrajectoryTable(
        frame, track_id, boxes, np.ones(count), np.zeros(count, dtype=bool), np.arange(count, dtype=np.int64)
    )


def test_boxes_that_are_scored_are_those_of_the_text(tmp_path: Path) -> None:
    made = table((0, 1), (0, 2), (3, 1))
    write_trajectories(tmp_path / "a.txt", made)
    np.testing.assert_allclose(scored_boxes(tmp_path / "a.txt", made, 4), [[10.12, 20, 30, 60]] * 3)
    for other in (table((0, 1), (0, 2)), table((0, 1), (0, 3), (3, 1)), table((0, 1), (0, 2), (2, 1))):
        with pytest.raises(DataError, match=r"a\.txt: other rows than a\.parquet"):
            scored_boxes(tmp_path / "a.txt", other, 4)
    with pytest.raises(DataError, match=r"a\.txt:3"):
        scored_boxes(tmp_path / "a.txt", made, 3)
    with pytest.raises(DataError, match="no such file"):
        scored_boxes(tmp_path / "b.txt", made, 4)


def test_trajectories_are_known_by_ids_and_frames() -> None:
    made = table((0, 1), (0, 2), (3, 1))
    same = {2: np.array([0]), 1: np.array([0, 3])}
    assert are_frames_of(same, made)
    assert are_frames_of(same, replace(made, frame=made.frame[::-1], track_id=made.track_id[::-1]))
    assert not are_frames_of({1: np.array([0, 3])}, made)
    assert not are_frames_of({**same, 2: np.array([1])}, made)
    assert not are_frames_of({1: np.array([0, 3]), 3: np.array([0])}, made)
    assert are_frames_of({}, table()) and not are_frames_of({}, made)
