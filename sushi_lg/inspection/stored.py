"""What a run has stored: its settings; and whether files are still of its trajectories: their text, what was said.

Read without PyTorch, so that a folder that is no run is refused at once.

Shapes: R boxes of a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from sushi_lg.data.files import near_paths
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.errors import DataError

CONFIG = "config.yaml"


def run_settings(folder: Path) -> dict[str, Any]:
    """Return the settings in the folder of a run.

    Raises:
        DataError: no run (names folders called alike), or its settings cannot be read.
    """
    path = folder / CONFIG
    if not path.is_file():
        remedy = "give a folder that `sushi-lg track --out FOLDER` has written"
        near = [] if folder.is_dir() else [one for one in near_paths(folder) if (one / CONFIG).is_file()]
        hint = f"did you mean {', '.join(map(str, near))}? " if near else ""
        raise DataError(f"{path}: no such file", f"{hint}{remedy}")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "track again") from error
    if not isinstance(settings, dict):
        raise DataError(f"{path}: not a mapping", "track again")
    for key, kind in (("settings", dict), ("sequences", list), ("appearance", dict)):
        if not isinstance(settings.get(key) or kind(), kind):
            raise DataError(f"{path}: {key} is {settings[key]!r}", "track again")
    return settings


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
