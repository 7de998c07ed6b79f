"""Print the tables of benchmarks/README.md from recorded results.

python benchmarks/table.py benchmarks/results/FILE.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    print(tables(json.loads(parser.parse_args().results.read_text())))


def tables(results: dict[str, Any]) -> str:
    """Return a line about the machine, the table of runs and the table of stages, as Markdown."""
    machine, runs = results["machine"], results["runs"]
    yardsticks = [run["machine"] for run in runs if run["machine"]]
    rates = sorted(yardstick["operations_per_second"] / 1e9 for yardstick in yardsticks)
    copies = sorted(yardstick["bytes_per_second"] / 1e9 for yardstick in yardsticks)
    lines = [
        f"{machine['processor']}, {machine['cores']} threads, GPU: {machine['gpu']}; Python {machine['python']}, "
        f"torch {machine['torch']}, revision {machine['revision']}. A 1024 x 1024 product of float32 ran at "
        f"{rates[0]:.0f} to {rates[-1]:.0f} GFLOP/s, a copy at {copies[0]:.0f} to {copies[-1]:.0f} GB/s.",
        "",
        "| scene | frames | detections | seconds | frames/s | µs a detection | peak MB (before) |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        each = 1e6 * run["seconds"] / run["detections"]
        lines.append(
            f"| {run['title']} | {run['frames']} | {run['detections']} | {run['seconds']:.2f} "
            f"| {run['frames_per_second']:.0f} | {each:.0f} "
            f"| {run['peak_memory_mb']:.0f} ({run['memory_before_mb']:.0f}) |"
        )
    names = sorted({name for run in runs for name in run["stages"]}, key=lambda name: -_total(runs, name))
    lines += ["", "| seconds by stage | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for run in runs:
        cells = [_cell(run["stages"].get(name)) for name in names]
        lines.append(f"| {run['title']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _total(runs: list[dict[str, Any]], name: str) -> float:
    return sum(run["stages"].get(name, {"seconds": 0.0})["seconds"] for run in runs)


def _cell(stage: dict[str, Any] | None) -> str:
    if stage is None:
        return ""
    share = f" ({100 * stage['share_of_bound']:.0f} %)" if "share_of_bound" in stage else ""
    return f"{stage['seconds']:.2f}{share}"


if __name__ == "__main__":
    main()
