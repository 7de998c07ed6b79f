"""Two toy domains, and a study of them that trains in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from synthetic import write_world

TRAINING = {
    "sampling": {"budget": 200, "min_length": 20, "max_length": 30},
    "statistics_detections": 300,
    "tracker": {
        "levels": [{"max_gap": 1, "num_neighbours": 4, "threshold": 0.2}, {"max_gap": 8}],
        "output": {"min_probability": 0.0, "min_mean_probability": 0.0, "min_length": 1},
        "blocks": {"tracklets": {"node_dim": 8, "edge_dim": 8, "hidden_dim": 8, "num_steps": 1}},
    },
    "max_iterations": 3,
    "checkpoint_every": 1,
    "log_every": 1,
    "tensorboard": False,
    "device": "cpu",
}
DOMAINS = ("plaza", "station")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of two domains, each with two sequences to learn from and two to test on."""
    root = tmp_path_factory.mktemp("world")
    for number, name in enumerate(DOMAINS):
        for part in ("learn", "test"):
            write_world(root, tuple(f"{name}-{part}-{i}" for i in (1, 2)), seed=10 * number + (part == "test"))
    return root


@pytest.fixture(scope="session")
def write_study(world: Path) -> Callable[..., Path]:
    """Return a function that writes the study, with changes, and its training beside it."""

    def write(path: Path, train_in: tuple[str, ...] = DOMAINS, **changes: Any) -> Path:  # noqa: ANN401
        training = path.with_name("training.yaml")
        training.write_text(yaml.safe_dump(TRAINING))
        domains = {
            name: {
                "train": [{"split": str(world / f"split-{name}-learn-1.txt"), "detections": "toy"}]
                if name in train_in
                else [],
                "test": {"split": str(world / f"split-{name}-test-1.txt"), "detections": "toy"},
            }
            for name in DOMAINS
        }
        study = {
            "base": {"config": str(training)},
            "domains": domains,
            "arms": {"plain": [], "slow": ["learning_rate=1e-5"]},
            "seeds": [0, 1],
            "data": str(world),
            "workers": 2,
        }
        path.write_text(yaml.safe_dump({**study, **changes}, sort_keys=False))
        return path

    return write
