"""Detector, embedder and camera for tests: exact on ``pictures.moving_squares``, and countable."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.detection.protocol import FrameBoxes

Picture = NDArray[np.uint8]


@dataclass
class SquareDetector:
    """Finds bright squares, the highest first, half a pixel larger than they are."""

    name: str = "squares"
    batch_size: int = 3
    parallel: bool = True
    settings: str = "1"
    seconds: float = 0.0
    seen: list[int] = field(default_factory=list)  # batch sizes
    prepared: int = 0

    def fingerprint(self) -> str:
        return f"squares {self.settings}"

    def prepare(self, picture: Picture) -> Picture:
        with _lock:
            self.prepared += 1
        return (picture.max(axis=2) > 128).astype(np.uint8)

    def detect(self, prepared: Sequence[Picture]) -> list[FrameBoxes]:
        self.seen.append(len(prepared))
        time.sleep(self.seconds)
        return [self._one(mask) for mask in prepared]

    def _one(self, mask: Picture) -> FrameBoxes:
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        ltwh = stats[1:count, :4].astype(np.float32)
        ltwh = ltwh[np.argsort(ltwh[:, 1], kind="stable")]
        boxes = np.concatenate([ltwh[:, :2] - 0.5, ltwh[:, :2] + ltwh[:, 2:] + 0.5], axis=1).astype(np.float32)
        return FrameBoxes(boxes, np.linspace(0.9, 0.7, len(boxes)).astype(np.float32))


@dataclass
class ColourEmbedder:
    """The mean colour of the middle of a crop."""

    name: str = "colours"
    dim: int = 3
    batch_size: int = 4
    parallel: bool = True
    settings: str = "1"
    crops: int = 0

    def fingerprint(self) -> str:
        return f"colours {self.settings}"

    def crop(self, picture: Picture, boxes_xyxy: NDArray[np.float32]) -> Picture:
        height, width = picture.shape[:2]
        cut = np.zeros((len(boxes_xyxy), 8, 8, 3), np.uint8)
        for crop, box in zip(cut, boxes_xyxy, strict=True):
            left, top, right, bottom = np.clip(np.round(box), 0, [width, height, width, height]).astype(int)
            if right > left and bottom > top:
                crop[:] = cv2.resize(picture[top:bottom, left:right], (8, 8), interpolation=cv2.INTER_AREA)
        return cut

    def embed(self, crops: Picture) -> NDArray[np.float32]:
        self.crops += len(crops)
        return crops[:, 3:5, 3:5].reshape(len(crops), -1, 3).mean(axis=1).astype(np.float32)


@dataclass
class SumCamera:
    """Its step holds the sums of both pictures and of the boxes, so a test can see what it was given."""

    name: str = "sums"
    settings: str = "1"

    def fingerprint(self) -> str:
        return f"sums {self.settings}"

    def prepare(self, picture: Picture) -> Any:  # noqa: ANN401
        return float(picture.sum())

    def step(self, previous: Any, current: Any, boxes_xyxy_previous: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: ANN401
        return np.array([[1, 0, previous], [float(boxes_xyxy_previous.sum()) / 1e6, 1, current]])

    def settle(self, steps: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
        return steps


_lock = threading.Lock()
