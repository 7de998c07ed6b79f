"""Every difference between two ways is found, with its margin."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from pretend_gpu import some_gpu

from sushi_lg.benchmark.agreement import _components, compare_ways
from sushi_lg.benchmark.scenes import simulate
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import load_tracker, weights_path


@pytest.fixture(scope="module")
def shipped() -> HierarchicalTracker:
    return load_tracker(weights_path("default"))


def test_one_way_agrees_with_itself(shipped: HierarchicalTracker) -> None:
    detections = simulate(60, 15, seed=1)
    found = compare_ways(shipped, copy.deepcopy(shipped), detections, detections)
    assert found.edges > 1000 and not found.differences and found.largest_margin == 0
    assert found.largest_probability_difference == 0 and found.same_trajectories and found.largest_box_difference == 0


def test_a_gpu_agrees_with_the_cpu(shipped: HierarchicalTracker) -> None:
    detections = simulate(60, 15, seed=1)
    there = copy.deepcopy(shipped)
    with some_gpu():
        found = compare_ways(shipped, there.to("cuda:0"), detections, detections.to("cuda:0"))
    assert found.edges > 1000 and found.largest_margin <= 1e-4 and found.same_trajectories


def test_rougher_numbers_differ_by_small_margins(shipped: HierarchicalTracker) -> None:
    rough = copy.deepcopy(shipped)
    rough.precision = torch.bfloat16
    detections = simulate(25, 60, seed=3)
    found = compare_ways(shipped, rough, detections, detections)
    assert 1e-4 < found.largest_probability_difference < 0.05
    decisions = [one for one in found.differences if one.what == "decision"]
    assert decisions and all(one.what == "decision" for one in found.differences)  # the same candidates
    assert 0 < found.largest_margin < 0.5
    frame = detections.frame
    assert all(frame[one.earlier] < frame[one.later] for one in decisions)


def test_other_weights_differ_by_large_margins(shipped: HierarchicalTracker) -> None:
    other = copy.deepcopy(shipped)
    for block in other.scorer.blocks.values():
        torch.nn.init.constant_(block.edge_classifier.layers[-1].bias, 8.0)
    found = compare_ways(shipped, other, simulate(40, 10, seed=1), simulate(40, 10, seed=1))
    assert found.largest_margin > 1 and not found.same_trajectories and math.isinf(found.largest_box_difference)


def test_another_gate_gives_other_candidates(shipped: HierarchicalTracker) -> None:
    other = copy.deepcopy(shipped)
    other.config = copy.deepcopy(shipped.config)
    other.config.evidence.gate_base = 0.2
    found = compare_ways(shipped, other, simulate(40, 10, seed=1), simulate(40, 10, seed=1))
    assert any(one.what == "candidate" and math.isinf(one.margin) for one in found.differences)


def test_no_detections(shipped: HierarchicalTracker) -> None:
    none = simulate(10, 3, seed=1).select(torch.arange(0))
    found = compare_ways(shipped, shipped, none, none)
    assert found.edges == 0 and found.same_trajectories


def test_edges_that_meet_are_one_component() -> None:
    index = torch.tensor([[0, 0, 1, 5, 7], [3, 4, 4, 6, 9]])
    assert _components(index).tolist() == [0, 0, 0, 1, 2]
