"""Which part of a frame is shown."""

from __future__ import annotations

import numpy as np
import pytest

from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.inspection.inline import at_height, data_url, region_around
from sushi_lg.inspection.report.scenes import SceneMaker

SIZE = (640, 480)


def maker(*boxes: tuple[int, float, float]) -> SceneMaker:
    """Return scenes of boxes of frame 0: trajectory, left, top; 40 x 100 each."""
    ids = np.array([one[0] for one in boxes], dtype=np.int64)
    ltwh = np.array([[left, top, 40.0, 100.0] for _, left, top in boxes]).reshape(-1, 4)
    count = len(boxes)
    zeros = np.zeros(count, dtype=np.int64)
    return SceneMaker(TrajectoryTable(zeros, ids, ltwh, np.ones(count), zeros.astype(bool), zeros), SIZE)


def test_people_are_shown_alone_with_some_room() -> None:
    scene = maker((1, 100, 100), (2, 120, 100)).of_people(0, (1,))
    assert scene is not None and scene.region == (84, 85, 72, 130)
    assert [(one.track_id, one.is_subject) for one in scene.boxes] == [(1, True)]


def test_nobody_there_is_no_scene() -> None:
    scenes = maker((1, 100, 100), (2, 900, 100))
    assert scenes.of_people(0, (3,)) is None
    assert scenes.of_people(1, (1,)) is None
    assert scenes.of_people(0, (2,)) is None, "outside the picture there are no pixels to show"


def test_a_person_who_went_far_is_shown_in_two_places() -> None:
    scenes = maker((1, 10, 10), (2, 500, 300), (3, 30, 30))
    before, after = (np.array([left, top, 40.0, 100.0]) for left, top in ((10, 10), (500, 300)))
    first, second = scenes.of_switch((0, before, 1), (0, after, 2))
    assert first.region != second.region
    assert [one.track_id for one in first.boxes] == [3, 1, -1], "others first, so that they are drawn below"
    near = np.array([20.0, 10.0, 40.0, 100.0])
    first, second = scenes.of_switch((0, before, 1), (0, near, 2))
    assert first.region == second.region


@pytest.mark.parametrize("corner", [(0, 0), (600, 380), (-30, 100), (300, 450)])
def test_a_region_has_its_shape_and_stays_inside(corner: tuple[float, float]) -> None:
    left, top, width, height = region_around(np.array([[*corner, 40.0, 100.0]]), SIZE, 0.5, 0.9)
    assert left >= 0 and top >= 0 and left + width <= SIZE[0] and top + height <= SIZE[1]
    assert width / height == pytest.approx(0.9, abs=0.02)


def test_a_region_larger_than_the_picture_is_the_picture() -> None:
    assert region_around(np.array([[-50.0, -50.0, 900.0, 900.0]]), SIZE, 0.5, 0.9) == (0, 0, *SIZE)


def test_pixels_as_text() -> None:
    picture = np.full((40, 20, 3), 128, dtype=np.uint8)
    assert at_height(picture, 80).shape == (80, 40, 3)
    assert at_height(picture, 1).shape == (1, 1, 3)
    assert data_url(picture).startswith("data:image/jpeg;base64,/9j/")
