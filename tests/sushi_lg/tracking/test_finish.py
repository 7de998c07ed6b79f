"""What is written: kept members, filled gaps, ids."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import cut, make, members, panning, seen_by, tracklets_of, walkers

from sushi_lg.data.layouts import Conventions
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.structures import Detections
from sushi_lg.tracking.finish import empty_table, fill_gaps, finish, keep_members
from sushi_lg.tracking.recipe import OutputConfig

MOT = Conventions()
EVERYTHING = OutputConfig(min_length=1, min_probability=0.0, min_mean_probability=0.0)


def filled(detections: Detections, label: list[int] | np.ndarray, longest: int) -> TrajectoryTable:
    tracklets = tracklets_of(detections, label)
    order = tracklets.order
    return fill_gaps(detections, order.numpy(), tracklets.member_of[order].numpy(), detections.boxes_xyxy, longest)


def corners(table: TrajectoryTable) -> np.ndarray:
    return np.concatenate([table.boxes_ltwh[:, :2], table.boxes_ltwh[:, :2] + table.boxes_ltwh[:, 2:]], axis=1)


def test_a_gap_is_filled_on_the_line() -> None:
    detections = make([2, 5], [[0, 0, 10, 20], [30, 6, 52, 44]], score=np.array([0.75, 0.5]))
    table = filled(detections, [0, 0], 10)
    assert table.frame.tolist() == [2, 3, 4, 5]
    expected = [[0, 0, 10, 20], [10, 2, 24, 28], [20, 4, 38, 36], [30, 6, 52, 44]]
    np.testing.assert_allclose(corners(table), expected, atol=1e-9)
    assert table.confidence.tolist() == [0.75, 0.5, 0.5, 0.5]
    assert table.is_interpolated.tolist() == [False, True, True, False]
    assert table.detection_index.tolist() == [0, -1, -1, 1]


@pytest.mark.parametrize(("longest", "frames"), [(3, [0, 1, 2, 3, 7]), (4, list(range(8))), (1, [0, 3, 7])])
def test_longer_gaps_stay_open(longest: int, frames: list[int]) -> None:
    table = filled(make([0, 3, 7], [[0, 0, 10, 20]] * 3), [0, 0, 0], longest)
    assert table.frame.tolist() == frames


@pytest.mark.parametrize("seed", range(3))
def test_filling_equals_numpy_per_trajectory(seed: int) -> None:
    detections = walkers(seed, missing=0.5)
    tracklets = cut(detections, seed, mean_length=8)
    table = filled(detections, tracklets.member_of.numpy(), 4)
    assert table.is_interpolated.any()
    boxes, number = detections.boxes_xyxy.double().numpy(), 0
    for own in members(tracklets):
        number += 1
        rows = table.track_id == number
        frame = detections.frame[own].numpy()
        expected = [f for a, b in itertools.pairwise(frame) for f in (range(a, b) if b - a <= 4 else [a])]
        assert table.frame[rows].tolist() == [*expected, frame[-1]]
        for column in range(4):
            line = np.interp(table.frame[rows], frame, boxes[own, column])
            np.testing.assert_allclose(corners(table)[rows, column], line, atol=1e-9)
    assert sorted(table.detection_index[~table.is_interpolated].tolist()) == list(range(len(detections)))


def test_neighbouring_trajectories_do_not_flow_together() -> None:
    # Without gaps between them in the list: one ends at frame 1, the next begins at frame 4.
    table = filled(make([0, 1, 4, 5], [[i, 0, i + 10, 20] for i in (0, 1, 300, 301)]), [0, 0, 1, 1], 60)
    assert table.frame.tolist() == [0, 1, 4, 5] and table.track_id.tolist() == [1, 1, 2, 2]


def test_people_who_stand_still_stand_still_in_the_scene() -> None:
    """The line is straight in the scene, where the picture's own camera is known; on the picture elsewhere."""
    # Somebody stands; others are seen at frame 1 and 2, nobody at frame 3. The camera jerks at frame 1.
    frame = torch.tensor([0, 0, 1, 2, 4])
    scene = make(frame.numpy(), [[100, 100, 140, 200], *[[500, 0, 520, 50]] * 3, [100, 100, 140, 200]])
    camera = panning(frame, (10.0, 0.0))
    camera[2, 0, 2] = 77.0
    seen = seen_by(scene, camera)
    table = filled(seen, [0, 1, 2, 3, 0], 10)
    own = table.track_id == 1
    assert table.frame[own].tolist() == [0, 1, 2, 3, 4]
    # Left border in the scene 100: minus 0, 77, 20 by the cameras; frame 3 half-way between those of 0 and 4 in time.
    np.testing.assert_allclose(corners(table)[own, 0], [100, 23, 80, 70, 60], atol=1e-3)
    np.testing.assert_allclose(table.boxes_ltwh[own, 2:], [[40, 100]] * 5, atol=1e-3)


