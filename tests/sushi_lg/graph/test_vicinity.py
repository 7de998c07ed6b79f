"""The quick test of where somebody can be fails nobody who may follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toy import cut, panning, seen_by, walkers

from sushi_lg.graph.evidence import EvidenceBuilder, Vicinity
from sushi_lg.graph.occlusion import find_overlaps, overlap_features
from sushi_lg.graph.settings import EvidenceConfig
from sushi_lg.graph.tracklets import Tracklets, singletons
from sushi_lg.host import like_on_a_gpu
from sushi_lg.structures import Detections


def all_pairs(tracklets: Tracklets, max_gap: int) -> tuple[torch.Tensor, torch.Tensor]:
    gap = tracklets.first_frame[None] - tracklets.last_frame[:, None]
    found = (gap > 0) & (gap <= max_gap) & (tracklets.clip[None] == tracklets.clip[:, None])
    earlier, later = torch.nonzero(found).unbind(1)
    return earlier, later


@pytest.mark.parametrize("max_gap", [1, 3, 12, 40])
@pytest.mark.parametrize("level", ["single detections", "tracklets"])
@pytest.mark.parametrize("camera", ["static", "panning"])
def test_it_fails_no_possible_pair(max_gap: int, level: str, camera: str) -> None:
    rejected = 0
    for seed in range(6):
        detections = walkers(seed, people=9, clips=2)
        if camera == "panning":  # nobody knows about it: the crowd seems to move
            detections = replace(seen_by(detections, panning(detections.frame, (7.0, -3.0))), camera=None)
        tracklets = singletons(detections) if level == "single detections" else cut(detections, seed)
        builder = EvidenceBuilder(EvidenceConfig(), max_gap, 4, 1, 1, overlap_features(detections))
        costs = builder.measure(detections, tracklets)
        earlier, later = all_pairs(tracklets, max_gap)
        possible = torch.isfinite(costs(earlier, later))
        holds = Vicinity.of(costs, max_gap).holds(earlier, later)
        assert not (possible & ~holds).any()
        rejected += int((~holds).sum())
    assert rejected > 50 or max_gap > 12


def crowded(seed: int) -> Detections:
    generator = torch.Generator().manual_seed(seed)
    detections = walkers(seed, people=30)
    boxes = detections.boxes_xyxy + 40 * torch.randn(len(detections), 1, generator=generator)
    return replace(detections, boxes_xyxy=boxes)


@pytest.mark.parametrize("seed", range(4))
def test_graphs_are_those_of_all_pairs(seed: int) -> None:
    detections = crowded(seed)
    for max_gap in (1, 5):
        builder = EvidenceBuilder(EvidenceConfig(), max_gap, 3, 1, 1, overlap_features(detections))
        quick = builder(detections, singletons(detections))
        with like_on_a_gpu():  # lists everything
            plain = builder(detections, singletons(detections))
        assert torch.equal(quick.edge_index, plain.edge_index) and quick.num_edges > 100
        assert quick.num_candidates == plain.num_candidates


def test_overlaps_are_those_of_all_pairs() -> None:
    detections = crowded(0)
    quick, contacts = find_overlaps(detections, 0.1)
    with like_on_a_gpu():
        plain, others = find_overlaps(detections, 0.1)
    assert torch.equal(quick, plain) and len(contacts.mine) > 50
    assert all(torch.equal(getattr(contacts, name), getattr(others, name)) for name in ("mine", "other", "iou"))
