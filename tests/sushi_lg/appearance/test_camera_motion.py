"""Known motions are found again to a fraction of a pixel; a standing camera stands still; nonsense is not believed."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from sushi_lg.appearance.camera_motion import CameraMotion, CameraMotionSettings, is_static, write_camera
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.video import read_frames

WIDTH, HEIGHT = 960, 540
NOBODY = np.zeros((0, 4), dtype=np.float32)


def _scene(seed: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture with texture of several sizes."""
    rng = np.random.default_rng(seed)
    made = np.zeros((height, width, 3))
    for cell, strength in ((4, 20), (16, 40), (64, 60)):
        small = rng.uniform(-1, 1, (height // cell + 2, width // cell + 2, 3))
        made += strength * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(made + 128, 0, 255).astype(np.uint8)


def _motion(right: float = 0, down: float = 0, zoom: float = 1, degrees: float = 0) -> np.ndarray:
    made = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), degrees, zoom)
    made[:, 2] += [right, down]
    return made


def _moved(picture: np.ndarray, motion: np.ndarray, seed: int = 0) -> np.ndarray:
    """The picture after a motion, with noise of a sensor."""
    height, width = picture.shape[:2]
    warped = cv2.warpAffine(picture, motion, (width, height), borderMode=cv2.BORDER_REFLECT)
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.clip(warped + noise, 0, 255).astype(np.uint8)


def _error(found: np.ndarray, true: np.ndarray, width: int = WIDTH, height: int = HEIGHT) -> float:
    """Largest distance in pixels at the corners of the picture."""
    places = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    gap = found - true
    return float(np.linalg.norm(places @ gap[:, :2].T + gap[:, 2], axis=1).max())


def _step(estimator: CameraMotion, before: np.ndarray, after: np.ndarray, boxes: np.ndarray = NOBODY) -> np.ndarray:
    found = _tried(estimator, before, after, boxes)
    assert found is not None
    return found


def _tried(
    estimator: CameraMotion, before: np.ndarray, after: np.ndarray, boxes: np.ndarray = NOBODY
) -> np.ndarray | None:
    return estimator.step(estimator.prepare(before), estimator.prepare(after), boxes)


@pytest.mark.parametrize(
    "motion",
    [
        _motion(),
        _motion(4, -1),
        _motion(45, 15),
        _motion(zoom=1.01),
        _motion(zoom=0.96),
        _motion(degrees=0.5),
        _motion(degrees=-2),
        _motion(12, -5, 1.02, 1),
    ],
    ids=["none", "pan", "fast_pan", "zoom_in", "zoom_out", "turn", "fast_turn", "all"],
)
def test_a_known_motion_is_found(motion: np.ndarray) -> None:
    estimator, picture = CameraMotion(), _scene(1)
    found = _step(estimator, picture, _moved(picture, motion))
    assert found.shape == (2, 3) and found.dtype == np.float64
    assert _error(found, motion) < 0.3


def test_people_who_walk_do_not_move_the_camera() -> None:
    motion, picture = _motion(6, 2), _scene(2)
    after = _moved(picture, motion)
    boxes = []
    for k in range(6):  # people of 90x220 who walk the other way
        left, top = 40 + 150 * k, 200
        person = _scene(10 + k, 90, 220)
        picture[top : top + 220, left : left + 90] = person
        after[top : top + 220, left - 15 : left + 75] = person
        boxes.append([left, top, left + 90, top + 220])
    people = np.array(boxes, dtype=np.float32)
    assert _error(_step(CameraMotion(), picture, after, people), motion) < 0.3
    assert _error(_step(CameraMotion(), picture, after), motion) < 0.5, "the fit is robust without boxes as well"


def test_blur_of_a_fast_motion() -> None:
    motion, picture = _motion(20, -5, 1.01), _scene(3)
    before, after = (cv2.blur(one, (21, 3)) for one in (picture, _moved(picture, motion)))
    assert _error(_step(CameraMotion(), before, after), motion) < 0.5


