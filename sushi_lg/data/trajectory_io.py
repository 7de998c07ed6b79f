"""Trajectories on disk: MOT text for servers and metrics, and beside it a Parquet table that keeps what text cannot.

The table has one row a box: ``frame, track_id, left, top, width, height, confidence`` as in the text (1-based, but in
full precision), ``is_interpolated`` and ``detection_index`` (row of the detection that the box came from, in the order
of ``Sequence.load_detections``; -1 for interpolated boxes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path
from sushi_lg.data.mot_format import write_results
from sushi_lg.errors import DataError

_SCHEMA = pa.schema(
    [
        ("frame", pa.int64()),
        ("track_id", pa.int64()),
        ("left", pa.float64()),
        ("top", pa.float64()),
        ("width", pa.float64()),
        ("height", pa.float64()),
        ("confidence", pa.float64()),
        ("is_interpolated", pa.bool_()),
        ("detection_index", pa.int64()),
    ]
)
_METADATA_KEY = b"sushi_lg"


@dataclass(frozen=True)
class TrajectoryTable:
    """Boxes of trajectories, in the conventions of the package: frames and pixels 0-based.

    Attributes:
        frame: (R,) int64.
        track_id: (R,) int64, from 1.
        boxes_ltwh: (R, 4) float64.
        confidence: (R,) float64.
        is_interpolated: (R,) bool.
        detection_index: (R,) int64, -1 for interpolated boxes.
        metadata: What the writer wanted to keep with the table (sequence, settings), JSON values.
    """

    frame: NDArray[np.int64]
    track_id: NDArray[np.int64]
    boxes_ltwh: NDArray[np.float64]
    confidence: NDArray[np.float64]
    is_interpolated: NDArray[np.bool_]
    detection_index: NDArray[np.int64]
    metadata: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("track_id", "boxes_ltwh", "confidence", "is_interpolated", "detection_index")
        for name in names:
            if len(getattr(self, name)) != len(self.frame):
                raise ValueError(f"{name}: {len(getattr(self, name))} rows, frame: {len(self.frame)} rows")

    def __len__(self) -> int:
        return len(self.frame)


def write_trajectories(text_path: str | Path, table: TrajectoryTable, *, decimals: int | None = 2) -> Path:
    """Write ``text_path`` (MOT text) and the Parquet table beside it, both sorted by frame, then id.

    Args:
        text_path: Target ending in ``.txt``; the table has the same name with ``.parquet``.
        table: The boxes; none is a valid result.
        decimals: See ``write_results``; the table is always in full precision.

    Returns:
        The path of the Parquet table.

    Raises:
        DataError: a row that may not be written, see ``write_results``.
    """
    text_path = Path(text_path)
    write_results(text_path, table.frame, table.track_id, table.boxes_ltwh, table.confidence, decimals=decimals)
    order = np.lexsort((table.track_id, table.frame))
    boxes = np.asarray(table.boxes_ltwh, dtype=np.float64).reshape(-1, 4)[order]
    columns = [
        table.frame[order] + 1,
        table.track_id[order],
        boxes[:, 0] + 1.0,
        boxes[:, 1] + 1.0,
        boxes[:, 2],
        boxes[:, 3],
        table.confidence[order],
        table.is_interpolated[order],
        table.detection_index[order],
    ]
    arrays = [pa.array(np.ascontiguousarray(c), type=f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
    schema = _SCHEMA.with_metadata({_METADATA_KEY: json.dumps(dict(table.metadata), sort_keys=True).encode()})
    parquet_path = text_path.with_suffix(".parquet")
    with atomic_path(parquet_path) as staged:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), staged, compression="zstd")
    return parquet_path


def read_trajectories(path: str | Path) -> TrajectoryTable:
    """Read a Parquet table written by ``write_trajectories``.

    Raises:
        DataError: no such file, not Parquet, or not these columns.
    """
    path = Path(path)
    try:
        stored = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "run `sushi-lg track` first") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file ({error})", "run `sushi-lg track` again") from error
    if not stored.schema.remove_metadata().equals(_SCHEMA):
        raise DataError(
            f"{path}: columns {stored.schema.names}, expected {_SCHEMA.names}", "run `sushi-lg track` again"
        )
    columns = {name: stored.column(name).to_numpy() for name in _SCHEMA.names}
    boxes = np.stack([columns["left"] - 1.0, columns["top"] - 1.0, columns["width"], columns["height"]], axis=1)
    return TrajectoryTable(
        frame=columns["frame"] - 1,
        track_id=columns["track_id"].copy(),
        boxes_ltwh=boxes,
        confidence=columns["confidence"].copy(),
        is_interpolated=columns["is_interpolated"].astype(bool),
        detection_index=columns["detection_index"].copy(),
        metadata=json.loads((stored.schema.metadata or {}).get(_METADATA_KEY, b"{}")),
    )
