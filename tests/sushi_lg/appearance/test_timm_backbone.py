"""Backbones of timm, where timm is installed (not in the usual environment: it brings torchvision)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from sushi_lg.appearance.registry import load_embedder
from sushi_lg.errors import WeightsError

timm = pytest.importorskip("timm", reason="timm is not installed: pip install torch torchvision timm")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("timm") / "resnet18.safetensors"
    save_file(timm.create_model("resnet18", pretrained=False).state_dict(), path)
    return path


def test_a_local_file_gives_pooled_features(weights: Path) -> None:
    embedder = load_embedder(f"timm:resnet18@{weights}")
    picture = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    crops = embedder.crop(picture, np.array([[10, 10, 60, 150], [0, 0, 200, 300]], np.float32))
    vectors = embedder.embed(crops)
    assert vectors.shape == (2, embedder.dim) == (2, 512)
    assert crops.shape == (2, 224, 224, 3)
    np.testing.assert_array_equal(embedder.embed(crops[1:]), vectors[1:])
    assert embedder.name == "timm_resnet18"
    assert embedder.fingerprint() == load_embedder(f"timm:resnet18@{weights}").fingerprint()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such network") as caught:
        load_embedder("timm:resnet17")
    assert "resnet18" in str(caught.value)
    with pytest.raises(WeightsError, match=r"not a \.safetensors file"):
        load_embedder(f"timm:resnet18@{tmp_path / 'resnet18.pth'}")