def test_a_zoom_is_followed_too() -> None:
    frame = torch.arange(5)
    camera = torch.zeros(5, 2, 3, dtype=torch.float64)
    camera[:, 0, 0] = camera[:, 1, 1] = 1.5 ** frame.double()
    scene = make(frame.numpy(), [[100, 100, 140, 200]] * 5)
    seen = seen_by(scene, camera)
    table = filled(seen, [0, 1, 2, 3, 0], 10)
    own = table.track_id == 1
    np.testing.assert_allclose(corners(table)[own], seen.boxes_xyxy, rtol=1e-4)


def test_ids_follow_the_first_written_box_and_have_no_holes() -> None:
    detections = make([0, 0, 1, 1, 2, 2, 3, 3], [[0, 0, 10, 20]] * 8)
    tracklets = tracklets_of(detections, [0, 1, 2, 0, 1, 2, 1, 0])
    # The first member of the first is not believed, the second not at all: what begins first is now the third.
    probability = torch.tensor([0.0, 0, 1, 1, 0, 1, 0, 1])
    table = finish(detections, tracklets, probability, detections.boxes_xyxy, OutputConfig(min_length=1), MOT)
    by_id = {int(i): table.detection_index[(table.track_id == i) & ~table.is_interpolated] for i in table.track_id}
    assert {i: rows.tolist() for i, rows in by_id.items()} == {1: [2, 5], 2: [3, 7]}


def test_rows_are_sorted_by_trajectory_and_frame() -> None:
    detections = make([0, 1, 2, 3], [[0, 0, 10, 20]] * 4)
    tracklets = tracklets_of(detections, [0, 1, 0, 1])
    probability = torch.tensor([0.0, 1, 1, 1])  # the first tracklet begins last, once its first member is gone
    config = OutputConfig(min_length=1, min_mean_probability=0.0)
    table = finish(detections, tracklets, probability, detections.boxes_xyxy, config, MOT)
    assert list(zip(table.track_id.tolist(), table.frame.tolist(), strict=True)) == [(1, 1), (1, 2), (1, 3), (2, 2)]


