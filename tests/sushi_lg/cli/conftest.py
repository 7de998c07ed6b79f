"""Weights for verbs that track: a network that knows nothing but joins whatever it may."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tracker = HierarchicalTracker(TrackerConfig())
    with torch.no_grad():
        for block in tracker.scorer.blocks.values():
            block.edge_classifier.layers[-1].bias += 9  # above the strictest threshold
        tracker.verifier.layers[-1].bias += 9
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(path, tracker.state_dict(), WeightsInfo(TrackerConfig()))
    return path
