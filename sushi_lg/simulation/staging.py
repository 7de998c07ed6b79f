"""From the ground to the picture: poses, boxes, and how much of everybody is seen.

Shapes: P people, T frames, J joints, O obstacles, S points of a body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.crowd import Walks
from sushi_lg.simulation.figure import skeleton
from sushi_lg.simulation.people import Person
from sushi_lg.simulation.scenes import Scene

_FLESH: Final = 0.035  # of the height, around the outermost joints
_LEAST_INSIDE: Final = 0.1  # share of a box inside the picture below which somebody is outside


@dataclass(frozen=True)
class Staging:
    """Where everybody is in the pictures; pixels, 0-based.

    Attributes:
        foot: (P, T, 2) between the feet.
        up: (P, T, 2) from there to the top of the head.
        view: (P, T) radians, see ``figure``.
        joints: (P, T, J, 3) from ``skeleton``.
        depth: (P, T) metres from the camera along the ground; who is nearer hides others.
        boxes_xyxy: (P, T, 4) of the whole body, hidden or not; may leave the picture.
        is_inside: (P, T) bool, a tenth of the box or more lies in the picture.
        visibility: (P, T) share of the body that is seen; 0 outside.
    """

    foot: NDArray[np.float64]
    up: NDArray[np.float64]
    view: NDArray[np.float64]
    joints: NDArray[np.float64]
    depth: NDArray[np.float64]
    boxes_xyxy: NDArray[np.float64]
    is_inside: NDArray[np.bool_]
    visibility: NDArray[np.float64]


def stage(scene: Scene, people: list[Person], walks: Walks, affines: NDArray[np.float64]) -> Staging:
    """Project everybody into the pictures.

    Args:
        scene: with the camera.
        people: P.
        walks: of the same people.
        affines: (T, 2, 3) from the whole picture to each frame.
    """
    x, z = walks.place[..., 0], walks.place[..., 1]
    tall = np.array([person.height for person in people])[:, None]
    build = np.array([person.build for person in people])[:, None, None]
    foot = _moved(affines, scene.camera.project(x, 0.0, z))
    up = _moved(affines, scene.camera.project(x, tall, z)) - foot
    view = walks.heading + np.arctan2(x, z)
    joints = skeleton(view, walks.phase, walks.stride)
    # joints of the body to pixels, as ``figure`` draws them
    at_x = foot[..., :1] + joints[..., 1] * up[..., :1] - joints[..., 0] * build * up[..., 1:]
    flesh = _FLESH * np.linalg.norm(up, axis=-1)
    top, bottom = foot[..., 1] + up[..., 1], foot[..., 1]
    boxes = np.stack([at_x.min(axis=-1) - flesh, top, at_x.max(axis=-1) + flesh, bottom], axis=-1)
    obstacles = _obstacle_boxes(scene, affines)
    inside = _inside_share(boxes, scene) >= _LEAST_INSIDE
    visibility = np.stack(
        [_visible(boxes[:, t], z[:, t], obstacles[:, t], scene) for t in range(boxes.shape[1])], axis=1
    )
    return Staging(foot, up, view, joints, z, boxes, inside, np.where(inside, visibility, 0.0))


def obstacle_corners(scene: Scene) -> NDArray[np.float64]:
    """Return (O, 4, 2) pixels of the whole picture: bottom left, bottom right, top right, top left."""
    corners = [
        scene.camera.project(
            np.array([-0.5, 0.5, 0.5, -0.5]) * thing.width + thing.x, np.array([0, 0, thing.top, thing.top]), thing.z
        )
        for thing in scene.obstacles
    ]
    return np.stack(corners) if corners else np.zeros((0, 4, 2))


def _obstacle_boxes(scene: Scene, affines: NDArray[np.float64]) -> NDArray[np.float64]:
    corners = obstacle_corners(scene)
    moved = np.einsum("tij,ocj->otci", affines[:, :, :2], corners) + affines[None, :, None, :, 2]
    return np.concatenate([moved.min(axis=2), moved.max(axis=2)], axis=-1)


def _moved(affines: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (P, T, 2) pixels of the frames."""
    return np.einsum("tij,ptj->pti", affines[:, :, :2], points) + affines[None, :, :, 2]


def _inside_share(boxes: NDArray[np.float64], scene: Scene) -> NDArray[np.float64]:
    limit = np.array([scene.camera.width, scene.camera.height_px])
    inner = np.clip(np.minimum(boxes[..., 2:], limit) - np.maximum(boxes[..., :2], 0), 0, None).prod(axis=-1)
    return np.asarray(inner / (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1))


def _body_points() -> NDArray[np.float64]:
    """Return (S, 2) points of a body inside its box, as shares of width and height."""
    across, down = np.meshgrid((np.arange(10) + 0.5) / 10, (np.arange(20) + 0.5) / 20)
    points = np.stack([across.ravel(), down.ravel()], axis=1)
    return points[_is_body(points[:, 0], points[:, 1])]


def _is_body(across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points of a box show the body: head, trunk with arms, legs."""
    half = np.select([down < 0.15, down < 0.55], [0.2, 0.42], 0.3)
    return (np.abs(across - 0.5) <= half) & (down >= 0) & (down <= 1)


_BODY: Final = _body_points()


def _visible(
    boxes: NDArray[np.float64], depth: NDArray[np.float64], obstacles: NDArray[np.float64], scene: Scene
) -> NDArray[np.float64]:
    """Return (P,) the share of each body's points of one frame that nothing hides and that lie in the picture."""
    points = boxes[:, None, :2] + _BODY * (boxes[:, None, 2:] - boxes[:, None, :2])  # (P, S, 2)
    limit = np.array([scene.camera.width, scene.camera.height_px])
    seen = ((points >= 0) & (points < limit)).all(axis=-1)
    size = boxes[:, 2:] - boxes[:, :2]
    inside = (points[:, :, None] - boxes[None, None, :, :2]) / size[None, None]  # (P, S, P, 2)
    nearer = depth[None] < depth[:, None]
    seen &= ~(_is_body(inside[..., 0], inside[..., 1]) & nearer[:, None]).any(axis=-1)
    for thing, box in zip(scene.obstacles, obstacles, strict=True):
        covered = ((points >= box[:2]) & (points <= box[2:])).all(axis=-1)
        seen &= ~(covered & (thing.z < depth)[:, None])
    return np.asarray(seen.mean(axis=1))
