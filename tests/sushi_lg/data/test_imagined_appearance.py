"""Imagined vectors behave as measured ones do: how alike, for how long, and what hides it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sushi_lg.data.clips import BACKGROUND, OBJECT, Clip
from sushi_lg.data.imagined_appearance import imagine_appearance

FRAMES = 300


def crowd(people: int = 8, frames: int = FRAMES, apart: float = 100.0, stray: bool = False) -> Clip:
    """People who stand side by side, seen in every frame; ``stray`` adds a false detection at one place."""
    number = people + stray
    frame = np.repeat(np.arange(frames), number)
    who = np.tile(np.arange(number), frames)
    left = who * apart
    boxes = np.stack([left, 50.0 + who, left + 40, 150.0 + 2 * who], axis=1).astype(np.float32)
    identity = np.where(who < people, who, -1)
    return Clip(
        frame=frame,
        boxes_xyxy=boxes,
        score=np.full(len(frame), 0.9, dtype=np.float32),
        identity=identity,
        is_object=np.where(identity >= 0, OBJECT, BACKGROUND).astype(np.int8),
        truth_xyxy=boxes.copy(),
        camera=None,
        frame_rate=25.0,
        image_size=(1000.0, 300.0),
        length=frames,
    )


def centred(clip: Clip, seed: int) -> np.ndarray:
    embedding = imagine_appearance(clip, np.random.default_rng(seed)).embedding
    assert embedding is not None and embedding.dtype == np.float32 and np.isfinite(embedding).all()
    length = np.linalg.norm(embedding, axis=1)
    known = length > 0
    np.testing.assert_allclose(length[known], 1, atol=1e-5)
    vectors = embedding - embedding[known].mean(axis=0)
    return np.where(known[:, None], vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.nan)


def cosine_after(vectors: np.ndarray, who: np.ndarray, gap: int) -> float:
    found = [vectors[who == person] for person in np.unique(who)]
    return float(np.nanmean([np.nanmean((v[:-gap] * v[gap:]).sum(axis=1)) for v in found]))


def test_likeness_fades_with_time_as_measured() -> None:
    clip = crowd()
    curves = []
    for seed in range(40):
        vectors = centred(clip, seed)
        curves.append([cosine_after(vectors, clip.identity, gap) for gap in (1, 10, 60, 200)])
    next_frame, ten, sixty, long = np.mean(curves, axis=0)
    assert 0.8 < next_frame < 0.99 and 0.6 < ten < 0.85 and 0.3 < long < 0.6
    assert all(early > late for early, late in pairwise([next_frame, ten, sixty, long]))
    assert np.std([curve[-1] for curve in curves]) > 0.08  # networks of all kinds


def test_two_people_are_unlike_on_average_and_some_are_not() -> None:
    areas, between = [], []
    for seed in range(30):
        clip = crowd()
        vectors = centred(clip, seed)
        rng = np.random.default_rng(seed)
        first, second = rng.integers(len(vectors), size=(2, 4000))
        cosine = (vectors[first] * vectors[second]).sum(axis=1)
        same = (clip.identity[first] == clip.identity[second])[~np.isnan(cosine)]
        cosine = cosine[~np.isnan(cosine)]
        order = cosine.argsort().argsort()
        areas.append((order[same].sum() - same.sum() * (same.sum() - 1) / 2) / same.sum() / (~same).sum())
        between.append(cosine[~same].max())
    assert 0.7 < np.quantile(areas, 0.1) < 0.9 and 0.9 < np.median(areas) < 0.99
    assert max(between) > 0.6


def test_who_stands_in_front_is_seen_too() -> None:
    apart, behind = [], []
    for seed in range(20):
        clip = crowd(people=2, apart=300)
        close = crowd(people=2, apart=8)  # the second one reaches lower and covers most of the first
        for one, found in ((clip, apart), (close, behind)):
            embedding = imagine_appearance(one, np.random.default_rng(seed)).embedding
            assert embedding is not None
            found.append(float((embedding[::2] * embedding[1::2]).sum(axis=1).mean()))
    assert np.mean(behind) > np.mean(apart) + 0.15


def test_a_false_detection_looks_like_its_place() -> None:
    clip = crowd(people=3, stray=True)
    vectors = centred(clip, 0)
    stray = vectors[clip.identity < 0]
    assert float((stray[:-1] * stray[1:]).sum(axis=1).mean()) > 0.6


@pytest.mark.parametrize("detections", [0, 1])
def test_next_to_nothing_is_no_trouble(detections: int) -> None:
    clip = crowd(people=2).select(np.arange(detections))
    embedding = imagine_appearance(clip, np.random.default_rng(0)).embedding
    assert embedding is not None and len(embedding) == detections


def test_chance_comes_from_the_generator_alone() -> None:
    clip = crowd(people=3, frames=20)
    first, second, third = (imagine_appearance(clip, np.random.default_rng(seed)).embedding for seed in (5, 5, 6))
    assert np.array_equal(first, second) and not np.array_equal(first, third)


def test_time_is_counted_in_seconds_not_in_frames() -> None:
    """The same second apart, at 25 and at 5 frames a second."""
    after = {}
    for rate, gap in ((25.0, 25), (5.0, 5)):
        clip = replace(crowd(frames=round(40 * rate)), frame_rate=rate)
        after[rate] = np.mean([cosine_after(centred(clip, seed), clip.identity, gap) for seed in range(25)])
    assert after[25.0] == pytest.approx(after[5.0], abs=0.08)


def test_some_vectors_are_missing_in_some_clips() -> None:
    clip = crowd()
    missing = [
        float((imagine_appearance(clip, np.random.default_rng(seed)).embedding == 0).all(axis=1).mean())
        for seed in range(60)
    ]
    assert 0.5 < np.mean(np.array(missing) == 0) < 0.95 and max(missing) > 0.1


def test_a_way_is_seen_from_one_side() -> None:
    """Who walks to the right and back shows another side, and two who go one way are more alike."""
    gains = []
    for seed in range(40):
        frame = np.repeat(np.arange(120), 2)
        who = np.tile([0, 1], 120)
        left = 100 + 4.0 * np.minimum(frame, 119 - frame)
        boxes = np.stack([left, 50 + 150 * who, left + 40, 150 + 150 * who], axis=1).astype(np.float32)
        clip = replace(crowd(people=2, frames=120), boxes_xyxy=boxes, truth_xyxy=boxes)
        vectors = centred(clip, seed)
        first, second = vectors[who == 0], vectors[who == 1]
        together = np.nanmean((first[10:50] * second[10:50]).sum(axis=1))
        opposite = np.nanmean((first[10:50] * second[70:110]).sum(axis=1))
        gains.append(together - opposite)
    assert np.mean(gains) > 0.03
