"""Places where people meet: a light for each, and what the ground and the back look like.

Albedos are painted in metres, as the backgrounds of the other worlds are.

Shapes: arrays of albedo are (rows, columns, 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.render import Painter
from sushi_lg.simulation.scenes import Domain, Scene

Values = NDArray[np.float64]

_OUTDOOR: Final = Domain(
    name="social",
    width=640,
    height=360,
    near=[3.3, 3.7],
    far=[6.2, 7.2],
    camera_height=[1.2, 1.5],
    camera_pitch=[2.0, 4.5],
    focal=[430, 490],
    pan=[0, 24],
    shake=[0, 1.2],
    roll=[0, 0.3],
    white_balance=[0.88, 1.12],
    exposure=[0.88, 1.05],
    blur=[0.4, 0.6],
    noise=[1.5, 3.5],
    jpeg_quality=[86, 92],
    pillars=[0, 0],
    billboards=[0, 0],
    detector_error=[0.8, 1.1],
)
_INDOOR: Final = replace(
    _OUTDOOR,
    place="indoor",
    light="the light of lamps",
    ambient=[0.6, 0.59, 0.56],
    lamps=[3, 4],
    lamp_colours=[[0.26, 0.24, 0.2], [0.24, 0.24, 0.23]],
    lamp_strength=[0.8, 1.0],
    lamp_radius=[2.2, 3.2],
    exposure=[0.9, 1.05],
    noise=[2.5, 4.5],
)


@dataclass(frozen=True)
class Setting:
    """A place.

    Attributes:
        words: after which a sentence goes on, such as "in a park".
        domain: light and camera; its frames and rate are set by who uses it.
        ground: paints it from x and z in metres.
        back: paints what stands behind from x and the height in metres.
    """

    words: tuple[str, ...]
    domain: Domain
    ground: Painter
    back: Painter


def _noise(rng: np.random.Generator, x: Values, y: Values, size: float) -> Values:
    """Return smooth noise in -1 .. 1 whose patches are about ``size`` metres wide."""
    total = np.zeros_like(x)
    for octave in range(3):
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2)
        scale = 2 * np.pi / size * 1.7**octave
        along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        total += np.sin(along * scale + phase[0]) * np.sin(across * scale + phase[1]) / 1.5**octave
    return np.asarray(total / 2)


def _colour(red: float, green: float, blue: float, like: Values) -> Values:
    return np.broadcast_to(np.array([red, green, blue]), (*like.shape, 3))


def _lay(albedo: Values, where: NDArray[np.bool_], colour: Values | tuple[float, float, float]) -> Values:
    return np.where(where[..., None], np.asarray(colour), albedo)


def _grass(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    tint = rng.uniform(0.9, 1.1, 3)
    albedo = _colour(0.3, 0.5, 0.2, x) * (1 + 0.16 * _noise(rng, x, z, 2.2) + 0.1 * _noise(rng, x, z, 0.3))[..., None]
    if rng.random() < 0.7:
        near = scene.near + rng.uniform(0.2, 0.5) * (scene.far - scene.near)
        path = np.abs(z - near - 0.25 * np.sin(x * rng.uniform(0.3, 0.6))) < rng.uniform(0.6, 1.0)
        albedo = _lay(albedo, path, np.array([0.66, 0.6, 0.48]) * (1 + 0.05 * _noise(rng, x, z, 0.5))[..., None])
    return albedo * tint


def _trees(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    sky = np.clip(level / 6, 0, 1)[..., None]
    albedo = (1 - sky) * np.array([0.78, 0.86, 0.92]) + sky * np.array([0.52, 0.7, 0.92])
    hedge = level < 1.0 + 0.12 * _noise(rng, x, level, 1.2)
    leaves = (1 + 0.3 * _noise(rng, x, level, 0.5))[..., None]
    albedo = _lay(albedo, hedge, np.array([0.18, 0.34, 0.14]) * leaves)
    at = -7.0 + rng.uniform(0, 2)
    while at < 8:
        high, wide = rng.uniform(2.6, 4.2), rng.uniform(0.9, 1.6)
        trunk = (np.abs(x - at) < 0.16) & (level < high)
        albedo = _lay(albedo, trunk, (0.3, 0.22, 0.15))
        crown = ((x - at) / wide) ** 2 + ((level - high) / (wide * 0.8)) ** 2 < 1 + 0.25 * _noise(rng, x, level, 0.6)
        green = np.array([0.2, 0.4, 0.15]) * rng.uniform(0.8, 1.2)
        albedo = _lay(albedo, crown, green * leaves)
        at += rng.uniform(2.2, 4.5)
    return albedo


def _asphalt(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    albedo = _colour(0.34, 0.34, 0.36, x) * (1 + 0.05 * _noise(rng, x, z, 1.0))[..., None]
    kerb = scene.near + rng.uniform(0.45, 0.7) * (scene.far - scene.near)
    pavement = z > kerb
    slabs = (np.mod(x, 0.8) < 0.03) | (np.mod(z, 0.8) < 0.04)
    albedo = _lay(albedo, pavement, (0.58, 0.57, 0.55))
    albedo = _lay(albedo, pavement & slabs, (0.46, 0.45, 0.44))
    albedo = _lay(albedo, np.abs(z - kerb) < 0.09, (0.72, 0.71, 0.68))
    line = (np.abs(z - scene.near + 0.3) < 0.07) & (np.mod(x + rng.uniform(0, 3), 3) < 1.8)
    return _lay(albedo, line, (0.85, 0.85, 0.82))


def _houses(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    albedo = _colour(0.6, 0.75, 0.92, x)
    at = -9.0 + rng.uniform(0, 2)
    while at < 9:
        wide = rng.uniform(3.0, 5.5)
        inside = (x >= at) & (x < at + wide) & (level < rng.uniform(5, 8))
        tone = np.array([[0.72, 0.6, 0.48], [0.62, 0.34, 0.28], [0.75, 0.74, 0.7], [0.5, 0.56, 0.6], [0.8, 0.7, 0.5]])
        wall = tone[int(rng.integers(len(tone)))] * rng.uniform(0.85, 1.05)
        bricks = (1 + 0.06 * np.sign(np.sin(x * 12 + 3 * np.floor(level / 0.2))) * (np.mod(level, 0.2) > 0.03))[
            ..., None
        ]
        albedo = _lay(albedo, inside, wall * bricks)
        pane = rng.uniform(1.3, 1.7)
        window = inside & (np.abs(np.mod(x - at, pane) - pane / 2) < 0.38) & (np.abs(np.mod(level, 2.6) - 1.75) < 0.6)
        albedo = _lay(albedo, window & (level > 2.6), (0.2, 0.25, 0.3))
        if rng.random() < 0.6:  # a shop below
            front = inside & (level > 0.35) & (level < 2.1) & (np.mod(x - at, 2.2) > 0.2)
            albedo = _lay(
                albedo, front, np.array([0.32, 0.36, 0.38]) * (1 + 0.3 * _noise(rng, x, level, 1.0))[..., None]
            )
            sign = rng.uniform(0.2, 0.85, 3)
            albedo = _lay(albedo, inside & (level > 2.2) & (level < 2.6), sign)
        else:
            albedo = _lay(albedo, window & (level < 2.6), (0.22, 0.26, 0.3))
            door = inside & (np.abs(x - at - wide * 0.8) < 0.45) & (level < 2.1)
            albedo = _lay(albedo, door, rng.uniform(0.15, 0.5, 3))
        at += wide
    return albedo


def _slabs(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    size = rng.uniform(0.7, 1.3)
    albedo = _colour(0.62, 0.6, 0.56, x) * rng.uniform(0.9, 1.08, 3)
    checks = np.mod(np.floor(x / size) + np.floor(z / size), 2)
    albedo = albedo * (1 - 0.1 * checks + 0.04 * _noise(rng, x, z, 0.7))[..., None]
    joint = (np.mod(x / size, 1) < 0.03) | (np.mod(z / size, 1) < 0.03)
    return _lay(albedo, joint, (0.42, 0.41, 0.38))


def _arcade(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    albedo = _colour(0.74, 0.68, 0.58, x) * rng.uniform(0.85, 1.05)
    width = rng.uniform(2.2, 3.0)
    along = np.abs(np.mod(x, width) - width / 2)
    arch = (along < width * 0.33) & (level < 2.2 + np.sqrt(np.maximum(0.5 - (along * 1.1) ** 2, 0)))
    albedo = _lay(albedo, arch, (0.25, 0.23, 0.22))
    albedo = _lay(albedo, (level > 3.1) & (level < 3.3), (0.6, 0.54, 0.46))
    window = (along < 0.4) & (level > 3.7) & (level < 5.2)
    return _lay(albedo, window, (0.25, 0.3, 0.36))


def _sand(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    sand = (
        _colour(0.82, 0.72, 0.52, x) * (1 + 0.06 * _noise(rng, x, z, 0.8) + 0.04 * _noise(rng, x, z, 0.15))[..., None]
    )
    wet = z > scene.far + 0.6 + 0.3 * np.sin(x * 0.7)
    return _lay(sand, wet, (0.6, 0.52, 0.4))


def _sea(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    horizon = scene.camera.height
    waves = (1 + 0.1 * np.sin(level * 40 + 2 * np.sin(x * 2)) + 0.06 * _noise(rng, x, level * 6, 0.8))[..., None]
    water = np.array([0.2, 0.48, 0.62]) * waves
    sky = np.clip((level - horizon) / 4, 0, 1)[..., None]
    albedo = (1 - sky) * np.array([0.85, 0.9, 0.93]) + sky * np.array([0.45, 0.68, 0.92])
    albedo = np.where((level < horizon)[..., None], water, albedo)
    foam = level < 0.1 + 0.05 * np.sin(x * 3)
    return _lay(albedo, foam, (0.92, 0.93, 0.93))


def _court(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    tone = np.array([[0.45, 0.52, 0.45], [0.55, 0.38, 0.32], [0.4, 0.45, 0.55]])[int(rng.integers(3))]
    albedo = np.broadcast_to(tone, (*x.shape, 3)) * (1 + 0.05 * _noise(rng, x, z, 1.4))[..., None]
    line = (np.abs(z - scene.near - 1.4) < 0.05) | (np.abs(x - rng.uniform(-2, 2)) < 0.05)
    ring = np.abs(np.hypot(x - rng.uniform(-1, 1), z - scene.near - 1.4) - 1.5) < 0.05
    return _lay(albedo, line | ring, (0.88, 0.88, 0.86))


def _fence(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    albedo = _trees(rng, scene, x, level)
    school = (np.abs(x - rng.uniform(-3, 3)) < rng.uniform(2.5, 4)) & (level < 3.6)
    albedo = _lay(albedo, school, np.array([0.78, 0.66, 0.42]) * rng.uniform(0.85, 1.05))
    windows = school & (np.mod(x, 1.3) > 0.35) & (np.mod(level, 1.7) > 0.8) & (np.mod(level, 1.7) < 1.5)
    albedo = _lay(albedo, windows, (0.3, 0.38, 0.45))
    wires = (level < 1.5) & ((np.mod(x + level, 0.22) < 0.018) | (np.mod(x - level, 0.22) < 0.018))
    posts = (level < 1.55) & (np.mod(x, 2.0) < 0.07)
    return _lay(albedo, wires | posts, (0.45, 0.47, 0.48))


def _boards(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    wide = 0.16
    row = np.floor(z / wide)
    tone = np.array([0.58, 0.42, 0.26]) * rng.uniform(0.8, 1.15)
    shade = 1 + 0.09 * np.sin(row * 12.9898) + 0.04 * np.sin(x * 9 + row * 5)
    albedo = tone * shade[..., None]
    joint = (np.mod(z, wide) < 0.012) | (np.mod(x + row * 0.77, 1.6) < 0.012)
    albedo = _lay(albedo, joint, tone * 0.6)
    if scene.domain.light.endswith("lamps") and rng.random() < 0.5:  # a carpet
        middle = scene.near + 0.4 * (scene.far - scene.near)
        carpet = (np.abs(x - rng.uniform(-0.8, 0.8)) < 1.9) & (np.abs(z - middle) < 1.1)
        albedo = _lay(albedo, carpet, rng.uniform(0.2, 0.7, 3) * (1 + 0.12 * np.sign(np.sin(z * 9)))[..., None])
    return albedo


def _room(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    wall = np.array([[0.85, 0.8, 0.7], [0.7, 0.78, 0.74], [0.75, 0.74, 0.8], [0.85, 0.76, 0.68]])[int(rng.integers(4))]
    albedo = np.broadcast_to(wall, (*x.shape, 3)) * (1 + 0.015 * np.sign(np.sin(x * 8)))[..., None]
    albedo = _lay(albedo, level < 0.12, (0.9, 0.9, 0.88))
    at = rng.uniform(-5, -3)
    window = (np.abs(x - at) < 0.9) & (np.abs(level - 1.75) < 0.75)
    albedo = _lay(albedo, window, (0.82, 0.9, 0.95))
    frame = window & ((np.abs(x - at) < 0.04) | (np.abs(np.abs(x - at) - 0.88) < 0.04) | (np.abs(level - 1.75) < 0.03))
    albedo = _lay(albedo, frame, (0.95, 0.95, 0.94))
    curtain = (np.abs(np.abs(x - at) - 1.1) < 0.28) & (level < 2.7) & (level > 0.3)
    albedo = _lay(albedo, curtain, rng.uniform(0.3, 0.7, 3) * (1 + 0.15 * np.sin(x * 40))[..., None])
    for centre in (rng.uniform(-1.2, 0.2), rng.uniform(1.2, 2.5)):  # pictures
        wide, high = rng.uniform(0.35, 0.6), rng.uniform(0.25, 0.45)
        outer = (np.abs(x - centre) < wide + 0.06) & (np.abs(level - 2.0) < high + 0.06)
        inner = (np.abs(x - centre) < wide) & (np.abs(level - 2.0) < high)
        albedo = _lay(albedo, outer, (0.25, 0.18, 0.12))
        albedo = _lay(albedo, inner, rng.uniform(0.3, 0.8, 3) * (1 + 0.4 * _noise(rng, x, level, 0.5))[..., None])
    sofa, tone = rng.uniform(0.5, 2.0), rng.uniform(0.2, 0.6, 3)
    albedo = _lay(albedo, (np.abs(x - sofa) < 1.25) & (level < 0.85), tone)
    albedo = _lay(albedo, (np.abs(x - sofa) < 1.05) & (level < 0.45), tone * 0.8)
    shelf = (np.abs(x - rng.uniform(4.2, 5.2)) < 0.6) & (level < 2.2)
    books = np.array([0.45, 0.35, 0.25]) + 0.3 * np.sin(np.floor(x / 0.06)[..., None] * np.array([3.1, 5.3, 7.7]))
    albedo = _lay(albedo, shelf, (0.4, 0.28, 0.18))
    return _lay(albedo, shelf & (np.mod(level, 0.4) > 0.06), np.clip(books, 0.05, 0.9))


def _carpet(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    tone = np.array([[0.42, 0.46, 0.52], [0.48, 0.48, 0.46], [0.36, 0.42, 0.4]])[int(rng.integers(3))]
    checks = np.mod(np.floor(x / 0.6) + np.floor(z / 0.6), 2)
    albedo = tone * (1 + 0.06 * checks + 0.04 * _noise(rng, x, z, 0.1))[..., None]
    return np.asarray(albedo)


def _office_wall(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    albedo = _colour(0.82, 0.83, 0.82, x)
    albedo = _lay(albedo, level < 0.1, (0.4, 0.4, 0.42))
    at = rng.uniform(-1.5, 1.5)
    board = (np.abs(x - at) < 1.5) & (np.abs(level - 1.65) < 0.65)
    albedo = _lay(albedo, board, (0.95, 0.95, 0.95))
    albedo = _lay(albedo, board & ((np.abs(x - at) > 1.46) | (np.abs(level - 1.65) > 0.61)), (0.55, 0.56, 0.58))
    ink = (
        board
        & (np.abs(x - at) < 1.2)
        & (np.mod(level, 0.22) < 0.03)
        & (np.sin(x * 7 + np.floor(level / 0.22) * 4) > -0.3)
    )
    albedo = _lay(albedo, ink, (0.2, 0.3, 0.6))
    door = (np.abs(x - at - rng.choice([-3.4, 3.4])) < 0.5) & (level < 2.1)
    albedo = _lay(albedo, door, (0.5, 0.38, 0.26))
    window = (np.abs(x) > 4.6) & (level > 0.9) & (level < 2.6)
    albedo = _lay(albedo, window, (0.78, 0.88, 0.95))
    desks = (np.abs(np.abs(x - at) - 2.4) < 0.7) & (level < 0.75) & (level > 0.68)
    legs = (np.abs(np.abs(np.abs(x - at) - 2.4) - 0.62) < 0.05) & (level < 0.7)
    return _lay(albedo, desks | legs, (0.36, 0.28, 0.2))


def _hall(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    albedo = _colour(0.78, 0.76, 0.7, x)
    panel = level < 2.2
    tone = np.array([0.62, 0.46, 0.28]) * rng.uniform(0.85, 1.1)
    albedo = _lay(albedo, panel, tone * (1 - 0.12 * (np.mod(x, 1.0) < 0.04))[..., None])
    bars = (
        (np.abs(x - rng.uniform(-3, 3)) < 1.6)
        & (level < 2.6)
        & ((np.mod(level, 0.28) < 0.05) | (np.mod(x, 0.8) < 0.06))
    )
    albedo = _lay(albedo, bars, (0.78, 0.66, 0.42))
    glass = (level > 3.0) & (np.mod(x, 1.8) > 0.2)
    return _lay(albedo, glass, (0.8, 0.88, 0.94))


def _shelves(rng: np.random.Generator, scene: Scene, x: Values, level: Values) -> Values:
    albedo = _colour(0.8, 0.8, 0.78, x)
    shelf = level < 2.3
    row, column = np.floor(level / 0.46), np.floor(x / rng.uniform(0.16, 0.3))
    seeds = rng.uniform(0, 50, 3)
    goods = 0.5 + 0.38 * np.sin(column[..., None] * np.array([1.7, 2.9, 4.3]) + row[..., None] * 2.3 + seeds)
    full = np.mod(level, 0.46) < 0.3 + 0.07 * np.sin(column * 5.1)
    albedo = _lay(albedo, shelf, (0.3, 0.3, 0.31))
    albedo = _lay(albedo, shelf & full, goods)
    albedo = _lay(albedo, shelf & (np.mod(level, 0.46) < 0.05), (0.86, 0.86, 0.84))
    albedo = _lay(albedo, shelf & (np.mod(x, 2.4) < 0.09), (0.25, 0.25, 0.26))
    banner = (level > 2.6) & (level < 3.2) & (np.mod(x + rng.uniform(0, 4), 4) < 2.6)
    return _lay(albedo, banner, rng.uniform(0.2, 0.85, 3))


def _tiles(rng: np.random.Generator, scene: Scene, x: Values, z: Values) -> Values:
    albedo = _colour(0.74, 0.74, 0.72, x) * (1 + 0.03 * _noise(rng, x, z, 0.5))[..., None]
    joint = (np.mod(x, 0.5) < 0.015) | (np.mod(z, 0.5) < 0.02)
    return _lay(albedo, joint, (0.55, 0.55, 0.54))


PLACES: Final[dict[str, Setting]] = {
    "park": Setting(("in a park", "on a path in a park", "on a lawn with trees"), _OUTDOOR, _grass, _trees),
    "street": Setting(
        ("in a street", "on a street in front of houses", "on a road in a town"), _OUTDOOR, _asphalt, _houses
    ),
    "square": Setting(("on a paved square", "on a town square", "in front of an arcade"), _OUTDOOR, _slabs, _arcade),
    "beach": Setting(("on a beach", "on the sand by the sea", "at the seaside"), _OUTDOOR, _sand, _sea),
    "schoolyard": Setting(
        ("in a schoolyard", "on a playground with a fence", "on the court of a school"), _OUTDOOR, _court, _fence
    ),
    "living_room": Setting(
        ("in a living room", "at home in front of a sofa", "in a room with pictures on the wall"),
        _INDOOR,
        _boards,
        _room,
    ),
    "office": Setting(
        ("in an office", "in a meeting room with a whiteboard", "in front of a whiteboard"),
        _INDOOR,
        _carpet,
        _office_wall,
    ),
    "hall": Setting(
        ("in a sports hall", "in a large hall", "in a gym"),
        replace(_INDOOR, light="the light of tall windows"),
        _boards,
        _hall,
    ),
    "shop": Setting(("in a shop", "between the shelves of a store", "in a supermarket"), _INDOOR, _tiles, _shelves),
}