def test_a_cut_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="sushi_lg"):
        assert _tried(CameraMotion(), _scene(4), _scene(5)) is None
    assert "corners do not move together" in caplog.text


def test_a_wall_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    estimator = CameraMotion()
    wall = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
    noisy = np.clip(wall + np.random.default_rng(0).normal(0, 1, wall.shape), 0, 255).astype(np.uint8)
    caplog.set_level(logging.INFO, logger="sushi_lg")
    assert _tried(estimator, wall, wall) is None
    assert _tried(estimator, noisy, wall) is None
    everywhere = np.array([[0, 0, WIDTH, HEIGHT]], dtype=np.float32)
    assert _tried(estimator, _scene(6), _scene(6), everywhere) is None
    assert caplog.text.count("too few corners outside people") >= 2


def test_a_picture_smaller_than_the_grid_of_analysis() -> None:
    picture = _scene(7, 200, 120)
    true = np.array([[1.0, 0, 2.5], [0, 1.0, -1.5]])
    assert _error(_step(CameraMotion(), picture, _moved(picture, true)), true, 200, 120) < 0.3
    with pytest.raises(ValueError, match="frames of two sizes"):
        _step(CameraMotion(), picture, _scene(7))


def test_the_same_on_any_number_of_threads() -> None:
    picture = _scene(8)
    after = _moved(picture, _motion(12, -5, 1.02, 1))
    after[100:400, 200:600] = _scene(9, 400, 300)  # outliers, so that RANSAC has to choose
    threads = cv2.getNumThreads()
    found = []
    try:
        for number in (1, 4):
            cv2.setNumThreads(number)
            found.append(_step(CameraMotion(), picture, after))
        with ThreadPoolExecutor(4) as pool:
            shared = CameraMotion()
            found += pool.map(lambda _: _step(shared, picture, after), range(8))
    finally:
        cv2.setNumThreads(threads)
    assert all((one == found[0]).all() for one in found)


def _chain(right: np.ndarray) -> np.ndarray:
    """Steps of a camera that pans by so many pixels a frame."""
    steps = np.tile(np.eye(2, 3), (len(right), 1, 1))
    steps[:, 0, 2] = right
    return steps


def test_trembling_is_settled_and_a_slow_pan_is_kept() -> None:
    estimator = CameraMotion(CameraMotionSettings(long_side=640))
    tremble = 0.15 * np.random.default_rng(0).normal(size=301)
    settled = estimator.settle(_chain(np.diff(tremble, prepend=0)), 640, 360)
    assert is_static(settled)
    # 0.1 pixels a frame: less than the steps of the tremble, but they add up
    slow = _chain(np.where(np.arange(300) >= 150, 0.1, 0.0))
    settled = estimator.settle(slow, 640, 360)
    assert not is_static(settled) and (settled[151:] == slow[151:]).all() and is_static(settled[:150])
    # the same pan in pixels of a picture three times as large is a third as fast
    assert is_static(estimator.settle(slow, 1920, 1080))


@pytest.mark.parametrize("kind", ["zoom", "turn", "jump"])
def test_other_motions_are_kept(kind: str) -> None:
    steps = np.tile(np.eye(2, 3), (100, 1, 1))
    moving = slice(50, 52)
    if kind == "jump":
        steps[50, :, 2], steps[51, :, 2] = [3, 0], [-3, 0]  # there and back
    else:
        angle, zoom = (0.01, 1.0) if kind == "turn" else (0.0, 1.01)
        turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array([319.5, 179.5])
        steps[moving, :, :2], steps[moving, :, 2] = turn, middle - turn @ middle
    settled = CameraMotion().settle(steps, 640, 360)
    assert (settled[moving] == steps[moving]).all()
    assert is_static(settled[:20]) and is_static(settled[-20:])


def test_settling_nothing() -> None:
    assert CameraMotion().settle(np.zeros((0, 2, 3)), 640, 360).shape == (0, 2, 3)
    assert is_static(CameraMotion().settle(np.eye(2, 3)[None], 640, 360))


