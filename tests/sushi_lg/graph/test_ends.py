from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from published import pieces
from toy import cut, make, tracklets_of, walkers

from sushi_lg.graph.ends import TrackletEnds, tracklet_ends
from sushi_lg.structures import Detections


def embedded(detections: Detections, seed: int = 0) -> Detections:
    generator = torch.Generator().manual_seed(seed)
    return replace(detections, embedding=torch.randn(len(detections), 5, generator=generator))


def measured(frames: list[int], window: int) -> TrackletEnds:
    """Ends of one tracklet that moves by the square of the frame."""
    detections = make(frames, [[t * t, 2 * t, t * t + 10, 2 * t + 20] for t in frames])
    return tracklet_ends(detections, tracklets_of(detections, [0] * len(frames)), window)


@pytest.mark.parametrize("window", [1, 2, 4, 30])
@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_numbers(seed: int, window: int) -> None:
    detections = embedded(walkers(seed, clips=2, frames=30), seed)
    tracklets = cut(detections, seed)
    ends = tracklet_ends(detections, tracklets, window)
    moving = 0
    for number, node in enumerate(pieces(detections, tracklets)):
        for row, box, feet in ((0, ends.start_box, ends.start_feet), (-1, ends.end_box, ends.end_feet)):
            assert box[number].tolist() == pytest.approx([*node.centres[row], *node.size(row)], abs=1e-4)
            assert feet[number].tolist() == pytest.approx(node.feet(row).tolist(), abs=1e-4)
        assert ends.embedding is not None
        assert ends.embedding[number].tolist() == pytest.approx(node.embedding.tolist(), abs=1e-5)
        velocities = [node.end_velocity(window), node.start_velocity(window)]
        assert bool(ends.has_motion[number]) == all(one is not None for one in velocities)
        for ours, theirs in zip((ends.end_velocity, ends.start_velocity), velocities, strict=True):
            expected = np.zeros(2) if theirs is None else theirs
            assert ours[number].tolist() == pytest.approx(expected.tolist(), abs=1e-4)
        moving += bool(ends.has_motion[number])
    assert (moving > 0) == (window > 1)


def test_velocity_is_that_of_the_outermost_detections_in_each_window() -> None:
    ends = measured([0, 1, 2, 5, 6, 9], window=5)
    assert ends.start_velocity.tolist() == [[2, 2]]  # frames 0 and 2
    assert ends.end_velocity.tolist() == [[14, 2]]  # frames 5 and 9
    assert ends.has_motion.tolist() == [True]


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([3], "one detection"),
        ([0, 1, 9], "one in the last window"),
        ([0, 8, 9], "one in the first"),
        ([0, 4], "as far apart as the window is wide"),
    ],
)
def test_no_motion_unless_two_detections_lie_in_both_windows(frames: list[int], why: str) -> None:
    assert measured(frames, window=4).has_motion.tolist() == [False], why


@pytest.mark.parametrize("window", [0, 1])
def test_a_window_too_short_for_motion(window: int) -> None:
    detections = walkers(0, frames=10)
    ends = tracklet_ends(detections, cut(detections, 0), window)
    assert not ends.has_motion.any()
    assert not ends.start_velocity.any() and not ends.end_velocity.any()


@pytest.mark.parametrize("window", [0, 1, 8])
def test_nothing(window: int) -> None:
    detections = make([], [])
    ends = tracklet_ends(detections, tracklets_of(detections, []), window)
    assert ends.start_box.shape == (0, 4) and ends.end_velocity.shape == (0, 2) and ends.has_motion.shape == (0,)
    assert ends.embedding is None
