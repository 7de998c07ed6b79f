"""The list of mistakes has exactly the mistakes that TrackEval counts, each with the boxes it is about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sushi_lg.data.layouts import LAYOUTS
from sushi_lg.data.mot_format import MotTable, read_table
from sushi_lg.data.splits import load_split
from sushi_lg.evaluation.events import ClearEvents, EventKind, find_events
from sushi_lg.evaluation.mot import evaluate_in_memory

COUNTS = {"CLR_FP": EventKind.FALSE_POSITIVE, "CLR_FN": EventKind.MISS, "IDSW": EventKind.SWITCH}


def truth_table(frame: NDArray, track_id: NDArray, boxes: NDArray, category: NDArray | None = None) -> MotTable:
    """Ground truth in the conventions of files, from 0-based columns."""
    left, top, width, height = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T
    rows = len(left)
    return MotTable(
        path=Path("gt.txt"),
        frame=np.asarray(frame) + 1,
        track_id=np.asarray(track_id),
        left=left + 1,
        top=top + 1,
        width=width,
        height=height,
        confidence=np.ones(rows),
        category=np.ones(rows, dtype=np.int64) if category is None else category,
        visibility=np.ones(rows),
        line=np.arange(rows) + 1,
    )


def assert_counts_equal(events: ClearEvents, truth: MotTable, layout: str, columns: tuple, num_frames: int) -> None:
    values = evaluate_in_memory(truth, LAYOUTS[layout], *columns, num_frames).values()
    assert {key: events.count(kind) for key, kind in COUNTS.items()} == {key: values[key] for key in COUNTS}
    assert int((events.match >= 0).sum()) == values["CLR_TP"]


def world(seed: int) -> tuple[MotTable, tuple[NDArray, NDArray, NDArray], int]:
    """People on a small field, seen by a tracker that loses, invents and mixes up; some are distractors."""
    rng = np.random.default_rng(seed)
    num_frames, people = 14, int(rng.integers(0, 6))
    frame, person = (a.reshape(-1) for a in np.meshgrid(np.arange(num_frames), np.arange(people), indexing="ij"))
    place = rng.uniform(0, 60, (people, 2)) + rng.normal(0, 4, (num_frames, people, 2)).cumsum(axis=0)
    boxes = np.concatenate([place.reshape(-1, 2), np.full((len(frame), 2), (20, 40))], axis=1)
    present = rng.random(len(frame)) < 0.85
    category = np.where(person % 4 == 3, 7, 1)  # 7: a static person, which MOT17 takes out
    truth = truth_table(frame[present], person[present] * 3 + 5, boxes[present], category[present])
    found = (rng.random(len(frame)) < 0.8) & (frame != rng.integers(num_frames))  # one frame without any box
    track = person + 10 * (rng.random((num_frames, people)) < 0.1).cumsum(axis=0).reshape(-1) + 1
    boxes = boxes + rng.normal(0, 2, boxes.shape) * [1, 1, 0.5, 0.5]
    extra = int(rng.integers(0, 12))
    noise = np.concatenate([rng.uniform(0, 80, (extra, 2)), np.full((extra, 2), (20, 40))], axis=1)
    columns = (
        np.concatenate([frame[found], rng.integers(num_frames, size=extra)]),
        np.concatenate([track[found], 1000 + np.arange(extra)]),
        np.concatenate([boxes[found], noise]),
    )
    order = rng.permutation(len(columns[0]))  # rows of results come in any order
    return truth, (columns[0][order], columns[1][order], columns[2][order]), num_frames


@pytest.mark.parametrize("seed", range(60))
def test_counts_equal_trackeval(seed: int) -> None:
    truth, columns, num_frames = world(seed)
    for layout in ("MOT17", "DanceTrack"):
        events = find_events(truth, LAYOUTS[layout], *columns, num_frames)
        assert_counts_equal(events, truth, layout, columns, num_frames)
        check_rows(events, truth, columns)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    first_track=st.sampled_from([-(2**63), -3, 2**53 - 2, 2**53, 2**62, 2**63 - 1 - 2000]),
    first_truth=st.sampled_from([0, 2**53, 2**62]),
)
def test_ids_are_only_names(seed: int, first_track: int, first_truth: int) -> None:
    """Ids that a float cannot tell apart change nothing: the counts are TrackEval's, the rows those of small ids."""
    truth, (frame, track_id, boxes), num_frames = world(seed)
    small = find_events(truth, LAYOUTS["DanceTrack"], frame, track_id, boxes, num_frames)
    named = replace(truth, track_id=truth.track_id + first_truth)
    columns = (frame, track_id + first_track, boxes)
    huge = find_events(named, LAYOUTS["DanceTrack"], *columns, num_frames)
    assert_counts_equal(huge, named, "DanceTrack", columns, num_frames)
    for column in ("kind", "frame", "truth_row", "track_row", "previous_track_row", "match"):
        np.testing.assert_array_equal(getattr(huge, column), getattr(small, column))