def test_the_fingerprint_follows_the_settings() -> None:
    assert CameraMotion().fingerprint() == CameraMotion().fingerprint()
    assert CameraMotion().fingerprint() != CameraMotion(CameraMotionSettings(corners=100)).fingerprint()


def test_the_file_reads_back_to_the_same_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps = np.eye(2, 3) + rng.normal(0, 1, (20, 2, 3)) * [0.01, 0.01, 10] * rng.choice([1, 1e-9], (20, 1, 1))
    steps[0] = np.eye(2, 3)
    root = tmp_path / "Walk"
    root.mkdir()
    (root / "det").mkdir()
    ini = "[Sequence]\nname=Walk\nimDir=img1\nframeRate=25\nseqLength=20\nimWidth=640\nimHeight=360\nimExt=.jpg\n"
    (root / "seqinfo.ini").write_text(ini)
    write_camera(root / "gmc.txt", steps)
    expected = [np.eye(3)]
    for step in steps[1:]:
        expected.append(expected[-1] @ np.linalg.inv(np.vstack([step, [0, 0, 1]])))
    found = open_sequence(root).load_camera()
    assert found is not None and (found == np.array(expected)[:, :2]).all()
    for wrong in (np.zeros((3, 3, 3)), np.full((2, 2, 3), np.nan)):
        with pytest.raises(ValueError, match="must be finite"):
            write_camera(root / "gmc.txt", wrong)


@pytest.mark.parametrize("name", ["TUD-Campus", "TUD-Stadtmitte", "PETS09-S2L1", "MOT17-09"])
def test_static_cameras_of_real_videos(shared_data: Path, name: str) -> None:
    video = shared_data / "videos" / f"{name}.mp4"
    if not video.is_file():
        pytest.skip(f"no {video}")
    folder = "MOT17" if name.startswith("MOT17") else "MOT15"
    sequence = open_sequence(shared_data / "mot" / folder / "train" / name)
    truth, estimator = sequence.load_ground_truth(), CameraMotion()
    # of MOT17-09 a part where the camera trembles most
    first, stop = (140, 215) if name == "MOT17-09" else (0, 71)
    small = [estimator.prepare(picture) for _, picture in read_frames(video, first, stop)]
    steps = [np.eye(2, 3)]
    for k, (before, after) in enumerate(pairwise(small), start=first + 1):
        found = estimator.step(before, after, truth.boxes_xyxy[truth.frame == k].astype(np.float32))
        assert found is not None
        steps.append(found)
    assert not is_static(np.array(steps)), "there is noise to settle"
    assert is_static(estimator.settle(np.array(steps), sequence.info.width, sequence.info.height))


def test_real_frames_with_known_motions(shared_data: Path) -> None:
    video = shared_data / "videos" / "PETS09-S2L1.mp4"
    if not video.is_file():
        pytest.skip(f"no {video}")
    (_, before), (_, after) = read_frames(video, 50, 52)
    for motion in (_motion(10, -3), _motion(0, 0, 1.02), _motion(0, 0, 1, 1), _motion(9, -4, 1.02, 1)):
        found = _step(CameraMotion(), before[40:-40, 40:-40], _moved(after, motion)[40:-40, 40:-40])
        inside = np.vstack([motion, [0, 0, 1]])
        to_part, back = np.eye(3), np.eye(3)
        to_part[:2, 2], back[:2, 2] = -40, 40
        assert _error(found, (to_part @ inside @ back)[:2], 688, 496) < 0.5


def test_recorded_motions_of_moving_cameras_stay_and_of_static_ones_go(shared_data: Path) -> None:
    for name, moves in [("MOT17-02", False), ("MOT17-04", False), ("MOT17-10", True), ("MOT17-13", True)]:
        sequence = open_sequence(shared_data / "mot" / "MOT17" / "train" / name)
        steps = np.loadtxt(sequence.info.root / "gmc.txt")[:, 1:].reshape(-1, 2, 3)
        settled = CameraMotion().settle(steps, sequence.info.width, sequence.info.height)
        assert (settled == steps).all() if moves else is_static(settled)
