from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sushi_lg.tracking.stitch import stitch, window_ranges


def span(low: int, high: int) -> np.ndarray:
    return np.arange(low, high, dtype=np.int64)


@pytest.mark.parametrize(
    ("frames", "length", "expected"),
    [
        (range(0), 8, []),
        (range(8), 8, [(0, 7)]),
        (range(9), 8, [(0, 7), (4, 11)]),
        (range(20), 8, [(0, 7), (4, 11), (8, 15), (12, 19)]),
        ([0, 1, 2, 3, 50, 51], 8, [(0, 7), (2, 9), (3, 10), (50, 57)]),  # half of the frames with detections repeat
        ([0, 100, 200], 8, [(0, 7), (100, 107), (200, 207)]),  # one frame a window: nothing can repeat
        ([5], 8, [(5, 12)]),
    ],
)
def test_windows(frames: list[int], length: int, expected: list[tuple[int, int]]) -> None:
    assert window_ranges(np.array(list(frames), dtype=np.int64), length) == expected


@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(3))
def test_windows_repeat_their_share_of_the_frames_with_detections(seed: int, overlap: float) -> None:
    present = np.sort(np.random.default_rng(seed).choice(300, 90, replace=False))
    windows = window_ranges(np.repeat(present, 2), 20, overlap)
    held = [[frame for frame in present.tolist() if low <= frame <= high] for low, high in windows]
    assert held[0][0] == present[0] and held[-1][-1] == present[-1]
    assert len(windows) > 10
    for before, after in pairwise(held):
        repeated = round(overlap * len(before))
        if repeated < len(before):  # all of them would not go on
            assert [frame for frame in before if frame in after] == before[len(before) - repeated :]


@pytest.mark.parametrize("seed", range(5))
def test_windows_cover_every_frame_and_go_on(seed: int) -> None:
    frames = np.sort(np.random.default_rng(seed).choice(400, 120))
    windows = window_ranges(frames, 32)
    assert all(any(low <= frame <= high for low, high in windows) for frame in frames)
    starts = [low for low, _ in windows]
    assert starts == sorted(set(starts)) and set(starts) <= set(frames.tolist())


def test_one_window_is_left_alone() -> None:
    assert stitch(3, [(span(0, 3), np.array([0, 1, 0]))]).tolist() == [0, 1, 0]


def test_the_older_window_wins_and_numbers_continue() -> None:
    old = (span(0, 6), np.array([0, 1, 0, 1, 0, 1]))
    new = (span(2, 8), np.array([5, 3, 5, 3, 3, 5]))  # 5 shares two with 0, 3 two with 1
    assert stitch(8, [old, new]).tolist() == [0, 1, 0, 1, 0, 1, 1, 0]


def test_most_pairs_first_then_most_shared_detections() -> None:
    # old 0 shares 3 detections with new 0 and 1 with new 1; old 1 shares 1 with new 0. Two pairs of one shared
    # detection each are better than one pair of three.
    old = (span(0, 5), np.array([0, 0, 0, 0, 1]))
    new = (span(0, 7), np.array([0, 0, 0, 1, 0, 0, 1]))
    assert stitch(7, [old, new]).tolist() == [0, 0, 0, 0, 1, 1, 0]


def test_windows_without_common_detections() -> None:
    assert stitch(4, [(span(0, 2), np.array([0, 0])), (span(2, 4), np.array([0, 1]))]).tolist() == [0, 0, 1, 2]


def test_new_trajectories_get_numbers_of_their_own() -> None:
    old = (span(0, 4), np.array([0, 1, 0, 1]))
    new = (span(2, 6), np.array([0, 1, 2, 0]))
    assert stitch(6, [old, new]).tolist() == [0, 1, 0, 1, 4, 0]


def test_detections_in_no_window() -> None:
    assert stitch(3, []).tolist() == [-1, -1, -1]
    assert stitch(3, [(np.array([1]), np.array([0]))]).tolist() == [-1, 0, -1]
