"""Memory of a GPU, planned and measured, without a GPU: on the one that tests/pretend_gpu.py pretends.

    python benchmarks/gpu_memory.py [--recipe default|sushi] SCENE ...

A scene is FRAMESxPERSONS[xWIDTH] or a file of detections; vectors are halves, as galleries hold them. Measured is what
tensors take at the worst moment, weights included. The plan is that of `sushi-lg track` for the sequence: it allows
for the allocator and for sorting besides, which nothing here measures; what CUDA takes for itself comes on top. Recipe
sushi has random weights, with which hardly anything is joined: nothing takes more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from pretend_gpu import pretend_gpu

from sushi_lg.benchmark.scenes import make_scene
from sushi_lg.structures import Detections
from sushi_lg.tracking.memory import gpu_need
from sushi_lg.tracking.recipe import SushiConfig
from sushi_lg.tracking.sushi import SushiTracker
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import load_tracker, weights_path


def main(words: Sequence[str] | None = None) -> None:
    """Print a row a scene."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("--recipe", choices=["default", "sushi"], default="default")
    options = parser.parse_args(words)
    print("| scene | detections | measured, MB | plan, MB | plan / measured | bytes a detection |")
    print("|---|---|---|---|---|---|")
    for name in options.scenes:
        detections = make_scene(name).detections
        if detections.embedding is not None:
            detections = replace(detections, embedding=detections.embedding.half())
        measured, planned = compare(detections, options.recipe)
        numbers = f"{measured / 1e6:,.0f} | {planned / 1e6:,.0f} | {planned / measured:.1f}"
        print(
            f"| {Path(name).name} | {len(detections):,} | {numbers} | {measured / len(detections):,.0f} |", flush=True
        )


def compare(detections: Detections, recipe: str) -> tuple[int, int]:
    """Return bytes measured and planned."""
    tracker: HierarchicalTracker | SushiTracker
    if recipe == "default":
        tracker = load_tracker(weights_path("default"))
        planned = gpu_need(detections, tracker.config.min_score)
    else:
        torch.manual_seed(1)
        tracker = SushiTracker(SushiConfig(min_score=0.0)).eval()
        planned = gpu_need(detections, 0.0, tracker.config)
    with pretend_gpu() as gpu:
        tracker.to("cuda:0").track(detections.to("cuda:0"))
    return gpu.peak_bytes, planned


if __name__ == "__main__":
    main()
