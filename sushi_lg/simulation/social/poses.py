"""Arms that do something: hands have goals, and elbows follow.

A goal is given in the body's axes (a gesture), or as a point of the world that hands shall touch. The figures are flat
pictures that stand where the feet are, so a point is aimed at where the camera sees it: hands that meet in the world
meet in the picture.

Shapes: P people, T frames, J joints. A hand's last axis is (left, right).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.crowd import Walks
from sushi_lg.simulation.figure import JOINTS
from sushi_lg.simulation.people import Person
from sushi_lg.simulation.scenes import Scene

UPPER_ARM: Final = 0.165  # shares of the height, as in ``figure``
FOREARM: Final = 0.15
REACH: Final = 0.99 * (UPPER_ARM + FOREARM)
NOTHING, GESTURE, POINT = 0, 1, 2
_INDEX: Final = {name: k for k, name in enumerate(JOINTS)}


@dataclass(frozen=True)
class Hands:
    """Where hands want to be.

    Attributes:
        aim: (P, T, 2) int8: NOTHING (the arm swings with the walk), GESTURE or POINT.
        goal: (P, T, 2, 3): of a gesture to the right, forward and up in shares of the height; of a point x, up, z in
            metres.
        weight: (P, T, 2) in 0 .. 1, how far the arm has come.
    """

    aim: NDArray[np.int8]
    goal: NDArray[np.float64]
    weight: NDArray[np.float64]

    def every(self, step: int) -> Hands:
        """Keep the first of every ``step`` frames."""
        return Hands(self.aim[:, ::step], self.goal[:, ::step], self.weight[:, ::step])


def with_hands(
    joints: NDArray[np.float64],
    hands: Hands,
    scene: Scene,
    people: list[Person],
    walks: Walks,
    view: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (P, T, J, 3) joints with the arms where ``hands`` wants them.

    Args:
        joints: (P, T, J, 3) from ``figure.skeleton``.
        hands: of the same people and frames.
        scene: with the camera that aims points.
        people: P.
        walks: where they are.
        view: (P, T) radians, see ``figure``.
    """
    joints = joints.copy()
    facing, side = np.cos(view), np.sin(view)
    gesture = _in_picture(hands.goal, facing[..., None], side[..., None])
    point = _aimed(hands.goal, scene, people, walks)
    goals = np.where((hands.aim == POINT)[..., None], point, gesture)
    for k, letter in enumerate("lr"):
        shoulder = joints[..., _INDEX[f"shoulder_{letter}"], :]
        aimed = (hands.aim[..., k] == POINT)[..., None]
        # figures are flat: an arm that reaches for a point is drawn in the picture rather than into it
        flat = np.concatenate([goals[..., k, :2], (0.7 * shoulder + 0.3 * goals[..., k, :])[..., 2:]], axis=-1)
        goal = np.where(aimed, flat, goals[..., k, :])
        weight = hands.weight[..., k, None] * (hands.aim[..., k, None] != NOTHING)
        swinging = joints[..., _INDEX[f"hand_{letter}"], :]
        hand = swinging + weight * (goal - swinging)
        arm = hand - shoulder
        length = np.linalg.norm(arm, axis=-1, keepdims=True)
        hand = shoulder + arm * np.minimum(1, REACH / np.maximum(length, 1e-6))
        outward = np.stack([-facing, np.zeros_like(facing), side], axis=-1) * (-1 if letter == "l" else 1)
        elbow = _elbow(shoulder, hand, outward)
        moved = weight > 0
        joints[..., _INDEX[f"hand_{letter}"], :] = np.where(moved, hand, swinging)
        joints[..., _INDEX[f"elbow_{letter}"], :] = np.where(moved, elbow, joints[..., _INDEX[f"elbow_{letter}"], :])
    return joints


def hand_pixels(
    joints: NDArray[np.float64], foot: NDArray[np.float64], up: NDArray[np.float64], build: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (P, T, 2, 2) pixels of left and right hands.

    Args:
        joints: (P, T, J, 3).
        foot: (P, T, 2) pixels, as in ``Staging``.
        up: (P, T, 2) pixels.
        build: (P,).
    """
    at = joints[..., [_INDEX["hand_l"], _INDEX["hand_r"]], :2]
    across = np.stack([-up[..., 1], up[..., 0]], axis=-1)[:, :, None]
    return np.asarray(
        foot[:, :, None] + at[..., 1:] * up[:, :, None] + at[..., :1] * build[:, None, None, None] * across
    )


def _in_picture(
    goal: NDArray[np.float64], facing: NDArray[np.float64], side: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return goals of the body's axes in those of joints: to the right in the picture, up, towards the camera."""
    right, forward, up = np.moveaxis(goal, -1, 0)
    return np.stack([forward * side - right * facing, up, forward * facing + right * side], axis=-1)


def _aimed(goal: NDArray[np.float64], scene: Scene, people: list[Person], walks: Walks) -> NDArray[np.float64]:
    """Return points of the world in the axes of each person's joints, so that the picture is right."""
    x, z = walks.place[..., 0], walks.place[..., 1]
    height = np.array([person.height for person in people])[:, None]
    build = np.array([person.build for person in people])[:, None, None]
    foot = scene.camera.project(x, 0.0, z)
    up = scene.camera.project(x, height, z) - foot
    across = np.stack([-up[..., 1], up[..., 0]], axis=-1)
    square = (up**2).sum(axis=-1)[..., None]
    target = scene.camera.project(goal[..., 0], goal[..., 1], np.maximum(goal[..., 2], 0.5)) - foot[:, :, None]
    at_up = (target * up[:, :, None]).sum(axis=-1) / square
    at_right = (target * across[:, :, None]).sum(axis=-1) / square / build
    nearer = (z[..., None] - goal[..., 2]) / height[..., None]
    return np.stack([at_right, at_up, nearer], axis=-1)


def _elbow(
    shoulder: NDArray[np.float64], hand: NDArray[np.float64], outward: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where the elbow of an arm is; it hangs, and points outward where it cannot."""
    arm = hand - shoulder
    length = np.maximum(np.linalg.norm(arm, axis=-1, keepdims=True), 0.05)
    along = arm / length
    share = (UPPER_ARM**2 - FOREARM**2 + length**2) / (2 * length)
    share = np.clip(share, -UPPER_ARM, UPPER_ARM)
    bend = np.sqrt(np.maximum(UPPER_ARM**2 - share**2, 0))
    wish = 0.35 * outward - np.array([0.0, 1.0, 0.0])
    wish = wish - (wish * along).sum(axis=-1, keepdims=True) * along
    wish = wish / np.maximum(np.linalg.norm(wish, axis=-1, keepdims=True), 1e-6)
    return np.asarray(shoulder + share * along + bend * wish)
