"""Clips to describe: trajectories of files, or annotated tracks of data sets, each with the pictures it belongs to.

Nothing is read before a clip's turn comes, so one that is damaged stops no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from semantic.bensmot.annotations import annotation_of
from semantic.pictures import FileReader, Reader, SourceReader
from semantic.pipeline import ClipSource
from semantic.structures import Clip, Track
from sushi_lg.data.bensmot import (
    CAPTIONS_FILE,
    INTERACTIONS_FILE,
    PICTURE_FOLDER,
    SUMMARY_FILE,
    CombinedFiles,
    find_bensmot_clips,
    read_bensmot_clip,
)
from sushi_lg.data.files import visible_children
from sushi_lg.data.frames import FrameSource, natural_key
from sushi_lg.data.mot_format import MotTable, OnBadRow, read_table
from sushi_lg.data.sequence import open_sequence
from sushi_lg.data.sparse_frames import numbered_pictures
from sushi_lg.data.trajectory_io import TrajectoryTable, read_trajectories
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

Scene = tuple[FrameSource | None, tuple[int, int], float, int]
"""Pictures (None where there are none), width and height, frames per second, number of frames."""


def is_bensmot(folder: Path) -> bool:
    """Tell whether a folder is a clip of BenSMOT, or holds some."""
    try:
        return any(_has_marks(root) for root in find_bensmot_clips(folder))
    except DataError:
        return False


def track_files(path: Path) -> list[Path]:
    """Return the files of trajectories that a path means: a run of ``sushi-lg track``, its ``tracks/``, or one file.

    Where there is a Parquet table beside a text, the table is taken, because it knows more.

    Raises:
        DataError: nothing there, or no trajectories in it.
    """
    if path.is_file():
        table = path.with_suffix(".parquet")
        return [table if table.is_file() else path]
    folder = path / "tracks" if (path / "tracks").is_dir() else path
    if not folder.is_dir():
        raise DataError(f"{path}: no such file or folder", "give what `sushi-lg track` wrote, or one of its files")
    found = {
        file.stem: file
        for suffix in (".txt", ".parquet")
        for file in visible_children(folder, logger)
        if file.suffix == suffix
    }
    if not found:
        raise DataError(
            f"{folder}: no trajectories (*.parquet or *.txt)",
            "give what `sushi-lg track` wrote; for annotated tracks of a data set add --truth",
        )
    return [found[name] for name in sorted(found, key=natural_key)]


def trajectories_source(path: Path, name: str, scene: Callable[[], Scene], on_bad_row: str = "error") -> ClipSource:
    """Return the clip of a file of trajectories.

    Args:
        path: ``.parquet`` or MOT text.
        name: Of the clip.
        scene: Opens the pictures, or tells what is known without them; may raise ``DataError``.
        on_bad_row: 'error' or 'skip', of MOT text.
    """

    def opened() -> tuple[Clip, Reader | None]:
        pictures, size, rate, whole = scene()
        first, length = 0, whole
        if path.suffix == ".parquet":
            table = read_trajectories(path)
            first = _stated(table, "first_frame", 1, path) - 1
            length = _stated(table, "length", whole, path)
            tracks = _tracks_of_table(table, path)
        else:
            text = read_table(path, "results", on_bad_row=cast(OnBadRow, on_bad_row), sequence_length=whole)
            tracks = _tracks_of_text(text, path)
        if first < 0 or first + length > whole:
            raise DataError(
                f"{path}: of frames {first + 1} to {first + length}, but the pictures have {whole}",
                "name the pictures that were tracked",
            )
        return _clip(path, name, length, rate, size, tracks), None if pictures is None else SourceReader(
            pictures, first
        )

    return ClipSource(name, opened)


def bensmot_clips_by_name(folder: Path) -> dict[str, Path]:
    """Return the BenSMOT clips in a folder by what files of trajectories may be called.

    That is ``<scenario>__<clip>``, and ``<clip>`` where it is the only one of that name.

    Args:
        folder: The data set, or a part of it.

    Raises:
        DataError: no such folder, or no clip in it.
    """
    found: dict[str, set[Path]] = {}
    for root in find_bensmot_clips(folder):
        root = root.absolute()
        for name in (root.name, f"{root.parent.name}__{root.name}"):
            found.setdefault(name, set()).add(root)
    return {name: next(iter(roots)) for name, roots in found.items() if len(roots) == 1}


def bensmot_trajectories_source(path: Path, root: Path, on_bad_row: str, on_bad_image: str) -> ClipSource:
    """Return the clip of a file of trajectories, dense 1-based frames, of a BenSMOT clip.

    Args:
        path: ``.parquet`` or MOT text.
        root: Folder of the clip.
        on_bad_row: 'error' or 'skip', of MOT text.
        on_bad_image: 'error' or 'skip'.
    """
    name = bensmot_name(root)

    def opened() -> tuple[Clip, Reader | None]:
        truth = read_bensmot_clip(root)
        annotated, _ = annotation_of(truth)
        if path.suffix == ".parquet":
            tracks = _tracks_of_table(read_trajectories(path), path)
        else:
            text = read_table(path, "results", on_bad_row=cast(OnBadRow, on_bad_row), sequence_length=truth.length)
            tracks = _tracks_of_text(text, path)
        if any(track.frame[-1] >= truth.length for track in tracks):
            raise DataError(f"{path}: has more frames than {root}, {truth.length}", "name the clip that was tracked")
        clip = Clip(name, truth.length, annotated.frame_rate, truth.sizes, tracks, truth.stems)
        return clip, _reader(root, truth.sizes, on_bad_image)

    return ClipSource(name, opened)


def bensmot_name(root: Path) -> str:
    """Return what a clip is called: ``<scenario>/<clip>``."""
    full = root.absolute()
    return f"{full.parent.name}/{full.name}"


def bensmot_truth_sources(folder: Path, on_bad_image: str = "error") -> list[ClipSource]:
    """Return the clips of BenSMOT in a folder with their annotated tracks; what is said about them is not read.

    Raises:
        DataError: no clip there.
    """
    roots = find_bensmot_clips(folder)

    def source(root: Path) -> ClipSource:
        def opened() -> tuple[Clip, Reader | None]:
            # without the combined files: they state what is said, not where people are
            read = read_bensmot_clip(root, CombinedFiles())
            if not read.tracks and read.notes:
                raise DataError(f"{bensmot_name(root)}: no tracks ({read.notes[0]})", "mend the file, or leave it out")
            clip, _ = annotation_of(read)
            return clip, _reader(root, read.sizes, on_bad_image)

        return ClipSource(bensmot_name(root), opened)

    return [source(root) for root in roots]


def sequence_truth_source(
    folder: Path, scene: Callable[[], Scene], on_bad_row: str = "error", name: str | None = None
) -> ClipSource:
    """Return the annotated identities of a MOT sequence folder.

    Args:
        folder: With ``gt/gt.txt``.
        scene: See ``trajectories_source``.
        on_bad_row: 'error' or 'skip'.
        name: Of the clip; that of the folder when left out.
    """

    def opened() -> tuple[Clip, Reader | None]:
        sequence = open_sequence(folder)
        if not sequence.has_ground_truth:
            raise DataError(
                f"{sequence.ground_truth_path}: no ground truth", "leave out --truth, and name trajectories"
            )
        pictures, size, rate, length = scene()
        table = sequence.load_ground_truth("identities", cast(OnBadRow, on_bad_row))
        tracks = _tracks_of_text(table, sequence.ground_truth_path)
        clip = _clip(folder, name or sequence.name, length, rate, size, tracks)
        return clip, None if pictures is None else SourceReader(pictures)

    return ClipSource(name or folder.absolute().name, opened)


def _stated(table: TrajectoryTable, key: str, default: int, path: Path) -> int:
    """Return a whole number from 1 out of what a table says about itself."""
    value = table.metadata.get(key, default)
    if not isinstance(value, int) or value < 1:
        raise DataError(f"{path}: {key}: {str(value)[:40]!r} is no number from 1", "track again")
    return value


def _clip(path: Path, name: str, length: int, rate: float, size: tuple[int, int], tracks: tuple[Track, ...]) -> Clip:
    last = max((int(track.frame[-1]) for track in tracks), default=-1)
    if last >= length:
        raise DataError(
            f"{path}: a track has frame {last + 1}, the pictures have {length} frames", "name the pictures they are of"
        )
    return Clip(name, length, rate, np.tile(np.array(size, dtype=np.int64), (length, 1)), tracks)


def _tracks_of_table(table: TrajectoryTable, path: Path) -> tuple[Track, ...]:
    boxes = np.concatenate([table.boxes_ltwh[:, :2], table.boxes_ltwh[:, :2] + table.boxes_ltwh[:, 2:]], axis=1)
    return _tracks(path, table.frame, table.track_id, boxes, table.confidence, table.is_interpolated)


def _tracks_of_text(table: MotTable, path: Path) -> tuple[Track, ...]:
    # files of results may have any number in the column of the confidence, -1 as well
    confidence = np.where((table.confidence >= 0) & (table.confidence <= 1), table.confidence, 1.0)
    detected = np.zeros(len(table), dtype=np.bool_)
    return _tracks(path, table.frame - 1, table.track_id, table.boxes_xyxy, confidence, detected)


def _tracks(
    path: Path,
    frame: NDArray[np.int64],
    track_id: NDArray[np.int64],
    boxes: NDArray[np.float64],
    confidence: NDArray[np.float64],
    is_interpolated: NDArray[np.bool_],
) -> tuple[Track, ...]:
    wrong = np.flatnonzero((frame < 0) | ~np.isfinite(boxes).all(axis=1) | ~np.isfinite(confidence))
    if len(wrong):
        raise DataError(f"{path}: row {wrong[0] + 1}: no frame, box or confidence that can be", "track again")
    order = np.lexsort((frame, track_id))
    tracks = []
    for rows in np.split(order, np.flatnonzero(np.diff(track_id[order])) + 1) if len(order) else []:
        try:
            tracks.append(
                Track(
                    int(track_id[rows[0]]),
                    frame[rows],
                    boxes[rows],
                    np.clip(confidence[rows], 0.0, 1.0),
                    is_interpolated[rows],
                )
            )
        except ValueError as error:
            raise DataError(f"{path}: {error}", "track again, or correct the file") from error
    return tuple(tracks)


def _has_marks(root: Path) -> bool:
    return (root / PICTURE_FOLDER).is_dir() or any(
        (root / name).is_file() for name in (SUMMARY_FILE, CAPTIONS_FILE, INTERACTIONS_FILE)
    )


def _reader(root: Path, sizes: NDArray[np.int64], on_bad_image: str) -> Reader | None:
    paths = numbered_pictures(root / PICTURE_FOLDER).paths
    return FileReader(paths, sizes, on_bad_image) if paths else None
