"""The records that travel between rooms.

Frozen dataclasses of tensors with a written shape. They carry data and no behaviour with side effects: no file access,
no configuration, no random numbers. A batch is one larger record: clips are concatenated, indices are absolute and
``clip`` says who belongs where, so no list of graphs has to stay aligned.

Shapes: N detections, M tracklets, E edges, C clips, D embedding width, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Record:
    """Base of all records: moves every tensor field at once."""

    def to(self, device: torch.device | str) -> Self:
        """Return the same record with every tensor field on ``device``."""
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor | Record):
                moved[field.name] = value.to(device)
        return replace(self, **moved)


@dataclass(frozen=True)
class Detections(Record):
    """Boxes of one or more clips, sorted by (clip, frame); file order is kept inside a frame.

    Attributes:
        frame: (N,) int64, 0-based frame inside the sequence.
        boxes_xyxy: (N, 4) float32, left, top, right, bottom in pixels, 0-based; may leave the image.
        score: (N,) float32, detector confidence.
        identity: (N,) int64, ground-truth identity, unique over the clips of a batch; -1 = none or unknown.
        clip: (N,) int64, index of the clip each detection belongs to, 0 .. C-1.
        frame_rate: (C,) float32, frames per second of each clip.
        image_size: (C, 2) float32, width and height in pixels of each clip.
        embedding: (N, D) float32 or float16 appearance vectors, zeros where a detection has none; None where there is
            no gallery.
        camera: (N, 2, 3) float64 affine that takes pixel coordinates of the detection's own frame to the common
            coordinates of its clip (camera motion removed), or None for a camera taken as static.
    """

    frame: Tensor
    boxes_xyxy: Tensor
    score: Tensor
    identity: Tensor
    clip: Tensor
    frame_rate: Tensor
    image_size: Tensor
    embedding: Tensor | None = None
    camera: Tensor | None = None

    def __post_init__(self) -> None:
        count = self.frame.shape[0]
        for name in ("boxes_xyxy", "score", "identity", "clip", "embedding", "camera"):
            value = getattr(self, name)
            if value is not None and value.shape[0] != count:
                raise ValueError(f"{name}: {value.shape[0]} rows, frame: {count} rows; one row a detection is needed")
        if self.boxes_xyxy.shape[1:] != (4,):
            raise ValueError(f"boxes_xyxy must be (N, 4), got {tuple(self.boxes_xyxy.shape)}")
        if self.frame_rate.shape[0] != self.image_size.shape[0]:
            raise ValueError("frame_rate and image_size must have one row a clip")

    def __len__(self) -> int:
        return int(self.frame.shape[0])

    @property
    def num_clips(self) -> int:
        """Number of clips in the batch."""
        return int(self.frame_rate.shape[0])

    def select(self, index: Tensor) -> Detections:
        """Return the detections at ``index`` ((K,) int64, or (N,) bool), clips unchanged."""
        return replace(
            self,
            frame=self.frame[index],
            boxes_xyxy=self.boxes_xyxy[index],
            score=self.score[index],
            identity=self.identity[index],
            clip=self.clip[index],
            embedding=None if self.embedding is None else self.embedding[index],
            camera=None if self.camera is None else self.camera[index],
        )

    def between(self, low: int, high: int) -> Detections:
        """Return detections low .. high - 1 as views of the same memory, clips unchanged."""
        return replace(
            self,
            frame=self.frame[low:high],
            boxes_xyxy=self.boxes_xyxy[low:high],
            score=self.score[low:high],
            identity=self.identity[low:high],
            clip=self.clip[low:high],
            embedding=None if self.embedding is None else self.embedding[low:high],
            camera=None if self.camera is None else self.camera[low:high],
        )

    @staticmethod
    def concatenate(parts: Sequence[Detections]) -> Detections:
        """Return one batch from several; clips are renumbered and identities kept apart.

        Raises:
            ValueError: if only some of the parts carry embeddings.
        """
        if len(parts) == 1:
            return parts[0]
        clip_offset = identity_offset = 0
        clips, identities = [], []
        for part in parts:
            clips.append(part.clip + clip_offset)
            identities.append(torch.where(part.identity >= 0, part.identity + identity_offset, part.identity))
            clip_offset += part.num_clips
            identity_offset += int(part.identity.max()) + 1 if len(part) and int(part.identity.max()) >= 0 else 0
        with_embedding = [part.embedding is not None for part in parts]
        if any(with_embedding) and not all(with_embedding):
            raise ValueError("either all clips of a batch carry embeddings or none does")
        camera = None
        if any(part.camera is not None for part in parts):
            camera = torch.cat([_camera_or_identity(part) for part in parts])
        return Detections(
            frame=torch.cat([part.frame for part in parts]),
            boxes_xyxy=torch.cat([part.boxes_xyxy for part in parts]),
            score=torch.cat([part.score for part in parts]),
            identity=torch.cat(identities),
            clip=torch.cat(clips),
            frame_rate=torch.cat([part.frame_rate for part in parts]),
            image_size=torch.cat([part.image_size for part in parts]),
            embedding=torch.cat([part.embedding for part in parts]) if all(with_embedding) else None,  # type: ignore[misc]
            camera=camera,
        )


def _camera_or_identity(detections: Detections) -> Tensor:
    if detections.camera is not None:
        return detections.camera
    eye = torch.eye(2, 3, dtype=torch.float64, device=detections.frame.device)
    return eye.expand(len(detections), 2, 3)
