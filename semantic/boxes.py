"""All boxes of a clip in one table, for what is asked of many of them at once.

Shapes: R boxes of all tracks, M tracks, L frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semantic.structures import Clip


@dataclass(frozen=True)
class BoxTable:
    """Rows sorted by track, then frame.

    Attributes:
        track: (R,) int64, place of the track in ``Clip.tracks``.
        frame: (R,) int64.
        boxes_xyxy: (R, 4) float64.
        confidence: (R,) float64.
        is_interpolated: (R,) bool.
        first_row: (M + 1,) int64: rows of track k are ``first_row[k]`` .. ``first_row[k + 1] - 1``.
        inside: (R,) float64 in 0 .. 1, share of the box that is inside the picture.
        overlap: (R,) float64 in 0 .. 1, largest IoU with another box of the frame.
    """

    track: NDArray[np.int64]
    frame: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    confidence: NDArray[np.float64]
    is_interpolated: NDArray[np.bool_]
    first_row: NDArray[np.int64]
    inside: NDArray[np.float64]
    overlap: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frame)

    def rows(self, place: int) -> NDArray[np.int64]:
        """Return the rows of the track at a place of ``Clip.tracks``, in the order of time."""
        return np.arange(self.first_row[place], self.first_row[place + 1])


def box_table(clip: Clip) -> BoxTable:
    """Return the boxes of a clip."""
    tracks = clip.tracks
    lengths = np.array([len(track) for track in tracks], dtype=np.int64)
    frame = _joined([track.frame for track in tracks], np.zeros(0, dtype=np.int64))
    boxes = _joined([track.boxes_xyxy for track in tracks], np.zeros((0, 4)))
    return BoxTable(
        track=np.repeat(np.arange(len(tracks)), lengths),
        frame=frame,
        boxes_xyxy=boxes,
        confidence=_joined([track.confidence for track in tracks], np.zeros(0)),
        is_interpolated=_joined([track.is_interpolated for track in tracks], np.zeros(0, dtype=np.bool_)),
        first_row=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        inside=_inside(boxes, clip.sizes[frame].astype(np.float64)),
        overlap=_overlap(frame, boxes),
    )


def pairwise_iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of boxes: (..., 4) and (..., 4), as many as they broadcast to; 0 for boxes without area."""
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    together = _area(one) + _area(other) - common
    return np.divide(common, together, out=np.zeros_like(common), where=together > 0)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1)


def _inside(boxes: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    limit = np.concatenate([sizes, sizes], axis=1)
    area = _area(boxes)
    return np.divide(_area(np.clip(boxes, 0, limit)), area, out=np.zeros_like(area), where=area > 0)


def _overlap(frame: NDArray[np.int64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.zeros(len(frame))
    order = np.argsort(frame, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(frame[order])) + 1):
        if len(rows) > 1:
            iou = pairwise_iou(boxes[rows][:, None], boxes[rows][None])
            np.fill_diagonal(iou, 0.0)
            found[rows] = iou.max(axis=1)
    return found


def _joined(parts: list[NDArray], none: NDArray) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate(parts) if parts else none
