"""Domains, and the scenes drawn from them: light, camera, place, things to hide behind.

A ``Domain`` states every number as a range; a ``Scene`` is what one sequence has drawn from it. Light falls on the
ground plane: a person is lit by the light where he or she stands, the background by the light at its own place.

Shapes: L lamps, O obstacles.
"""

# ruff: noqa: RUF009 - the helpers called for defaults return dataclass fields

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sushi_lg.errors import ConfigError
from sushi_lg.simulation.camera import Camera, CameraMotion

# Lists instead of tuples, because that is what the schema of settings can hold: a range is [lowest, highest].
Range = list[float]
_HEIGHT: Final = 360  # of a picture for which lengths in pixels are written


def _range(low: float, high: float) -> Range:
    return field(default_factory=lambda: [low, high])


def _colours(*colours: tuple[float, float, float]) -> list[list[float]]:
    return field(default_factory=lambda: [list(colour) for colour in colours])


@dataclass
class Domain:
    """A kind of place with its light and its camera. A range is [lowest, highest], drawn once a sequence.

    Attributes:
        name: of the domain.
        place: word of the scene sentence, outdoor or indoor.
        light: of the scene sentence, such as "bright daylight".
        width: of a frame in pixels.
        height: of a frame.
        frame_rate: frames per second.
        frames: length of a sequence.
        every: steps that people walk between two frames. A camera that keeps one of five frames of 15 a second has
            frame_rate=3 every=5.
        people: number of people in a sequence.
        near: metres to the nearest place where people walk.
        far: metres to the farthest one.
        camera_height: metres.
        camera_pitch: degrees down.
        focal: pixels, of a picture 360 pixels high, as are the next ones.
        pan: largest shift in pixels.
        pan_seconds: of a turn there and back.
        shake: pixels.
        roll: degrees.
        ambient: red, green, blue of the light that is everywhere.
        lamps: number of lamps.
        lamp_colours: red, green, blue of lamps, one drawn for each.
        lamp_strength: factor of that colour.
        lamp_radius: metres at which a lamp has lost 40 % of its light.
        windows: red, green, blue of the daylight at the wall it comes in; zero = no windows.
        window_reach: metres after which it has lost 63 %.
        flicker: relative change of lamps in time.
        flicker_hertz: how often.
        white_balance: factor of the camera for each channel.
        exposure: factor of the camera for all channels.
        blur: standard deviation of the defocus in pixels.
        noise: standard deviation of the sensor's noise in grey levels.
        jpeg_quality: of OpenCV.
        ground: albedo of the ground, brightness.
        wall: albedo of the wall, brightness.
        pillars: number of them.
        billboards: number of them.
        detector_error: factor on all errors of the detector.
    """

    name: str = "plaza"
    place: str = "outdoor"
    light: str = "bright daylight"
    width: int = 640
    height: int = 360
    frame_rate: float = 15.0
    frames: int = 300
    every: int = 1
    people: Range = _range(12, 18)
    near: Range = _range(7.2, 7.8)
    far: Range = _range(16.0, 19.0)
    camera_height: Range = _range(4.2, 5.5)
    camera_pitch: Range = _range(19.0, 22.0)
    focal: Range = _range(700, 780)
    pan: Range = _range(0, 0)
    pan_seconds: Range = _range(14, 22)
    shake: Range = _range(0, 0)
    roll: Range = _range(0, 0)
    ambient: Range = field(default_factory=lambda: [1.0, 1.0, 1.0])
    lamps: Range = _range(0, 0)
    lamp_colours: list[list[float]] = _colours((1.0, 1.0, 1.0))
    lamp_strength: Range = _range(1, 1)
    lamp_radius: Range = _range(2, 2)
    windows: Range = field(default_factory=lambda: [0.0, 0.0, 0.0])
    window_reach: Range = _range(5, 5)
    flicker: Range = _range(0, 0)
    flicker_hertz: Range = _range(0.4, 0.4)
    white_balance: Range = _range(0.72, 1.28)
    exposure: Range = _range(0.85, 1.05)
    blur: Range = _range(0.4, 0.5)
    noise: Range = _range(1.5, 2.5)
    jpeg_quality: Range = _range(90, 94)
    ground: Range = _range(0.45, 0.65)
    wall: Range = _range(0.4, 0.75)
    pillars: Range = _range(1, 2)
    billboards: Range = _range(1, 1)
    detector_error: Range = _range(0.8, 1.0)

    def __post_init__(self) -> None:
        for spec in fields(self):  # 12 and 12.0 are the same settings
            value = getattr(self, spec.name)
            if spec.name == "lamp_colours":
                self.lamp_colours = [[float(channel) for channel in colour] for colour in value]
            elif isinstance(value, list):
                setattr(self, spec.name, [float(number) for number in value])

    def validate(self) -> None:
        """Check what is written.

        Raises:
            ConfigError: a range that is none, a colour without three channels, a size or length too small.
        """
        for spec in fields(self):
            value = getattr(self, spec.name)
            if spec.name in ("ambient", "windows"):
                _check_colour(spec.name, value)
            elif spec.name == "lamp_colours":
                for colour in value:
                    _check_colour(spec.name, colour)
                if not value:
                    raise ConfigError("lamp_colours: none", "give at least one [red, green, blue]")
            elif isinstance(value, list) and not (len(value) == 2 and 0 <= value[0] <= value[1]):
                raise ConfigError(f"{spec.name}: {value} is no range", f"write {spec.name}=[lowest,highest], from 0 on")
        for name, least in (("width", 160), ("height", 90), ("frames", 2), ("frame_rate", 1), ("every", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: {getattr(self, name)} is too small", f"at least {least}")
        for name, limit in (("near", 2.0), ("focal", 50), ("camera_height", 0.5), ("people", 1), ("pan_seconds", 1)):
            if getattr(self, name)[0] < limit:
                raise ConfigError(f"{name}: {getattr(self, name)} begins too low", f"at least {limit}")
        if self.far[0] <= self.near[1]:
            raise ConfigError(f"far: {self.far} begins before near: {self.near} ends", "make far larger than near")
        if self.place not in ("outdoor", "indoor"):
            raise ConfigError(f"place: {self.place!r} is unknown", "outdoor or indoor")


_SPOTS = (
    (1.45, 0.32, 0.25),
    (0.28, 0.42, 1.50),
    (0.35, 1.25, 0.32),
    (1.30, 0.30, 1.20),
    (1.35, 0.85, 0.22),
    (0.25, 1.10, 1.20),
    (1.05, 1.00, 0.95),
)

DOMAINS: Final[dict[str, Domain]] = {
    domain.name: domain
    for domain in (
        Domain(),
        Domain(
            name="stage",
            place="indoor",
            light="coloured stage light",
            near=[4.4, 5.0],
            far=[13.0, 15.0],
            camera_height=[1.3, 1.8],
            camera_pitch=[3.0, 6.0],
            focal=[500, 560],
            pan=[40, 110],
            shake=[1.0, 3.0],
            roll=[0.2, 0.6],
            ambient=[0.16, 0.15, 0.19],
            lamps=[9, 13],
            lamp_colours=[list(colour) for colour in _SPOTS],
            lamp_strength=[0.75, 1.0],
            lamp_radius=[1.1, 1.7],
            flicker=[0.0, 0.12],
            flicker_hertz=[0.1, 0.4],
            white_balance=[0.9, 1.1],
            exposure=[0.95, 1.1],
            blur=[0.6, 0.9],
            noise=[4.0, 7.0],
            jpeg_quality=[80, 88],
            ground=[0.2, 0.35],
            wall=[0.12, 0.25],
            detector_error=[1.0, 1.2],
        ),
        Domain(
            name="night",
            place="outdoor",
            light="the light of street lamps at night",
            near=[5.8, 6.4],
            far=[13.0, 15.0],
            camera_height=[2.6, 3.4],
            camera_pitch=[11.0, 14.0],
            focal=[620, 690],
            ambient=[0.19, 0.19, 0.23],
            lamps=[4, 6],
            lamp_colours=[[1.05, 0.56, 0.18], [0.62, 0.74, 0.98], [1.0, 0.68, 0.36]],
            lamp_strength=[0.8, 1.0],
            lamp_radius=[1.4, 2.1],
            flicker=[0.0, 0.04],
            white_balance=[0.9, 1.1],
            exposure=[1.0, 1.2],
            blur=[1.1, 1.6],
            noise=[9.0, 14.0],
            jpeg_quality=[70, 80],
            ground=[0.3, 0.5],
            wall=[0.25, 0.5],
            detector_error=[1.1, 1.35],
        ),
        Domain(
            name="mall",
            place="indoor",
            light="the light of fluorescent tubes and windows",
            near=[5.4, 6.0],
            far=[13.0, 15.0],
            camera_height=[2.2, 3.0],
            camera_pitch=[9.0, 12.0],
            focal=[590, 650],
            pan=[30, 90],
            pan_seconds=[16, 26],
            shake=[0.0, 0.6],
            ambient=[0.14, 0.15, 0.15],
            lamps=[5, 7],
            lamp_colours=[[0.50, 0.66, 0.46], [0.55, 0.68, 0.52]],
            lamp_strength=[0.7, 0.95],
            lamp_radius=[2.6, 3.6],
            windows=[0.55, 0.75, 1.15],
            window_reach=[3.0, 5.0],
            flicker=[0.08, 0.16],
            flicker_hertz=[0.25, 0.7],
            white_balance=[0.9, 1.1],
            exposure=[0.65, 0.85],
            blur=[0.6, 0.9],
            noise=[3.0, 5.0],
            jpeg_quality=[82, 90],
            ground=[0.5, 0.7],
            wall=[0.5, 0.75],
            detector_error=[1.0, 1.2],
        ),
    )
}


@dataclass(frozen=True)
class Light:
    """Light on the ground plane, and the camera's gains; colours are red, green, blue.

    Attributes:
        ambient: (3,).
        place: (L, 2) x, z of lamps.
        colour: (L, 3) in the middle of each lamp.
        radius: (L,) metres.
        windows: (3,) at the wall of windows.
        window_x: where that wall is.
        window_side: 1 when light falls to the right, -1 to the left.
        window_reach: metres.
        flicker: relative change of lamps.
        flicker_hertz: how often.
        flicker_phase: radians.
        gain: (3,) white balance and exposure.
    """

    ambient: NDArray[np.float64]
    place: NDArray[np.float64]
    colour: NDArray[np.float64]
    radius: NDArray[np.float64]
    windows: NDArray[np.float64]
    window_x: float
    window_side: int
    window_reach: float
    flicker: float
    flicker_hertz: float
    flicker_phase: float
    gain: NDArray[np.float64]

    def steady(self, x: ArrayLike, z: ArrayLike) -> NDArray[np.float64]:
        """Return (..., 3): what does not change in time, as the camera sees it on a white surface."""
        x, z = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(z, np.float64))
        inside = np.maximum((x - self.window_x) * self.window_side, 0)
        daylight = np.exp(-inside / self.window_reach)[..., None] * self.windows
        return (self.ambient + daylight) * self.gain

    def of_lamps(self, x: ArrayLike, z: ArrayLike) -> NDArray[np.float64]:
        """Return (..., 3): the light of the lamps before they flicker."""
        x, z = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(z, np.float64))
        total = np.zeros((*x.shape, 3))
        for (lamp_x, lamp_z), colour, radius in zip(self.place, self.colour, self.radius, strict=True):
            distance = (x - lamp_x) ** 2 + (z - lamp_z) ** 2
            total += np.exp(-0.5 * distance / radius**2)[..., None] * colour
        return total * self.gain

    def flickering(self, seconds: ArrayLike) -> NDArray[np.float64]:
        """Return (...): the factor on the light of lamps."""
        angle = 2 * math.pi * self.flicker_hertz * np.asarray(seconds, np.float64) + self.flicker_phase
        return np.asarray(1 + self.flicker * np.sin(angle))

    def at(self, x: ArrayLike, z: ArrayLike, seconds: ArrayLike) -> NDArray[np.float64]:
        """Return (..., 3): all the light at a place and time."""
        return self.steady(x, z) + self.of_lamps(x, z) * self.flickering(seconds)[..., None]


