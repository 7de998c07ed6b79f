"""Crops of people out of a picture, all of one size.

Two conventions of borders, because networks were trained and published tables computed with both: ``CLIP`` keeps what
lies inside the picture, ``PAD_MEAN`` is what the code of SUSHI (Cetintas et al., CVPR 2023) does, pixel for pixel.

Shapes: K boxes, h rows and w columns of a crop, H rows and W columns of a picture.
"""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate


class Border(Enum):
    """What becomes of a box that leaves the picture."""

    CLIP = "clip"
    """Its part inside, from the pixel its left and top edges lie in to the one its right and bottom edges lie in."""
    PAD_MEAN = "pad_mean"
    """Coordinates cut to integers; what is missing on a side repeats the mean of each row or column of the part inside
    (``numpy.pad`` in mode "mean")."""


class Interpolation(Enum):
    """How a crop comes to its size."""

    LINEAR = "linear"
    """OpenCV's bilinear: fast; samples only the nearest pixels of the source when it shrinks."""
    AREA = "area"
    """OpenCV's mean over the covered area when it shrinks; bilinear when it enlarges."""
    BICUBIC = "bicubic"
    """Cubic with a filter as wide as the reduction, as Pillow's ``BICUBIC``: equal to it within one grey level."""


_OPENCV = {Interpolation.LINEAR: cv2.INTER_LINEAR, Interpolation.AREA: cv2.INTER_AREA}


def cut(
    picture: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float32],
    size: tuple[int, int],
    interpolation: Interpolation = Interpolation.LINEAR,
    border: Border = Border.CLIP,
) -> NDArray[np.uint8]:
    """Cut boxes out of a picture.

    Args:
        picture: (H, W, 3) uint8.
        boxes_xyxy: (K, 4) pixels, 0-based; may leave the picture, however far.
        size: (h, w).
        interpolation: how crops come to their size.
        border: what becomes of boxes that leave the picture.

    Returns:
        (K, h, w, 3) uint8, colours in the order of the picture. A box without a pixel inside the picture (wholly
        outside, or without area) gives a black crop.

    Raises:
        ValueError: boxes or picture of another shape or dtype, or a coordinate that is not finite.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"picture is {picture.dtype} {picture.shape}, not uint8 (H, W, 3)")
    if boxes_xyxy.ndim != 2 or boxes_xyxy.shape[1] != 4:
        raise ValueError(f"boxes are {boxes_xyxy.shape}, not (K, 4)")
    broken = np.flatnonzero(~np.isfinite(boxes_xyxy).all(axis=1))
    if len(broken):
        raise ValueError(f"box {broken[0]} is {boxes_xyxy[broken[0]].tolist()}: not finite")
    crops = np.zeros((len(boxes_xyxy), *size, 3), np.uint8)
    inside, outside = _regions(picture, boxes_xyxy, border)
    for crop, (left, top, right, bottom), missing in zip(crops, inside.tolist(), outside.tolist(), strict=True):
        if left >= right or top >= bottom:
            continue
        pixels = picture[top:bottom, left:right]
        if any(missing):
            pixels = _pad(pixels, missing)
        _resize(pixels, crop, interpolation)
    return crops


def _regions(
    picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32], border: Border
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (K, 4) pixels inside as left, top, right, bottom (exclusive), and (K, 4) pixels missing on each side."""
    height, width = picture.shape[:2]
    limit = np.array([width, height, width, height])
    # A box may reach out of the picture by its size and no further: what a padded crop shows then is padding anyway,
    # and a stray coordinate must not ask for all memory.
    boxes = np.clip(boxes_xyxy.astype(np.float64), -limit, 2 * limit)
    if border is Border.CLIP:
        edges = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
        inside = np.clip(edges, 0, limit).astype(np.int64)
        inside[(boxes[:, 2:] <= boxes[:, :2]).any(axis=1)] = 0
        return inside, np.zeros_like(inside)
    inside = np.clip(boxes, 0, limit).astype(np.int64)
    return inside, np.abs(boxes - np.clip(boxes, 0, limit)).astype(np.int64)


def _pad(pixels: NDArray[np.uint8], missing: list[int]) -> NDArray[np.uint8]:
    left, top, right, bottom = missing
    return np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="mean")


def _resize(pixels: NDArray[np.uint8], crop: NDArray[np.uint8], interpolation: Interpolation) -> None:
    """Fill ``crop`` (h, w, 3)."""
    height, width = crop.shape[:2]
    if interpolation in _OPENCV:
        cv2.resize(pixels, (width, height), dst=crop, interpolation=_OPENCV[interpolation])
        return
    source = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    resized = interpolate(source, (height, width), mode="bicubic", antialias=True)
    crop[:] = resized[0].permute(1, 2, 0).numpy()
