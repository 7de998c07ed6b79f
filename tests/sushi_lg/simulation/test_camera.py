"""Projection and motion of the camera."""

from __future__ import annotations

import math

import numpy as np

from sushi_lg.simulation.camera import Camera, CameraMotion, move_camera, steps_of


def test_a_camera_that_looks_along_the_ground() -> None:
    camera = Camera(1.5, 0.0, 500.0, 640, 360)
    np.testing.assert_allclose(camera.project(0.0, 1.5, 10.0), [320, 180])  # the horizon is in the middle
    np.testing.assert_allclose(camera.project(2.0, 0.0, 10.0), [420, 255])  # 2 / 10 * 500 right, 1.5 / 10 * 500 down


def test_a_point_in_the_direction_of_the_camera_lies_in_the_middle() -> None:
    pitch = math.radians(20)
    camera = Camera(4.0, pitch, 700.0, 640, 360, margin_x=30, margin_y=10)
    np.testing.assert_allclose(camera.project(0.0, 0.0, 4.0 / math.tan(pitch)), [350, 190])


def test_rays_lead_back_to_their_pixels() -> None:
    camera = Camera(3.0, 0.2, 600.0, 64, 36, margin_x=5, margin_y=3)
    across, up, ahead = camera.rays()
    assert across.shape == (42, 74)
    seen = camera.project(4 * across, 3.0 + 4 * up, 4 * ahead)
    columns, rows = np.meshgrid(np.arange(74) + 0.5, np.arange(42) + 0.5)
    np.testing.assert_allclose(seen, np.stack([columns, rows], axis=-1), atol=1e-9)


def test_half_width_is_where_projection_says() -> None:
    camera = Camera(3.0, 0.2, 600.0, 640, 360)
    x = camera.half_width(9.0, 320)
    np.testing.assert_allclose(camera.project(x, 0.0, 9.0)[0], 640)


def test_steps_take_pixels_from_frame_to_frame() -> None:
    camera = Camera(2.0, 0.1, 600.0, 640, 360, margin_x=130, margin_y=20)
    motion = CameraMotion(pan=100, pan_seconds=10, shake=2, roll=0.01)
    affines = move_camera(np.random.default_rng(1), camera, motion, 60, 15)
    steps = steps_of(affines)
    point = np.array([400.0, 200.0, 1.0])
    pixels = affines @ point  # of one place of the whole picture in all frames
    np.testing.assert_allclose(steps[0], np.eye(2, 3))
    for frame in range(1, 60):
        np.testing.assert_allclose(steps[frame] @ [*pixels[frame - 1], 1], pixels[frame], atol=1e-9)
    assert np.ptp(pixels[:, 0]) > 50, "the camera pans"


def test_the_margins_of_the_whole_picture_are_never_left() -> None:
    from sushi_lg.simulation.scenes import DOMAINS, draw_scene

    for seed in range(8):
        rng = np.random.default_rng(seed)
        scene = draw_scene(rng, DOMAINS["stage"])
        affines = move_camera(rng, scene.camera, scene.motion, 200, 15)
        corners = np.array([[0, 0], [640, 0], [640, 360], [0, 360]]).T
        for affine in affines:
            inside = np.linalg.inv(affine[:, :2]) @ (corners - affine[:, 2:])
            assert (inside >= -1).all() and (inside.max(axis=1) <= np.array(scene.camera.whole_size) + 1).all()


def test_a_camera_without_motion_stands_still() -> None:
    camera = Camera(2.0, 0.1, 600.0, 640, 360)
    still = CameraMotion(0, 10, 0, 0)
    assert still.is_static
    affines = move_camera(np.random.default_rng(1), camera, still, 5, 15)
    np.testing.assert_allclose(affines, np.tile(np.eye(2, 3), (5, 1, 1)), atol=1e-12)
