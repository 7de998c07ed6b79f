"""Appearance as it is: small pictures, for trackers that learn from pixels how people look.

Alone a thumbnail says little; it is what the appearance encoder of a training reads (``tracker.appearance``) that is
to learn everything about looks itself.

Shapes: K crops, h rows and w columns of pixels, D = 3 h w.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sushi_lg.appearance.crops import Interpolation, cut

NAME: Final = "pixels"
SIZE: Final = (32, 16)
"""(h, w) of a thumbnail."""
_VERSION: Final = 1  # raise it when the numbers change


class ThumbnailEmbedder:
    """Crops of 32 x 16 pixels as vectors: channels (blue first), rows, columns."""

    name = NAME
    dim = 3 * SIZE[0] * SIZE[1]
    batch_size = 256
    parallel = True

    def fingerprint(self) -> str:
        """Return a digest of the settings."""
        return hashlib.sha256(f"{NAME} {_VERSION} {SIZE}".encode()).hexdigest()

    def crop(self, picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cut boxes out of a (H, W, 3) picture, blue first: (K, 32, 16, 3)."""
        return cut(picture, boxes_xyxy, SIZE, Interpolation.AREA)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (K, D) values above 0, at most 1: a black crop is no vector of zeros, which would say nothing."""
        channels_first = crops.transpose(0, 3, 1, 2).reshape(len(crops), self.dim)
        return (channels_first.astype(np.float32) + 1) / 256
