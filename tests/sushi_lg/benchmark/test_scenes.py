"""Scenes are what their name says, and the same again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sushi_lg.benchmark.scenes import draw_embeddings, make_scene, simulate
from sushi_lg.errors import ConfigError, DataError


@pytest.mark.parametrize(("frames", "persons"), [(200, 10), (40, 120)])
def test_density_and_length(frames: int, persons: int) -> None:
    detections = simulate(frames, persons)
    assert int(detections.frame.min()) == 0 and int(detections.frame.max()) == frames - 1
    assert len(detections) == pytest.approx(0.92 * frames * persons, rel=0.05)
    assert bool((detections.frame.diff() >= 0).all())
    false = float((detections.identity < 0).float().mean())
    assert 0.005 < false < 0.05
    key = detections.frame * 100_000 + detections.identity
    own = key[detections.identity >= 0]
    assert len(own.unique()) == len(own), "somebody is twice in a frame"


def test_people_walk_and_are_replaced() -> None:
    detections = simulate(900, 5)
    centre = (detections.boxes_xyxy[:, :2] + detections.boxes_xyxy[:, 2:]) / 2
    lengths = []
    for identity in detections.identity.unique().tolist():
        if identity < 0:
            continue
        own = detections.identity == identity
        step = centre[own].diff(dim=0) / detections.frame[own].diff()[:, None]
        assert float(step.norm(dim=1).median()) < 25  # nobody jumps
        lengths.append(int(own.sum()))
    assert len(lengths) > 10 and max(lengths) <= 300


def test_a_seed_repeats_a_scene() -> None:
    first, again, other = simulate(30, 4, 1), simulate(30, 4, 1), simulate(30, 4, 2)
    assert torch.equal(first.boxes_xyxy, again.boxes_xyxy)
    assert first.boxes_xyxy.shape != other.boxes_xyxy.shape or not torch.equal(first.boxes_xyxy, other.boxes_xyxy)


def test_embeddings_tell_people_apart() -> None:
    identity = torch.tensor([0, 1, 0, -1, -1])
    vectors = draw_embeddings(identity, 512)
    distance = torch.cdist(vectors, vectors)
    assert distance[0, 2] < 0.8 * min(distance[0, 1], distance[0, 3], distance[3, 4])
    assert make_scene("5x2x32").detections.embedding.shape[1] == 32


def test_a_file_with_identities(tmp_path: Path) -> None:
    (tmp_path / "a_dets.txt").write_text("3,-1,1,1,10,20,0.9\n2,-1,5,5,10,20,0.5\n")
    (tmp_path / "a_identity.txt").write_text("7\n-1\n")
    scene = make_scene(str(tmp_path / "a_dets.txt"))
    assert scene.frames == 2 and scene.detections.identity.tolist() == [-1, 7]
    (tmp_path / "a_identity.txt").write_text("7\n")
    with pytest.raises(DataError, match=r"1 rows, a_dets\.txt has 2"):
        make_scene(str(tmp_path / "a_dets.txt"))


def test_no_scene() -> None:
    with pytest.raises(ConfigError, match="no scene '20by30'"):
        make_scene("20by30")
