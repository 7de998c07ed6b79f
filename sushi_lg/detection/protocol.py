"""What a detector is: pictures in, boxes with confidences out.

Shapes: K boxes of one picture, H rows and W columns of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameBoxes:
    """What a detector saw in one picture, most confident first.

    Attributes:
        boxes_xyxy: (K, 4) float32, left, top, right, bottom in pixels, 0-based, with left < right and top <
            bottom; may leave the picture.
        score: (K,) float32, confidence in 0 .. 1.
    """

    boxes_xyxy: NDArray[np.float32]
    score: NDArray[np.float32]


class Detector(Protocol):
    """Finds objects. ``prepare`` may run on several threads at once, ``detect`` only where ``parallel`` says so."""

    name: str
    """Short, safe as a file name: detections are written to ``det/<name>.txt``."""
    batch_size: int
    """Pictures that ``detect`` likes to get together."""
    parallel: bool
    """Whether ``detect`` may run on several threads at once and gains by it, each call using one core."""

    def fingerprint(self) -> str:
        """Return a digest of everything the boxes depend on: weights and settings."""

    def prepare(self, picture: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - a detector's own input
        """Return the network's input for a (H, W, 3) picture, blue first."""

    def detect(self, prepared: Sequence[Any]) -> list[FrameBoxes]:
        """Return the boxes of each prepared picture; they do not depend on what else is in the batch."""
