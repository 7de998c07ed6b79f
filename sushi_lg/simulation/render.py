"""Pictures of a world: background, people and things in the light where they are, then the camera's faults.

Everything is drawn in the light it stands in, so a picture costs no multiplication of whole images but the flicker of
lamps; then come motion blur, defocus and sensor noise as one pass each.

Shapes: H rows and W columns of a frame, P people, T frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.crowd import Walks
from sushi_lg.simulation.figure import Pose, draw_figure
from sushi_lg.simulation.people import Person
from sushi_lg.simulation.scenes import Obstacle, Scene
from sushi_lg.simulation.staging import Staging, obstacle_corners

_SHIFT: Final = 4
_LONGEST_BLUR: Final = 15  # pixels
_EXPOSED: Final = 0.5  # share of the time between two steps in which the sensor sees
# (rng, scene, x, z of the ground or height of what stands behind it, in metres) -> albedo of every pixel
Painter = Callable[[np.random.Generator, Scene, NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


class Renderer:
    """Draws the frames of one sequence, in any order; the same frame always comes out the same.

    Args:
        scene: light, camera and things.
        people: P.
        walks: where they are on the ground.
        staging: where they are in the pictures.
        affines: (T, 2, 3) of the camera.
    """

    def __init__(
        self, scene: Scene, people: list[Person], walks: Walks, staging: Staging, affines: NDArray[np.float64]
    ) -> None:
        self._scene, self._people, self._staging = scene, people, staging
        self._place, self._affines = walks.place, affines
        self._corners = obstacle_corners(scene)
        rng = np.random.default_rng(scene.seed)
        self._steady, self._lamps = self._background(rng)
        shape = (scene.camera.height_px * 3 // 2, scene.camera.width * 3 // 2, 3)
        self._grain = np.clip(np.round(rng.normal(0, scene.noise, shape)), -127, 127).astype(np.int16)

    def picture(self, frame: int) -> NDArray[np.uint8]:
        """Return the (H, W, 3) picture of a frame, blue first."""
        canvas = self._empty(frame)
        self._draw_all(canvas, frame)
        canvas = self._blurred(canvas, frame)
        return self._noisy(canvas, frame)

    def _background(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Return the whole picture without people, as ``background`` does."""
        return background(rng, self._scene, _ground, _wall)

    def _seconds(self, frame: int) -> float:
        return frame / self._scene.domain.frame_rate

    def _empty(self, frame: int) -> NDArray[np.uint8]:
        """Return the background in the light of the moment."""
        flicker = float(self._scene.light.flickering(self._seconds(frame)))
        if self._scene.motion.is_static:
            steady, lamps = self._steady, self._lamps
        else:
            steady = self._moved(self._steady, frame)
            lamps = None if self._lamps is None else self._moved(self._lamps, frame)
        if lamps is None:
            return steady.copy()
        return cv2.addWeighted(steady, 1.0, lamps, flicker, 0).astype(np.uint8, copy=False)

    def _moved(self, whole: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        size = (self._scene.camera.width, self._scene.camera.height_px)
        moved = cv2.warpAffine(whole, self._affines[frame], size, borderMode=cv2.BORDER_REPLICATE)
        return moved.astype(np.uint8, copy=False)

    def _draw_all(self, canvas: NDArray[np.uint8], frame: int) -> None:
        staging, scene = self._staging, self._scene
        shown = np.flatnonzero(staging.visibility[:, frame] > 0)
        x, z = self._place[shown, frame].T
        light = scene.light.at(x, z, self._seconds(frame))
        for k in shown.tolist():
            self._shadow(canvas, k, frame)
        order = [(-z[j], 0, j) for j in range(len(shown))]
        order += [(-thing.z, 1, o) for o, thing in enumerate(scene.obstacles)]
        for _, is_thing, index in sorted(order):
            if is_thing:
                self._draw_obstacle(canvas, index, frame)
                continue
            k = int(shown[index])
            pose = Pose(
                (staging.foot[k, frame, 0], staging.foot[k, frame, 1]),
                (staging.up[k, frame, 0], staging.up[k, frame, 1]),
                float(staging.view[k, frame]),
                staging.joints[k, frame],
            )
            self._draw_person(canvas, k, frame, pose, light[index])

    def _draw_person(
        self, canvas: NDArray[np.uint8], k: int, frame: int, pose: Pose, light: NDArray[np.float64]
    ) -> None:
        draw_figure(canvas, self._people[k], pose, light)

    def _shadow(self, canvas: NDArray[np.uint8], k: int, frame: int) -> None:
        (x, y), (_, up) = self._staging.foot[k, frame], self._staging.up[k, frame]
        wide, high = -up * 0.2, -up * 0.05
        left, top = max(int(x - wide), 0), max(int(y - high), 0)
        right, bottom = min(int(x + wide) + 1, canvas.shape[1]), min(int(y + high) + 1, canvas.shape[0])
        if left >= right or top >= bottom:
            return
        region = canvas[top:bottom, left:right]
        mask = np.zeros(region.shape[:2], np.uint8)
        cv2.ellipse(mask, (int(x) - left, int(y) - top), (max(int(wide), 1), max(int(high), 1)), 0, 0, 360, 255, -1)
        cv2.copyTo(cv2.convertScaleAbs(region, alpha=0.68), mask, region)

    def _draw_obstacle(self, canvas: NDArray[np.uint8], index: int, frame: int) -> None:
        scene = self._scene
        thing = scene.obstacles[index]
        affine = self._affines[frame]
        corners = self._corners[index] @ affine[:, :2].T + affine[:, 2]
        light = scene.light.at(thing.x, thing.z - 0.3, self._seconds(frame))
        for points, colour in _obstacle_parts(thing):
            quad = _inside_quad(corners, points)
            blue, green, red = np.minimum(np.array(colour)[::-1] * light[::-1] * 255, 255).tolist()
            cv2.fillPoly(canvas, [np.round(quad * 16).astype(np.int32)], (blue, green, red), cv2.LINE_AA, _SHIFT)

    def _blurred(self, canvas: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        scene = self._scene
        if not scene.motion.is_static:
            other = frame - 1 if frame else min(1, len(self._affines) - 1)
            moved = abs(float(self._affines[frame, 0, 2] - self._affines[other, 0, 2])) * _EXPOSED / scene.domain.every
            length = min(round(moved), _LONGEST_BLUR)
            if length > 1:
                canvas = cv2.blur(canvas, (length, 1)).astype(np.uint8, copy=False)
        if scene.blur < 0.2:
            return canvas
        return cv2.GaussianBlur(canvas, (0, 0), scene.blur).astype(np.uint8, copy=False)

    def _noisy(self, canvas: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng([self._scene.seed, frame])
        rows, columns = canvas.shape[:2]
        top = int(rng.integers(self._grain.shape[0] - rows))
        left = int(rng.integers(self._grain.shape[1] - columns))
        grain = self._grain[top : top + rows, left : left + columns]
        return cv2.add(canvas, grain, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


# --------------------------------------------------------------------------------------------------------- background


def background(
    rng: np.random.Generator, scene: Scene, ground: Painter, back: Painter, dimming: float = 5.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return the whole picture without people: in the steady light, and what lamps add when they flicker.

    Args:
        rng: of what is painted.
        scene: light and camera.
        ground: paints the ground.
        back: paints what stands behind it.
        dimming: metres up after which 63 % of the light is lost.
    """
    across, up, ahead = scene.camera.rays()
    height = scene.camera.height
    wall_z = scene.far + 2.5
    to_wall = wall_z / np.maximum(ahead, 1e-6)
    to_ground = np.where(up < -1e-6, height / np.maximum(-up, 1e-6), np.inf)
    is_ground = to_ground <= to_wall
    along = np.where(is_ground, to_ground, to_wall)
    x, z = across * along, np.where(is_ground, ahead * along, wall_z)
    level = np.where(is_ground, 0.0, height + up * along)
    albedo = np.where(is_ground[..., None], ground(rng, scene, x, z), back(rng, scene, x, level))
    grain = cv2.GaussianBlur(rng.normal(0, 1, x.shape), (0, 0), 1.0) * 0.05
    albedo = np.clip(albedo + grain[..., None], 0.02, 0.95)
    # lamps hang in front of the wall and shine down: less light high up
    falloff = np.where(is_ground, 1.0, np.exp(-level / dimming))[..., None]
    steady = albedo * scene.light.steady(x, z) * falloff
    lamps = albedo * scene.light.of_lamps(x, z) * falloff
    if scene.light.flicker == 0:
        return _as_picture(steady + lamps), None
    return _as_picture(steady), _as_picture(lamps)


def _as_picture(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.clip(np.round(values[..., ::-1] * 255), 0, 255).astype(np.uint8))


def _ground(
    rng: np.random.Generator, scene: Scene, x: NDArray[np.float64], z: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return albedo of tiles, boards or asphalt."""
    tint = 1 + rng.normal(0, 0.06, 3)
    kind = rng.choice(["tiles", "boards", "asphalt"])
    size = rng.uniform(0.6, 1.5)
    columns, rows = np.floor(x / size), np.floor(z / (size if kind == "tiles" else size * 4))
    value = scene.ground + 0.07 * _hash(columns, rows, int(rng.integers(1000)))
    if kind == "asphalt":
        value = scene.ground * 0.8 + 0.0 * x
        line = np.abs(np.mod(x + z * 0.2, size * 6)) < 0.12
        value = np.where(line, 0.85, value)
    else:
        joint = (np.mod(x / size, 1) < 0.03) | (np.mod(z / size, 1) < 0.03)
        value = np.where(joint, value * 0.75, value)
        if kind == "tiles" and rng.random() < 0.5:
            value = value + 0.1 * np.mod(columns + rows, 2)
    return value[..., None] * tint


def _wall(
    rng: np.random.Generator, scene: Scene, x: NDArray[np.float64], level: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return albedo of a facade with windows, shops and posters."""
    tint = 1 + rng.normal(0, 0.1, 3)
    wide, high = rng.uniform(1.6, 3.2), rng.uniform(2.6, 3.4)
    columns, rows = np.floor(x / wide), np.floor(level / high)
    share_x, share_y = np.mod(x / wide, 1), np.mod(level / high, 1)
    brick = 0.05 * _hash(np.floor(x / 0.4 + 0.5 * np.mod(np.floor(level / 0.2), 2)), np.floor(level / 0.2), 7)
    albedo = (scene.wall + brick)[..., None] * tint
    window = (np.abs(share_x - 0.5) < rng.uniform(0.22, 0.36)) & (np.abs(share_y - 0.52) < rng.uniform(0.2, 0.34))
    glass = 0.15 + 0.12 * _hash(columns, rows, 11)
    albedo = np.where(window[..., None], glass[..., None] * np.array([0.9, 1.0, 1.15]), albedo)
    poster = window & (rows == 0) & (_hash(columns, rows, 13) > 0.1)
    ink = np.stack([_hash(columns, rows, seed) for seed in (17, 19, 23)], axis=-1) * 0.35 + 0.45
    return np.where(poster[..., None], ink * min(1.0, scene.wall * 1.6), albedo)


def _hash(columns: NDArray[np.float64], rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return noise in -1 .. 1 that depends on whole numbers only."""
    mixed = np.sin(columns * 12.9898 + rows * 78.233 + seed * 37.719) * 43758.5453
    return (mixed - np.floor(mixed)) * 2 - 1


def _obstacle_parts(thing: Obstacle) -> list[tuple[list[tuple[float, float]], tuple[float, float, float]]]:
    """Return quads in shares of the thing's width and height, bottom left first, with their albedo."""
    red, green, blue = thing.colour

    def scaled(factor: float) -> tuple[float, float, float]:
        return min(red * factor, 0.95), min(green * factor, 0.95), min(blue * factor, 0.95)

    def quad(left: float, low: float, right: float, high: float) -> list[tuple[float, float]]:
        return [(left, low), (right, low), (right, high), (left, high)]

    if thing.kind == "pillar":  # round: darker at the sides
        edges = np.linspace(0, 1, 8)
        shades = (0.7, 0.85, 1.0, 1.08, 1.0, 0.85, 0.68)
        parts = [(quad(float(a), 0, float(b), 1), scaled(s)) for a, b, s in zip(edges, edges[1:], shades, strict=False)]
        return [*parts, (quad(0, 0.0, 1, 0.04), scaled(0.5))]
    rng = np.random.default_rng(thing.seed)
    parts = [(quad(0, 0, 1, 1), scaled(0.45)), (quad(0.03, 0.06, 0.97, 0.97), scaled(1.0))]
    for _ in range(4):
        left, low = rng.uniform(0.06, 0.6), rng.uniform(0.1, 0.75)
        wide, high = rng.uniform(0.1, 0.34), rng.uniform(0.05, 0.2)
        ink = tuple(float(value) for value in rng.uniform(0.05, 0.9, 3))
        parts.append((quad(left, low, left + wide, low + high), (ink[0], ink[1], ink[2])))
    return parts


def _inside_quad(corners: NDArray[np.float64], points: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Return pixels of points given in shares of a quad's width and height."""
    u, v = np.array(points).T[:, :, None]
    bottom = corners[0] + (corners[1] - corners[0]) * u
    top = corners[3] + (corners[2] - corners[3]) * u
    return np.asarray(bottom + (top - bottom) * v)
