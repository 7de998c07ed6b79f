"""Seconds of one training step: forward, backward, optimiser, on 8 clips of 64 frames.

    python benchmarks/training_step.py [--people 30] [--repeat 3] [--out FILE.json]

Simulated clips with about as many detections a frame as MOT17; random weights, as at the beginning of a training.
Recipe sushi has its own loss (focal, 11 classified steps), 64-d embeddings and levels up to 64 frames.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from sushi_lg.benchmark.measure import describe_machine
from sushi_lg.benchmark.scenes import draw_embeddings, simulate
from sushi_lg.graph.labels import majority_identity, nearest_partner_labels
from sushi_lg.nn.losses import level_loss
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import SushiConfig, TrackerConfig, doubling_levels
from sushi_lg.tracking.sushi import SushiTracker
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.training.objective import objective
from sushi_lg.training.sampling import Batch
from sushi_lg.training.settings import LossConfig

CLIPS, FRAMES = 8, 64


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    detections = Detections.concatenate([simulate(FRAMES, options.people, seed) for seed in range(CLIPS)])
    found = {"detections": len(detections), "clips": CLIPS, "frames": FRAMES}
    for recipe, step in (("default", default_step(detections)), ("sushi", sushi_step(detections))):
        seconds = []
        for _ in range(options.repeat + 1):  # the first one warms up
            began = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - began)
        found[recipe] = min(seconds[1:])
        print(f"{recipe}: {found[recipe]:.2f} s a step with {len(detections)} detections")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": describe_machine(), "training_step": found}, indent=1) + "\n")


def default_step(detections: Detections) -> Callable[[], None]:
    """Return a step of the default recipe."""
    torch.manual_seed(0)
    tracker = HierarchicalTracker(TrackerConfig()).train().to(detections.frame.device)
    optimiser = torch.optim.AdamW(tracker.parameters())
    batch = Batch(detections, (detections.identity >= 0).long(), detections.boxes_xyxy.clone())

    def step() -> None:
        optimiser.zero_grad()
        objective(tracker, batch, LossConfig()).total.backward()
        optimiser.step()

    return step


def sushi_step(detections: Detections) -> Callable[[], None]:
    """Return a step of the published recipe."""
    torch.manual_seed(0)
    config = SushiConfig(window=FRAMES, levels=doubling_levels([2, 4, 8, 16, 32, 64]))
    tracker = SushiTracker(config).train().to(detections.frame.device)
    optimiser = torch.optim.AdamW(tracker.parameters())
    vectors = draw_embeddings(detections.identity.cpu(), 64)
    given = replace(detections, embedding=vectors.to(detections.frame.device))

    def step() -> None:
        optimiser.zero_grad()
        total = torch.zeros((), device=given.frame.device)
        for result in tracker.run(given):
            identity = majority_identity(given, result.before)
            label = nearest_partner_labels(result.before, result.graph.edge_index, identity)
            total = total + level_loss(result.scores.step_logits, label)
        total.backward()
        optimiser.step()

    return step


if __name__ == "__main__":
    main()
