"""Whether files that belong to trajectories are still of these: their text, and what was said about them.

Shapes: R boxes of a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.mot_format import read_table
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.errors import DataError


def scored_boxes(path: Path, table: TrajectoryTable, length: int) -> NDArray[np.float64]:
    """Return the boxes of a table as its text file has them, rounded: these are scored.

    Args:
        path: the text, ``.txt``.
        table: R boxes.
        length: number of frames.

    Returns:
        (R, 4) float64 left, top, width, height, counted from 0.

    Raises:
        DataError: no such file, from reading, or the text holds other rows.
    """
    text = read_table(path, "results", sequence_length=length)
    if not (np.array_equal(text.frame - 1, table.frame) and np.array_equal(text.track_id, table.track_id)):
        raise DataError(f"{path}: other rows than {path.with_suffix('.parquet').name}", "track again")
    return text.pixels_ltwh


def are_frames_of(frames: Mapping[int, NDArray[np.int64]], table: TrajectoryTable) -> bool:
    """Tell whether trajectories are those of a table: the same ids, each in the same frames.

    Args:
        frames: rising 0-based frames by id.
        table: R boxes.
    """
    order = np.lexsort((table.frame, table.track_id))
    ids = sorted(frames)
    lengths = [len(frames[one]) for one in ids]
    return np.array_equal(np.repeat(np.array(ids, dtype=np.int64), lengths), table.track_id[order]) and np.array_equal(
        np.concatenate([np.zeros(0, dtype=np.int64), *(frames[one] for one in ids)]), table.frame[order]
    )
