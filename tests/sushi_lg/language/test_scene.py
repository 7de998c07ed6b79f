from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sushi_lg.data.mot_format import MotTable, read_table
from sushi_lg.language.scene import Light, camera_height, light_gain, measure_light, scene_attributes, scene_sentence


def _crowd(tmp_path: Path, height_in_people: float, *, horizon: float = 100.0, noise: float = 0.0) -> MotTable:
    """People at many distances before a camera of this height, a tenth of them sitting."""
    rng = np.random.default_rng(0)
    rows = ""
    for number in range(200):
        feet = rng.uniform(220, 460)
        tall = (feet - horizon) / height_in_people * (0.5 if number % 10 == 0 else 1) * (1 + noise * rng.normal())
        rows += f"{1 + number // 10},{number},{200 + number},{feet - tall + 1:.3f},30,{max(tall, 1):.3f},1,1,1\n"
    (tmp_path / "gt.txt").write_text(rows)
    return read_table(tmp_path / "gt.txt", "ground_truth")


@pytest.mark.parametrize(("height", "word"), [(1.05, "medium"), (1.5, "medium"), (2.0, "high"), (6.0, "high")])
def test_the_camera_height_is_found(tmp_path: Path, height: float, word: str) -> None:
    table = _crowd(tmp_path, height)
    assert camera_height(table, 640, 480) == pytest.approx(height, rel=0.03)
    assert scene_attributes(table, 20, (640, 480), [], None)["viewpoint"] == word


def test_a_low_camera(tmp_path: Path) -> None:
    # the horizon lies low enough for heads to stay inside the picture
    assert scene_attributes(_crowd(tmp_path, 0.6, horizon=190), 20, (640, 480), [], None)["viewpoint"] == "low"


def test_boxes_that_tell_nothing(tmp_path: Path) -> None:
    table = _crowd(tmp_path, 2.0)
    assert camera_height(table.select(np.arange(40)), 640, 480) is None  # too few
    assert camera_height(table, 640, 4800) is None  # all feet in a tenth of the picture
    assert camera_height(_crowd(tmp_path, 2.0, noise=0.8), 640, 480) is None  # heights without order
    assert "viewpoint" not in scene_attributes(table.select(np.arange(40)), 20, (640, 480), [], None)


@pytest.mark.parametrize(
    ("bgr", "light", "cast"),
    [
        ((200, 200, 200), "bright", "neutral"),
        ((120, 120, 120), "medium", "neutral"),
        ((50, 50, 50), "dim", "neutral"),
        ((20, 20, 20), "dark", "neutral"),
        ((105, 120, 128), "medium", "warm"),
        ((135, 120, 112), "medium", "cold"),
    ],
)
def test_light(tmp_path: Path, bgr: tuple[int, int, int], light: str, cast: str) -> None:
    measured = measure_light(np.full((90, 160, 3), bgr, np.uint8))
    found = scene_attributes(_crowd(tmp_path, 2.0), 20, (640, 480), [measured], None)
    assert (found["light"], found["cast"]) == (light, cast)


def test_a_coloured_wall_is_no_cast() -> None:
    picture = np.full((90, 160, 3), 120, np.uint8)
    picture[:, 40:] = (30, 60, 200)
    assert abs(measure_light(picture).warmth) < 1


def test_strong_casts_and_darkness_are_made_up_for() -> None:
    def gain(bgr: tuple[int, int, int]) -> np.ndarray:
        return np.array(light_gain([measure_light(np.full((90, 160, 3), bgr, np.uint8))]))

    assert light_gain([]) == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(gain((130, 130, 130)), 1)
    np.testing.assert_allclose(gain((135, 130, 130)), 1, atol=1e-6)  # grass, walls
    blue, green, red = gain((90, 130, 180))
    assert blue > 1.3 * green > 1.3 * red
    dark = gain((40, 40, 40))
    assert 2 < dark[0] < 6 and np.ptp(dark) < 1e-9


def test_the_sentence_says_what_is_known(tmp_path: Path) -> None:
    table = _crowd(tmp_path, 3.0)
    found = scene_attributes(table, 20, (640, 480), [Light(70, -8)], True, "outdoor")
    assert found["crowding"] == "several"
    assert (
        scene_sentence(found)
        == "An outdoor scene captured by a static camera from a high viewpoint in cold, bright light, with several "
        "people in it."
    )
    assert scene_sentence(scene_attributes(table, 200, (640, 4800), [], False)) == (
        "A scene captured by a moving camera, with hardly anybody in it."
    )
    assert scene_sentence({}) == "A scene."


@pytest.mark.parametrize(
    ("sequence", "word"),
    [
        ("MOT17/train/MOT17-04", "high"),
        ("MOT17/train/MOT17-13", "high"),
        ("MOT17/train/MOT17-02", "medium"),
        ("MOT17/train/MOT17-11", "medium"),
        ("MOT17/train/MOT17-09", "low"),
        ("MOT15/train/PETS09-S2L1", "high"),
    ],
)
def test_viewpoints_that_motchallenge_states(shared_data: Path, sequence: str, word: str) -> None:
    from sushi_lg.data.sequence import open_sequence

    opened = open_sequence(shared_data / "mot" / sequence)
    table = opened.load_ground_truth("scored")
    size = opened.info.width, opened.info.height
    assert scene_attributes(table, opened.length, size, [], None)["viewpoint"] == word