def test_members_are_kept_by_probability_mean_and_number() -> None:
    detections = make(np.arange(9), [[0, 0, 10, 20]] * 9)
    tracklets = tracklets_of(detections, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    # The second is believed in too little on the whole (0.4), the third has one member left.
    probability = torch.tensor([0.9, 0.4, 0.5, 0.6, 0.55, 0.05, 1.0, 0.49, 0.45])
    config = OutputConfig(min_length=2, min_probability=0.5, min_mean_probability=0.5)
    assert keep_members(tracklets, probability, config).tolist() == [True, False, True] + [False] * 6
    lenient = OutputConfig(min_length=1, min_probability=0.5, min_mean_probability=0.0)
    assert keep_members(tracklets, probability, lenient).tolist() == [
        *[True, False, True],
        *[True, True, False],
        *[True, False, False],
    ]


def test_gaps_of_hidden_people_depend_on_the_data_set() -> None:
    detections = make([0, 20], [[0, 0, 10, 20]] * 2)
    tracklets = tracklets_of(detections, [0, 0])
    rows = [
        len(
            finish(
                detections,
                tracklets,
                torch.ones(2),
                detections.boxes_xyxy,
                EVERYTHING,
                Conventions(hidden_people_annotated=annotated),
            )
        )
        for annotated in (True, False)
    ]
    assert rows == [21, 2]


Path = list[tuple[float, float]]  # x and y of the upper left corner, frame by frame

OUT_LEFT: Path = [(20, 200), (10, 200), (0, 200)]
IN_LEFT: Path = [(0, 200), (10, 200), (20, 200)]
IN_RIGHT: Path = [(620, 200), (610, 200), (600, 200)]
IN_MIDDLE: Path = [(300, 200), (310, 200), (320, 200)]
STANDS_LEFT: Path = [(0, 200), (0, 200), (0, 200)]


@pytest.mark.parametrize(
    ("before", "after", "gap", "parts"),
    [
        (OUT_LEFT, IN_LEFT, 40, 2),
        (OUT_LEFT, IN_RIGHT, 40, 2),
        (OUT_LEFT, IN_LEFT, 20, 1),  # too short to say that somebody left
        (OUT_LEFT, IN_MIDDLE, 40, 1),  # comes out of the middle: was hidden, not gone
        (IN_MIDDLE, IN_LEFT, 40, 1),
        (STANDS_LEFT, STANDS_LEFT, 40, 1),  # stood at the border, hidden by somebody
        (OUT_LEFT, STANDS_LEFT, 40, 1),
        ([(300, 410), (300, 415), (300, 420)], [(300, 420), (300, 415), (300, 410)], 40, 2),  # below
        ([(300, 10), (300, 5), (300, 0)], [(300, 0), (300, 5), (300, 10)], 40, 2),  # above
    ],
)
def test_who_leaves_and_returns_is_somebody_else_where_the_data_say_so(
    before: Path, after: Path, gap: int, parts: int
) -> None:
    frames = [0, 1, 2, 2 + gap, 3 + gap, 4 + gap]
    detections = make(frames, [[x, y, x + 20, y + 60] for x, y in before + after])  # 25 frames a second, 640 x 480
    tracklets = tracklets_of(detections, [0] * 6)

    def identities(config: OutputConfig, conventions: Conventions) -> int:
        table = finish(detections, tracklets, torch.ones(6), detections.boxes_xyxy, config, conventions)
        return len(set(table.track_id.tolist()))

    for returns, expected in ((True, parts), (False, 1)):
        conventions = Conventions(return_is_new_identity=returns)
        assert identities(EVERYTHING, conventions) == expected
        told = replace(EVERYTHING, return_is_new_identity=not returns)  # the user has the last word
        assert identities(told, conventions) == (1 if returns else parts)
    short = replace(EVERYTHING, min_length=4)  # parts of three boxes are too short, one trajectory of six is not
    assert identities(short, Conventions(return_is_new_identity=True)) == (1 if parts == 1 else 0)


def test_smoothed_boxes_are_the_ones_written() -> None:
    detections = make([0, 2], [[0, 0, 10, 20]] * 2)
    other = torch.tensor([[1.0, 1, 11, 21], [3, 3, 13, 23]])
    table = finish(detections, tracklets_of(detections, [0, 0]), torch.ones(2), other, EVERYTHING, MOT)
    np.testing.assert_allclose(corners(table), [[1, 1, 11, 21], [2, 2, 12, 22], [3, 3, 13, 23]])


def test_nothing_to_write() -> None:
    detections = walkers(0)
    tracklets = cut(detections, 0)
    table = finish(detections, tracklets, torch.zeros(len(detections)), detections.boxes_xyxy, OutputConfig(), MOT)
    assert len(table) == len(empty_table()) == 0 and table.boxes_ltwh.shape == (0, 4)