@dataclass(frozen=True)
class Obstacle:
    """Something people vanish behind: upright, facing the camera, standing on the ground.

    Attributes:
        x: metres, its middle.
        z: metres.
        width: metres.
        top: metres above the ground.
        kind: pillar or billboard.
        colour: albedo.
        seed: of its pattern.
    """

    x: float
    z: float
    width: float
    top: float
    kind: str
    colour: tuple[float, float, float]
    seed: int


@dataclass(frozen=True)
class Scene:
    """What one sequence has drawn from its domain."""

    domain: Domain
    camera: Camera
    motion: CameraMotion
    light: Light
    obstacles: list[Obstacle]
    near: float
    far: float
    blur: float
    noise: float
    jpeg_quality: int
    ground: float
    wall: float
    detector_error: float
    seed: int

    def reach(self, z: ArrayLike) -> NDArray[np.float64]:
        """Return how far from the middle, in metres, the ground at ``z`` can be seen at all."""
        return self.camera.half_width(z, self.camera.width / 2 + self.motion.pan)


def draw_scene(rng: np.random.Generator, domain: Domain) -> Scene:
    """Draw the scene of one sequence."""

    def draw(limits: Range) -> float:
        return float(rng.uniform(limits[0], limits[1]))

    zoom = domain.height / _HEIGHT
    motion = CameraMotion(
        draw(domain.pan) * zoom, draw(domain.pan_seconds), draw(domain.shake) * zoom, math.radians(draw(domain.roll))
    )
    roll = 2.5 * math.sin(motion.roll)
    margin_x = math.ceil(motion.pan + 2.5 * motion.shake + roll * domain.height / 2) + (0 if motion.is_static else 4)
    margin_y = math.ceil(2.5 * motion.shake + roll * domain.width / 2) + (0 if motion.is_static else 4)
    camera = Camera(
        draw(domain.camera_height),
        math.radians(draw(domain.camera_pitch)),
        draw(domain.focal) * zoom,
        domain.width,
        domain.height,
        margin_x,
        margin_y,
    )
    near, far = draw(domain.near), draw(domain.far)

    def reach(z: float) -> float:
        return float(camera.half_width(z, camera.width / 2 + motion.pan))

    return Scene(
        domain=domain,
        camera=camera,
        motion=motion,
        light=_draw_light(rng, domain, near, far, reach(near), reach(far)),
        obstacles=_draw_obstacles(rng, domain, near, far, reach),
        near=near,
        far=far,
        blur=draw(domain.blur),
        noise=draw(domain.noise),
        jpeg_quality=round(draw(domain.jpeg_quality)),
        ground=draw(domain.ground),
        wall=draw(domain.wall),
        detector_error=draw(domain.detector_error),
        seed=int(rng.integers(2**31)),
    )


