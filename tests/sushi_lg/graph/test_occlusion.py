"""Overlaps inside a frame against two nested loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy import make

from sushi_lg.graph import occlusion
from sushi_lg.graph.candidates import pair_blocks
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.structures import Detections

pytestmark = pytest.mark.usefixtures("both_ways")


def crowd(seed: int) -> Detections:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (40, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 40, (40, 2))], axis=1)
    parts = [make(np.sort(rng.integers(0, 5, 20)), part, score=rng.random(20)) for part in np.split(boxes, 2)]
    return Detections.concatenate(parts)


def looped(detections: Detections) -> np.ndarray:
    boxes, score = detections.boxes_xyxy.double().numpy(), detections.score.numpy()
    result = np.zeros((len(boxes), 3))
    for i, a in enumerate(boxes):
        for j, b in enumerate(boxes):
            same = detections.frame[i] == detections.frame[j] and detections.clip[i] == detections.clip[j]
            width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            if i == j or not same or width <= 0 or height <= 0:
                continue
            own, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
            iou = width * height / (own + other - width * height)
            if iou > result[i, 0]:
                result[i, 0], result[i, 2] = iou, score[j]
            if b[3] > a[3]:
                result[i, 1] = max(result[i, 1], width * height / own)
    return result


@pytest.mark.parametrize("seed", range(4))
def test_equals_loops(seed: int) -> None:
    detections = crowd(seed)
    expected = looped(detections)
    assert expected.any(axis=0).all()
    np.testing.assert_allclose(overlap_features(detections), expected, atol=1e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    detections = crowd(0)
    whole = overlap_features(detections)
    monkeypatch.setattr(occlusion, "pair_blocks", lambda low, high: pair_blocks(low, high, 3))
    assert torch.equal(overlap_features(detections), whole)


def test_alone_and_nobody() -> None:
    assert not overlap_features(make([0, 1], [[0, 0, 10, 20]] * 2)).any()  # same place, another frame
    assert not overlap_features(make([0, 0], [[0, 0, 10, 20], [10, 0, 20, 20]])).any()  # touching borders
    assert not overlap_features(make([0, 0], [[5, 0, 5, 20], [0, 0, 20, 20]])).any()  # a box without area
    assert overlap_features(make([], np.zeros((0, 4)))).shape == (0, 3)
