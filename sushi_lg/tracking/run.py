"""From sequences on disk to result files: what `sushi-lg track` does, one sequence after another.

Shapes: N detections.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from sushi_lg.data.layouts import Conventions
from sushi_lg.data.mot_format import OnBadRow
from sushi_lg.data.sequence import Sequence
from sushi_lg.data.trajectory_io import TrajectoryTable, write_trajectories
from sushi_lg.errors import SushiError, is_out_of_memory
from sushi_lg.structures import Detections
from sushi_lg.timing import stage

logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """Anything that turns the detections of a video into trajectories."""

    def track(self, detections: Detections, conventions: Conventions) -> TrajectoryTable:
        """Return the trajectories of one clip."""


@dataclass(frozen=True)
class SequenceReport:
    """What happened to one sequence.

    Attributes:
        name: of the sequence.
        path: result file.
        frames: length of the video.
        detections: number of detections read.
        trajectories: number of trajectories written.
        boxes: number of boxes written, filled ones included.
        filled: how many of them were interpolated.
        appearance: whether the detections carried appearance vectors.
        seconds: loading, tracking and writing.
    """

    name: str
    path: Path
    frames: int
    detections: int
    trajectories: int
    boxes: int
    filled: int
    appearance: bool
    seconds: float


def track_sequences(
    tracker: Tracker,
    sequences: list[Sequence],
    out: Path,
    *,
    stem: str | None = None,
    on_bad_row: OnBadRow = "error",
    decimals: int | None = 2,
    device: torch.device | str = "cpu",
    notes: Mapping[str, object] | None = None,
    workers: int = 1,
    galleries: Path | None = None,
    use_camera: bool = True,
) -> Iterator[SequenceReport]:
    """Track sequences and write ``out/tracks/<sequence>.txt`` with its Parquet table.

    The result of a sequence does not depend on what runs beside it.

    Args:
        tracker: does the work.
        sequences: whole videos or views of them.
        out: folder of the run.
        stem: which file in ``det/``; None where there is only one.
        on_bad_row: see ``read_table``.
        decimals: digits after the point in result files; None = all.
        device: where to compute.
        notes: kept with every Parquet table.
        workers: sequences at once, as threads that share the cores and the device.
        galleries: folder with the appearance vectors of every sequence; None = boxes only.
        use_camera: read camera motion where there is a ``gmc.txt``.

    Yields:
        A report after each sequence is on disk; of several at once, the one that is done first comes first. An error
        is raised after what had begun is finished and reported.

    Raises:
        SushiError: no memory is left for a sequence, on the host or on a GPU.
    """

    def track_one(sequence: Sequence) -> SequenceReport:
        began = time.perf_counter()
        with stage("load"):
            detections = sequence.load_detections(
                stem, on_bad_row=on_bad_row, use_camera=use_camera, galleries=galleries
            )
        if len(detections) == 0:
            logger.warning("%s: no detections, the result is an empty file", sequence.name)
        try:
            table = tracker.track(detections.to(device), sequence.info.layout.conventions)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            on_gpu = torch.device(device).type != "cpu"
            where, others = (str(device), "what else computes there") if on_gpu else ("the host", "other programs")
            fewer = f"fewer sequences at once (workers={workers - 1}), " if workers > 1 else ""
            other = "device=cpu or a higher" if on_gpu else "a higher"
            raise SushiError(
                f"{sequence.name}: {where} ran out of memory; {len(detections)} detections were read",
                f"{fewer}end {others}, or into another --out: {other} min_score= (fewer detections)",
            ) from error
        if len(detections) and not len(table):
            logger.warning(
                "%s: none of %d detections was kept; are these weights trained?", sequence.name, len(detections)
            )
        path = out / "tracks" / f"{sequence.name}.txt"
        with stage("write"):
            write_trajectories(path, _with_notes(table, sequence, notes or {}), decimals=decimals)
        return SequenceReport(
            name=sequence.name,
            path=path,
            frames=sequence.length,
            detections=len(detections),
            trajectories=len(set(table.track_id.tolist())),
            boxes=len(table),
            filled=int(table.is_interpolated.sum()),
            appearance=detections.embedding is not None,
            seconds=time.perf_counter() - began,
        )

    if workers == 1:
        yield from map(track_one, sequences)
        return
    # Blocks are small: a core a sequence is used better than all cores for one.
    threads = torch.get_num_threads()
    each = max(1, threads // workers)
    failure: BaseException | None = None
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(each,)) as pool:
            waiting = [pool.submit(track_one, sequence) for sequence in sequences]
            try:
                for done in as_completed(waiting):
                    if done.cancelled():
                        continue
                    if done.exception() is None:
                        yield done.result()
                    elif failure is None:
                        failure = done.exception()
                        _cancel(waiting)
            except BaseException:
                if _cancel(waiting) < len(waiting):
                    logger.warning("stopping after the sequences that have begun")
                raise
    finally:
        torch.set_num_threads(threads)  # the pool's setting is that of every new thread of the process
    if failure is not None:
        raise failure


def _cancel(waiting: list[Future[SequenceReport]]) -> int:
    """Cancel what has not begun; return how many are finished or cancelled."""
    return sum(future.cancel() or future.done() for future in waiting)


def _with_notes(table: TrajectoryTable, sequence: Sequence, notes: Mapping[str, object]) -> TrajectoryTable:
    about = {"sequence": sequence.name, "first_frame": sequence.first, "length": sequence.length, **notes}
    return TrajectoryTable(
        table.frame,
        table.track_id,
        table.boxes_ltwh,
        table.confidence,
        table.is_interpolated,
        table.detection_index,
        metadata=about,
    )
