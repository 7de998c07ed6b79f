"""Measure how far appearance learned in one simulated domain carries to another.

    python scripts/study_domain_shift.py [--train 16] [--test 6] [--steps 400] [--models osnet_x025_market1501]

Trains a small network on each of plaza, stage and night, and tests it, colour histograms and the models named on all
(about two minutes a domain on one core). Prints one table: ROC AUC in percent, trained on (rows), tested on (columns).
With the defaults but --test 8 it gave: learned by day 96.0 by day, 80.6 on stage, 82.6 at night; learned on stage 94.1,
96.2, 95.6; learned at night 95.5, 90.9, 96.5; hsv 97.7, 75.2, 80.5; osnet_x025_market1501 92.6, 76.8, 81.5.
The domain mall takes part only with --mall: it is kept for final tables.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from sushi_lg.appearance.registry import load_embedder
from sushi_lg.cli.common import format_table
from sushi_lg.simulation.scenes import DOMAINS
from sushi_lg.simulation.shift import Looks, collect_looks, measure_shift
from sushi_lg.simulation.world import simulate


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=16, help="sequences to learn from, of each domain")
    parser.add_argument("--test", type=int, default=6, help="sequences to measure on, of each domain")
    parser.add_argument("--steps", type=int, default=400, help="of a training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="*", default=[], help="more embedders to measure")
    parser.add_argument("--mall", action="store_true", help="test on the domain that is kept for final tables, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    embedders = [load_embedder(name) for name in ["hsv", *arguments.models]]
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr)

    domains = [name for name in DOMAINS if name != "mall"]
    tested = [*domains, "mall"] if arguments.mall else domains
    train: dict[str, list[Looks]] = {}
    for name in domains:
        clips = (
            simulate(DOMAINS[name], split="shift", number=k + 1, seed=arguments.seed) for k in range(arguments.train)
        )
        train[name] = [collect_looks(clip) for clip in clips]
        tell(f"{name}: {sum(len(one.crops) for one in train[name])} crops to learn from")
    test: dict[str, list[Looks]] = {}
    for name in tested:
        clips = (
            simulate(DOMAINS[name], split="check", number=k + 1, seed=arguments.seed) for k in range(arguments.test)
        )
        test[name] = [collect_looks(clip, embedders=embedders) for clip in clips]
        tell(f"{name}: {sum(len(one.crops) for one in test[name])} crops to measure on")
    found = measure_shift(train, test, steps=arguments.steps, seed=arguments.seed, told=tell)
    rows = [
        {"AUC [%]": source, **{domain: f"{100 * found[source, domain]:.1f}" for domain in tested}}
        for source in dict.fromkeys(source for source, _ in found)
    ]
    print(format_table(rows))


if __name__ == "__main__":
    main()
