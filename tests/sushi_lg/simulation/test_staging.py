"""Boxes and visibility from places on the ground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import person

from sushi_lg.simulation.crowd import Walks
from sushi_lg.simulation.scenes import DOMAINS, Obstacle, Scene, draw_scene
from sushi_lg.simulation.staging import Staging, stage


@pytest.fixture
def scene() -> Scene:
    return replace(draw_scene(np.random.default_rng(0), DOMAINS["night"]), obstacles=[])


def staged(scene: Scene, places: list[tuple[float, float]], headings: float = np.pi / 2) -> Staging:
    """One frame with a person at each place."""
    place = np.array(places, float)[:, None]
    flat = np.full(place.shape[:2], headings)
    walks = Walks(place, flat, 0.0 * flat, 0.0 * flat)
    return stage(scene, [person() for _ in places], walks, np.eye(2, 3)[None])


def test_boxes_stand_on_the_feet_and_shrink_with_distance(scene: Scene) -> None:
    near, far = staged(scene, [(0, 7), (2, 12)]).boxes_xyxy[:, 0]
    foot = scene.camera.project(0.0, 0.0, 7.0)
    assert near[3] == pytest.approx(foot[1]) and near[0] < foot[0] < near[2]
    assert near[3] - near[1] > 1.4 * (far[3] - far[1])
    top = scene.camera.project(0.0, 1.7, 7.0)[1]
    assert near[1] == pytest.approx(top)


def test_who_is_alone_is_seen_whole(scene: Scene) -> None:
    assert staged(scene, [(0, 9), (3, 9)]).visibility[:, 0].tolist() == [1.0, 1.0]


def test_who_stands_behind_is_hidden(scene: Scene) -> None:
    front, behind = staged(scene, [(0, 9), (0, 9.6)]).visibility[:, 0]
    assert front == 1.0
    assert behind < 0.5


def test_a_billboard_hides_who_is_behind_and_not_who_is_before(scene: Scene) -> None:
    board = Obstacle(0.0, 9.0, 3.0, 4.0, "billboard", (0.5, 0.5, 0.5), 0)
    before, behind = staged(replace(scene, obstacles=[board]), [(0.8, 8.5), (-0.8, 10)]).visibility[:, 0]
    assert (before, behind) == (1.0, 0.0)


def test_who_is_outside_the_picture_is_not_inside(scene: Scene) -> None:
    reach = float(scene.reach(9.0))
    result = staged(scene, [(reach + 3, 9), (reach, 9), (0, 9)])
    assert result.is_inside[:, 0].tolist() == [False, True, True]
    outside, half, whole = result.visibility[:, 0]
    assert outside == 0 and 0.05 < half < 0.7 and whole == 1


def test_the_view_is_seen_from_the_camera(scene: Scene) -> None:
    views = staged(scene, [(0, 9), (4, 9), (-4, 9)], headings=0.0).view[:, 0]
    assert views[0] == pytest.approx(0)
    assert views[1] > 0.3 > -0.3 > views[2], "who walks down beside the camera shows a side"
