"""Everything the table in benchmarks/README.md shows, in one run.

    python benchmarks/suite.py OUT.json [--data ROOT] [--weights-sushi FILE] [--only WORD] [--repeat 3]

ROOT holds speed/ (scenes A and B) and mot/; scenes whose files are absent are left out and named. FILE is what
``sushi-lg import-checkpoint`` made of ROOT/speed/weights_speed_64d.safetensors. Measure on an idle machine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sushi_lg.benchmark.measure import Task, describe_machine, measure_apart

A, B = "speed/synthetic_dets.txt", "speed/mot17_04_second_half_dets.txt"


def main() -> None:
    """Measure, and write after every task, so that an interrupted run keeps what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights-sushi", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    runs: list[dict[str, Any]] = []
    for title, task in tasks(options.data, options.weights_sushi, options.repeat):
        if options.only not in title:
            continue
        run = {"title": title, **measure_apart(task)}
        run["task"]["scene"] = Path(task.scene).name  # no paths of this machine in what is kept
        run["task"].update(data=None, weights=Path(task.weights).name)
        runs.append(run)
        seconds, rate, peak = run["seconds"], run["frames_per_second"], run["peak_memory_mb"]
        print(f"{title}: {seconds:.2f} s, {rate:.0f} frames/s, {peak:.0f} MB")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": describe_machine(), "runs": runs}, indent=1) + "\n")


def tasks(data: Path | None, weights: Path | None, repeat: int) -> list[tuple[str, Task]]:
    """Return title and task of everything that can be measured here."""
    found = [
        ("2,000 frames x 20", Task("2000x20", repeat=repeat)),
        ("20,000 frames x 20", Task("20000x20", repeat=repeat)),
        ("crowd: 1,000 frames x 300", Task("1000x300", repeat=1)),
        ("100 thousand detections: 725 frames x 150", Task("725x150", repeat=2)),
        ("1 million detections: 7,250 frames x 150", Task("7250x150", repeat=2)),
    ]
    if data is None:
        print("left out without --data: scenes A and B, MOT17")
        return found
    for name, file in (("A", A), ("B", B)):
        scene = str(data / file)
        found.append((f"scene {name}, default", Task(scene, repeat=repeat + 2)))
        if weights is None:
            print("left out without --weights-sushi: recipe sushi")
            continue
        for decisions in ("network", "labels"):
            task = Task(
                scene,
                recipe="sushi",
                weights=str(weights),
                decisions=decisions,
                embedding_width=2048,
                repeat=repeat,
            )
            found.append((f"scene {name}, sushi, {'random weights' if decisions == 'network' else 'perfect'}", task))
    mot = str(data / "mot")
    found.append(("MOT17 val halves", Task("mot17-half-val", data=mot, detections="yolox_x", repeat=repeat)))
    return found


if __name__ == "__main__":
    main()
