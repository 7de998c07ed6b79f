"""Measure one scene in a process of its own: seconds by stage, peak memory, what bounds each stage.

``measure_apart`` starts the process; ``python -m sushi_lg.benchmark.measure JSON`` is what runs in it.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import torch

import sushi_lg
from sushi_lg.benchmark.roofline import Machine, Work, WorkCounter, measure_machine
from sushi_lg.benchmark.scenes import Scene, make_scene
from sushi_lg.benchmark.waits import count_waits
from sushi_lg.config import load_config
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.splits import locate_split, split_names
from sushi_lg.data.trajectory_io import write_trajectories
from sushi_lg.errors import ConfigError, DataError, SushiError, WeightsError
from sushi_lg.solver.oracle import accept_labels
from sushi_lg.structures import Detections
from sushi_lg.timing import StageClock, measure_stages, stage
from sushi_lg.tracking.memory import peak_memory
from sushi_lg.tracking.recipe import SushiConfig
from sushi_lg.tracking.run import track_sequences
from sushi_lg.tracking.sushi import SushiTracker, load_sushi
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import load_tracker, weights_path


@dataclass(frozen=True)
class Task:
    """What to measure.

    Attributes:
        scene: see ``make_scene``, or the name of a split under ``data``.
        recipe: default, sushi or lgmot.
        weights: for ``default`` a name or file; the published recipes need a file.
        decisions: "network", or "labels": the network runs, decisions are perfect.
        embedding_width: D of drawn embeddings; 0 = boxes only.
        data: root of the data sets, for splits.
        detections: stem of the detection files, for splits.
        repeat: runs; the fastest counts.
        threads: of torch; 0 leaves them.
        device: cpu or cuda.
        roofline: also count operations and bytes of every stage, in one more run.
    """

    scene: str
    recipe: str = "default"
    weights: str = "default"
    decisions: str = "network"
    embedding_width: int = 0
    data: str | None = None
    detections: str | None = None
    repeat: int = 3
    threads: int = 0
    device: str = "cpu"
    roofline: bool = True


def measure_apart(task: Task) -> dict[str, Any]:
    """Measure in a fresh process, so that peak memory is that of this task alone.

    Raises:
        SushiError: what the process said.
    """
    command = [sys.executable, "-m", "sushi_lg.benchmark.measure", json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise SushiError(f"measuring {task.scene} was killed by signal {-done.returncode}", "is there enough memory?")
    if done.returncode:
        raise RuntimeError(f"measuring {task.scene} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "error" in found:
        kinds = {kind.__name__: kind for kind in (DataError, ConfigError, WeightsError)}
        raise kinds.get(found["error"], SushiError)(found["message"], found["remedy"])
    return found


def measure(task: Task) -> dict[str, Any]:
    """Measure in this process.

    Returns:
        task, frames, detections, seconds, frames_per_second, detections_per_second, memory_before_mb, peak_memory_mb,
        peak_gpu_memory_mb (of tensors; 0 without a GPU), trajectories; host_waits, see ``count_waits``, or None where
        they were not counted (splits, long videos); and by stage: seconds and, with ``roofline``, rates, bound and the
        share of the bound.
    """
    if task.threads:
        torch.set_num_threads(task.threads)
    tracker = make_tracker(task)
    with tempfile.TemporaryDirectory() as folder:
        run, frames, detections = _prepare(task, tracker, Path(folder))
        before = _resident_mb()
        on_gpu = torch.device(task.device).type == "cuda"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(task.device)
        best: tuple[float, StageClock] | None = None
        count, trajectories = 0, 0
        for _ in range(task.repeat):
            wait = torch.cuda.synchronize if on_gpu else None
            began = time.perf_counter()
            with measure_stages(wait) as clock:
                count, trajectories = run()
            seconds = time.perf_counter() - began
            if best is None or seconds < best[0]:
                best = (seconds, clock)
        assert best is not None
        peak = peak_memory() / (1 << 20)
        peak_gpu = torch.cuda.max_memory_allocated(task.device) / (1 << 20) if on_gpu else 0.0
        machine, work = None, {}
        if task.roofline:
            machine = measure_machine(task.device)
            with measure_stages() as clock, WorkCounter(clock) as counter:
                run()
            work = counter.work
        waits = None
        if (
            task.roofline
            and detections is not None
            and len(detections) * max(task.embedding_width, 500) <= _MOST_COUNTED
        ):
            waits = count_waits(tracker, detections)
    seconds, clock = best
    return {
        "task": asdict(task),
        "frames": frames,
        "detections": count,
        "trajectories": trajectories,
        "seconds": seconds,
        "frames_per_second": frames / seconds,
        "detections_per_second": count / seconds,
        "memory_before_mb": before,
        "peak_memory_mb": peak,
        "peak_gpu_memory_mb": peak_gpu,
        "machine": None if machine is None else asdict(machine),
        "host_waits": None if waits is None else waits.summary(),
        "stages": {name: _stage(value, work.get(name), machine) for name, value in clock.seconds.items()},
    }


def describe_machine() -> dict[str, str | int]:
    """Return what the numbers depend on besides the code."""
    revision = subprocess.run(
        ["git", "-C", str(Path(sushi_lg.__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "processor": _processor(),
        "cores": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sushi_lg": sushi_lg.__version__,
        "revision": revision.stdout.strip() or "unknown",
    }


def make_tracker(task: Task) -> HierarchicalTracker | SushiTracker:
    """Return the tracker of a task, deciding as it says."""
    tracker: Any
    if task.recipe == "default":
        tracker = load_tracker(weights_path(task.weights))
    else:
        config = load_config(SushiConfig, task.recipe, None, [])
        tracker = load_sushi(task.weights, replace(config, min_score=0.0))
    if task.decisions == "labels":
        levels = len(tracker.config.levels)
        tracker.run = partial(tracker.run, solvers=[accept_labels] * levels, with_labels=True)
    return tracker.to(task.device)  # type: ignore[no-any-return]


Run = Callable[[], tuple[int, int]]
"""Does the work once; returns the numbers of detections and of trajectories."""


_MOST_COUNTED = 25_000_000  # numbers: the way of a GPU gathers vectors of all pairs, which takes a CPU minutes


def _prepare(
    task: Task,
    tracker: Any,  # noqa: ANN401 - one of two recipes
    folder: Path,
) -> tuple[Run, int, Detections | None]:
    """Return what is to be timed, the frames it covers, and the detections where they are one clip."""
    if task.scene in split_names():
        if task.data is None:
            raise DataError(f"{task.scene}: a split needs --data", "--data ROOT, the folder that holds the data sets")
        located = locate_split(task.scene, Path(task.data))
        if located.missing:
            raise DataError(
                f"{task.data}: sequences of {task.scene} are absent: {', '.join(located.missing)}",
                "add them; a part of a split is not measured under its name",
            )
        sequences = list(located.sequences)

        def track_split() -> tuple[int, int]:
            reports = track_sequences(tracker, sequences, folder, stem=task.detections, device=task.device)
            found = [(report.detections, report.trajectories) for report in reports]
            return sum(count for count, _ in found), sum(count for _, count in found)

        return track_split, sum(sequence.length for sequence in sequences), None
    scene = make_scene(task.scene, width=task.embedding_width)
    path = folder / "det.txt"
    _write_detections(path, scene)
    given = scene.detections.to(task.device)

    def track_scene() -> tuple[int, int]:
        with stage("load"):
            read_table(path)
        table = tracker.track(given)
        with stage("write"):
            write_trajectories(folder / "tracks.txt", table)
        return len(given), int(table.track_id.max(initial=0))

    return track_scene, scene.frames, given


def _write_detections(path: Path, scene: Scene) -> None:
    detections: Detections = scene.detections
    boxes = detections.boxes_xyxy.numpy().astype(np.float64)
    columns = [
        detections.frame.numpy() + 1,
        np.full(len(detections), -1),
        *(boxes[:, :2] + 1).round(2).T,
        *(boxes[:, 2:] - boxes[:, :2]).round(2).T,
        detections.score.numpy().astype(np.float64).round(4),
    ]
    table = pa.table([pa.array(np.ascontiguousarray(column)) for column in columns], names=list("abcdefg"))
    pa_csv.write_csv(table, path, pa_csv.WriteOptions(include_header=False))


def _stage(seconds: float, work: Work | None, machine: Machine | None) -> dict[str, Any]:
    if work is None or machine is None:
        return {"seconds": seconds}
    bound, by = machine.bound(work)
    return {
        "seconds": seconds,
        "gflops_per_second": work.operations / seconds / 1e9,
        "gbytes_per_second": work.bytes / seconds / 1e9,
        "bound_seconds": bound,
        "bound_by": by,
        "share_of_bound": bound / seconds,
    }


def _resident_mb() -> float:
    status = Path("/proc/self/status")
    if not status.is_file():
        return peak_memory() / (1 << 20)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.is_file() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    try:
        answer = measure(Task(**json.loads(sys.argv[1])))
    except SushiError as error:
        answer = {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    print(json.dumps(answer))  # noqa: T201 - the parent reads it
