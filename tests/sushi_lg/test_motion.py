"""The closed form against the description of the original: interpolate, average differences, tabulate predictions."""

from __future__ import annotations

import published
import pytest
import torch
from toy import make, tracklets_of

from sushi_lg.graph.ends import tracklet_ends
from sushi_lg.graph.pruning import motion_score
from sushi_lg.motion import NO_MOTION, motion_giou

pytestmark = pytest.mark.usefixtures("both_ways")

CASES = [
    ([0, 1, 2], [3, 4, 5], 4, "gap of one frame: both compared with the real boxes"),
    ([0, 1, 2], [4, 5], 4, "gap of two"),
    ([0, 1, 2], [5, 6], 4, "odd gap: one more step ahead than back"),
    ([0, 2, 5], [9, 10, 12], 4, "holes inside the windows"),
    ([0, 1, 2, 3, 4, 5, 6, 7], [10, 11, 12, 13, 14, 15], 3, "windows shorter than the tracklets"),
    ([0, 1], [30, 31], 4, "gap beyond twice the horizon: predictions stand still"),
    ([0], [3, 4], 4, "a single detection has no velocity"),
    ([0, 1], [3], 4, "nor on the other side"),
    ([0, 1, 2, 9], [12, 13], 4, "only one detection inside the last window"),
    ([0, 9, 10, 11], [12, 13], 4, "only one inside the first window: no motion at all"),
]


@pytest.mark.parametrize(("first", "second", "window", "why"), CASES, ids=[case[-1] for case in CASES])
def test_equals_frame_by_frame(first: list[int], second: list[int], window: int, why: str) -> None:
    generator = torch.Generator().manual_seed(len(why))
    frames = torch.tensor(first + second)
    corner = torch.rand(len(frames), 2, generator=generator) * 20 + frames[:, None] * 2
    size = torch.rand(len(frames), 2, generator=generator) * 10 + 15
    detections = make(frames.numpy(), torch.cat([corner, corner + size], dim=1).numpy())
    tracklets = tracklets_of(detections, [0] * len(first) + [1] * len(second))
    ends = tracklet_ends(detections, tracklets, window)
    score = motion_score(tracklets, ends, window, torch.tensor([0]), torch.tensor([1]))
    expected = published.motion(*published.pieces(detections, tracklets), window)
    assert score.item() == pytest.approx(expected, abs=1e-5), why
    assert (expected == NO_MOTION) == why.startswith(("a single", "nor on", "only one"))


def score(gap: int, velocity: float, distance: float, horizon: int = 10, has_motion: bool = True) -> float:
    """Score of two boxes of 10 x 10 that both move right, ``distance`` apart."""
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    there = box + torch.tensor([[distance, 0.0, 0.0, 0.0]])
    step = torch.tensor([[velocity, 0.0]])
    known = torch.tensor([has_motion])
    return motion_giou(box, step, there, step, torch.tensor([gap]), horizon, known).item()


@pytest.mark.parametrize("gap", [1, 2, 3, 8, 9])
def test_steady_walk_meets_exactly(gap: int) -> None:
    assert score(gap, velocity=3, distance=3 * gap) == pytest.approx(1)


def test_predictions_stand_still_beyond_the_horizon() -> None:
    # 4 frames each way at 3 pixels cover 24 of 120 pixels; what is left is 86 between two boxes of 10.
    assert score(40, velocity=3, distance=120, horizon=4) == pytest.approx(20 / 106 - 1)
    assert score(40, velocity=3, distance=24, horizon=4) == pytest.approx(1)
    assert score(40, velocity=3, distance=24, horizon=20) < 0


def test_unknown_motion_is_worse_than_any_score() -> None:
    assert score(2, velocity=3, distance=6, has_motion=False) == NO_MOTION < score(2, velocity=0, distance=1e6)


def test_no_pairs() -> None:
    none = torch.zeros(0, 4)
    pairs = motion_giou(none, none[:, :2], none, none[:, :2], torch.zeros(0, dtype=torch.int64), 4, none[:, 0] > 0)
    assert pairs.shape == (0,)
