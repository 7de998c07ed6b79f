"""One person as a jointed figure: where the joints are, the box around them, and how they are drawn.

The body has three axes: to its own right, forward, up. ``view`` turns it to the camera: 0 comes towards the camera,
pi/2 walks to the right in the picture, pi walks away. Lengths are shares of the body's height; the origin lies between
the feet.

Shapes: J joints; leading axes are free (people, frames).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.people import Colour, Person

JOINTS: Final = (
    "hip_l", "knee_l", "foot_l", "hip_r", "knee_r", "foot_r",
    "shoulder_l", "elbow_l", "hand_l", "shoulder_r", "elbow_r", "hand_r", "head",
)  # fmt: skip
_INDEX: Final = {name: k for k, name in enumerate(JOINTS)}

_HIP, _SHOULDER, _HEAD = 0.50, 0.80, 0.922
_THIGH, _SHIN = 0.245, 0.235
_UPPER_ARM, _FOREARM = 0.165, 0.15
_HIP_OUT, _SHOULDER_OUT = 0.052, 0.125
_HEAD_HIGH, _HEAD_WIDE = 0.073, 0.056
_SHIFT: Final = 4  # binary digits behind the point that OpenCV's drawing takes
_ONE: Final = 1 << _SHIFT

# (width in front view, width in side view) of the trunk at heights from top to bottom, half of each
_TRUNK: Final = (
    (0.825, 0.085, 0.05),
    (0.79, 0.128, 0.072),
    (0.66, 0.108, 0.078),
    (0.56, 0.098, 0.072),
    (0.47, 0.108, 0.08),
)
_COAT_HEM: Final = (0.33, 0.125, 0.095)


@dataclass(frozen=True)
class Pose:
    """Where and how a figure stands in the picture.

    Attributes:
        foot: x, y of the origin in pixels.
        up: x, y from the feet to the top of the head in pixels.
        view: radians; see the module.
        joints: (J, 3) from ``skeleton``.
    """

    foot: tuple[float, float]
    up: tuple[float, float]
    view: float
    joints: NDArray[np.float64]


def skeleton(view: NDArray[np.float64], phase: NDArray[np.float64], stride: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the joints of walking figures.

    Args:
        view: (...) radians.
        phase: (...) radians of the walk; 2 pi is two steps.
        stride: (...) 0 stands, 1 walks at 1.4 m/s.

    Returns:
        (..., J, 3): to the right in the picture, up, towards the camera.
    """
    facing, side = np.cos(view), np.sin(view)
    joints = np.zeros((*np.shape(view), len(JOINTS), 3))

    def place(name: str, right: NDArray[np.float64] | float, forward: NDArray[np.float64] | float, up: object) -> None:
        at = joints[..., _INDEX[name], :]
        at[..., 0] = forward * side - right * facing
        at[..., 1] = up
        at[..., 2] = forward * facing + right * side

    for letter, sign, turn in (("l", -1.0, 0.0), ("r", 1.0, math.pi)):
        angle = 0.48 * stride * np.sin(phase + turn)
        bend = 0.75 * stride * np.maximum(np.cos(phase + turn), 0) + 0.04
        knee_forward, knee_up = _THIGH * np.sin(angle), _HIP - _THIGH * np.cos(angle)
        place(f"hip_{letter}", sign * _HIP_OUT, 0.0, _HIP)
        place(f"knee_{letter}", sign * _HIP_OUT, knee_forward, knee_up)
        shin = angle - bend
        forward, up = knee_forward + _SHIN * np.sin(shin), knee_up - _SHIN * np.cos(shin)
        place(f"foot_{letter}", sign * _HIP_OUT, forward, np.maximum(up, 0.02))
        swing = -0.85 * angle
        out = sign * (_SHOULDER_OUT + 0.015)
        elbow_forward, elbow_up = _UPPER_ARM * np.sin(swing), _SHOULDER - 0.02 - _UPPER_ARM * np.cos(swing)
        place(f"shoulder_{letter}", sign * _SHOULDER_OUT, 0.0, _SHOULDER - 0.02)
        place(f"elbow_{letter}", out, elbow_forward, elbow_up)
        fore = swing + 0.22 + 0.25 * stride
        place(f"hand_{letter}", out, elbow_forward + _FOREARM * np.sin(fore), elbow_up - _FOREARM * np.cos(fore))
    place("head", 0.0, 0.012, _HEAD)
    return joints


