from __future__ import annotations

import itertools
import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic import pairs
from semantic.boxes import box_table, pairwise_iou
from semantic.config import PairConfig
from semantic.pairs import candidate_pairs, neighbours
from semantic.structures import Clip, Track


def _track(track_id: int, centres: np.ndarray, frames: np.ndarray | None = None, height: float = 40.0) -> Track:
    count = len(centres)
    half = np.array([height / 5, height / 2])
    boxes = np.concatenate([centres - half, centres + half], axis=1)
    frame = np.arange(count) if frames is None else frames
    return Track(track_id, frame, boxes, np.ones(count), np.zeros(count, dtype=bool))


def _clip(*tracks: Track, length: int = 20) -> Clip:
    return Clip("c", length, 2.0, np.tile([2000, 1000], (length, 1)), tracks)


def _still(x: float, y: float = 500.0, count: int = 20) -> np.ndarray:
    return np.tile([x, y], (count, 1)).astype(float)


def _walk(x: float, step: float, y: float = 500.0, count: int = 20) -> np.ndarray:
    return np.stack([x + step * np.arange(count), np.full(count, y)], axis=1)


# people far away from each other, so that a clip has more than three and only the pair in question may be found
FAR = [_track(90 + k, _still(600 + 400 * k, 100)) for k in range(3)]


def _brute(frame: np.ndarray, boxes: np.ndarray, reach: float) -> set[tuple[int, int]]:
    found = set()
    for i, j in itertools.combinations(range(len(frame)), 2):
        sizes = [math.hypot(max(b[2] - b[0], 0), max(b[3] - b[1], 0)) for b in (boxes[i], boxes[j])]
        gap = math.hypot(*((boxes[i][:2] + boxes[i][2:] - boxes[j][:2] - boxes[j][2:]) / 2))
        if frame[i] == frame[j] and min(sizes) > 0 and gap <= reach * sum(sizes) / 2:
            found.add((i, j))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([0.5, 1.5, 3.0]))
def test_neighbours_by_grid_are_those_of_all_pairs(seed: int, count: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-300, 900, (count, 2))
    size = np.exp(rng.uniform(-1, 6, (count, 1))) * rng.uniform(0.3, 1, (count, 2)) * (rng.random((count, 1)) > 0.1)
    boxes = np.concatenate([low, low + size], axis=1)
    frame = rng.integers(0, 3, count)
    first, second = neighbours(frame, boxes, reach)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == sorted(_brute(frame, boxes, reach))


def test_few_people_are_all_asked_about_when_seen_together() -> None:
    clip = _clip(
        _track(1, _still(100)), _track(2, _still(1900, 100)), _track(3, _still(900, count=4), np.arange(4) + 16)
    )
    assert [(one.a, one.b) for one in candidate_pairs(clip)] == [(1, 2), (1, 3), (2, 3)]
    assert all(one.score == 0 for one in candidate_pairs(clip))
    apart = _clip(_track(1, _still(100, count=5)), _track(2, _still(110, count=5), np.arange(5) + 10))
    assert candidate_pairs(apart) == ()


@pytest.mark.parametrize(
    ("one", "other", "trigger"),
    [
        (_still(100), _still(110), "contact"),
        (_still(100), _still(150), "near"),
        (_still(100), _walk(220, -3.0), "approach"),
        (
            np.concatenate([_walk(100, 8.0, count=10), _walk(172, -8.0, count=10)]),
            np.concatenate([_walk(140, 8.0, count=10), _walk(212, -8.0, count=10)]),
            "turn",
        ),
    ],
)
def test_what_speaks_for_a_pair(one: np.ndarray, other: np.ndarray, trigger: str) -> None:
    (found,) = candidate_pairs(_clip(_track(1, one), _track(2, other), *FAR))
    assert (found.a, found.b) == (1, 2) and trigger in found.triggers


def test_one_lost_beside_another_speaks_for_a_pair() -> None:
    frames = np.array([0, 1, 2, 8, 9, 10])
    lost = _track(2, _still(150, count=6), frames)
    (found,) = candidate_pairs(_clip(_track(1, _still(100)), lost, *FAR))
    assert "lost" in found.triggers
    interpolated = replace(_track(2, _still(150)), is_interpolated=np.isin(np.arange(20), [5, 6]))
    (found,) = candidate_pairs(_clip(_track(1, _still(100)), interpolated, *FAR))
    assert "lost" in found.triggers


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(_still(1000), id="far away"),
        pytest.param(_walk(162, 4.0), id="walking away, near for a moment only"),
        pytest.param(_still(110, count=2), id="seen together in two frames"),
    ],
)
def test_who_is_not_asked_about(other: np.ndarray) -> None:
    assert candidate_pairs(_clip(_track(1, _still(100)), _track(2, other), *FAR)) == ()


