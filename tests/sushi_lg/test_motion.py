"""The closed form against the description of the original: interpolate, average differences, tabulate predictions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sushi_lg.geometry import paired_giou, xyxy_to_cxcywh
from sushi_lg.graph.ends import tracklet_ends
from sushi_lg.graph.features import FEATURES, Pairs, edge_features
from sushi_lg.graph.pruning import appearance_distance, feet_distance, motion_appearance_cost, motion_score
from sushi_lg.graph.tracklets import from_members
from sushi_lg.motion import NO_MOTION
from sushi_lg.structures import Detections


def two_tracklets(first: list[int], second: list[int], seed: int = 0, embedded: bool = True) -> Detections:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.tensor(first + second)
    corner = torch.rand(len(frames), 2, generator=generator) * 20 + frames[:, None] * 2
    size = torch.rand(len(frames), 2, generator=generator) * 10 + 15
    return Detections(
        frame=frames,
        boxes_xyxy=torch.cat([corner, corner + size], dim=1),
        score=torch.ones(len(frames)),
        identity=torch.full((len(frames),), -1),
        clip=torch.zeros(len(frames), dtype=torch.int64),
        frame_rate=torch.tensor([20.0]),
        image_size=torch.tensor([[200.0, 200.0]]),
        embedding=torch.randn(len(frames), 6, generator=generator) if embedded else None,
    )


def measured(first: list[int], second: list[int], window: int, seed: int, embedded: bool = True) -> Pairs:
    detections = two_tracklets(first, second, seed, embedded)
    members = torch.tensor([0] * len(first) + [1] * len(second))
    tracklets = from_members(detections, members)
    ends = tracklet_ends(detections, tracklets, window)
    return Pairs(detections, tracklets, ends, window, torch.tensor([0]), torch.tensor([1]))


def slow_motion(pairs: Pairs, first: list[int], second: list[int], window: int) -> float:
    """Frame by frame: interpolated windows, mean one-frame difference of centres, tables of predictions."""
    boxes = xyxy_to_cxcywh(pairs.detections.boxes_xyxy.double()).numpy()
    past, future = boxes[: len(first)], boxes[len(first) :]

    def velocity(frames: list[int], rows: np.ndarray, low: int, high: int) -> np.ndarray | None:
        inside = [i for i, frame in enumerate(frames) if low <= frame <= high]
        if len(inside) < 2:
            return None
        grid = np.arange(frames[inside[0]], frames[inside[-1]] + 1)
        columns = [np.interp(grid, np.array(frames)[inside], rows[inside, axis]) for axis in (0, 1)]
        return np.diff(np.stack(columns, axis=1), axis=0).mean(axis=0)

    windows = [
        velocity(frames, rows, *bounds)
        for frames, rows in ((first, past), (second, future))
        for bounds in ((frames[-1] - window + 1, frames[-1]), (frames[0], frames[0] + window - 1))
    ]
    if any(one is None for one in windows):
        return NO_MOTION
    ahead_velocity, back_velocity = windows[0], windows[3]
    ahead = [past[-1] + np.r_[ahead_velocity * step, 0, 0] for step in range(1, window + 1)]
    back = [future[0] - np.r_[back_velocity * step, 0, 0] for step in range(1, window + 1)]

    def giou(a: np.ndarray, b: np.ndarray) -> float:
        corners = [torch.tensor(np.r_[box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])[None] for box in (a, b)]
        return float(paired_giou(*corners))

    gap = second[0] - first[-1]
    if gap == 1:
        return (giou(ahead[0], future[0]) + giou(back[0], past[-1])) / 2
    tau = min(gap / 2, window)
    return max(giou(ahead[math.ceil(tau) - 1], back[max(math.floor(tau), 1) - 1]), NO_MOTION)


CASES = [
    ([0, 1, 2], [3, 4, 5], 4, "gap of one frame: both compared with the real boxes"),
    ([0, 1, 2], [4, 5], 4, "gap of two"),
    ([0, 1, 2], [5, 6], 4, "odd gap: one more step ahead than back"),
    ([0, 2, 5], [9, 10, 14], 4, "holes inside the windows"),
    ([0, 1, 2, 3, 4, 5, 6, 7], [10, 11, 12, 13, 14, 15], 3, "windows shorter than the tracklets"),
    ([0, 1], [30, 31], 4, "gap beyond twice the horizon: predictions stand still"),
    ([0], [3, 4], 4, "a single detection has no velocity"),
    ([0, 1], [3], 4, "nor on the other side"),
    ([0, 1, 2, 9], [12, 13], 4, "only one detection inside the last window"),
    ([0, 9, 10, 11], [12, 13], 4, "only one inside the first window: no motion at all"),
]


@pytest.mark.parametrize(("first", "second", "window", "why"), CASES, ids=[case[-1] for case in CASES])
def test_motion_equals_frame_by_frame(first: list[int], second: list[int], window: int, why: str) -> None:
    for seed in range(3):
        pairs = measured(first, second, window, seed)
        score = motion_score(pairs.tracklets, pairs.ends, window, pairs.earlier, pairs.later)
        assert float(score) == pytest.approx(slow_motion(pairs, first, second, window), abs=1e-5), why


def test_features_by_their_formulas() -> None:
    first, second = [0, 1, 3], [8, 9]
    pairs = measured(first, second, 4, seed=5)
    left, top, right, bottom = pairs.detections.boxes_xyxy.double().unbind(1)
    u, v = 2, 3  # last detection of the earlier, first of the later
    height, width = bottom - top, right - left
    mean_height = (height[u] + height[v]) / 2
    embedding = pairs.detections.embedding.double()
    expected = {
        "gap_seconds": 5 / 20,
        "offset_x": ((left[v] + right[v]) / 2 - (left[u] + right[u]) / 2) / mean_height,
        "offset_y": (bottom[v] - bottom[u]) / mean_height,
        "log_height_ratio": torch.log(height[v] / height[u]),
        "log_width_ratio": torch.log(width[v] / width[u]),
        "appearance": ((embedding[:3].mean(0) - embedding[3:].mean(0) + 1e-6) ** 2).sum().sqrt(),
        "motion": slow_motion(pairs, first, second, 4),
    }
    assert list(expected) == list(FEATURES)
    ours = edge_features(pairs, list(expected))
    assert ours.dtype == torch.float32
    assert ours[0].tolist() == pytest.approx([float(value) for value in expected.values()], abs=1e-5)
    assert edge_features(pairs, ["motion", "gap_seconds"]).tolist() == ours[:, [6, 0]].tolist()


def test_costs_by_their_formulas() -> None:
    pairs = measured([0, 1], [2, 3], 4, seed=1)
    left, _, right, bottom = pairs.detections.boxes_xyxy.unbind(1)
    expected = math.hypot(float((left[2] + right[2] - left[1] - right[1]) / 2), float(bottom[2] - bottom[1]))
    assert float(feet_distance(pairs.ends, pairs.earlier, pairs.later)) == pytest.approx(expected, rel=1e-5)
    cost = motion_appearance_cost(torch.tensor([1.0, -2.0]), torch.tensor([0.0, 20.0]), 0.05)
    assert cost.tolist() == pytest.approx([1.0, 2 + 0.1 - 0.95 / math.e])


def test_without_embeddings_appearance_is_a_constant() -> None:
    pairs = measured([0, 1], [2, 3], 4, seed=1, embedded=False)
    assert edge_features(pairs, ["appearance"]).tolist() == [[0.0]]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02])
def test_appearance_of_many_pairs_equals_one_by_one(share: float) -> None:
    """Full ranges go through matrix products, thin sets are gathered; near copies are where squares cancel."""
    generator = torch.Generator().manual_seed(0)
    count = 300
    embedding = torch.randn(count, 40, generator=generator) * 10 + 50
    embedding[100:200] = embedding[:100] + 1e-3
    pairs = measured([0, 1], [2, 3], 4, seed=1)
    ends = replace(pairs.ends, embedding=embedding)
    earlier, later = torch.triu_indices(count, count, 1)
    chosen = torch.rand(len(earlier), generator=generator) < share
    chosen &= (earlier < 20) | (earlier > 180)  # a hole longer than a tile
    earlier, later = earlier[chosen], later[chosen]
    ours = appearance_distance(ends, earlier, later)
    expected = (embedding[earlier].double() - embedding[later].double() + 1e-6).norm(dim=1)
    torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=1e-5)
    assert appearance_distance(ends, earlier[:0], later[:0]).shape == (0,)
