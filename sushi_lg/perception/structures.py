"""Records of perception: what a pass over pictures is asked for, and what a part of it found.

Shapes: F frames of a part, K boxes of a part, D embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PART_FRAMES = 64


class Camera(Protocol):
    """Estimates how the camera moved; ``prepare`` and ``step`` may run on several threads at once."""

    name: str

    def fingerprint(self) -> str:
        """Return a digest of everything the estimate depends on."""

    def prepare(self, picture: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - its own view of a picture
        """Return what ``step`` needs of a (H, W, 3) picture, blue first; it does not keep the picture alive."""

    def step(  # its own views of pictures
        self,
        previous: Any,  # noqa: ANN401
        current: Any,  # noqa: ANN401
        boxes_xyxy_previous: NDArray[np.float32],
    ) -> NDArray[np.float64] | None:
        """Return the (2, 3) affine from pixels of the previous frame to this one; None where it cannot be told.

        Boxes are what moves by itself.
        """

    def settle(self, steps: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
        """Return the steps (T, 2, 3) of a whole video freed of what is only noise."""


@dataclass(frozen=True)
class Part:
    """What was found in some frames one after the other.

    Attributes:
        begin: Number of the first frame, 0-based.
        count: (F,) int64, boxes of each frame; rows of the other fields are in the order of frames.
        boxes_ltwh: (K, 4) float64, 0-based pixels, rounded as they are written; None when boxes were given.
        score: (K,) float32; None when boxes were given.
        vectors: (K, D) float16, zeros where nothing was to be seen; None without an embedder.
        steps: (F, 2, 3) float64, affine from the frame before, the identity where it is unknown; None without a camera.
        skipped: Reason by number of frames that could not be had.
        dropped: Number of boxes the detector gave that have no size.
        unknown: Number of steps between two frames that the camera could not tell.
    """

    begin: int
    count: NDArray[np.int64]
    boxes_ltwh: NDArray[np.float64] | None
    score: NDArray[np.float32] | None
    vectors: NDArray[np.float16] | None
    steps: NDArray[np.float64] | None
    skipped: Mapping[int, str]
    dropped: int = 0
    unknown: int = 0