def scene_attributes(scene: Scene, visible_people: float) -> dict[str, str]:
    """Return the words about a scene.

    Args:
        scene: of a sequence.
        visible_people: mean number a frame.
    """
    motion = scene.motion
    camera = "static" if motion.is_static else "hand-held" if motion.shake >= 0.8 else "slowly panning"
    height = scene.camera.height
    return {
        "camera": camera,
        "viewpoint": "low" if height < 2 else "medium" if height < 4 else "high",
        "light": scene.domain.light,
        "crowding": "crowded" if visible_people >= 8 else "uncrowded",
        "place": scene.domain.place,
    }


def scene_sentence(words: dict[str, str]) -> str:
    """Return the sentence of a scene from ``scene_attributes``."""
    return (
        f"A scene captured by a {words['camera']} camera from a {words['viewpoint']} viewpoint in {words['light']}, "
        f"{words['crowding']}, {words['place']}."
    )


def _draw_light(
    rng: np.random.Generator, domain: Domain, near: float, far: float, near_reach: float, far_reach: float
) -> Light:
    count = _draw_number(rng, domain.lamps)
    place = np.zeros((count, 2))
    # spread over the ground: each new lamp is the farthest of a few from those that are there
    for k in range(count):
        z = rng.uniform(near - 0.5, far + 0.5, 12)
        share = (z - near) / (far - near)
        x = rng.uniform(-1, 1, 12) * (near_reach + (far_reach - near_reach) * share)
        options = np.stack([x, z], axis=1)
        gaps = np.linalg.norm(options[:, None] - place[None, :k], axis=2).min(axis=1, initial=1e9)
        place[k] = options[int(np.argmax(gaps))]
    colours = np.array(domain.lamp_colours)
    # every colour is used before one comes again
    order = np.concatenate([rng.permutation(len(colours)) for _ in range(count // len(colours) + 1)])[:count]
    strength = rng.uniform(domain.lamp_strength[0], domain.lamp_strength[1], count)
    side = 1 if rng.random() < 0.5 else -1
    return Light(
        ambient=np.array(domain.ambient),
        place=place,
        colour=colours[order] * strength[:, None],
        radius=rng.uniform(domain.lamp_radius[0], domain.lamp_radius[1], count),
        windows=np.array(domain.windows),
        window_x=-side * far_reach * 0.8,
        window_side=side,
        window_reach=float(rng.uniform(domain.window_reach[0], domain.window_reach[1])),
        flicker=float(rng.uniform(domain.flicker[0], domain.flicker[1])),
        flicker_hertz=float(rng.uniform(domain.flicker_hertz[0], domain.flicker_hertz[1])),
        flicker_phase=float(rng.uniform(0, 2 * math.pi)),
        gain=rng.uniform(domain.white_balance[0], domain.white_balance[1], 3)
        * rng.uniform(domain.exposure[0], domain.exposure[1]),
    )


def _draw_obstacles(
    rng: np.random.Generator, domain: Domain, near: float, far: float, reach: Callable[[float], float]
) -> list[Obstacle]:
    obstacles = []
    kinds = ["pillar"] * _draw_number(rng, domain.pillars)
    kinds += ["billboard"] * _draw_number(rng, domain.billboards)
    if not kinds:
        return []
    # side by side in the picture, so that they do not stand behind one another
    lanes = rng.permutation(len(kinds))
    for lane, kind in zip(lanes, kinds, strict=True):
        z = near + (far - near) * rng.uniform(0.25, 0.6)
        x = (-1 + 2 * (lane + rng.uniform(0.3, 0.7)) / len(kinds)) * reach(z) * 0.9
        is_pillar = kind == "pillar"
        width, top = (rng.uniform(0.7, 0.95), 4.5) if is_pillar else (rng.uniform(1.2, 1.8), rng.uniform(2.0, 2.25))
        colour = rng.uniform(0.3, 0.6) * np.ones(3) if is_pillar else rng.uniform(0.1, 0.9, 3)
        red, green, blue = (float(value) for value in colour)
        obstacles.append(
            Obstacle(float(x), float(z), float(width), float(top), kind, (red, green, blue), int(rng.integers(2**31)))
        )
    return sorted(obstacles, key=lambda obstacle: -obstacle.z)


def _draw_number(rng: np.random.Generator, limits: Range) -> int:
    return int(rng.integers(round(limits[0]), round(limits[1]), endpoint=True))


def _check_colour(name: str, value: list[float]) -> None:
    if len(value) != 3 or min(value) < 0:
        raise ConfigError(f"{name}: {value} is no colour", f"write {name}=[red,green,blue], from 0 on")
