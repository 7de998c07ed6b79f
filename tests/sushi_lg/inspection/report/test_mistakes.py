"""What is said about mistakes, on three people whose trajectories are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.sequence import Sequence, open_sequence, write_seqinfo
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.evaluation.events import ClearEvents, EventKind, find_events
from sushi_lg.evaluation.mot import evaluate_in_memory
from sushi_lg.inspection.report.mistakes import counts_of, people_of, switches_of
from sushi_lg.inspection.report.timeline import trajectories_of

LENGTH = 12
LEFT = {1: 10.0, 2: 110.0, 3: 210.0}


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    folder = tmp_path / "walk"
    (folder / "gt").mkdir(parents=True)
    rows = [f"{f},{i},{LEFT[i] + 1},21,40,90,1,1,1\n" for f in range(1, LENGTH + 1) for i in LEFT]
    (folder / "gt" / "gt.txt").write_text("".join(rows))
    write_seqinfo(
        folder / "seqinfo.ini", name="walk", image_folder="img1", frame_rate=5.0, length=LENGTH, size=(320, 200)
    )
    return open_sequence(folder)


def boxes_of(spans: list[tuple[int, int, int, int]]) -> TrajectoryTable:
    """Return boxes of (trajectory, first frame, frame after the last, person; 0 = where nobody is)."""
    rows = sorted((f, i, LEFT.get(person, 270.0)) for i, first, stop, person in spans for f in range(first, stop))
    frame, track_id, left = (np.array(column) for column in zip(*rows, strict=True))
    return TrajectoryTable(
        frame=frame,
        track_id=track_id,
        boxes_ltwh=np.stack([left, np.full(len(left), 20.0), np.full(len(left), 40.0), np.full(len(left), 90.0)], 1),
        confidence=np.ones(len(left)),
        is_interpolated=np.zeros(len(left), dtype=bool),
        detection_index=np.arange(len(left)),
    )


def events_of(sequence: Sequence, table: TrajectoryTable) -> ClearEvents:
    truth = sequence.load_ground_truth()
    return find_events(truth, sequence.info.layout, table.frame, table.track_id, table.boxes_ltwh, sequence.length)


# person 1: trajectory 1, then 4 that had person 2, then back; person 2: 4, missed, then the new 5; person 3: never
SPANS = [(1, 0, 4, 1), (4, 4, 8, 1), (1, 8, 12, 1), (4, 0, 3, 2), (5, 9, 12, 2), (9, 0, 6, 0)]


def test_every_switch_that_the_metric_counts_has_its_place(sequence: Sequence) -> None:
    table, truth = boxes_of(SPANS), sequence.load_ground_truth()
    found = switches_of(sequence, table, truth, events_of(sequence, table))
    scores = evaluate_in_memory(
        truth, sequence.info.layout, table.frame, table.track_id, table.boxes_ltwh, sequence.length
    )
    assert len(found) == scores.values()["IDSW"] == 3
    assert [(s.person, s.before, s.frame, s.before_id, s.after_id) for s in found] == [
        (1, 3, 4, 1, 4),
        (1, 7, 8, 4, 1),
        (2, 2, 9, 4, 5),
    ]
    assert [s.kind for s in found] == ["4 followed another person before", "back to 1", "a new trajectory, 5, began"]


def test_a_switch_is_seen_at_one_place_with_the_truth(sequence: Sequence) -> None:
    table = boxes_of(SPANS)
    switch = switches_of(sequence, table, sequence.load_ground_truth(), events_of(sequence, table))[0]
    before, after = switch.before_scene, switch.after_scene
    assert before is not None and after is not None and before.region == after.region
    assert (before.frame, after.frame) == (3, 4)
    for scene, track_id in ((before, 1), (after, 4)):
        assert scene.boxes[-1].track_id == -1 and scene.boxes[-1].box == (10.0, 20.0, 40.0, 90.0)
        assert [one.track_id for one in scene.boxes if one.is_subject] == [track_id, -1]


def test_how_much_of_everybody_was_found(sequence: Sequence) -> None:
    table = boxes_of(SPANS)
    one, two, three = people_of("walk", table, sequence.load_ground_truth(), events_of(sequence, table))
    assert (one.identity, one.boxes, one.found, one.trajectories, one.missed) == (1, 12, 12, 2, ())
    assert (two.identity, two.boxes, two.found, two.trajectories, two.missed) == (2, 12, 6, 2, ((3, 8),))
    assert (three.found, three.trajectories, three.missed, three.share) == (0, 0, ((0, 11),), 0.0)


def test_trajectories_know_whom_they_show(sequence: Sequence) -> None:
    table, truth = boxes_of(SPANS), sequence.load_ground_truth()
    rows = {one.track_id: one for one in trajectories_of(table, {}, events_of(sequence, table), truth)}
    assert (rows[1].person, rows[1].matched, rows[1].scored, rows[1].switches) == (1, 8, 8, (8,))
    assert (rows[4].person, rows[4].switches) == (1, (4,)), "four boxes of person 1, three of person 2"
    assert rows[9].is_false and rows[9].person is None and not rows[5].is_false


def test_counts_over_time_lose_nothing(sequence: Sequence) -> None:
    table = boxes_of(SPANS)
    events = events_of(sequence, table)
    false, missed = (counts_of(events, kind, LENGTH) for kind in (EventKind.FALSE_POSITIVE, EventKind.MISS))
    assert false == (1,) * 6 + (0,) * 6
    assert missed == (1, 1, 1, 2, 2, 2, 2, 2, 2, 1, 1, 1)
    coarse = counts_of(events, EventKind.MISS, 1000)
    assert len(coarse) == 80 and sum(coarse) == sum(missed)
