"""Tracking and learning on a GPU: a real one where there is one, else the pretended one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from pretend_gpu import pretend_gpu, some_gpu

from sushi_lg.benchmark.scenes import make_scene, simulate
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import SushiConfig, TrackerConfig, doubling_levels
from sushi_lg.tracking.sushi import SushiTracker
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import load_tracker, weights_path
from sushi_lg.training.objective import objective
from sushi_lg.training.sampling import Batch
from sushi_lg.training.settings import LossConfig

DEVICE = torch.device("cuda:0")


def shipped() -> HierarchicalTracker:
    return load_tracker(weights_path("default"))


def published() -> SushiTracker:
    torch.manual_seed(1)
    return SushiTracker(SushiConfig(window=64, levels=doubling_levels([2, 4, 8, 16, 32, 64]), min_score=0.0)).eval()


def moved_by_a_camera() -> Detections:
    detections = simulate(60, 8, seed=2)
    camera = torch.eye(2, 3, dtype=torch.float64).repeat(len(detections), 1, 1)
    camera[:, 0, 2] = 0.8 * detections.frame
    return replace(detections, camera=camera)


def in_halves() -> Detections:
    detections = make_scene("60x8x32").detections
    assert detections.embedding is not None
    return replace(detections, embedding=detections.embedding.half())


def of_another_scale() -> Detections:
    detections = simulate(60, 8, seed=3)
    return replace(detections, score=3 * detections.score)


SCENES: dict[str, tuple[Callable[[], HierarchicalTracker | SushiTracker], Callable[[], Detections]]] = {
    "boxes": (shipped, lambda: simulate(60, 8, seed=1)),
    "moving camera": (shipped, moved_by_a_camera),
    "crowd": (shipped, lambda: simulate(12, 60, seed=1)),
    "appearance": (shipped, lambda: make_scene("60x8x32").detections),
    "appearance in halves": (shipped, in_halves),
    "scores that are no probabilities": (shipped, of_another_scale),
    "one detection": (shipped, lambda: simulate(60, 8, seed=1).select(torch.arange(1))),
    "none": (shipped, lambda: simulate(60, 8, seed=1).select(torch.arange(0))),
    "published recipe": (published, lambda: make_scene("64x9x32").detections),
}


@pytest.mark.parametrize("scene", SCENES)
def test_trajectories_are_those_of_the_cpu(scene: str) -> None:
    make_tracker, make_detections = SCENES[scene]
    tracker, detections = make_tracker(), make_detections()
    here = tracker.track(detections)
    with some_gpu() as gpu:
        there = tracker.to(DEVICE).track(detections.to(DEVICE))
    assert here.track_id.tolist() == there.track_id.tolist() and here.frame.tolist() == there.frame.tolist()
    np.testing.assert_allclose(there.boxes_ltwh, here.boxes_ltwh, rtol=0, atol=1e-2)
    # Without sums in no fixed order, every run on one device gives the same bits.
    assert gpu is None or not gpu.unordered


def test_a_second_run_gives_the_same_bits() -> None:
    with some_gpu():
        tracker, detections = shipped().to(DEVICE), simulate(60, 20, seed=1).to(DEVICE)
        one, other = tracker.track(detections), tracker.track(detections)
    assert one.track_id.tolist() == other.track_id.tolist() and np.array_equal(one.boxes_ltwh, other.boxes_ltwh)
    assert np.array_equal(one.confidence, other.confidence)


@pytest.mark.skipif(torch.cuda.is_available(), reason="counted without a GPU")
def test_longer_videos_wait_no_more_often_and_take_memory_in_proportion() -> None:
    waits, peaks = [], []
    for frames in (100, 400):
        with pretend_gpu() as gpu:
            tracker = shipped().to(DEVICE)
            detections = simulate(frames, 10, seed=1).to(DEVICE)
            gpu.waits.clear()
            before, gpu.peak_bytes = gpu.bytes, 0
            tracker.track(detections)
        waits.append(gpu.waits.total())
        peaks.append((gpu.peak_bytes - before) / len(detections))
    assert waits[0] == waits[1] < 60
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < 7000  # bytes a detection


@pytest.mark.parametrize("width", [0, 16])
def test_gradients_are_those_of_the_cpu(width: int) -> None:
    scene = f"16x6x{width}" if width else "16x6"
    detections = Detections.concatenate([make_scene(scene).detections for _ in range(2)])
    batch = Batch(detections, (detections.identity >= 0).long(), detections.boxes_xyxy.clone())
    torch.manual_seed(0)
    tracker = HierarchicalTracker(TrackerConfig()).train()

    def learn(batch: Batch) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        tracker.zero_grad()
        objective(tracker, batch, LossConfig()).total.backward()
        return {name: one.grad.cpu() for name, one in tracker.named_parameters() if one.grad is not None}

    here = learn(batch)
    with some_gpu():
        tracker.to(DEVICE)
        there = learn(batch.to(DEVICE))
        torch.optim.AdamW(tracker.parameters()).step()
    assert here.keys() == there.keys() and len(here) > 100
    for name, gradient in here.items():
        torch.testing.assert_close(there[name], gradient, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: name + text)
