"""Pictures of acts: the background of a place, people with their hands in use, and the things they hold or throw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.crowd import Walks
from sushi_lg.simulation.figure import Pose
from sushi_lg.simulation.people import COLOURS, Person
from sushi_lg.simulation.render import Renderer, background
from sushi_lg.simulation.scenes import Scene
from sushi_lg.simulation.social.places import Setting
from sushi_lg.simulation.social.poses import hand_pixels
from sushi_lg.simulation.staging import Staging

_SHIFT: Final = 4
_ONE: Final = 1 << _SHIFT
FLYING, UNSEEN = -1, -2


@dataclass(frozen=True)
class Thing:
    """A thing that people hold or throw.

    Attributes:
        kind: such as "box".
        colour: word, or empty.
        holder: (T,) int64, index of a person, FLYING or UNSEEN.
        hand: (T,) int64: 0 left, 1 right, 2 between both.
        at: (T, 3) x, up, z in metres where it flies.
    """

    kind: str
    colour: str
    holder: NDArray[np.int64]
    hand: NDArray[np.int64]
    at: NDArray[np.float64]


class SocialRenderer(Renderer):
    """Draws the frames of one clip.

    Args:
        scene: light and camera.
        setting: the place.
        people: P.
        walks: where they are on the ground.
        staging: where they are in the pictures.
        affines: (T, 2, 3) of the camera.
        things: of the clip.
    """

    def __init__(
        self,
        scene: Scene,
        setting: Setting,
        people: list[Person],
        walks: Walks,
        staging: Staging,
        affines: NDArray[np.float64],
        things: list[Thing],
    ) -> None:
        self._setting, self._things = setting, things
        build = np.array([person.build for person in people])
        self._hands = hand_pixels(staging.joints, staging.foot, staging.up, build)
        super().__init__(scene, people, walks, staging, affines)

    def _background(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        outdoor = self._scene.domain.place == "outdoor"
        dimming = math.inf if outdoor else 8.0
        return background(rng, self._scene, self._setting.ground, self._setting.back, dimming)

    def _draw_person(
        self, canvas: NDArray[np.uint8], k: int, frame: int, pose: Pose, light: NDArray[np.float64]
    ) -> None:
        # who turns the back to the camera hides what he or she holds in front
        behind = math.cos(pose.view) < -0.3
        if behind:
            self._draw_held(canvas, k, frame, light)
        super()._draw_person(canvas, k, frame, pose, light)
        if not behind:
            self._draw_held(canvas, k, frame, light)

    def _draw_all(self, canvas: NDArray[np.uint8], frame: int) -> None:
        super()._draw_all(canvas, frame)
        for thing in self._things:
            if thing.holder[frame] == FLYING:
                x, up, z = thing.at[frame]
                affine = self._affines[frame]
                at = affine[:, :2] @ self._scene.camera.project(x, up, z) + affine[:, 2]
                metre = self._scene.camera.project(x, up + 1, z) - self._scene.camera.project(x, up, z)
                light = self._scene.light.at(x, z, self._seconds(frame))
                _draw_thing(canvas, thing, at, float(np.linalg.norm(metre)), light)

    def _draw_held(self, canvas: NDArray[np.uint8], k: int, frame: int, light: NDArray[np.float64]) -> None:
        for thing in self._things:
            if thing.holder[frame] == k:
                hands = self._hands[k, frame]
                at = hands.mean(axis=0) if thing.hand[frame] == 2 else hands[thing.hand[frame]]
                metre = float(np.linalg.norm(self._staging.up[k, frame])) / self._people[k].height
                _draw_thing(canvas, thing, at, metre, light)


def _draw_thing(
    canvas: NDArray[np.uint8], thing: Thing, at: NDArray[np.float64], metre: float, light: NDArray[np.float64]
) -> None:
    """Draw a thing whose handle is at a pixel; ``metre`` is how many pixels a metre has there."""
    albedo = COLOURS[thing.colour or "green"]

    def lit(colour: tuple[float, float, float], shade: float = 1.0) -> tuple[float, float, float]:
        red, green, blue = (min(255.0, float(c * g * shade * 255)) for c, g in zip(colour, light, strict=True))
        return blue, green, red

    def box(left: float, top: float, right: float, bottom: float, colour: tuple[float, float, float]) -> None:
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) * metre + at
        cv2.fillPoly(canvas, [np.round(corners * _ONE).astype(np.int32)], colour, cv2.LINE_AA, _SHIFT)

    def disc(x: float, y: float, radius: float, colour: tuple[float, float, float]) -> None:
        centre = np.round((at + np.array([x, y]) * metre) * _ONE).astype(int)
        cv2.circle(
            canvas,
            (int(centre[0]), int(centre[1])),
            max(round(radius * metre * _ONE), _ONE),
            colour,
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )

    if thing.kind == "box":
        box(-0.19, -0.16, 0.19, 0.13, lit(albedo))
        box(-0.03, -0.16, 0.03, 0.13, lit(albedo, 0.7))
        box(-0.19, 0.09, 0.19, 0.13, lit(albedo, 0.8))
    elif thing.kind == "bag":
        box(-0.07, -0.02, -0.05, 0.1, lit(albedo, 0.7))
        box(0.05, -0.02, 0.07, 0.1, lit(albedo, 0.7))
        box(-0.15, 0.08, 0.15, 0.38, lit(albedo))
        box(-0.15, 0.33, 0.15, 0.38, lit(albedo, 0.75))
    elif thing.kind == "book":
        box(-0.1, -0.15, 0.12, 0.13, lit(albedo))
        box(0.09, -0.14, 0.12, 0.12, lit((0.9, 0.9, 0.86)))
    elif thing.kind == "bottle":
        box(-0.045, -0.12, 0.045, 0.15, lit(albedo))
        box(-0.018, -0.22, 0.018, -0.12, lit(albedo, 0.8))
    elif thing.kind == "ball":
        disc(0.0, 0.0, 0.13, lit(albedo))
        disc(-0.035, -0.04, 0.05, lit(albedo, 1.35))
    elif thing.kind == "camera":
        box(-0.12, -0.07, 0.12, 0.08, lit((0.08, 0.08, 0.09)))
        disc(0.0, 0.005, 0.055, lit((0.3, 0.34, 0.4)))
        box(0.05, -0.1, 0.1, -0.07, lit((0.5, 0.5, 0.5)))
    else:  # flowers
        box(-0.02, -0.02, 0.02, 0.18, lit((0.16, 0.45, 0.18)))
        for x, y, petals in (
            (-0.09, -0.07, (0.85, 0.15, 0.2)), (0.0, -0.13, (0.95, 0.8, 0.2)), (0.09, -0.07, (0.9, 0.4, 0.6)),
            (-0.04, -0.02, (0.9, 0.4, 0.6)), (0.05, -0.01, (0.85, 0.15, 0.2)),
        ):  # fmt: skip
            disc(x, y, 0.055, lit(petals))
