"""What a detector makes of the world: boxes that tremble, people missed, and boxes where nobody is.

Errors last: a person who is hard to see is missed for several frames in a row, and a box that is too large stays too
large for a moment. Nothing in a detection tells whose it is.

Shapes: P people, T frames, N detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sushi_lg.simulation.scenes import Scene
from sushi_lg.simulation.staging import Staging

NEVER_SEEN: Final = 0.25  # visibility below which nobody is found
_MEMORY: Final = 0.75  # correlation of errors from step to step
_LEAST_SCORE: Final = 0.1
_MERGED: Final = 0.45  # share of the hidden person's box that the other covers from which one box may hold both
_FALSE_PER_FRAME: Final = 0.18
_STUBBORN: Final = 2  # places of the background that look like people now and then


@dataclass(frozen=True)
class SimulatedDetections:
    """Detections of one sequence, sorted by frame, in random order inside a frame.

    Attributes:
        frame: (N,) int64, 0-based.
        boxes_xyxy: (N, 4) float64, inside the picture.
        score: (N,) float64, 0 .. 1.
    """

    frame: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    score: NDArray[np.float64]


def detect(rng: np.random.Generator, scene: Scene, staging: Staging) -> SimulatedDetections:
    """Return what a detector finds in the pictures of ``staging``."""
    error = scene.detector_error
    people, frames = staging.visibility.shape
    memory = _MEMORY**scene.domain.every
    trouble = 1 - staging.visibility  # (P, T)
    size = staging.boxes_xyxy[..., 2:] - staging.boxes_xyxy[..., :2]
    small = np.clip(1 - size[..., 1] / 90, 0, 1) * scene.domain.height / 360
    score = 0.93 - error * (0.62 * trouble**1.3 + 0.2 * small) + 0.07 * error * _lasting(rng, (people, frames), memory)
    # how well somebody stands out from the background changes slowly: misses come in runs
    missed = score + 0.14 * error * _lasting(rng, (people, frames), memory) < 0.32 + 0.25 * trouble
    missed |= rng.random((people, frames)) < 0.012 * error
    found = staging.is_inside & (staging.visibility >= NEVER_SEEN) & ~missed
    spread = (0.012 + 0.05 * trouble) * error
    noise = np.stack([_lasting(rng, (people, frames), memory) for _ in range(4)], axis=-1) * spread[..., None]
    noise += rng.normal(0, 0.008, noise.shape) * error
    boxes = staging.boxes_xyxy + noise * np.concatenate([size, size], axis=-1)
    limit = np.array([scene.camera.width, scene.camera.height_px])
    parts: list[tuple[int, NDArray[np.float64], NDArray[np.float64]]] = []
    stubborn = _draw_stubborn(rng, scene)
    merging = _lasting(rng, (people, frames), memory)
    for t in range(frames):
        shown = np.flatnonzero(found[:, t])
        here, scores = boxes[shown, t], score[shown, t]
        here, scores = _merged(here, scores, staging.depth[shown, t], merging[shown, t])
        false_boxes, false_scores = _false(rng, scene, stubborn, error)
        here, scores = np.concatenate([here, false_boxes]), np.concatenate([scores, false_scores])
        here = np.concatenate([np.maximum(here[:, :2], 0), np.minimum(here[:, 2:], limit)], axis=1)
        scores = np.clip(scores, 0.0, 0.98)
        keep = (here[:, 2:] - here[:, :2] >= 4).all(axis=1) & (scores >= _LEAST_SCORE)
        order = rng.permutation(int(keep.sum()))
        parts.append((t, here[keep][order], scores[keep][order]))
    return SimulatedDetections(
        np.concatenate([np.full(len(b), t, np.int64) for t, b, _ in parts]),
        np.concatenate([b for _, b, _ in parts]),
        np.concatenate([s for _, _, s in parts]),
    )


def _lasting(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> NDArray[np.float64]:
    """Return (P, T) of unit variance, each frame correlated with the last by ``memory``."""
    noise = rng.normal(0, 1, shape)
    for t in range(1, shape[1]):
        noise[:, t] = memory * noise[:, t - 1] + np.sqrt(1 - memory**2) * noise[:, t]
    return noise


def _merged(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], depth: NDArray[np.float64], chance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let one box hold two people who stand close behind each other, now and then."""
    kept = np.ones(len(boxes), bool)
    boxes = boxes.copy()
    for k in np.argsort(depth):  # nearest first
        inner = np.clip(np.minimum(boxes[:, 2:], boxes[k, 2:]) - np.maximum(boxes[:, :2], boxes[k, :2]), 0, None)
        covered = inner.prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        behind = kept & (depth > depth[k]) & (covered > _MERGED) & (chance > 0.9)
        if kept[k] and behind.any():
            other = int(np.flatnonzero(behind)[0])
            union = np.concatenate(
                [np.minimum(boxes[k, :2], boxes[other, :2]), np.maximum(boxes[k, 2:], boxes[other, 2:])]
            )
            boxes[k] = 0.5 * boxes[k] + 0.5 * union
            scores = scores.copy()
            scores[k] *= 0.85
            kept[other] = False
    return boxes[kept], scores[kept]


def _draw_stubborn(rng: np.random.Generator, scene: Scene) -> NDArray[np.float64]:
    """Return (_STUBBORN, 4) boxes of things that look like people."""
    high = rng.uniform(60, 130, _STUBBORN) * scene.camera.height_px / 360
    wide = high * rng.uniform(0.35, 0.5, _STUBBORN)
    left = rng.uniform(0, scene.camera.width - wide)
    top = rng.uniform(0, np.maximum(scene.camera.height_px - high, 1))
    return np.stack([left, top, left + wide, top + high], axis=1)


def _false(
    rng: np.random.Generator, scene: Scene, stubborn: NDArray[np.float64], error: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return false boxes of one frame and their scores."""
    again = stubborn[rng.random(len(stubborn)) < 0.04 * error]
    again = again + rng.normal(0, 2, again.shape)
    count = int(rng.poisson(_FALSE_PER_FRAME * error))
    high = rng.uniform(40, 170, count) * scene.camera.height_px / 360
    wide = high * rng.uniform(0.25, 0.6, count)
    left = rng.uniform(-wide / 2, scene.camera.width - wide / 2)
    top = rng.uniform(0, np.maximum(scene.camera.height_px - high * 0.8, 1))
    boxes = np.concatenate([again, np.stack([left, top, left + wide, top + high], axis=1)])
    return boxes, 0.1 + 0.55 * rng.beta(1.2, 3.0, len(boxes))