def check_rows(events: ClearEvents, truth: MotTable, columns: tuple[NDArray, NDArray, NDArray]) -> None:
    """Every event tells of rows that exist, in its frame, with its ids."""
    frame, track_id, _ = columns
    assert (np.diff(events.frame) >= 0).all()
    for kind, has_truth, has_track in (
        (EventKind.MISS, True, False),
        (EventKind.FALSE_POSITIVE, False, True),
        (EventKind.SWITCH, True, True),
    ):
        chosen = events.of(kind)
        assert ((chosen.truth_row >= 0) == has_truth).all() and ((chosen.track_row >= 0) == has_track).all()
        if has_truth:
            assert (truth.frame[chosen.truth_row] - 1 == chosen.frame).all()
            assert (truth.track_id[chosen.truth_row] == chosen.truth_id).all()
        if has_track:
            assert (frame[chosen.track_row] == chosen.frame).all()
            assert (track_id[chosen.track_row] == chosen.track_id).all()
    switches = events.of(EventKind.SWITCH)
    before = switches.previous_track_row
    assert (switches.previous_frame < switches.frame).all()
    assert (switches.previous_track_id != switches.track_id).all()
    assert (track_id[before] == switches.previous_track_id).all() and (frame[before] == switches.previous_frame).all()
    # both boxes are matched to the same person
    assert (truth.track_id[events.match[before]] == switches.truth_id).all()
    assert (events.match[switches.track_row] == switches.truth_row).all()


def test_random_worlds_have_all_kinds() -> None:
    found = np.zeros(3, dtype=int)
    for seed in range(60):
        truth, columns, num_frames = world(seed)
        events = find_events(truth, LAYOUTS["MOT17"], *columns, num_frames)
        found += [events.count(kind) for kind in EventKind]
    assert (found > 50).all()


def test_a_switch_over_a_gap_names_who_had_the_person_before() -> None:
    box = [100.0, 50.0, 40.0, 80.0]
    truth = truth_table(np.arange(6), np.full(6, 9), np.tile(box, (6, 1)))
    # trajectory 1 in frames 0 and 1, nobody in 2 and 3 (with a box elsewhere in 3), trajectory 4 from then on
    frame, ids = np.array([0, 1, 3, 4, 5]), np.array([1, 1, 7, 4, 4])
    boxes = np.tile(box, (5, 1)) + np.array([0, 0, 300, 0, 0])[:, None] * [1, 0, 0, 0]
    events = find_events(truth, LAYOUTS["custom"], frame, ids, boxes, 6)
    listed = list(zip(events.kind.tolist(), events.frame.tolist(), strict=True))
    assert listed == [(EventKind.MISS, 2), (EventKind.MISS, 3), (EventKind.FALSE_POSITIVE, 3), (EventKind.SWITCH, 4)]
    switch = events.of(EventKind.SWITCH)
    assert (switch.truth_id[0], switch.track_id[0], switch.previous_track_id[0]) == (9, 4, 1)
    assert (switch.previous_frame[0], switch.previous_track_row[0], switch.track_row[0]) == (1, 1, 3)
    assert events.match.tolist() == [0, 1, -1, 4, 5]


def test_who_was_matched_before_stays_matched() -> None:
    # the other box overlaps more, the first one stays: no switch
    truth = truth_table(np.arange(2), np.full(2, 1), np.tile([100.0, 50.0, 40.0, 80.0], (2, 1)))
    boxes = np.array([[100, 50, 40, 80], [108, 50, 40, 80], [101, 50, 40, 80]], dtype=float)
    events = find_events(truth, LAYOUTS["custom"], [0, 1, 1], [1, 1, 2], boxes, 2)
    assert events.kind.tolist() == [EventKind.FALSE_POSITIVE] and events.track_id.tolist() == [2]


def test_nothing_against_nothing() -> None:
    none = truth_table(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)))
    assert len(find_events(none, LAYOUTS["custom"], [], [], [], 3)) == 0


def test_counts_equal_trackeval_on_real_results(shared_data: Path) -> None:
    results = shared_data / "reference_results" / "mot17_half_val" / "sort" / "data"
    for sequence in load_split("mot17-half-val", shared_data / "mot"):
        table = read_table(results / f"{sequence.name}-FRCNN.txt", "results")
        columns = (table.frame - 1, table.track_id, table.boxes_ltwh - [1, 1, 0, 0])
        truth = sequence.load_ground_truth()
        events = find_events(truth, sequence.info.layout, *columns, sequence.length)
        assert_counts_equal(events, truth, sequence.info.layout.name, columns, sequence.length)
        check_rows(events, truth, columns)
        assert len(events) > 0
