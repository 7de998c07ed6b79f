from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic.boxes import box_table
from semantic.config import ViewConfig
from semantic.structures import Clip, Track
from semantic.views import (
    instance_views,
    leading_people,
    observations,
    pair_views,
    quality,
    summary_views,
)

CONFIG = ViewConfig()


def _track(track_id: int, frames: list[int], box: tuple[float, ...] = (40, 20, 60, 80), **changes: object) -> Track:
    count = len(frames)
    track = Track(
        track_id, np.asarray(frames), np.tile(np.array(box, float), (count, 1)), np.ones(count), np.zeros(count, bool)
    )
    return replace(track, **changes)  # type: ignore[arg-type]


def _clip(*tracks: Track, length: int = 100) -> Clip:
    return Clip("c", length, 2.0, np.tile([200, 100], (length, 1)), tracks)


def test_short_tracks_are_looked_at_in_all_frames_and_none_twice() -> None:
    table = box_table(_clip(_track(1, [3, 5, 9])))
    assert table.frame[observations(table, 0, CONFIG)].tolist() == [3, 5, 9]


def test_looks_are_spread_over_time_and_take_the_best_of_each_part() -> None:
    confidence = np.full(80, 0.8)
    confidence[[14, 25, 37]] = 1.0
    table = box_table(_clip(_track(1, list(range(80)), confidence=confidence)))
    frames = table.frame[observations(table, 0, CONFIG)].tolist()
    assert len(frames) == 8 and frames[0] == 0 and frames[-1] == 79
    assert {14, 25, 37} <= set(frames)
    assert [frame // 10 for frame in frames] == list(range(8))


def test_first_and_last_look_are_confident_and_detected() -> None:
    confidence = np.full(80, 0.9)
    confidence[:12] = 0.1
    filled = np.zeros(80, dtype=bool)
    filled[70:] = True
    table = box_table(_clip(_track(1, list(range(80)), confidence=confidence, is_interpolated=filled)))
    frames = table.frame[observations(table, 0, CONFIG)].tolist()
    assert 12 in frames and 69 in frames


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_looks_are_at_most_as_many_as_wanted_and_rise(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    frames = sorted(rng.choice(100, size=count, replace=False).tolist())
    boxes = rng.uniform(-50, 250, (count, 2))
    track = _track(
        1,
        frames,
        boxes_xyxy=np.concatenate([boxes, boxes + rng.uniform(0, 90, (count, 2))], axis=1),
        confidence=rng.random(count),
        is_interpolated=rng.random(count) < 0.3,
    )
    clip = _clip(track)
    views = instance_views(clip, 1, CONFIG)
    assert len(views) <= CONFIG.observations + 1
    assert [view.frame for view in views] == sorted(view.frame for view in views)
    for view in views:
        assert view.frame in frames and view.outlined == (1,)
        if view.box_xyxy is not None:
            left, top, right, bottom = view.box_xyxy
            assert 0 <= left < right <= 200 and 0 <= top < bottom <= 100


def test_better_looks_are_confident_large_free_inside_sharp_and_detected() -> None:
    base = _track(1, [0])
    clip = _clip(
        base,
        _track(2, [1], confidence=np.array([0.5])),
        _track(3, [2], (40, 20, 60, 50)),
        _track(4, [3], (-10, 20, 10, 80)),
        _track(5, [4], is_interpolated=np.array([True])),
        _track(6, [5]),
        _track(7, [5], (45, 20, 65, 80)),
        _track(8, [6]),
    )
    good = quality(box_table(clip), CONFIG, {(7, 6): 0.5})
    assert good[0] > max(good[1:]) and good[0] == pytest.approx(60 / 160)
    assert good[4] == good[7] == good[0] / 2
    assert quality(box_table(clip), CONFIG)[7] == good[0]


def test_two_of_eight_looks_are_whole_frames_and_few_looks_get_one_more() -> None:
    views = instance_views(_clip(_track(1, list(range(80)))), 1, CONFIG)
    assert [view.box_xyxy is None for view in views] == [k in (2, 5) for k in range(8)]
    few = instance_views(_clip(_track(1, [4, 6])), 1, CONFIG)
    assert [view.box_xyxy is None for view in few] == [False, True, False]
    assert instance_views(_clip(_track(1, [4, 6])), 1, replace(CONFIG, full_frames=0))[1].frame == 6


def test_a_crop_has_a_margin_and_reaches_to_a_partner_who_is_near() -> None:
    clip = _clip(_track(1, [0]), _track(2, [0], (80, 20, 100, 80)), _track(3, [0], (180, 20, 198, 80)))
    alone = instance_views(clip, 1, CONFIG)[0]
    assert alone.box_xyxy == (35, 5, 65, 95)
    both = instance_views(clip, 1, CONFIG, partners=[2, 3])[0]
    assert both.box_xyxy == (25, 5, 115, 95) and both.outlined == (1,)


def test_frames_that_cannot_be_shown_are_left_out() -> None:
    clip = _clip(_track(1, list(range(80))))
    taken = {view.frame for view in instance_views(clip, 1, CONFIG)}
    others = {view.frame for view in instance_views(clip, 1, CONFIG, excluded=taken)}
    assert len(others) == 8 and not taken & others
    assert not {0, 7} & {view.frame for view in summary_views(clip, CONFIG, [1], excluded=[0, 7])}


def test_nothing_is_shown_of_somebody_outside_the_picture() -> None:
    assert instance_views(_clip(_track(1, [0, 1], (300, 20, 320, 80))), 1, CONFIG) == ()


def test_a_pair_is_shown_in_one_crop_of_both() -> None:
    clip = _clip(_track(1, [0, 1, 2]), _track(2, [1, 2], (100, 40, 120, 80)))
    views = pair_views(clip, 1, 2, [2, 1, 2], CONFIG)
    assert [(view.frame, view.box_xyxy, view.outlined) for view in views] == [
        (1, (32, 14, 128, 86), (1, 2)),
        (2, (32, 14, 128, 86), (1, 2)),
    ]
    with pytest.raises(ValueError, match="not both there in frame 0"):
        pair_views(clip, 1, 2, [0], CONFIG)


def test_a_summary_shows_even_steps_and_then_the_fullest_frames() -> None:
    clip = _clip(_track(1, list(range(33))), _track(2, [7, 8, 10]), length=33)
    views = summary_views(clip, CONFIG, [1, 2])
    frames = [view.frame for view in views]
    assert len(frames) == 16 and set(range(0, 33, 3)) <= set(frames) and {7, 8, 10} <= set(frames)
    assert {view.frame: view.outlined for view in views}[7] == (1, 2)
    assert {view.frame: view.outlined for view in views}[0] == (1,)
    assert [view.frame for view in summary_views(_clip(length=3), CONFIG, [])] == [0, 1, 2]


def test_who_leads_is_there_long_and_large() -> None:
    clip = _clip(_track(1, [0]), _track(2, list(range(50))), _track(3, list(range(60)), (0, 0, 2, 4)))
    assert leading_people(clip, 2) == (2, 3)
    assert leading_people(clip, 1) == (2,)
    assert leading_people(_clip(), 3) == ()


def test_quality_of_some_rows_is_that_of_all_at_these() -> None:
    confidence = np.linspace(0.2, 0.9, 30)
    table = box_table(_clip(_track(1, list(range(30)), confidence=confidence), _track(2, [3, 4], (50, 20, 70, 90))))
    sharpness = {(0, 3): 0.5, (1, 4): 0.25}
    rows = np.array([31, 3, 30, 7])
    np.testing.assert_array_equal(quality(table, CONFIG, sharpness, rows), quality(table, CONFIG, sharpness)[rows])


def test_a_look_at_one_person_does_not_weigh_the_boxes_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed = list[int]()

    def noted(*arguments: object, **named: object) -> np.ndarray:
        weighed.append(len(found := quality(*arguments, **named)))  # type: ignore[arg-type]
        return found

    monkeypatch.setattr("semantic.views.quality", noted)
    clip = _clip(*(_track(k, list(range(100))) for k in range(1, 9)))
    assert len(instance_views(clip, 3, CONFIG)) == 8
    assert weighed == [100]
