"""A toy world on disk, and a training small enough for seconds."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from guided import Said, save_teacher, write_galleries, write_said
from synthetic import write_world

from sushi_lg.data.settings import AugmentConfig
from sushi_lg.nn.settings import AppearanceConfig, ScorerConfig
from sushi_lg.tracking.recipe import LevelConfig, TrackerConfig
from sushi_lg.training.settings import LanguageConfig, SamplingConfig, SetConfig, SourceConfig, TrainConfig


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(root, ("learn-1", "learn-2", "learn-3", "learn-4"))
    write_world(root, ("test-1", "test-2"), seed=9)
    return root


@pytest.fixture
def settings(world: Path) -> Callable[..., TrainConfig]:
    def make(**changes: Any) -> TrainConfig:  # noqa: ANN401
        values: dict[str, Any] = {
            "data": str(world),
            "sources": [SourceConfig(str(world / "split-learn-1.txt"))],
            "sampling": SamplingConfig(budget=400, min_length=30, max_length=60, stride=[1.0]),
            "augment": AugmentConfig(harder=0.2),
            "statistics_detections": 1500,
            "tracker": TrackerConfig(
                levels=[
                    LevelConfig(1, 4, threshold=0.9, slot="detections"),
                    LevelConfig(4, threshold=0.8),
                    LevelConfig(16),
                ],
                blocks=dict.fromkeys(
                    ("detections", "tracklets"), ScorerConfig(node_dim=16, edge_dim=16, hidden_dim=32, num_steps=2)
                ),
            ),
            "max_iterations": 6,
            "learning_rate": 5e-3,
            "warm_up": 5,
            "level_warm_up": 5,
            "ema_decay": 0.9,
            "log_every": 1,
            "checkpoint_every": 3,
            "tensorboard": False,
            "device": "cpu",
        }
        config = TrainConfig(**{**values, **changes})
        config.validate()
        return config

    return make


@pytest.fixture(scope="session")
def said(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Said:
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    root = tmp_path_factory.mktemp("said")
    names = [f"learn-{i}" for i in (1, 2, 3, 4)]
    looks = write_galleries(root / "looks", world, [*names, "test-1", "test-2"])
    return Said(str(looks), str(write_said(root / "descriptions", names)), save_teacher(root / "teacher"))


@pytest.fixture
def guided_settings(settings: Callable[..., TrainConfig], world: Path, said: Said) -> Callable[..., TrainConfig]:
    """Return a function that makes settings with an encoder, galleries and words, and with changes."""

    def make(
        appearance: AppearanceConfig | None = None,
        language: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> TrainConfig:
        values = {"appearance": said.looks, "descriptions": said.descriptions, **(source or {})}
        plain = settings()
        return settings(
            sources=[SourceConfig(str(world / "split-learn-1.txt"), **values)],
            tracker=replace(plain.tracker, appearance=appearance or AppearanceConfig(dim=8)),
            sampling=replace(plain.sampling, appearance=1.0),
            language=LanguageConfig(**{"teacher": said.teacher, **(language or {})}),
            **changes,
        )

    return make


@pytest.fixture
def held_out(world: Path) -> SetConfig:
    return SetConfig(str(world / "split-test-1.txt"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
