"""Training clips: a stretch of one sequence as plain columns, before it becomes a record of tensors.

Shapes: N detections.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from sushi_lg.structures import Detections

OBJECT, BACKGROUND, IGNORED = 1, 0, -1


@dataclass(frozen=True)
class Clip:
    """Detections of one stretch of video with what is known about them.

    Attributes:
        frame: (N,) int64, 0-based inside the clip, sorted.
        boxes_xyxy: (N, 4) float32 pixels.
        score: (N,) float32.
        identity: (N,) int64, -1 = no ground-truth box matches.
        is_object: (N,) int8: OBJECT matches a scored ground-truth box, BACKGROUND matches none, IGNORED matches one
            that is not scored.
        truth_xyxy: (N, 4) float32, the ground-truth box that a detection matches; NaN where none does.
        camera: (N, 2, 3) float64 or None, see ``Detections``.
        frame_rate: frames per second.
        image_size: width, height in pixels.
        length: frames of the clip.
        embedding: (N, D) float32 or float16 appearance vectors, or None.
        sentence: (N,) int64, number of the sentence that describes each detection's person; -1 = none. None where no
            language guides the training.
        scene: number of the sentence that describes the scene; -1 = none.
    """

    frame: np.ndarray
    boxes_xyxy: np.ndarray
    score: np.ndarray
    identity: np.ndarray
    is_object: np.ndarray
    truth_xyxy: np.ndarray
    camera: np.ndarray | None
    frame_rate: float
    image_size: tuple[float, float]
    length: int
    embedding: np.ndarray | None = None
    sentence: np.ndarray | None = None
    scene: int = -1

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, index: np.ndarray) -> Self:
        """Return the clip with only the detections at ``index`` (bool mask or int64 positions)."""
        return replace(
            self,
            frame=self.frame[index],
            boxes_xyxy=self.boxes_xyxy[index],
            score=self.score[index],
            identity=self.identity[index],
            is_object=self.is_object[index],
            truth_xyxy=self.truth_xyxy[index],
            camera=None if self.camera is None else self.camera[index],
            embedding=None if self.embedding is None else self.embedding[index],
            sentence=None if self.sentence is None else self.sentence[index],
        )

    def cut(self, first: int, length: int) -> Self:
        """Return frames ``first`` .. ``first + length - 1``, renumbered from 0."""
        low, high = np.searchsorted(self.frame, [first, first + length])
        part = self.select(np.arange(low, high))
        return replace(part, frame=part.frame - first, length=min(length, self.length - first))

    def sorted(self) -> Self:
        """Return the clip sorted by frame, order inside a frame kept."""
        return self.select(np.argsort(self.frame, kind="stable"))

    def to_detections(self) -> Detections:
        """Return the clip as a record of tensors with one clip."""
        return Detections(
            frame=torch.from_numpy(self.frame.astype(np.int64)),
            boxes_xyxy=torch.from_numpy(self.boxes_xyxy.astype(np.float32)),
            score=torch.from_numpy(self.score.astype(np.float32)),
            identity=torch.from_numpy(self.identity.astype(np.int64)),
            clip=torch.zeros(len(self), dtype=torch.int64),
            frame_rate=torch.tensor([self.frame_rate], dtype=torch.float32),
            image_size=torch.tensor([self.image_size], dtype=torch.float32),
            camera=None if self.camera is None else torch.from_numpy(self.camera),
            embedding=None if self.embedding is None else torch.from_numpy(self.embedding),
        )
