"""What the network reads: widths, and that picture size, camera and batches do not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy import cut, make, panning, seen_by, single_clip, tracklets_of, walkers

from sushi_lg.graph import tracklets as tracklets_module
from sushi_lg.graph.evidence import EvidenceBuilder
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.settings import EvidenceConfig
from sushi_lg.graph.structures import LevelGraph
from sushi_lg.graph.tracklets import Tracklets, from_members, singletons, split
from sushi_lg.structures import Detections

pytestmark = pytest.mark.usefixtures("both_ways")

NARROW = EvidenceConfig(windows=[4], clean_windows=[7], offsets=[2, 5])
# Distances to the border, at both ends: they belong to the picture, not to the scene.
BORDER = [12 + half * (EvidenceConfig().node_width - 12) // 2 + column for half in (0, 1) for column in (2, 3)]


def build(
    detections: Detections,
    tracklets: Tracklets,
    config: EvidenceConfig | None = None,
    max_gap: int = 12,
    k: int = 4,
    min_length: int = 1,
    min_longer: int = 1,
) -> LevelGraph:
    overlap = overlap_features(detections)
    return EvidenceBuilder(config or EvidenceConfig(), max_gap, k, min_length, min_longer, overlap)(
        detections, tracklets
    )


@pytest.mark.parametrize("config", [EvidenceConfig(), NARROW], ids=["shipped", "narrow"])
def test_widths_are_those_of_the_settings(config: EvidenceConfig) -> None:
    detections = walkers(0, clips=2)
    tracklets = cut(detections, 0)
    graph = build(detections, tracklets, config)
    assert graph.num_edges > 20
    assert graph.edge_features.shape == (graph.num_edges, config.edge_width)
    assert graph.node_features is not None
    assert graph.node_features.shape == (len(tracklets), config.node_width) == (graph.num_nodes, config.node_width)
    assert bool(graph.edge_features.isfinite().all()) and bool(graph.node_features.isfinite().all())


def test_shipped_widths_are_those_of_shipped_weights() -> None:
    assert (EvidenceConfig().edge_width, EvidenceConfig().node_width) == (96, 104)


def test_edges_lead_forward_inside_a_clip_and_are_listed_once() -> None:
    detections = walkers(1, clips=3)
    tracklets = cut(detections, 1)
    graph = build(detections, tracklets, max_gap=5)
    earlier, later = graph.edge_index
    gap = tracklets.first_frame[later] - tracklets.last_frame[earlier]
    assert int(gap.min()) == 1 and int(gap.max()) <= 5
    assert torch.equal(tracklets.clip[earlier], tracklets.clip[later])
    assert len(set(zip(*graph.edge_index.tolist(), strict=True))) == graph.num_edges
    for end in (earlier, later):
        assert int(end.bincount().max()) <= 4
    # The cost was finite, so the gates held.
    assert bool(graph.cost.isfinite().all()) and graph.num_candidates >= graph.num_edges


def test_short_tracklets_can_be_left_out() -> None:
    detections = walkers(2)
    tracklets = cut(detections, 2)
    graph = build(detections, tracklets, min_length=2, min_longer=4)
    length = tracklets.length[graph.edge_index]
    assert graph.num_edges > 0 and graph.num_nodes == len(tracklets)
    assert int(length.min()) == 2 and int(length.amax(dim=0).min()) >= 4
    assert int(tracklets.length[build(detections, tracklets).edge_index].min()) == 1


def test_parts_of_a_second_look_can_always_be_joined_again() -> None:
    detections = walkers(2)
    tracklets = cut(detections, 2)
    before = torch.zeros(len(detections), dtype=torch.bool)
    before[tracklets.order[tracklets.start[:-1][tracklets.length >= 2] + 1]] = True  # every one after its first box
    parts = split(detections, tracklets, before)
    graph = build(detections, parts, min_length=3, min_longer=1000)
    earlier, later = graph.edge_index
    assert graph.num_edges == int((parts.successor >= 0).sum()) > 0
    assert torch.equal(parts.successor[earlier], later)


def test_picture_size_does_not_matter() -> None:
    detections = walkers(3, clips=2)
    tracklets = cut(detections, 3)
    larger = replace(detections, boxes_xyxy=2 * detections.boxes_xyxy, image_size=2 * detections.image_size)
    small, large = build(detections, tracklets), build(larger, tracklets)
    assert torch.equal(small.edge_index, large.edge_index)
    torch.testing.assert_close(large.edge_features, small.edge_features, rtol=0, atol=2e-4)
    torch.testing.assert_close(large.node_features, small.node_features, rtol=0, atol=2e-4)
    # Not blind to size as such: without the picture growing, people look nearer.
    near = build(replace(larger, image_size=detections.image_size), tracklets)
    assert not torch.allclose(near.node_features, small.node_features, atol=0.1)


def test_a_known_camera_does_not_matter() -> None:
    still = walkers(4)
    tracklets = cut(still, 4)
    panned = seen_by(still, panning(still.frame, (6.0, 2.0)))
    free, seen, unknown = (build(d, tracklets) for d in (still, panned, replace(panned, camera=None)))
    assert torch.equal(free.edge_index, seen.edge_index)
    torch.testing.assert_close(seen.edge_features, free.edge_features, rtol=0, atol=2e-3)
    assert free.node_features is not None and seen.node_features is not None and unknown.node_features is not None
    differs = (free.node_features - seen.node_features).abs().amax(dim=0) > 2e-3
    assert torch.nonzero(differs).squeeze(1).tolist() == BORDER
    # The pan is large enough to be seen by who does not know of it.
    assert ((free.node_features - unknown.node_features).abs().amax(dim=0) > 2e-3).sum() > len(BORDER)


def test_clips_together_are_clips_apart() -> None:
    both = walkers(5, clips=2)
    tracklets = cut(both, 5)
    together = build(both, tracklets)
    nodes = edges = 0
    for number in range(2):
        part = single_clip(both, number)
        own = tracklets.member_of[both.clip == number]
        alone = build(part, from_members(part, own - own.min()))
        assert together.node_features is not None and alone.node_features is not None
        torch.testing.assert_close(
            together.node_features[nodes : nodes + alone.num_nodes], alone.node_features, rtol=0, atol=1e-4
        )
        assert torch.equal(together.edge_index[:, edges : edges + alone.num_edges] - nodes, alone.edge_index)
        torch.testing.assert_close(
            together.edge_features[edges : edges + alone.num_edges], alone.edge_features, rtol=0, atol=1e-4
        )
        nodes, edges = nodes + alone.num_nodes, edges + alone.num_edges
    assert (nodes, edges) == (together.num_nodes, together.num_edges)


@pytest.mark.parametrize("frames", [[], [3], [3, 90]], ids=["nobody", "one", "two-far-apart"])
def test_no_edges(frames: list[int]) -> None:
    detections = make(frames, np.tile([5, 5, 25, 65], (len(frames), 1)))
    graph = build(detections, singletons(detections))
    config = EvidenceConfig()
    assert graph.num_nodes == len(frames)
    assert graph.edge_index.shape == (2, 0) and graph.edge_features.shape == (0, config.edge_width)
    assert graph.node_features is not None and graph.node_features.shape == (len(frames), config.node_width)
    assert graph.num_candidates == 0 and bool(graph.node_features.isfinite().all())


def test_the_gate_opens_with_time() -> None:
    """One height away at the next frame is reachable, two are not; after nine frames two are."""
    for frame, shift, reachable in [(1, 59, True), (1, 120, False), (9, 120, True)]:
        detections = make([0, frame], [[0, 0, 20, 60], [shift, 0, shift + 20, 60]])
        assert build(detections, singletons(detections)).num_edges == int(reachable), (frame, shift)
    doubled = make([0, 1], [[0, 0, 20, 60], [0, 0, 48, 144]])  # log 2.4 > 0.8
    assert build(doubled, singletons(doubled)).num_edges == 0


def test_motion_opens_the_gate_for_who_keeps_walking() -> None:
    frame = np.array([*range(6), 12, 13])
    left = 30.0 * frame
    detections = make(frame, np.stack([left, 0 * left, left + 16, 0 * left + 40], axis=1))
    graph = build(detections, tracklets_of(detections, [0] * 6 + [1] * 2))
    assert graph.num_edges == 1 and float(graph.cost[0]) == pytest.approx(0.02 * 7**0.5, abs=1e-3)


@pytest.mark.parametrize("is_cut", [False, True])
def test_parts_of_the_work_give_what_all_at_once_gives(is_cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    detections = walkers(7, people=8, clips=2, frames=30)
    tracklets = cut(detections, 7)
    if is_cut:
        before = torch.zeros(len(detections), dtype=torch.bool)
        before[::5] = True
        tracklets = split(detections, tracklets, before)
    whole = build(detections, tracklets)  # with gradients everything is done at once
    monkeypatch.setattr(tracklets_module, "GROUP", 20)
    with torch.no_grad():
        builder = EvidenceBuilder(EvidenceConfig(), 12, 4, 1, 1, overlap_features(detections), in_parts=True)
        parts = builder(detections, tracklets)
    assert torch.equal(parts.edge_index, whole.edge_index)
    for asked, expected in ((parts.edge_features, whole.edge_features), (parts.node_features, whole.node_features)):
        assert asked is not None and expected is not None and asked.shape == expected.shape
        rows = [asked[begin : begin + 7] for begin in range(0, len(expected), 7)]
        torch.testing.assert_close(torch.cat(rows), expected[:], rtol=1e-5, atol=1e-5)
