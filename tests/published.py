"""The published graph in plain loops over plain numbers, written from its description, to compare tensors with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from toy import members

from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.structures import Detections

EPSILON = 1e-6  # added to each difference of every distance


@dataclass(frozen=True)
class Piece:
    """One tracklet: its frames and, row by row, its boxes (left, top, right, bottom) in float64; mean embedding."""

    frames: list[int]
    boxes: np.ndarray
    embedding: np.ndarray
    clip: int

    @property
    def centres(self) -> np.ndarray:
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    def feet(self, row: int) -> np.ndarray:
        left, _, right, bottom = self.boxes[row]
        return np.array([(left + right) / 2, bottom])

    def size(self, row: int) -> np.ndarray:
        return self.boxes[row, 2:] - self.boxes[row, :2]

    def velocity(self, low: int, high: int) -> np.ndarray | None:
        """Mean one-frame difference of the centres seen in frames low .. high, holes filled; None of fewer than two."""
        inside = [row for row, frame in enumerate(self.frames) if low <= frame <= high]
        if len(inside) < 2:
            return None
        seen = np.array(self.frames)[inside]
        grid = np.arange(seen[0], seen[-1] + 1)
        filled = np.stack([np.interp(grid, seen, self.centres[inside, axis]) for axis in (0, 1)], axis=1)
        return np.diff(filled, axis=0).mean(axis=0)

    def end_velocity(self, window: int) -> np.ndarray | None:
        return self.velocity(self.frames[-1] - window + 1, self.frames[-1])

    def start_velocity(self, window: int) -> np.ndarray | None:
        return self.velocity(self.frames[0], self.frames[0] + window - 1)


def pieces(detections: Detections, tracklets: Tracklets) -> list[Piece]:
    """Return the tracklets as plain numbers."""
    embedding = torch.zeros(len(detections), 1) if detections.embedding is None else detections.embedding
    return [
        Piece(
            frames=detections.frame[own].tolist(),
            boxes=detections.boxes_xyxy[own].double().numpy(),
            embedding=embedding[own].double().numpy().mean(axis=0),
            clip=int(detections.clip[own[0]]),
        )
        for own in members(tracklets)
    ]


def motion(u: Piece, v: Piece, window: int) -> float:
    """Motion GIoU of an earlier and a later tracklet, from tables of predictions for 1 .. window frames."""
    velocities = [u.end_velocity(window), u.start_velocity(window), v.end_velocity(window), v.start_velocity(window)]
    if any(one is None for one in velocities):
        return -2.0
    ahead = [_moved(u.boxes[-1], velocities[0] * step) for step in range(1, window + 1)]
    back = [_moved(v.boxes[0], -velocities[3] * step) for step in range(1, window + 1)]
    gap = v.frames[0] - u.frames[-1]
    if gap == 1:
        return (_giou(ahead[0], v.boxes[0]) + _giou(back[0], u.boxes[-1])) / 2
    tau = min(gap / 2, window)
    return _giou(ahead[math.ceil(tau) - 1], back[max(math.floor(tau), 1) - 1])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Euclidean, with the addend."""
    return math.sqrt(sum((x - y + EPSILON) ** 2 for x, y in zip(a.tolist(), b.tolist(), strict=True)))


def feet(u: Piece, v: Piece) -> float:
    """Pixels from the end of the earlier to the start of the later tracklet."""
    return distance(v.feet(0), u.feet(-1))


def motion_appearance(u: Piece, v: Piece, window: int, weight: float) -> float:
    """Cost of a pair at the higher levels."""
    likeness = math.exp(-distance(u.embedding, v.embedding) / 20)
    return 2 - (weight * motion(u, v, window) + (1 - weight) * likeness)


def features(u: Piece, v: Piece, window: int, frame_rate: float) -> dict[str, float]:
    """All edge features by name."""
    (width_u, height_u), (width_v, height_v) = u.size(-1), v.size(0)
    offset = (v.feet(0) - u.feet(-1)) / ((height_u + height_v) / 2)
    return {
        "gap_seconds": (v.frames[0] - u.frames[-1]) / frame_rate,
        "offset_x": float(offset[0]),
        "offset_y": float(offset[1]),
        "log_height_ratio": math.log(height_v / height_u),
        "log_width_ratio": math.log(width_v / width_u),
        "appearance": distance(u.embedding, v.embedding),
        "motion": motion(u, v, window),
    }


def candidates(nodes: list[Piece], frames: int) -> list[tuple[int, int]]:
    """Ordered pairs of one chunk of one clip, of which the first ends before the second starts."""
    origin = {
        clip: min(node.frames[0] for node in nodes if node.clip == clip) for clip in {node.clip for node in nodes}
    }
    chunk = [(node.clip, (node.frames[0] - origin[node.clip]) // frames) for node in nodes]
    everyone = range(len(nodes))
    return [
        (u, v) for u in everyone for v in everyone if chunk[u] == chunk[v] and nodes[u].frames[-1] < nodes[v].frames[0]
    ]


def reciprocal(costs: dict[tuple[int, int], float], k: int) -> list[tuple[int, int]]:
    """Pairs among the k cheapest of both ends, past and future sharing the places; ties go to the smaller number."""
    choices: dict[int, list[tuple[float, int]]] = {}
    for (u, v), cost in costs.items():
        choices.setdefault(u, []).append((cost, v))
        choices.setdefault(v, []).append((cost, u))
    chosen = {node: {other for _, other in sorted(found)[:k]} for node, found in choices.items()}
    found = ((u, v) for u, v in costs if v in chosen[u] and u in chosen[v])
    return sorted(found, key=lambda pair: pair[::-1])  # as graphs list them: by the later node


def _moved(box: np.ndarray, by: np.ndarray) -> np.ndarray:
    return box + np.concatenate([by, by])


def _giou(a: np.ndarray, b: np.ndarray) -> float:
    def area(low: np.ndarray, high: np.ndarray) -> float:
        return float(np.prod(np.maximum(high - low, 0)))

    overlap = area(np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:]))
    union = area(a[:2], a[2:]) + area(b[:2], b[2:]) - overlap
    hull = area(np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:]))
    return overlap / union - (hull - union) / hull
