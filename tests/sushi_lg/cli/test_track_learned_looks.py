"""``sushi-lg track`` with weights that have learned to read the vectors of one embedder: it takes those, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from guided import WIDTH, write_galleries
from pictures import moving_squares, write_lossless
from stages import SquareDetector
from synthetic import write_world

import sushi_lg.detection.registry as registry
from sushi_lg.appearance.thumbnail import ThumbnailEmbedder
from sushi_lg.cli.app import main
from sushi_lg.nn.settings import AppearanceConfig
from sushi_lg.tracking.recipe import TrackerConfig
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.tracking.weights import WeightsInfo, save_weights

DATA = 3  # exit code


def write_weights(path: Path, embedder: str, fingerprint: str, width: int) -> Path:
    """Write weights with an encoder, of a network that knows nothing but joins whatever it may."""
    torch.manual_seed(0)
    recipe = TrackerConfig(appearance=AppearanceConfig(8, 16, width, embedder, fingerprint))
    tracker = HierarchicalTracker(recipe)
    with torch.no_grad():
        for block in tracker.scorer.blocks.values():
            block.edge_classifier.layers[-1].bias += 9
        tracker.verifier.layers[-1].bias += 9
    save_weights(path, tracker.state_dict(), WeightsInfo(recipe))
    return path


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["track", *(str(word) for word in words), "device=cpu"])
    return int(caught.value.code or 0)


def test_galleries_by_another_embedder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_world(tmp_path / "world", ("one", "two"))
    right = write_galleries(tmp_path / "right", tmp_path / "world", ("one", "two"))
    wrong = write_galleries(tmp_path / "wrong", tmp_path / "world", ("one",), "other")
    write_galleries(wrong, tmp_path / "world", ("two",))  # one of two is enough
    weights = write_weights(tmp_path / "weights.safetensors", "toy", "weights-of-toy", WIDTH)
    retrained = write_weights(tmp_path / "retrained.safetensors", "toy", "later-weights-of-toy", WIDTH)
    both = [tmp_path / "world" / "two", tmp_path / "world" / "one", "--out", tmp_path / "out", "--weights"]
    assert run(*both, weights, "--appearance", wrong) == DATA
    error = capsys.readouterr().err
    assert "one: vectors by other" in error and "trained with those of toy" in error and "--embedder toy" in error
    assert run(*both, retrained, "--appearance", right) == DATA
    assert "vectors by toy (weights-of-t), the weights were trained with those of toy (later-weight)" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()  # refused before any work, so the folder is free for the right command
    assert run(*both, weights, "--appearance", right) == 0
    assert "appearance (toy)" in capsys.readouterr().out
    assert run(*both[:3], tmp_path / "boxes", "--weights", weights) == 0
    assert "boxes only" in capsys.readouterr().out


def test_videos_are_seen_by_the_embedder_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[SquareDetector] = []

    def load_detector(name: str, **options: Any) -> SquareDetector:  # noqa: ANN401
        seen.append(SquareDetector())
        return seen[-1]

    monkeypatch.setattr(registry, "load_detector", load_detector)
    pixels = ThumbnailEmbedder()
    weights = write_weights(tmp_path / "weights.safetensors", pixels.name, pixels.fingerprint(), pixels.dim)
    video = write_lossless(tmp_path / "walk.mkv", moving_squares(20))
    assert run(video, "--weights", weights, "--out", tmp_path / "out", "--embedder", "hsv") == DATA
    error = capsys.readouterr().err
    assert "walk: vectors by hsv" in error and "--embedder pixels" in error
    assert not any(detector.prepared for detector in seen)  # before a picture was looked at
    assert not (tmp_path / "out").exists()
    assert run(video, "--weights", weights, "--out", tmp_path / "out") == 0
    assert "association by boxes and appearance (pixels)" in capsys.readouterr().out
    assert (tmp_path / "out" / "appearance" / "pixels" / "walk.npy").is_file()
    assert run(video, "--weights", weights, "--out", tmp_path / "boxes", "--embedder", "none") == 0
    assert "boxes only" in capsys.readouterr().out
