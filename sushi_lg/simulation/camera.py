"""The camera: a pinhole over a flat ground, and its motion as a moving window over one large picture.

The ground has x to the right and z away from the camera, in metres; heights are metres above it. A pinhole projects
into the *whole* picture; the camera's motion is an affine per frame from there to the pixels of the frame, so the
motion between two frames is exact and no estimate.

Shapes: T frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks along z and down.

    Attributes:
        height: metres above the ground.
        pitch: radians down from the horizontal.
        focal: focal length in pixels.
        width: of a frame, in pixels.
        height_px: of a frame.
        margin_x: pixels of the whole picture left and right of the frame's place without motion.
        margin_y: the same above and below.
    """

    height: float
    pitch: float
    focal: float
    width: int
    height_px: int
    margin_x: int = 0
    margin_y: int = 0

    @property
    def whole_size(self) -> tuple[int, int]:
        """Width and height of the whole picture."""
        return self.width + 2 * self.margin_x, self.height_px + 2 * self.margin_y

    def project(self, x: ArrayLike, up: ArrayLike, z: ArrayLike) -> NDArray[np.float64]:
        """Return (..., 2) pixels of the whole picture of points in front of the camera."""
        x, up, z = (np.asarray(value, np.float64) for value in (x, up, z))
        sin, cos = math.sin(self.pitch), math.cos(self.pitch)
        down = self.height - up
        depth = np.maximum(z * cos + down * sin, 0.1)
        across = self.focal * x / depth + self.width / 2 + self.margin_x
        along = self.focal * (down * cos - z * sin) / depth + self.height_px / 2 + self.margin_y
        return np.stack(np.broadcast_arrays(across, along), axis=-1)

    def rays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return x, up, z of the directions in which the pixels of the whole picture look, each (rows, columns)."""
        columns, rows = self.whole_size
        across = (np.arange(columns) + 0.5 - columns / 2) / self.focal
        along = (np.arange(rows) + 0.5 - rows / 2) / self.focal
        u, v = np.meshgrid(across, along)
        sin, cos = math.sin(self.pitch), math.cos(self.pitch)
        return u, -(v * cos + sin), cos - v * sin

    def half_width(self, z: ArrayLike, pixels: float) -> NDArray[np.float64]:
        """Return how far from the middle, in metres, the ground at ``z`` is seen ``pixels`` from the middle."""
        depth = np.asarray(z, np.float64) * math.cos(self.pitch) + self.height * math.sin(self.pitch)
        return depth * pixels / self.focal


@dataclass(frozen=True)
class CameraMotion:
    """How far a camera moves, in pixels; all zero stands still.

    Attributes:
        pan: largest shift to a side by panning.
        pan_seconds: duration of a turn there and back.
        shake: standard deviation of the hand's shift.
        roll: standard deviation of the hand's roll, in radians.
    """

    pan: float
    pan_seconds: float
    shake: float
    roll: float

    @property
    def is_static(self) -> bool:
        """Whether it never moves."""
        return self.pan == 0 and self.shake == 0 and self.roll == 0


def move_camera(
    rng: np.random.Generator, camera: Camera, motion: CameraMotion, frames: int, frame_rate: float
) -> NDArray[np.float64]:
    """Return (T, 2, 3): of each frame the affine that takes pixels of the whole picture to pixels of the frame."""
    seconds = np.arange(frames) / frame_rate
    start = rng.uniform(0, 2 * math.pi)
    pan = motion.pan * np.sin(start + 2 * math.pi * seconds / motion.pan_seconds)
    limit = 2.5  # standard deviations; the margins are made for it
    hand = [np.clip(_smooth_noise(rng, frames, frame_rate), -limit, limit) for _ in range(3)]
    angle = motion.roll * hand[2]
    cos, sin = np.cos(angle), np.sin(angle)
    middle = np.array(camera.whole_size) / 2
    affines = np.empty((frames, 2, 3))
    affines[:, 0, 0], affines[:, 0, 1] = cos, -sin
    affines[:, 1, 0], affines[:, 1, 1] = sin, cos
    affines[:, 0, 2] = camera.width / 2 + pan + motion.shake * hand[0]
    affines[:, 1, 2] = camera.height_px / 2 + motion.shake * hand[1]
    affines[:, :, 2] -= affines[:, :, :2] @ middle
    return affines


def steps_of(affines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (T, 2, 3): what takes pixels of frame k - 1 to those of frame k; the identity for the first."""
    whole = np.tile(np.eye(3), (len(affines), 1, 1))
    whole[:, :2] = affines
    steps = np.tile(np.eye(3), (len(affines), 1, 1))
    steps[1:] = whole[1:] @ np.linalg.inv(whole[:-1])
    return steps[:, :2].copy()


def _smooth_noise(rng: np.random.Generator, frames: int, frame_rate: float) -> NDArray[np.float64]:
    """Return (T,) of about unit variance: slow waves of a hand, and some tremor."""
    seconds = np.arange(frames) / frame_rate
    waves = sum(
        weight * np.sin(2 * math.pi * hertz * seconds + rng.uniform(0, 2 * math.pi))
        for weight, hertz in ((0.9, rng.uniform(0.15, 0.4)), (0.7, rng.uniform(0.5, 1.0)), (0.3, rng.uniform(1.5, 3.0)))
    )
    return np.asarray(waves, np.float64)