def test_distance_counts_in_sizes_not_in_pixels() -> None:
    def found(factor: float) -> list[tuple[int, int, frozenset[str]]]:
        tracks = [_track(k, _still(100 * k * factor, 500 * factor), height=80 * factor) for k in range(1, 6)]
        return [(one.a, one.b, one.triggers) for one in candidate_pairs(_clip(*tracks))]

    assert found(1.0) == found(0.25) != []


def test_a_crowd_has_no_more_pairs_than_allowed() -> None:
    rng = np.random.default_rng(0)
    tracks = [_track(k + 1, rng.uniform(0, 120, 2) + rng.normal(size=(20, 2))) for k in range(30)]
    config = PairConfig()
    pairs = candidate_pairs(_clip(*tracks), config)
    assert len(pairs) == 2 * 30 + 4
    assert [(one.a, one.b) for one in pairs] == sorted({(one.a, one.b) for one in pairs})
    assert all(one.a < one.b and 1 <= len(one.frames) <= 8 for one in pairs)
    assert len(candidate_pairs(_clip(*tracks), replace(config, neighbours=1, per_person=99))) < len(pairs)


def test_frames_of_a_pair_are_those_where_it_is_close() -> None:
    meets = np.concatenate([_walk(900, -80.0, count=9), _still(240, count=4), _walk(340, 80.0, count=7)])
    (pair,) = candidate_pairs(_clip(_track(1, _still(220)), _track(2, meets), *FAR), frames=4)
    assert pair.frames == tuple(sorted(pair.frames)) and set(pair.frames) <= set(range(8, 13)) and len(pair.frames) == 4


def test_order_of_tracks_and_a_shift_change_nothing() -> None:
    rng = np.random.default_rng(3)
    paths = [np.cumsum(rng.normal(scale=9, size=(20, 2)), axis=0) + rng.uniform(200, 500, 2) for _ in range(8)]
    pairs = candidate_pairs(_clip(*[_track(k + 1, path) for k, path in enumerate(paths)]))
    turned = candidate_pairs(_clip(*[_track(k + 1, path + 64) for k, path in enumerate(paths)]))
    assert [replace(one, frames=()) for one in pairs] == [replace(one, frames=()) for one in turned]
    reversed_ids = candidate_pairs(_clip(*[_track(k + 1, path) for k, path in enumerate(paths[::-1])]))
    assert {frozenset((9 - one.a, 9 - one.b)) for one in reversed_ids} == {frozenset((one.a, one.b)) for one in pairs}


def test_a_clip_without_people_has_no_pairs() -> None:
    assert candidate_pairs(_clip()) == ()


def test_the_table_knows_what_is_inside_and_what_overlaps() -> None:
    clip = _clip(_track(1, np.array([[0.0, 500.0]])), _track(2, np.array([[8.0, 500.0]])), _track(3, _still(500)))
    table = box_table(clip)
    assert table.inside[0] == pytest.approx(0.5) and table.inside[-1] == 1.0
    assert table.overlap[0] == pytest.approx(1 / 3) and table.overlap[2] == 0
    assert table.rows(2).tolist() == list(range(2, 22))
    assert pairwise_iou(np.zeros(4), np.zeros(4)) == 0


def test_a_change_together_is_found_in_a_long_video_without_comparing_all_with_all() -> None:
    # both stop and go all the time, beside each other, for 20 minutes at 30 frames a second
    count = 36_000
    x = 300 + 40.0 * np.abs(np.arange(count) % 40 - 20)
    one, other = (_track(k, np.stack([x, np.full(count, 500.0 + 20 * k)], axis=1)) for k in (1, 2))
    clip = replace(_clip(one, other, *FAR, length=count), frame_rate=30.0)
    tracemalloc.start()
    (pair,) = candidate_pairs(clip)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (pair.a, pair.b) == (1, 2) and "turn" in pair.triggers
    assert most < 200 * 2**20


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(1, 6))
def test_changes_are_together_when_they_are_within_the_window(
    one: set[int], other: set[int], close: set[int], window: int
) -> None:
    expected = any(abs(a - b) <= window for a in one & close for b in other & close)
    rows = [np.array(sorted(frames), dtype=np.int64) for frames in (one, other, close)]
    assert pairs._together(rows[0], rows[1], rows[2], window) == expected
