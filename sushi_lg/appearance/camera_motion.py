"""How the camera moved between two frames, from the pixels that do not belong to people.

Corners spread over the picture are followed with pyramidal Lucas-Kanade, forth and back; a similarity (shift, turn,
zoom) is fitted robustly to those that came back to where they started. ``settle`` then looks at all steps of a video:
where the picture goes nowhere within a second, the steps become the identity, exactly, so that a static camera adds
nothing to the boxes, not even noise. It has to see the video as a whole: a pan so slow that each of its steps is
smaller than the noise adds up, a tremble does not.

Shapes: T frames, K boxes, P corners, h rows and w columns of the small grey picture.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CameraMotionSettings:
    """What the estimate depends on; lengths in pixels of the small picture unless said otherwise.

    Attributes:
        long_side: The picture is shrunk so that its longer side has at most this many pixels.
        corners: Corners looked for.
        grid: Columns and rows of a grid; each cell gives its share of the corners, so that one busy corner of the
            picture does not decide.
        box_margin: Boxes of people are grown by this share of their size on each side before they are left out.
        round_trip: A corner counts if following it forth and back misses its start by no more than this.
        inlier: A corner agrees with a motion that misses it by no more than this.
        min_agreeing: Fewer agreeing corners are no evidence.
        min_share: A smaller share of agreeing corners is no evidence.
        still_window: Steps over which motion adds up before it counts.
        still_shift: A step is kept where the picture moves further than this within some window around it. On four
            videos of static cameras the estimates add up to at most 0.9, on those of the moving cameras of MOT17 to
            more than 70.
    """

    long_side: int = 640
    corners: int = 240
    grid: tuple[int, int] = (8, 6)
    box_margin: float = 0.1
    round_trip: float = 0.5
    inlier: float = 1.0
    min_agreeing: int = 20
    min_share: float = 0.4
    still_window: int = 25
    still_shift: float = 1.5


@dataclass(frozen=True)
class SmallPicture:
    """A frame as camera motion sees it.

    Attributes:
        grey: (h, w) uint8.
        corners: (P, 2) float32 column and row, strongest of each cell first.
        scale: (2,) float64, small pixels a pixel of the frame, across and down.
    """

    grey: NDArray[np.uint8]
    corners: NDArray[np.float32]
    scale: NDArray[np.float64]


@dataclass
class CameraMotion:
    """Estimates camera motion from frame to frame.

    ``prepare`` and ``step`` may run on several threads at once and in any order; ``settle`` comes last, on the steps of
    the whole video. Results do not depend on the number of threads: OpenCV's RANSAC starts from a fixed seed.

    Attributes:
        settings: What the estimate depends on.
    """

    settings: CameraMotionSettings = field(default_factory=CameraMotionSettings)
    name: str = "lucas_kanade"

    def fingerprint(self) -> str:
        """Return a digest of method and settings."""
        return sha256(repr(("lucas_kanade 1", sorted(asdict(self.settings).items()))).encode()).hexdigest()

    def prepare(self, picture: NDArray[np.uint8]) -> SmallPicture:
        """Return the small grey picture of a (H, W, 3) frame, blue first, and its corners."""
        import cv2

        rows, columns = picture.shape[:2]
        ratio = min(1.0, self.settings.long_side / max(rows, columns))
        size = max(16, round(columns * ratio)), max(16, round(rows * ratio))
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        if size != (columns, rows):
            # averaging over areas keeps fine texture from turning into patterns that move by themselves
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        grey = grey.astype(np.uint8, copy=False)
        return SmallPicture(grey, self._corners(grey), np.array([size[0] / columns, size[1] / rows]))

    def step(
        self, previous: SmallPicture, current: SmallPicture, boxes_xyxy_previous: NDArray[np.float32]
    ) -> NDArray[np.float64] | None:
        """Return the motion of the picture between two frames.

        Args:
            previous: The earlier frame.
            current: The frame after it, of the same size.
            boxes_xyxy_previous: (K, 4) people in the earlier frame, pixels of the frame.

        Returns:
            (2, 3) affine that takes pixels of the earlier frame to pixels of the later one, with its noise (see
            ``settle``); None where it cannot be told: too few corners outside people, or corners that do not move
            together (a cut between scenes, or a moving crowd in front).
        """
        found = self._estimate(previous, current, boxes_xyxy_previous)
        if isinstance(found, str):
            logger.info("camera motion: %s; none taken", found)
            return None
        return found

    def settle(self, steps: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
        """Return the steps of a whole video with those of a standing camera made the identity.

        Args:
            steps: (T, 2, 3) as ``step`` gave them; the first, of frame 0, is the identity.
            width: Of the frames in pixels.
            height: Of the frames in pixels.

        Returns:
            (T, 2, 3); see ``is_static`` for a video without any motion.
        """
        middle, reach = np.array([width - 1, height - 1]) / 2, np.hypot(width, height) / 2
        unit = max(1.0, max(width, height) / self.settings.long_side)
        shift = steps[:, :, :2] @ middle + steps[:, :, 2] - middle
        zoom = (steps[:, 0, 0] + steps[:, 1, 1]) / 2 - 1
        turn = (steps[:, 1, 0] - steps[:, 0, 1]) / 2
        # small motions add up: what the middle moves, and what zoom and turn move the corners by, in small pixels
        motion = np.concatenate([shift, zoom[:, None] * reach, turn[:, None] * reach], axis=1) / unit  # (T, 4)
        total = np.concatenate([np.zeros((1, 4)), np.cumsum(motion, axis=0)])
        moves = np.zeros(len(steps) + 1, dtype=np.int64)  # +1 where a moving window begins, -1 behind its end
        for length in range(1, min(self.settings.still_window, len(steps)) + 1):
            begin = np.flatnonzero(np.linalg.norm(total[length:] - total[:-length], axis=1) > self.settings.still_shift)
            np.add.at(moves, begin, 1)
            np.add.at(moves, begin + length, -1)
        return np.where((np.cumsum(moves)[:-1] > 0)[:, None, None], steps, np.eye(2, 3))

    def _estimate(
        self, previous: SmallPicture, current: SmallPicture, boxes_xyxy: NDArray[np.float32]
    ) -> NDArray[np.float64] | str:
        """Return the motion, or why it cannot be told."""
        import cv2

        if previous.grey.shape != current.grey.shape:
            raise ValueError(f"frames of two sizes: {previous.grey.shape}, then {current.grey.shape}")
        settings = self.settings
        boxes = boxes_xyxy.astype(np.float64) * np.tile(previous.scale, 2)
        start = previous.corners[_outside(previous.corners, boxes, settings.box_margin)]
        if len(start) < settings.min_agreeing:
            return "too few corners outside people"
        end, followed, _ = cv2.calcOpticalFlowPyrLK(previous.grey, current.grey, start, None, **_FOLLOW)
        back, returned, _ = cv2.calcOpticalFlowPyrLK(current.grey, previous.grey, end, None, **_FOLLOW)
        sound = (followed.ravel() > 0) & (returned.ravel() > 0)
        sound &= np.linalg.norm(back - start, axis=1) <= settings.round_trip
        least = max(settings.min_agreeing, settings.min_share * len(start))
        if sound.sum() < least:
            return _LOST
        start, end = start[sound], end[sound]
        fitted, agreeing = cv2.estimateAffinePartial2D(
            start, end, method=cv2.RANSAC, ransacReprojThreshold=settings.inlier, maxIters=500, confidence=0.999
        )
        if fitted is None or agreeing.sum() < least:
            return _LOST
        small = np.asarray(fitted, dtype=np.float64)
        # from small pixels to those of the frame; a pixel's centre lies half a pixel inside, on both scales
        enlarge = np.diag([*(1 / current.scale), 1.0]) @ _shift(0.5)
        shrink = np.diag([*previous.scale, 1.0]) @ _shift(0.5)
        whole = _shift(-0.5) @ enlarge @ np.vstack([small, [0, 0, 1]]) @ _shift(-0.5) @ shrink
        return np.asarray(whole[:2])

    def _corners(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the best corners of each cell of the grid."""
        import cv2

        columns, rows = self.settings.grid
        share = -(-self.settings.corners // (columns * rows))
        strength = cv2.cornerMinEigenVal(grey, blockSize=3)
        highest = cv2.dilate(strength, np.ones((7, 7), np.uint8))
        peaks = np.flatnonzero((strength == highest) & (strength > _LEAST_CORNER))
        y, x = np.divmod(peaks, grey.shape[1])
        cell = y * rows // grey.shape[0] * columns + x * columns // grey.shape[1]
        order = np.lexsort((-strength.ravel()[peaks], cell))
        cell = cell[order]
        first = np.searchsorted(cell, cell)  # where the corner's cell begins
        order = order[np.arange(len(order)) - first < share]
        return np.stack([x[order], y[order]], axis=1).astype(np.float32)


_LOST = "corners do not move together"
_LEAST_CORNER = 1e-4  # of cornerMinEigenVal on pixels of 8 bits: below it there is only noise
_FOLLOW = {"winSize": (15, 15), "maxLevel": 3, "criteria": (3, 20, 0.01)}  # stop after 20 rounds, or below 0.01 pixels


def is_static(steps: NDArray[np.float64]) -> bool:
    """Tell whether (T, 2, 3) settled steps say that the camera never moved: hand no camera motion on then."""
    return bool((np.asarray(steps) == np.eye(2, 3)).all())


def write_camera(path: str | Path, steps: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> None:
    """Write steps as ``gmc.txt``, which ``Sequence.load_camera`` reads back to the same numbers.

    Args:
        path: Target, replaced at once.
        steps: T affines of (2, 3): of frame k, what takes pixels of frame k - 1 to those of frame k; the first is the
            identity.

    Raises:
        ValueError: not (T, 2, 3), or not finite.
    """
    values = np.asarray(steps, dtype=np.float64).reshape(-1, 2, 3) if len(steps) == 0 else np.asarray(steps, np.float64)
    if values.shape[1:] != (2, 3) or not np.isfinite(values).all():
        raise ValueError(f"steps must be finite and (T, 2, 3), got {values.shape}")
    # repr is the shortest text that reads back to the same 64 bits
    lines = [" ".join([str(frame), *map(repr, affine.ravel().tolist())]) for frame, affine in enumerate(values)]
    with atomic_path(path) as staged:
        staged.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _outside(corners: NDArray[np.float32], boxes_xyxy: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """Return (P,) whether a corner lies in no box; boxes are grown by ``margin`` of their size."""
    grow = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * margin
    above = corners[:, None] >= boxes_xyxy[None, :, :2] - grow
    below = corners[:, None] <= boxes_xyxy[None, :, 2:] + grow
    return ~(above & below).all(axis=2).any(axis=1)


def _shift(by: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0.0, by], [0.0, 1.0, by], [0.0, 0.0, 1.0]])
