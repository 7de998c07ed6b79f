"""What an embedder is: crops of people in, vectors out that are alike for one person and unlike for two.

Shapes: K crops, h rows and w columns of pixels, D embedding width, H rows and W columns of a picture.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Describes how people look. ``crop`` may run on several threads, ``embed`` only where ``parallel`` says so."""

    name: str
    """Short, safe as a folder name."""
    dim: int
    """D."""
    batch_size: int
    """Crops that ``embed`` likes to get together."""
    parallel: bool
    """Whether ``embed`` may run on several threads at once and gains by it, each call using one core."""

    def fingerprint(self) -> str:
        """Return a digest of everything the vectors depend on: weights and settings."""

    def crop(self, picture: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cut boxes out of a picture.

        Args:
            picture: (H, W, 3), blue first.
            boxes_xyxy: (K, 4) pixels, 0-based; may leave the picture.

        Returns:
            (K, h, w, 3), blue first.
        """

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (K, D) finite vectors of any length; they do not depend on what else is in the batch."""
