"""Disturbances of training clips: what they may change and what they must keep."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from sushi_lg.data.augment import (
    add_spurious,
    augment,
    drop_runs,
    imagine_detections,
    mirror,
    overlay,
    reverse,
    subsample,
)
from sushi_lg.data.clips import BACKGROUND, OBJECT, Clip
from sushi_lg.data.settings import AugmentConfig


def walking(persons: int, length: int = 40, *, camera: bool = False, top: float = 100, seed: int = 0) -> Clip:
    """Return people who walk through each other on one line, all of them detected in all frames."""
    rng = np.random.default_rng(seed)
    frame = np.repeat(np.arange(length), persons)
    identity = np.tile(np.arange(persons), length)
    left = rng.uniform(0, 600, persons)[identity] + rng.uniform(-6, 6, persons)[identity] * frame
    corner = np.stack([left, np.full(len(left), top)], axis=1)
    boxes = np.concatenate([corner, corner + np.array([40, 100 + persons])], axis=1).astype(np.float32)
    boxes[:, 3] += identity  # whoever has the higher number stands in front
    return Clip(
        frame=frame,
        boxes_xyxy=boxes,
        score=rng.uniform(0.6, 0.95, len(frame)).astype(np.float32),
        identity=identity,
        is_object=np.full(len(frame), OBJECT, dtype=np.int8),
        truth_xyxy=boxes.copy(),
        camera=np.tile(np.array([[1.0, 0, 3], [0, 1, -2]]), (len(frame), 1, 1)) if camera else None,
        frame_rate=25.0,
        image_size=(640.0, 480.0),
        length=length,
    )


def equal(first: Clip, second: Clip) -> bool:
    for field in fields(Clip):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if not np.array_equal(one, other) and not (one is None and other is None):
            return False
    return True


@pytest.mark.parametrize("turn", [mirror, reverse])
def test_turning_twice_changes_nothing(turn) -> None:  # noqa: ANN001 - a function of a clip
    clip = walking(3, camera=True)
    clip = replace(clip, boxes_xyxy=np.round(clip.boxes_xyxy), truth_xyxy=np.round(clip.truth_xyxy))
    assert equal(turn(turn(clip)), clip) and not equal(turn(clip), clip)


def test_every_third_frame_is_a_third_of_the_frame_rate() -> None:
    part = subsample(walking(2), 3)
    assert part.length == 14 and part.frame.max() == 13 and part.frame_rate == pytest.approx(25 / 3)
    assert np.array_equal(part.boxes_xyxy, walking(2).select(walking(2).frame % 3 == 0).boxes_xyxy)


def test_runs_are_lost_whole() -> None:
    clip = drop_runs(walking(8), 1.0, 12, np.random.default_rng(0))
    for identity in range(8):
        gaps = np.diff(np.concatenate([[-1], clip.frame[clip.identity == identity], [40]]))
        assert (gaps > 1).sum() == 1 and gaps.max() <= 13


def test_false_detections_are_nobody() -> None:
    clip = add_spurious(walking(3), 2.0, np.random.default_rng(1))
    added = clip.identity < 0
    assert (~added).sum() == len(walking(3)) and 30 < added.sum() < 400
    assert (clip.is_object[added] == BACKGROUND).all() and np.isnan(clip.truth_xyxy[added]).all()
    assert (np.diff(clip.frame) >= 0).all() and clip.frame.max() < clip.length


def test_no_disturbance_at_rate_zero() -> None:
    config = AugmentConfig(reverse=0, mirror=0, drop_camera=0, harder=0)
    assert equal(augment(walking(3), config, np.random.default_rng(0)), walking(3))


def test_imagined_detectors_miss_who_is_hidden() -> None:
    clip = walking(2)
    clip.boxes_xyxy[clip.identity == 0] = clip.boxes_xyxy[clip.identity == 1] - np.array([0, 0, 0, 5], np.float32)
    seen = imagine_detections(clip, np.random.default_rng(0))
    assert (seen.identity == 0).sum() < 5 < 30 < (seen.identity == 1).sum()


@pytest.mark.parametrize("seed", range(5))
def test_guests_join_the_hosts(seed: int) -> None:
    hosts, guests = walking(6, camera=True), walking(9, length=60, top=700, seed=1)
    guests = replace(guests, boxes_xyxy=guests.boxes_xyxy * 3, truth_xyxy=guests.truth_xyxy * 3)
    both = overlay(hosts, guests, np.random.default_rng(seed))
    is_host = both.identity < 6
    assert both.length == hosts.length and both.frame.max() < 40 and (np.diff(both.frame) >= 0).all()
    assert both.camera is None and is_host.sum() > 0.5 * len(hosts)
    assert (both.boxes_xyxy[:, 2:] > both.boxes_xyxy[:, :2]).all()
    assert set(both.identity) - set(range(6)) <= set(range(6, 15))
    # Guests had three times the height and stood elsewhere.
    for column in (both.boxes_xyxy[:, 3], both.boxes_xyxy[:, 3] - both.boxes_xyxy[:, 1]):
        if (~is_host).any():
            assert abs(np.median(column[~is_host]) - np.median(column[is_host])) < 80
    # Boxes nobody of the other clip covers are as they were.
    same = (both.boxes_xyxy == both.truth_xyxy).all(axis=1)
    assert same.mean() > 0.3


@pytest.mark.parametrize("guest_in_front", [True, False])
def test_whoever_stands_in_front_hides_somebody_of_the_other_clip(
    guest_in_front: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sushi_lg.data.augment._to_ground_of", lambda *_: (1.0, np.zeros(2)))
    monkeypatch.setattr("sushi_lg.data.augment._GUEST_SHARE", (1.0, 1.0))
    large, small = [100.0, 100, 400, 470], [200.0, 200, 260, 300]
    hosts, guests = walking(2), walking(1)
    hosts.boxes_xyxy[hosts.identity == 0] = small if guest_in_front else large
    # Stands in front of nobody and behind a host of his own clip only: nothing may happen to him.
    hosts.boxes_xyxy[hosts.identity == 1] = [450, 100, 500, 200] if guest_in_front else [300, 320, 340, 400]
    guests.boxes_xyxy[:] = large if guest_in_front else small
    for clip in (hosts, guests):
        clip.truth_xyxy[:] = clip.boxes_xyxy
    both = overlay(hosts, guests, np.random.default_rng(0))
    hidden, in_front = (0, 2) if guest_in_front else (2, 0)
    count = np.bincount(both.identity, minlength=3)
    assert count[hidden] == 0 and count[in_front] == count[1] == 40
    unchanged = both.identity == 1
    assert np.array_equal(both.score[unchanged], hosts.score[hosts.identity == 1])
    assert np.array_equal(both.boxes_xyxy[unchanged], hosts.boxes_xyxy[hosts.identity == 1])


def test_half_hidden_guests_score_less_but_not_below_the_least_score() -> None:
    hosts = replace(walking(8), score=np.full(320, 0.5, dtype=np.float32))
    both = overlay(hosts, replace(walking(9, seed=1), score=np.full(360, 0.9, np.float32)), np.random.default_rng(0))
    assert both.score.min() >= 0.5 and (both.score < 0.89).any()
    with np.errstate(all="raise"):
        overlay(replace(hosts, score=np.zeros(320, dtype=np.float32)), walking(9, seed=1), np.random.default_rng(0))


def test_nobody_comes_to_an_empty_clip_or_from_one() -> None:
    nobody, rng = walking(2).select(np.zeros(80, dtype=bool)), np.random.default_rng(0)
    assert equal(overlay(walking(2, camera=True), nobody, rng), walking(2, camera=True))
    assert len(overlay(nobody, walking(2), rng)) == 0
