"""The default tracker as a whole, with a network that knows nothing but is willing to join."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import make, members, single_clip, walkers

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.graph.settings import SecondLookConfig
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.nn.settings import ScorerConfig
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import LevelConfig, OutputConfig, TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker, ThresholdMatching

# Thresholds low enough for random probabilities near one half: every free edge is taken, the best first.
CONFIG = TrackerConfig(
    levels=[
        LevelConfig(1, 4, threshold=0.05, slot="detections"),
        LevelConfig(3, 4, threshold=0.05),
        LevelConfig(8, 4, 2, 3, threshold=0.05, second_look=True),
    ],
    blocks=dict.fromkeys(("detections", "tracklets"), ScorerConfig(node_dim=8, edge_dim=8, hidden_dim=16, num_steps=2)),
    second_look=SecondLookConfig(min_length=2, touch_iou=0.02, peak_iou=0.05),
    output=OutputConfig(min_length=2, min_probability=0.0, min_mean_probability=0.0, max_gap_filled=4),
)


@pytest.fixture(scope="module")
def tracker() -> HierarchicalTracker:
    torch.manual_seed(0)
    return HierarchicalTracker(CONFIG).eval()


def trajectories(table: TrajectoryTable) -> set[frozenset[int]]:
    """Return the detections of every trajectory."""
    real = ~table.is_interpolated
    return {frozenset(table.detection_index[real & (table.track_id == i)].tolist()) for i in np.unique(table.track_id)}


def scored(probability: list[float], edges: list[tuple[int, int]], nodes: int) -> tuple[LevelGraph, LevelScores]:
    edge_index = torch.tensor(edges).T
    empty = torch.zeros(len(edges), 0)
    graph = LevelGraph(edge_index, empty, empty.sum(dim=1), None, nodes, len(edges))
    return graph, LevelScores(torch.zeros(1, 1, len(edges)), torch.tensor(probability))


def test_the_threshold_is_where_an_edge_is_worth_nothing() -> None:
    edges = [(0, 1), (2, 3), (4, 5)]
    assert ThresholdMatching(0.8)(*scored([0.79, 0.81, 1.0], edges, 6)).edges.tolist() == [False, True, True]
    assert ThresholdMatching(0.2)(*scored([0.0, 0.21, 0.19], edges, 6)).edges.tolist() == [False, True, False]


def test_two_likely_edges_beat_one_that_is_certain_only_if_likelier_together() -> None:
    edges = [(0, 2), (0, 3), (1, 2)]
    # Log-odds: 0.95 -> 2.94, 0.85 -> 1.73, 0.7 -> 0.85.
    assert ThresholdMatching(0.5)(*scored([0.95, 0.85, 0.85], edges, 4)).edges.tolist() == [False, True, True]
    assert ThresholdMatching(0.5)(*scored([0.95, 0.85, 0.7], edges, 4)).edges.tolist() == [True, False, False]


@torch.inference_mode()
def test_levels_build_on_each_other(tracker: HierarchicalTracker) -> None:
    detections = walkers(0)
    results = list(tracker.run(detections))
    assert len(results) == 3 and len(results[0].before) == len(detections)
    for lower, upper in itertools.pairwise(results):
        assert torch.equal(upper.before.uncut.member_of, lower.after.member_of)
    assert len(results[2].before) > len(results[1].after)  # the second look cut something
    for result, level in zip(results, CONFIG.levels, strict=True):
        assert int(result.accepted.sum()) == len(result.before) - len(result.after) > 0
        gap = (
            result.before.first_frame[result.graph.edge_index[1]] - result.before.last_frame[result.graph.edge_index[0]]
        )
        assert int(gap.min()) >= 1 and int(gap.max()) <= level.max_gap
    for own in members(results[-1].after):
        assert bool((detections.frame[own].diff() > 0).all())


@torch.inference_mode()
def test_clips_together_are_clips_apart(tracker: HierarchicalTracker) -> None:
    both = walkers(1, clips=3, frames=25)
    together = list(tracker.run(both))
    joined = {tuple(own) for own in members(together[-1].after)}
    apart, shift = set(), 0
    for number in range(3):
        part = single_clip(both, number)
        alone = list(tracker.run(part))
        apart |= {tuple(i + shift for i in own) for own in members(alone[-1].after)}
        for level, result in enumerate(alone):
            own = both.clip[together[level].before.first] == number
            torch.testing.assert_close(
                together[level].scores.node_logits[own], result.scores.node_logits, rtol=0, atol=1e-4
            )
        shift += len(part)
    assert joined == apart and max(map(len, joined)) > 5


def test_order_inside_a_frame_does_not_matter(tracker: HierarchicalTracker) -> None:
    detections = walkers(2)
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(detections)), detections.frame.numpy()))
    assert (order != np.arange(len(order))).any()
    plain = tracker.track(detections)
    shuffled = tracker.track(detections.select(torch.from_numpy(order)))
    back = {frozenset(order[list(own)].tolist()) for own in trajectories(shuffled)}
    assert back == trajectories(plain) and len(back) > 3
    # The same boxes, whatever they are called.
    rows = [np.column_stack([t.frame, t.boxes_ltwh, t.confidence]) for t in (plain, shuffled)]
    first, second = (r[np.lexsort(r.round(2).T[::-1])] for r in rows)
    np.testing.assert_allclose(first, second, atol=2e-3)


def test_the_same_input_gives_the_same_result(tracker: HierarchicalTracker) -> None:
    first, second = tracker.track(walkers(3)), tracker.track(walkers(3))
    assert np.array_equal(first.boxes_ltwh, second.boxes_ltwh) and np.array_equal(first.track_id, second.track_id)


@pytest.mark.parametrize("seed", range(3))
def test_result_tables_are_what_they_promise(tracker: HierarchicalTracker, seed: int) -> None:
    detections = walkers(seed, missing=0.4)
    table = tracker.track(detections)
    ids = np.unique(table.track_id)
    assert ids.tolist() == list(range(1, len(ids) + 1))
    real = table.detection_index[~table.is_interpolated]
    assert len(set(real.tolist())) == len(real) and (table.detection_index[table.is_interpolated] == -1).all()
    assert np.array_equal(detections.frame[real].numpy(), table.frame[~table.is_interpolated])
    assert table.is_interpolated.any() and np.isfinite(table.boxes_ltwh).all() and (table.boxes_ltwh[:, 2:] > 0).all()
    begins = []
    for number in ids:
        rows = table.track_id == number
        assert (~table.is_interpolated[rows]).sum() >= 2
        step = np.diff(table.frame[rows])
        assert (step >= 1).all()
        assert not ((step > 1) & (step <= 4)).any()  # gaps of up to four frames are filled
        begins.append(table.frame[rows][0])
    assert begins == sorted(begins)


def test_weak_detections_are_left_out_but_still_counted(tracker: HierarchicalTracker) -> None:
    detections = walkers(4)
    weak = torch.arange(len(detections)) % 3 == 0
    mixed = replace(detections, score=torch.where(weak, 0.05, detections.score))
    table = tracker.track(mixed)
    kept = torch.nonzero(~weak).squeeze(1).numpy()
    alone = tracker.track(detections.select(~weak))
    expected = np.where(alone.is_interpolated, -1, kept[alone.detection_index])
    assert np.array_equal(table.detection_index, expected) and len(table) > 20
    assert np.array_equal(table.boxes_ltwh, alone.boxes_ltwh)


def test_confidences_that_are_no_probabilities_are_ranked(
    tracker: HierarchicalTracker, caplog: pytest.LogCaptureFixture
) -> None:
    detections = walkers(5)
    odd = [replace(detections, score=score) for score in (detections.score * 90 - 20, detections.score.exp() * 7)]
    with caplog.at_level(logging.WARNING, logger="sushi_lg"):
        first, second = (tracker.track(d) for d in odd)
    assert "no probabilities" in caplog.text
    assert np.array_equal(first.boxes_ltwh, second.boxes_ltwh) and len(first) > 20
    real = ~first.is_interpolated
    np.testing.assert_array_equal(first.confidence[real], odd[0].score[first.detection_index[real]])


def test_without_smoothing_boxes_are_those_detected(tracker: HierarchicalTracker) -> None:
    config = replace(CONFIG, output=replace(CONFIG.output, smooth=False))
    torch.manual_seed(0)
    plain = HierarchicalTracker(config).eval()
    detections = walkers(6)
    table = plain.track(detections)
    real = ~table.is_interpolated
    boxes = detections.boxes_xyxy[table.detection_index[real]].numpy()
    np.testing.assert_allclose(table.boxes_ltwh[real, :2], boxes[:, :2])
    assert not np.allclose(tracker.track(detections).boxes_ltwh, table.boxes_ltwh)


@torch.inference_mode()
def test_smoothing_keeps_every_box_among_its_neighbours(tracker: HierarchicalTracker) -> None:
    detections = walkers(7)
    *_, last = tracker.run(detections)
    boxes = tracker.refine(detections, last)
    assert boxes.shape == detections.boxes_xyxy.shape and not torch.equal(boxes, detections.boxes_xyxy)
    centre, before = boxes[:, :2] + boxes[:, 2:], detections.boxes_xyxy[:, :2] + detections.boxes_xyxy[:, 2:]
    for own in members(last.after):
        assert bool((centre[own].amin(dim=0) >= before[own].amin(dim=0) - 0.05).all())
        assert bool((centre[own].amax(dim=0) <= before[own].amax(dim=0) + 0.05).all())


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_and_one(tracker: HierarchicalTracker, count: int) -> None:
    detections = make([3] * count, [[5, 5, 25, 65]] * count)
    assert len(tracker.track(detections)) == 0  # trajectories have at least two detections here
    with torch.inference_mode():
        results = list(tracker.run(detections))
    assert [len(result.after) for result in results] == [count] * 3


def test_one_detection_may_be_a_trajectory() -> None:
    config = replace(CONFIG, output=replace(CONFIG.output, min_length=1))
    table = HierarchicalTracker(config).eval().track(make([3], [[5, 5, 25, 65]]))
    np.testing.assert_allclose(table.boxes_ltwh, [[5, 5, 20, 60]], rtol=1e-6)
    assert (table.frame.tolist(), table.track_id.tolist()) == ([3], [1])


def test_only_weak_detections(tracker: HierarchicalTracker) -> None:
    detections: Detections = walkers(0)
    assert len(tracker.track(replace(detections, score=0 * detections.score + 0.01))) == 0
