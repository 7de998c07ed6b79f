"""Join the trajectories of overlapping windows by the detections they share (SUSHI).

Shapes: N detections of the video, W windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def window_ranges(frames: NDArray[np.int64], length: int, overlap: float = 0.5) -> list[tuple[int, int]]:
    """Return the frames each window covers.

    A window starts at the frame from which on ``round(overlap * k)`` of the k frames with detections of the window
    before are repeated; the last one reaches the last frame.

    Args:
        frames: frame of every detection.
        length: frames of a window.
        overlap: share that is repeated.

    Returns:
        (first, last) frames, inclusive.
    """
    present = np.unique(frames)
    windows: list[tuple[int, int]] = []
    position = 0
    while position < len(present):
        first = int(present[position])
        end = int(np.searchsorted(present, first + length))
        windows.append((first, first + length - 1))
        if end == len(present):
            break
        count = end - position
        position = max(end - round(overlap * count), position + 1)
    return windows


def stitch(num_detections: int, windows: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """Return one trajectory number per detection of the video.

    Windows are joined in order. A new window's numbers are shifted above all old ones; pairs of an old and a new
    trajectory are matched so that as many as possible are joined and, among those, most detections are shared. Matched
    ones keep the old number. Where windows overlap the older one decides.

    Args:
        num_detections: N.
        windows: for every window the detections it holds (ascending, hence in order of time) and their numbers. A later
            window adds the detections after the last one of those before.

    Returns:
        (N,) int64; -1 for detections in no window.
    """
    track = np.full(num_detections, -1, dtype=np.int64)
    for index, local in windows:
        shifted = local + track.max(initial=-1) + 1
        seen = track[index] >= 0
        renamed = _matched(track[index][seen], shifted[seen])
        final = np.array([renamed.get(number, number) for number in shifted.tolist()], dtype=np.int64)
        track[index[~seen]] = final[~seen]
    return track


def _matched(old: NDArray[np.int64], new: NDArray[np.int64]) -> dict[int, int]:
    """Return new number -> old number for trajectories that share detections."""
    if len(old) == 0:
        return {}
    olds, row = np.unique(old, return_inverse=True)
    news, column = np.unique(new, return_inverse=True)
    shared = np.zeros((len(olds), len(news)))
    np.add.at(shared, (row, column), 1)
    forbidden = shared.sum() + 1  # dearer than everything allowed together: as many allowed pairs as possible
    cost = np.where(shared > 0, -shared, forbidden)
    rows, columns = linear_sum_assignment(cost)
    allowed = shared[rows, columns] > 0
    return dict(zip(news[columns[allowed]].tolist(), olds[rows[allowed]].tolist(), strict=True))
