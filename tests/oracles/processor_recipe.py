"""Pictures, chats and settings that two environments make alike, so that only answers need recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FAMILIES = ("llava_onevision", "qwen2_5_vl", "smolvlm")
SYSTEM = "You describe people in a video."
PROMPT = "The outlined person is P3 (green). Answer in one sentence."
KEPT = 13  # every 13th number is recorded
SECONDS = (0.0, 2.0, 4.0, 6.0, 8.0)  # an odd number of pictures: families that pair them repeat the last one
SIZE = (150, 87)


def pictures() -> list[NDArray[np.uint8]]:
    """Return five pictures, blue first, with edges, slopes and noise, so that filters and rounding show."""
    rng = np.random.RandomState(0)
    height, width = SIZE
    y, x = np.mgrid[:height, :width]
    found = []
    for step in range(len(SECONDS)):
        slope = (2 * x + y + 20 * step) % 256
        stripes = np.where((x // 9 + step) % 2 == 0, 230, 20)
        noise = rng.randint(0, 256, SIZE)
        found.append(np.stack([slope, stripes, noise], axis=2).astype(np.uint8))
    return found
