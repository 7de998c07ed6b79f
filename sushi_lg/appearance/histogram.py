"""Appearance without a network: which colours somebody wears, and how high up.

A crop is cut into horizontal stripes that overlap softly; the pixels of a stripe vote for bins of hue or, where there
is hardly any colour, of brightness; the middle columns count more than the background at the sides. Square roots of
the shares make the scalar product of two vectors the mean Bhattacharyya coefficient of their stripes (the Hellinger
kernel; Arandjelovic and Zisserman, CVPR 2012). Stripes of colour histograms: Gray and Tao, ECCV 2008.

Shapes: K crops, h rows and w columns of pixels, S stripes, B bins of a stripe, D = S * B.
"""

from __future__ import annotations

import hashlib
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.crops import Interpolation, cut

_SIZE: Final = (64, 32)
_STRIPES: Final = 8
_BANDS: Final = 32  # rows are counted in bands of two; a stripe is a weighted sum of bands
_HUES: Final = 8
_LEVELS: Final = 4  # of brightness, for each hue
_GREYS: Final = 24
_COLOURFUL: Final = 60  # least saturation of a pixel that votes for its hue, of 255
_DARK: Final = 40  # below this brightness hue is noise
_MIDDLE: Final = 0.2  # standard deviation of the columns' weight, in widths of the crop
_BINS: Final = _HUES * _LEVELS + _GREYS
_CHUNK: Final = 256  # crops counted together: some megabytes
_VERSION: Final = 1  # of the arithmetic; raise it when the vectors change


class HistogramEmbedder:
    """Colours by stripes; the default, needs no weights. See the module's docstring for the method."""

    name = "hsv"
    dim = _STRIPES * _BINS
    batch_size = _CHUNK
    parallel = True

    def fingerprint(self) -> str:
        """Return a digest of the settings."""
        settings = (_VERSION, _SIZE, _STRIPES, _BANDS, _HUES, _LEVELS, _GREYS, _COLOURFUL, _DARK, _MIDDLE)
        return hashlib.sha256(f"hsv {settings}".encode()).hexdigest()

    def crop(self, picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cut boxes out of a (H, W, 3) picture, blue first: (K, 64, 32, 3)."""
        return cut(picture, boxes_xyxy, _SIZE, Interpolation.AREA)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (K, D) vectors of length one, all values at least zero."""
        starts = range(0, len(crops), _CHUNK)
        parts = [_embed(crops[start : start + _CHUNK]) for start in starts]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), np.float32)


def _embed(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    count, (height, width) = len(crops), _SIZE
    hsv = cv2.cvtColor(crops.reshape(count * height, width, 3), cv2.COLOR_BGR2HSV)
    hue, saturation, value = cv2.split(hsv)
    colour = _HUE_BIN[hue] + value // (256 // _LEVELS)
    bins = np.where((saturation >= _COLOURFUL) & (value >= _DARK), colour, _GREY_BIN[value])
    band = np.arange(count * height) // (height // _BANDS)
    votes = np.bincount(
        (band[:, None] * _BINS + bins).ravel(),
        np.broadcast_to(_COLUMN_WEIGHT, bins.shape).ravel(),
        minlength=count * _BANDS * _BINS,
    )
    stripes = _STRIPE_WEIGHT @ votes.reshape(count, _BANDS, _BINS)  # (K, S, B)
    shares = stripes / stripes.sum(axis=2, keepdims=True)  # each pixel votes once, so no sum is zero
    return np.sqrt(shares / _STRIPES).reshape(count, -1).astype(np.float32)


def _stripe_weight() -> NDArray[np.float64]:
    """Return (S, bands): full weight in the middle of a stripe, none in the middle of its neighbours."""
    centre = (np.arange(_BANDS) + 0.5) * _STRIPES / _BANDS
    distance = np.abs(centre[None] - (np.arange(_STRIPES)[:, None] + 0.5))
    return np.clip(1 - distance, 0, None)


def _column_weight() -> NDArray[np.float64]:
    """Return (w,): a bell around the middle."""
    width = _SIZE[1]
    offset = (np.arange(width) + 0.5) / width - 0.5
    return np.exp(-0.5 * (offset / _MIDDLE) ** 2)


_STRIPE_WEIGHT: Final = _stripe_weight()
_COLUMN_WEIGHT: Final = _column_weight()
# OpenCV's hue is 0 .. 179 with red at both ends; the first bin has red in its middle.
_HUE_BIN: Final = ((np.arange(256) + 90 // _HUES) % 180 * _HUES // 180 * _LEVELS).astype(np.uint8)
_GREY_BIN: Final = (_HUES * _LEVELS + np.arange(256) * _GREYS // 256).astype(np.uint8)
