"""Seconds and memory of tracking, from detections in memory to trajectories in memory.

    python benchmarks/association.py [--data ROOT] [--weights NAME] [--repeat 3] [--out benchmarks/results/NAME.json]

Measures the bundled demo sequence and, where ROOT/speed exists, its two scenes: A (600 frames x 16.5 detections) and B
(525 x 45). Each scene is tracked ``repeat`` times; the fastest run counts, because machines are shared. Prints a table
and records machine, versions and revision with the numbers.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

import sushi_lg
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.sequence import open_sequence
from sushi_lg.structures import Detections
from sushi_lg.tracking.weights import load_tracker, weights_path

SCENES = {
    "A": ("synthetic_dets.txt", 20.0, 600),
    "B": ("mot17_04_second_half_dets.txt", 30.0, 525),
}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tracker = load_tracker(weights_path(options.weights))
    rows = []
    for name, detections, frames in scenes(options.data):
        seconds = []
        for _ in range(options.repeat):
            began = time.perf_counter()
            tracker.track(detections)
            seconds.append(time.perf_counter() - began)
        rows.append(
            {
                "scene": name,
                "frames": frames,
                "detections": len(detections),
                "seconds": round(min(seconds), 3),
                "frames_per_second": round(frames / min(seconds), 1),
                "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": machine(), "scenes": rows}, indent=2) + "\n")


def scenes(data: Path | None) -> list[tuple[str, Detections, int]]:
    """Return name, detections and frames of what can be measured here."""
    bundled = open_sequence(Path(sushi_lg.__file__).parent / "demo" / "vtest")
    found = [("demo", bundled.load_detections(), bundled.length)]
    for name, (file, frame_rate, frames) in SCENES.items():
        path = data / "speed" / file if data else None
        if path is not None and path.is_file():
            found.append((name, read(path, frame_rate), frames))
    return found


def read(path: Path, frame_rate: float) -> Detections:
    """Return the detections of a text file that belongs to no sequence folder."""
    table = read_table(path)
    table = table.select(np.argsort(table.frame, kind="stable"))
    count = len(table)
    return Detections(
        frame=torch.from_numpy(table.frame - table.frame.min()),
        boxes_xyxy=torch.from_numpy(table.boxes_xyxy.astype(np.float32)),
        score=torch.from_numpy(table.confidence.astype(np.float32)),
        identity=torch.full((count,), -1),
        clip=torch.zeros(count, dtype=torch.int64),
        frame_rate=torch.tensor([frame_rate]),
        image_size=torch.tensor([[1920.0, 1080.0]]),
    )


def machine() -> dict[str, str | int]:
    """Return what the numbers depend on besides the code."""
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sushi_lg": sushi_lg.__version__,
        "revision": revision.stdout.strip(),
    }


if __name__ == "__main__":
    main()
