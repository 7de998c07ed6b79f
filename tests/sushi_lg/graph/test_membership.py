"""Features of detections as members of trajectories, on a trajectory whose answer fits in a comment."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toy import cut, make, members, tracklets_of, walkers

from sushi_lg.graph.membership import NUM_FEATURES, membership_features
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.tracklets import singletons
from sushi_lg.structures import Detections


def features(detections: Detections, label: list[int]) -> torch.Tensor:
    return membership_features(
        detections, tracklets_of(detections, label), overlap_features(detections), torch.zeros(len(detections))
    )


def test_one_short_trajectory() -> None:
    # Boxes 20 x 50 at frames 0, 1, 4, 6; the third is 10 px off the line between its neighbours and twice as high.
    boxes = [[100, 100, 120, 150], [104, 100, 124, 150], [112, 85, 132, 185], [124, 100, 144, 150]]
    score = np.array([0.2, 0.4, 0.9, 0.5])
    found = features(make([0, 1, 4, 6], boxes, score=score, frame_rate=10.0), [0] * 4)
    assert found.shape == (4, NUM_FEATURES)
    torch.testing.assert_close(found[:, 0], torch.tensor([0.2, 0.4, 0.9, 0.5]))
    for column, expected in [(1, 0.5), (2, 0.5), (3, 0.9), (5, math.log(5)), (6, math.log(8)), (7, math.log(1.7))]:
        assert found[:, column].tolist() == pytest.approx([expected] * 4)
    assert found[:, 8].tolist() == pytest.approx([4 / 7] * 4)
    assert found[:, 9].expm1().tolist() == pytest.approx([0, 1, 4, 6], abs=1e-5)  # frames since the beginning
    assert found[:, 10].expm1().tolist() == pytest.approx([6, 5, 2, 0], abs=1e-5)
    assert found[:, 11].expm1().tolist() == pytest.approx([0, 1, 3, 2], abs=1e-5)  # gaps before and behind
    assert found[:, 12].expm1().tolist() == pytest.approx([1, 3, 2, 0], abs=1e-5)
    assert found[:, 13].tolist() == [0, 1, 1, 0]
    # Third: centre (122, 135); on the line at 3/5 from (114, 125) to (134, 125): (126, 125).
    assert float(found[2, 14]) == pytest.approx(math.hypot(4, 10) / 100, abs=1e-5)
    assert found[2, 15:17].tolist() == pytest.approx([math.log(2), 0.0], abs=1e-5)
    assert not found[[0, 3], 14:17].any()
    assert found[0, 20:26].tolist() == pytest.approx([math.log(50 / 480), math.log(0.4), 2, 2, 2, 2], abs=1e-5)
    torch.testing.assert_close(found[:, 26], found[:, 0] - 0.5)


def test_the_neighbourhood_is_five_on_each_side() -> None:
    detections = make(np.arange(20), np.tile([9, 9, 29, 59], (20, 1)), score=np.linspace(0, 1, 20) ** 2)
    score = detections.score.double().numpy()
    expected = [score[max(0, i - 5) : i + 6].mean() for i in range(20)]
    np.testing.assert_allclose(features(detections, [0] * 20)[:, 1], expected, atol=1e-6)


def test_rows_follow_the_detections_whatever_the_tracklets() -> None:
    detections = walkers(0, clips=2)
    tracklets = cut(detections, 0)
    logits = torch.linspace(-20, 20, len(detections))
    overlap = overlap_features(detections)
    found = membership_features(detections, tracklets, overlap, logits)
    torch.testing.assert_close(found[:, 0], detections.score)
    torch.testing.assert_close(found[:, 4], logits.clamp(-8, 8))
    torch.testing.assert_close(found[:, 17:20], overlap)
    for own in members(tracklets)[:20]:
        assert found[own, 2].tolist() == pytest.approx([float(detections.score[own].mean())] * len(own), abs=1e-5)
        assert found[own, 3].tolist() == [float(detections.score[own].max())] * len(own)
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("count", [0, 1])
def test_alone_and_nobody(count: int) -> None:
    detections = make([4] * count, [[5, 5, 25, 65]] * count)
    found = membership_features(detections, singletons(detections), overlap_features(detections), torch.zeros(count))
    assert found.shape == (count, NUM_FEATURES) and bool(found.isfinite().all())
