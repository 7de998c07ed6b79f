"""Records in memory for tests that need no files: people who walk, cut into tracklets at random."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sushi_lg.graph.tracklets import Tracklets, from_members
from sushi_lg.structures import Detections

SIZE = (640.0, 480.0)


def walkers(
    seed: int, people: int = 5, frames: int = 40, clips: int = 1, missing: float = 0.2, trembling: float = 1.0
) -> Detections:
    """Return people on straight paths, seen with gaps; identities are right and differ between clips."""
    rng = np.random.default_rng(seed)
    parts = [_clip(rng, people, frames, missing, trembling, rate) for rate in rng.uniform(10, 30, clips)]
    return Detections.concatenate(parts)


def _clip(
    rng: np.random.Generator, people: int, frames: int, missing: float, trembling: float, rate: float
) -> Detections:
    frame, person = (axis.ravel() for axis in np.meshgrid(np.arange(frames), np.arange(people), indexing="ij"))
    seen = rng.random(len(frame)) >= missing
    frame, person = frame[seen], person[seen]
    begin, speed = rng.uniform((50, 50), (590, 430), (people, 2)), rng.normal(0, 3, (people, 2))
    height = rng.uniform(60, 100, people)
    centre = begin[person] + speed[person] * frame[:, None] + rng.normal(0, trembling, (len(frame), 2))
    size = np.stack([0.4 * height, height], axis=1)[person] * np.exp(rng.normal(0, 0.02 * trembling, (len(frame), 2)))
    return make(
        frame,
        np.concatenate([centre - size / 2, centre + size / 2], axis=1),
        score=rng.uniform(0.2, 1, len(frame)),
        identity=person,
        frame_rate=rate,
    )


def make(
    frame: np.ndarray | list[int],
    boxes_xyxy: np.ndarray | list[list[float]],
    score: np.ndarray | float = 0.9,
    identity: np.ndarray | int = -1,
    camera: np.ndarray | None = None,
    frame_rate: float = 25.0,
) -> Detections:
    """Return one clip from plain arrays."""
    count = len(frame)
    return Detections(
        frame=torch.as_tensor(np.asarray(frame), dtype=torch.int64),
        boxes_xyxy=torch.as_tensor(np.asarray(boxes_xyxy), dtype=torch.float32).reshape(-1, 4),
        score=torch.as_tensor(np.broadcast_to(score, count).copy(), dtype=torch.float32),
        identity=torch.as_tensor(np.broadcast_to(identity, count).copy(), dtype=torch.int64),
        clip=torch.zeros(count, dtype=torch.int64),
        frame_rate=torch.tensor([frame_rate], dtype=torch.float32),
        image_size=torch.tensor([SIZE]),
        camera=None if camera is None else torch.as_tensor(camera, dtype=torch.float64),
    )


def single_clip(detections: Detections, number: int) -> Detections:
    """Return one clip of a batch as a batch of its own."""
    part = detections.select(detections.clip == number)
    return replace(
        part,
        clip=torch.zeros_like(part.clip),
        frame_rate=part.frame_rate[number : number + 1],
        image_size=part.image_size[number : number + 1],
    )


def seen_by(detections: Detections, camera: Tensor) -> Detections:
    """Return the detections as a moving camera sees them.

    Args:
        detections: in the common coordinates of the clip.
        camera: (N, 2, 3) float64, takes pixels of the frame of each detection to the common coordinates; a rotation
            with a scale, and a shift.
    """
    boxes = detections.boxes_xyxy.to(torch.float64)
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    turn = camera[:, :, :2]
    centre = torch.linalg.solve(turn, centre - camera[:, :, 2])
    half = size / torch.linalg.det(turn).sqrt()[:, None] / 2
    moved = torch.cat([centre - half, centre + half], dim=1).to(torch.float32)
    return replace(detections, boxes_xyxy=moved, camera=camera)


def panning(frame: Tensor, step: tuple[float, float]) -> Tensor:
    """Return (N, 2, 3) of a camera that shifts by ``step`` pixels a frame."""
    camera = torch.eye(2, 3, dtype=torch.float64).repeat(len(frame), 1, 1)
    camera[:, :, 2] = frame[:, None].to(torch.float64) * torch.tensor(step, dtype=torch.float64)
    return camera


def cut(detections: Detections, seed: int, mean_length: float = 4.0) -> Tracklets:
    """Return tracklets that hold one identity each, cut at random places."""
    rng = np.random.default_rng(seed)
    identity = detections.identity.numpy()
    label = np.zeros(len(identity), dtype=np.int64)
    for number, person in enumerate(np.unique(identity)):
        own = np.flatnonzero(identity == person)
        label[own] = number * (len(identity) + 1) + np.cumsum(rng.random(len(own)) < 1 / mean_length)
    return tracklets_of(detections, label)


def tracklets_of(detections: Detections, label: np.ndarray | list[int]) -> Tracklets:
    """Return tracklets from labels of any kind, renumbered by first detection."""
    _, first, inverse = np.unique(np.asarray(label), return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return from_members(detections, torch.from_numpy(rank[inverse].reshape(-1)))


def members(tracklets: Tracklets) -> list[list[int]]:
    """Return the detections of every tracklet, as plain lists."""
    bounds = tracklets.start.tolist()
    return [tracklets.order[low:high].tolist() for low, high in itertools.pairwise(bounds)]
