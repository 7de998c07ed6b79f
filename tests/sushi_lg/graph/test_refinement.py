"""Smoothing: steps to neighbours, their weighted mean, and boxes that move by it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from toy import cut, make, seen_by, tracklets_of, walkers

from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.refinement import (
    NUM_FEATURES,
    OFFSETS,
    mean_step,
    move_boxes,
    neighbour_steps,
    refinement_features,
)
from sushi_lg.graph.tracklets import singletons

ITSELF = len(OFFSETS)


def logits_for(count: int, *columns: int) -> Tensor:
    """Return logits that give these places equal weights and the others none."""
    logits = torch.full((count, 2, len(OFFSETS) + 1), -1e4)
    logits[:, :, list(columns)] = 0
    return logits


def test_own_weight_alone_leaves_boxes_as_they_are() -> None:
    detections = walkers(0)
    steps, inside = neighbour_steps(detections, cut(detections, 0))
    step = mean_step(steps, inside, logits_for(len(detections), ITSELF))
    assert not step.any()
    torch.testing.assert_close(move_boxes(detections.boxes_xyxy, step), detections.boxes_xyxy, rtol=0, atol=1e-3)


def test_halfway_to_a_neighbour() -> None:
    detections = walkers(1, missing=0.0)
    tracklets = tracklets_of(detections, detections.identity.numpy())
    steps, inside = neighbour_steps(detections, tracklets)
    column = OFFSETS.index(2)
    moved = move_boxes(detections.boxes_xyxy, mean_step(steps, inside, logits_for(len(detections), column, ITSELF)))
    # Half own, half the box two frames later (5 people a frame); sizes are meant geometrically, so look at centres.
    centre = (detections.boxes_xyxy[:, :2] + detections.boxes_xyxy[:, 2:]) / 2
    expected = centre.clone()
    expected[:-10] = (centre[:-10] + centre[10:]) / 2
    torch.testing.assert_close((moved[:, :2] + moved[:, 2:]) / 2, expected, rtol=0, atol=1e-2)
    assert inside[:, column].sum() == len(detections) - 10


def test_missing_frames_are_interpolated_and_places_outside_have_no_weight() -> None:
    detections = make([0, 4], [[0, 0, 20, 40], [40, 0, 60, 80]])
    steps, inside = neighbour_steps(detections, tracklets_of(detections, [0, 0]))
    assert [OFFSETS[i] for i in torch.nonzero(inside[0]).squeeze(1).tolist()] == [1, 2, 3]
    assert [OFFSETS[i] for i in torch.nonzero(inside[1]).squeeze(1).tolist()] == [-3, -2, -1]
    # Two frames on: centre (30, 30), height 60, seen from (10, 20), height 40.
    expected = [20 / 40, 10 / 40, 0.0, math.log(60 / 40)]
    assert steps[0, OFFSETS.index(2)].tolist() == pytest.approx(expected, abs=1e-6)
    assert not steps[~inside].any()
    # A network that wants what is not there gets the box itself.
    wishes = logits_for(2, OFFSETS.index(12))
    assert bool(mean_step(steps, inside, wishes).isfinite().all())


def test_position_and_size_have_weights_of_their_own() -> None:
    steps = torch.zeros(1, len(OFFSETS), 4)
    steps[0, 3] = torch.tensor([1.0, 2.0, 0.4, 0.8])
    inside = torch.zeros(1, len(OFFSETS), dtype=torch.bool)
    inside[0, 3] = True
    logits = torch.zeros(1, 2, len(OFFSETS) + 1)
    logits[0, 1, 3] = math.log(3)  # three quarters
    torch.testing.assert_close(mean_step(steps, inside, logits), torch.tensor([[0.5, 1.0, 0.3, 0.6]]))


def test_boxes_move_in_heights_and_logs() -> None:
    moved = move_boxes(torch.tensor([[0.0, 0, 20, 40]]), torch.tensor([[0.5, -0.25, math.log(2), 0.0]]))
    torch.testing.assert_close(moved, torch.tensor([[10.0, -10, 50, 30]]))


def turning(frame: Tensor) -> Tensor:
    """Return a camera that turns, zooms and shifts from frame to frame."""
    time = frame.to(torch.float64)
    angle, scale = 0.02 * time, 1.01**time
    camera = torch.zeros(len(frame), 2, 3, dtype=torch.float64)
    camera[:, 0, 0] = camera[:, 1, 1] = scale * angle.cos()
    camera[:, 0, 1], camera[:, 1, 0] = -scale * angle.sin(), scale * angle.sin()
    camera[:, 0, 2], camera[:, 1, 2] = 7 * time, -3 * time
    return camera


def test_a_camera_that_turns_and_zooms() -> None:
    """What the trajectory does in the scene is told in the directions and sizes of the own picture."""
    scene = walkers(2)
    tracklets = cut(scene, 2, mean_length=15)
    seen = seen_by(scene, turning(scene.frame))
    expected, inside = neighbour_steps(scene, tracklets)
    found, also_inside = neighbour_steps(seen, tracklets)
    assert torch.equal(inside, also_inside) and bool(inside.any())
    turn = turning(scene.frame)[:, :, :2]
    unit = (turn / torch.linalg.det(turn).sqrt()[:, None, None]).float()
    # unit turns directions of the picture into those of the scene
    torch.testing.assert_close(found[..., :2] @ unit.transpose(1, 2), expected[..., :2], rtol=0, atol=2e-3)
    torch.testing.assert_close(found[..., 2:], expected[..., 2:], rtol=0, atol=2e-3)


def test_smoothing_a_still_person_under_a_moving_camera_changes_nothing() -> None:
    still = make(np.arange(30), np.tile([300, 200, 340, 300], (30, 1)))
    seen = seen_by(still, turning(still.frame))
    steps, inside = neighbour_steps(seen, tracklets_of(seen, [0] * 30))
    rng = torch.Generator().manual_seed(0)
    step = mean_step(steps, inside, torch.randn(30, 2, ITSELF + 1, generator=rng))
    torch.testing.assert_close(move_boxes(seen.boxes_xyxy, step), seen.boxes_xyxy, rtol=0, atol=0.02)


@pytest.mark.parametrize("count", [0, 1])
def test_alone_and_nobody(count: int) -> None:
    detections = make([4] * count, [[5, 5, 25, 65]] * count)
    steps, inside = neighbour_steps(detections, singletons(detections))
    found = refinement_features(detections, steps, inside, overlap_features(detections))
    assert found.shape == (count, NUM_FEATURES) and bool(found.isfinite().all())
    assert not inside.any() and not steps.any()


def test_features_are_read_in_a_fixed_order() -> None:
    detections = walkers(3)
    steps, inside = neighbour_steps(detections, cut(detections, 3))
    overlap = overlap_features(detections)
    found = refinement_features(detections, steps, inside, overlap)
    assert found.shape == (len(detections), NUM_FEATURES)
    k = len(OFFSETS)
    assert torch.equal(found[:, 4 * k : 5 * k], inside.float())
    assert torch.equal(found[:, 5 * k], detections.score) and torch.equal(found[:, 5 * k + 1 : 5 * k + 4], overlap)
    torch.testing.assert_close(found[:, : 4 * k].sign(), steps.flatten(1).sign())