def box_of(joints: NDArray[np.float64], build: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return (..., 4): left, bottom, right, top around the body, without what it carries.

    Args:
        joints: (..., J, 3).
        build: (...) width of the body.
    """
    x = joints[..., 0] * np.asarray(build)[..., None]
    left, right = x.min(axis=-1) - 0.035, x.max(axis=-1) + 0.035
    return np.stack([left, np.zeros_like(left), right, np.ones_like(left)], axis=-1)


def draw_figure(canvas: NDArray[np.uint8], person: Person, pose: Pose, light: NDArray[np.float64]) -> None:
    """Draw a person on a (H, W, 3) picture, blue first, in place.

    Args:
        canvas: the picture.
        person: who.
        pose: how.
        light: (3,) red, green, blue of the light where the person stands.
    """
    _Brush(canvas, person, pose, light).draw()


class _Brush:
    """Draws one figure; lives for one call."""

    def __init__(self, canvas: NDArray[np.uint8], person: Person, pose: Pose, light: NDArray[np.float64]) -> None:
        self.canvas, self.person, self.pose = canvas, person, pose
        self.gain = light * 255.0
        self.scale = math.hypot(*pose.up)
        self.facing, self.side = math.cos(pose.view), math.sin(pose.view)

    def draw(self) -> None:
        person, joints = self.person, self.pose.joints
        near, far = ("r", "l") if joints[_INDEX["hip_r"], 2] >= joints[_INDEX["hip_l"], 2] else ("l", "r")
        carried = "" if person.carried is None else person.carried.kind
        from_behind = self.facing < 0
        if carried == "suitcase" and not from_behind:
            self._suitcase()
        if carried == "backpack" and not from_behind:
            self._backpack()
        if carried == "handbag" and joints[_INDEX["hand_r"], 2] < 0:
            self._handbag()
        self._arm(far, 0.8)
        self._leg(far, 0.78)
        self._leg(near, 0.95)
        if person.lower.kind == "skirt":
            self._skirt()
        if person.hair_style == "long" and not from_behind:
            self._long_hair()
        self._trunk()
        self._head()
        if person.hair_style == "long" and from_behind:
            self._long_hair()
        if carried == "backpack" and from_behind:
            self._backpack()
        elif carried == "backpack" and self.facing > 0.25:
            self._straps()
        self._arm(near, 0.92)
        if carried == "handbag" and joints[_INDEX["hand_r"], 2] >= 0:
            self._handbag()
        if carried == "suitcase" and from_behind:
            self._suitcase()
        if carried == "umbrella":
            self._umbrella()

    # ------------------------------------------------------------------------------------------------ parts of a body

    def _leg(self, letter: str, shade: float) -> None:
        person = self.person
        hip, knee, foot = (self._joint(f"{part}_{letter}") for part in ("hip", "knee", "foot"))
        bare = person.skin
        thigh = bare if person.lower.kind == "skirt" else person.lower.albedo
        shin = person.lower.albedo if person.lower.kind == "trousers" else bare
        self._limb(knee, foot, 0.062 if person.lower.kind == "trousers" else 0.045, shin, shade)
        self._limb(hip, knee, 0.085, thigh, shade)
        toe = (foot[0] + 0.055 * self.side, foot[1] - 0.012)
        self._limb((foot[0], foot[1] - 0.004), toe, 0.042, person.shoes.albedo, shade)

    def _arm(self, letter: str, shade: float) -> None:
        person = self.person
        shoulder, elbow, hand = (self._joint(f"{part}_{letter}") for part in ("shoulder", "elbow", "hand"))
        long = person.upper.kind != "T-shirt"
        sleeve = person.upper.albedo
        self._limb(elbow, hand, 0.046 if long else 0.036, sleeve if long else person.skin, shade)
        self._limb(shoulder, elbow, 0.056, sleeve, shade)
        if person.pattern == "striped":
            for share in (0.3, 0.75):
                at = (_mix(shoulder[0], elbow[0], share), _mix(shoulder[1], elbow[1], share))
                self._disc(at, 0.022, 0.013, person.second.albedo, shade)
        self._disc(hand, 0.021, 0.024, person.skin, shade)

    def _trunk(self) -> None:
        person = self.person
        rows = list(_TRUNK) + ([_COAT_HEM] if person.upper.kind == "coat" else [])
        edges = [(up, math.hypot(front * self.facing, flat * self.side)) for up, front, flat in rows]
        outline = [(-half, up) for up, half in edges] + [(half, up) for up, half in reversed(edges)]
        colour = person.upper.albedo
        self._fill(outline, colour, 1.0)
        if person.pattern == "striped":
            for top in np.arange(0.775, edges[-1][0] + 0.03, -0.075):
                self._band(edges, float(top), float(top) - 0.033, person.second.albedo)
        elif person.pattern == "two-tone":
            self._band(edges, 0.645, edges[-1][0], person.second.albedo)
        elif person.pattern == "logo":
            half = 0.055 if self.facing >= 0 else 0.075  # larger on the back
            width = max(half * abs(self.facing), 0.012)
            at = 0.02 * self.side
            self._fill(
                [(at - width, 0.75), (at + width, 0.75), (at + width, 0.645), (at - width, 0.645)], person.second.albedo
            )
        # light from the left leaves the right side of a body darker
        self._shade([(half * 0.45, up) for up, half in edges] + [(half, up) for up, half in reversed(edges)], 0.82)

    def _band(self, edges: list[tuple[float, float]], top: float, bottom: float, colour: Colour) -> None:
        ups, halves = [up for up, _ in reversed(edges)], [half for _, half in reversed(edges)]
        high, low = float(np.interp(top, ups, halves)), float(np.interp(bottom, ups, halves))
        self._fill([(-high, top), (high, top), (low, bottom), (-low, bottom)], colour)

    def _skirt(self) -> None:
        wide = math.hypot(0.105 * self.facing, 0.08 * self.side)
        knees = [self._joint("knee_l"), self._joint("knee_r")]
        left = min(-wide * 1.35, *(x - 0.045 for x, _ in knees))
        right = max(wide * 1.35, *(x + 0.045 for x, _ in knees))
        self._fill([(-wide, 0.53), (wide, 0.53), (right, 0.27), (left, 0.27)], self.person.lower.albedo)

    def _head(self) -> None:
        person = self.person
        x, up = self._joint("head")
        self._limb((0.0, 0.81), (x, 0.87), 0.055, person.skin, 0.85)
        self._disc((x, up), _HEAD_WIDE, _HEAD_HIGH, person.skin, 1.0)
        if person.hair_style != "bald":
            hair = person.hair.albedo
            if self.facing < -0.3:
                self._disc((x, up + 0.006), _HEAD_WIDE * 1.06, _HEAD_HIGH * 0.98, hair, 1.0)
            else:
                back = -0.022 * self.side
                self._disc((x + back, up + 0.033), _HEAD_WIDE * 1.04, _HEAD_HIGH * 0.62, hair, 1.0)
                if abs(self.side) > 0.4:
                    self._disc((x - 0.03 * self.side, up), _HEAD_WIDE * 0.62, _HEAD_HIGH * 0.85, hair, 1.0)
        if person.hat is not None:
            hat = person.hat.albedo
            self._disc((x, up + 0.045), _HEAD_WIDE * 1.08, 0.042, hat, 1.0)
            brim = x + 0.03 * self.side
            self._limb((brim - 0.062, up + 0.028), (brim + 0.062, up + 0.028), 0.018, hat, 0.8)

    def _long_hair(self) -> None:
        x, up = self._joint("head")
        x -= 0.03 * self.side
        wide = 0.062 if abs(self.facing) > 0.5 else 0.045
        low = 0.745
        points = [(x - wide * 0.8, up + 0.03), (x + wide * 0.8, up + 0.03), (x + wide, low), (x - wide, low)]
        self._fill(points, self.person.hair.albedo, 0.93)

    # -------------------------------------------------------------------------------------------------- carried things

    def _backpack(self) -> None:
        thing = self.person.carried
        assert thing is not None
        x = -0.105 * self.side
        half = math.hypot(0.1 * self.facing, 0.06 * self.side)
        self._fill(
            [
                (x - half * 0.8, 0.81),
                (x + half * 0.8, 0.81),
                (x + half, 0.77),
                (x + half, 0.58),
                (x - half, 0.58),
                (x - half, 0.77),
            ],
            thing.albedo,
        )
        self._fill(
            [(x - half * 0.6, 0.68), (x + half * 0.6, 0.68), (x + half * 0.6, 0.6), (x - half * 0.6, 0.6)],
            thing.albedo,
            0.75,
        )

    def _straps(self) -> None:
        thing = self.person.carried
        assert thing is not None
        for sign in (-1, 1):
            x = sign * 0.07 * self.facing
            self._limb((x, 0.81), (x, 0.62), 0.024, thing.albedo, 0.9)

    def _handbag(self) -> None:
        thing = self.person.carried
        assert thing is not None
        x, up = self._joint("hand_r")
        half = 0.05 * abs(self.side) + 0.03
        self._limb((x, up), (x - half * 0.7, up - 0.05), 0.012, thing.albedo, 0.8)
        self._limb((x, up), (x + half * 0.7, up - 0.05), 0.012, thing.albedo, 0.8)
        self._fill(
            [(x - half, up - 0.045), (x + half, up - 0.045), (x + half * 1.1, up - 0.13), (x - half * 1.1, up - 0.13)],
            thing.albedo,
        )

    def _suitcase(self) -> None:
        thing = self.person.carried
        assert thing is not None
        hand_x, hand_up = self._joint("hand_r")
        x = hand_x - 0.14 * self.side
        half = 0.045 * abs(self.side) + 0.075 * abs(self.facing)
        self._limb((hand_x, hand_up), (x, 0.33), 0.012, COLOUR_OF_HANDLES, 1.0)
        self._fill([(x - half, 0.34), (x + half, 0.34), (x + half, 0.02), (x - half, 0.02)], thing.albedo)
        self._fill([(x - half, 0.2), (x + half, 0.2), (x + half, 0.17), (x - half, 0.17)], thing.albedo, 0.7)

    def _umbrella(self) -> None:
        thing = self.person.carried
        assert thing is not None
        x = 0.05 * self.side
        self._limb(self._joint("hand_r"), (x, 1.1), 0.012, COLOUR_OF_HANDLES, 1.0)
        arc = [(x + 0.26 * math.cos(a), 1.0 + 0.17 * math.sin(a)) for a in np.linspace(0, math.pi, 9)]
        self._fill(arc, thing.albedo)
        self._shade([(x + 0.05, 1.0), (x + 0.26, 1.0), (x + 0.18, 1.12), (x + 0.06, 1.165)], 0.82)

    # ---------------------------------------------------------------------------------------------------------- shapes

    def _joint(self, name: str) -> tuple[float, float]:
        x, up, _ = self.pose.joints[_INDEX[name]]
        return float(x), float(up)

    def _point(self, at: tuple[float, float]) -> tuple[int, int]:
        """Return the pixel, in sixteenths, of a point of the body."""
        x, up = at[0] * self.person.build, at[1]
        (foot_x, foot_y), (up_x, up_y) = self.pose.foot, self.pose.up
        return round((foot_x + up * up_x - x * up_y) * _ONE), round((foot_y + up * up_y + x * up_x) * _ONE)

    def _lit(self, colour: Colour, shade: float) -> tuple[float, float, float]:
        red, green, blue = (min(c * g * shade, 255.0) for c, g in zip(colour, self.gain, strict=True))
        return blue, green, red

    def _fill(self, points: list[tuple[float, float]], colour: Colour, shade: float = 1.0) -> None:
        corners = np.array([self._point(point) for point in points], np.int32)
        cv2.fillPoly(self.canvas, [corners], self._lit(colour, shade), cv2.LINE_AA, _SHIFT)

    def _limb(
        self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour, shade: float
    ) -> None:
        thickness = max(1, round(width * self.scale * self.person.build))
        cv2.line(
            self.canvas, self._point(start), self._point(end), self._lit(colour, shade), thickness, cv2.LINE_AA, _SHIFT
        )

    def _disc(self, centre: tuple[float, float], wide: float, high: float, colour: Colour, shade: float) -> None:
        axes = (round(wide * self.scale * _ONE), round(high * self.scale * _ONE))
        tilt = math.degrees(math.atan2(self.pose.up[0], -self.pose.up[1]))
        cv2.ellipse(
            self.canvas, self._point(centre), axes, tilt, 0, 360, self._lit(colour, shade), -1, cv2.LINE_AA, _SHIFT
        )

    def _shade(self, points: list[tuple[float, float]], factor: float) -> None:
        """Darken a polygon, whatever its pattern."""
        corners = np.array([self._point(point) for point in points], np.int32)
        low = np.maximum(corners.min(axis=0) >> _SHIFT, 0)
        high = np.minimum((corners.max(axis=0) >> _SHIFT) + 1, (self.canvas.shape[1], self.canvas.shape[0]))
        if (low >= high).any():
            return
        region = self.canvas[low[1] : high[1], low[0] : high[0]]
        mask = np.zeros(region.shape[:2], np.uint8)
        cv2.fillPoly(mask, [corners - (low << _SHIFT).astype(np.int32)], 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(cv2.convertScaleAbs(region, alpha=factor), mask, region)


COLOUR_OF_HANDLES: Final[Colour] = (0.25, 0.25, 0.26)


def _mix(a: float, b: float, share: float) -> float:
    return a + (b - a) * share
