"""Imagined vectors behave as measured ones do: how alike, for how long, and what hides it."""

from __future__ import annotations

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
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    vectors = embedding - embedding.mean(axis=0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosine_after(vectors: np.ndarray, who: np.ndarray, gap: int) -> float:
    found = [vectors[who == person] for person in np.unique(who)]
    return float(np.mean([(v[:-gap] * v[gap:]).sum(axis=1).mean() for v in found]))


def test_likeness_fades_with_time_as_measured() -> None:
    clip = crowd()
    curves = []
    for seed in range(40):
        vectors = centred(clip, seed)
        curves.append([cosine_after(vectors, clip.identity, gap) for gap in (1, 10, 60, 200)])
    next_frame, ten, sixty, long = np.mean(curves, axis=0)
    assert 0.85 < next_frame < 0.99 and 0.7 < ten < 0.9 and 0.4 < long < 0.75
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
        same = clip.identity[first] == clip.identity[second]
        order = cosine.argsort().argsort()
        areas.append((order[same].sum() - same.sum() * (same.sum() - 1) / 2) / same.sum() / (~same).sum())
        between.append(cosine[~same].max())
    assert 0.8 < np.quantile(areas, 0.1) and np.median(areas) > 0.93 and min(areas) < 0.97
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
