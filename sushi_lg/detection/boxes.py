"""What detectors share: a picture put into a network's rectangle, and one box where several lie on one object.

Shapes: K boxes, H rows and W columns of a picture, h rows and w columns of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.models import InputSpec
from sushi_lg.detection.protocol import FrameBoxes


@dataclass(frozen=True)
class BoxSettings:
    """What a user may choose about detectors of fixed classes.

    Attributes:
        min_score: Weaker boxes are left out; low, because a tracker makes use of weak ones.
        max_iou: Of two boxes that overlap by more the weaker one is left out.
        wanted: Class by name or number; None for persons, or the only class.
    """

    min_score: float = 0.1
    max_iou: float = 0.5
    wanted: str | None = None


@dataclass(frozen=True)
class Fitted:
    """A picture as a network wants it.

    Attributes:
        pixels: (3, h, w), channels first.
        scale: (2,) float64, columns and rows of ``pixels`` a column and a row of the picture.
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    scale: NDArray[np.float64]


def fit(picture: NDArray[np.uint8], size: tuple[int, int], *, keep_shape: bool, pad: int = 114) -> Fitted:
    """Resize a (H, W, 3) picture into ``size`` = (h, w) pixels, bilinearly.

    Args:
        picture: Blue first; the order of the channels stays.
        size: h and w.
        keep_shape: Letterbox: scale both sides alike, put the picture at the top left and fill up with ``pad``;
            otherwise stretch.
        pad: Grey value.
    """
    import cv2

    rows, columns = picture.shape[:2]
    if keep_shape:
        ratio = min(size[0] / rows, size[1] / columns)
        inner = (max(1, int(rows * ratio)), max(1, int(columns * ratio)))
    else:
        inner = size
    resized = picture
    if inner != (rows, columns):
        resized = cv2.resize(picture, (inner[1], inner[0]), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    pixels = np.full((3, *size), pad, dtype=np.uint8)
    pixels[:, : inner[0], : inner[1]] = resized.transpose(2, 0, 1)
    # the sides as they came out, not the ratio aimed at: whole pixels move a box by up to half of one
    return Fitted(pixels, np.array([inner[1] / columns, inner[0] / rows]))


def prepare(picture: NDArray[np.uint8], size: tuple[int, int], spec: InputSpec) -> Fitted:
    """Return a (H, W, 3) picture, blue first, as a card says that the network wants it.

    Args:
        picture: Blue first.
        size: h and w.
        spec: Order of colours, mean, std, fit and pad; the pad is filled up before mean and std are applied.
    """
    fitted = fit(picture, size, keep_shape=spec.fit == "letterbox", pad=spec.pad)
    pixels = fitted.pixels if spec.colour == "BGR" else fitted.pixels[::-1]
    if not any(spec.mean) and set(spec.std) == {1.0}:
        return Fitted(pixels, fitted.scale)  # as bytes: many wait for the network
    mean, std = (np.array(three, dtype=np.float32)[:, None, None] for three in (spec.mean, spec.std))
    return Fitted((pixels.astype(np.float32) - mean) / std, fitted.scale)


def best_boxes(
    boxes_xyxy: NDArray[np.float32], score: NDArray[np.float32], fitted: Fitted, max_iou: float
) -> FrameBoxes:
    """Return the boxes of a picture in its own pixels, one an object, best first.

    Args:
        boxes_xyxy: (K, 4) pixels of the network's input.
        score: (K,).
        fitted: How the picture was put into the network's input.
        max_iou: Of two boxes that overlap by more the weaker one is left out.
    """
    keep = non_maximum_suppression(boxes_xyxy, score, max_iou)
    boxes = boxes_xyxy[keep] / np.tile(fitted.scale, 2)
    return FrameBoxes(boxes.astype(np.float32), score[keep])


def non_maximum_suppression(
    boxes_xyxy: NDArray[np.float32], score: NDArray[np.float32], max_iou: float
) -> NDArray[np.int64]:
    """Return which boxes stay, best first: greedily, none overlaps a better one by more than ``max_iou``.

    Args:
        boxes_xyxy: (K, 4).
        score: (K,); of equal ones the first counts as better; boxes of score 0 never stay.
        max_iou: 0 .. 1.

    Returns:
        (kept,) int64.
    """
    import cv2

    if not len(score):
        return np.zeros(0, dtype=np.int64)
    # OpenCV sorts stably, so the order of equal scores stays; a loop in Python is some fifty times slower
    ltwh = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(ltwh.tolist(), score.tolist(), score_threshold=0.0, nms_threshold=max_iou)
    return np.asarray(kept, dtype=np.int64).ravel()
