"""Costs and the edges they leave, against plain loops over all pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import published
import pytest
import torch
from toy import cut, make, members, tracklets_of, walkers

from sushi_lg.graph import pruning
from sushi_lg.graph.ends import TrackletEnds, tracklet_ends
from sushi_lg.graph.features import FEATURES
from sushi_lg.graph.pruning import appearance_distance, feet_distance, motion_appearance_cost, motion_score
from sushi_lg.graph.tracklets import singletons
from sushi_lg.host import like_on_a_gpu
from sushi_lg.structures import Detections
from sushi_lg.tracking.recipe import SushiLevelConfig
from sushi_lg.tracking.sushi import ChunkBuilder

pytestmark = pytest.mark.usefixtures("both_ways")


def embedded(detections: Detections, seed: int) -> Detections:
    """Embeddings that differ as widely as published ones: distances of some tens."""
    generator = torch.Generator().manual_seed(seed)
    return replace(detections, embedding=torch.randn(len(detections), 6, generator=generator) * 8)


def origin(detections: Detections) -> torch.Tensor:
    return torch.stack([detections.frame[detections.clip == k].min() for k in range(detections.num_clips)])


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("frames", [2, 5])
def test_first_level_equals_plain_loops(frames: int, k: int) -> None:
    detections = walkers(3, people=6, clips=2, frames=20)
    config = SushiLevelConfig(frames, k, None, 1, [name for name in FEATURES if name != "motion"])
    graph = ChunkBuilder(config, origin(detections))(detections, singletons(detections))
    nodes = published.pieces(detections, singletons(detections))
    costs = {(u, v): published.feet(nodes[u], nodes[v]) for u, v in published.candidates(nodes, frames)}
    assert graph.num_candidates == len(costs)
    expected = published.reciprocal(costs, k)
    assert list(map(tuple, graph.edge_index.T.tolist())) == expected
    assert graph.cost.tolist() == pytest.approx([costs[pair] for pair in expected], abs=1e-3)
    assert (len(expected) < len(costs)) == (k < 10 or frames == 5), "pruning must have had something to do"


@pytest.mark.parametrize("k", [1, 4, 100])
@pytest.mark.parametrize(("frames", "window", "seed"), [(8, 4, 0), (16, 8, 1), (64, 3, 2)])
def test_higher_levels_equal_plain_loops(frames: int, window: int, seed: int, k: int) -> None:
    detections = embedded(walkers(seed, people=4, clips=2, frames=30), seed)
    tracklets = cut(detections, seed, mean_length=3)
    graph = ChunkBuilder(SushiLevelConfig(frames, k, 0.3, window), origin(detections))(detections, tracklets)
    nodes = published.pieces(detections, tracklets)
    costs = {
        (u, v): published.motion_appearance(nodes[u], nodes[v], window, 0.3)
        for u, v in published.candidates(nodes, frames)
    }
    assert graph.num_candidates == len(costs)
    expected = published.reciprocal(costs, k)
    assert list(map(tuple, graph.edge_index.T.tolist())) == expected
    assert graph.cost.tolist() == pytest.approx([costs[pair] for pair in expected], abs=1e-5)
    assert (len(expected) < len(costs)) == (k < 100)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_equal_costs_go_to_the_smaller_node(k: int) -> None:
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(12), 3)
    left = rng.integers(0, 4, len(frame)) * 10.0
    detections = make(frame, np.stack([left, left * 0, left + 8, left * 0 + 20], axis=1))
    config = SushiLevelConfig(4, k, None, 1, ["gap_seconds"])
    graph = ChunkBuilder(config, torch.tensor([0]))(detections, singletons(detections))
    nodes = published.pieces(detections, singletons(detections))
    costs = {(u, v): published.feet(nodes[u], nodes[v]) for u, v in published.candidates(nodes, 4)}
    assert len(set(costs.values())) < 10 < len(costs)
    assert list(map(tuple, graph.edge_index.T.tolist())) == published.reciprocal(costs, k)


@pytest.mark.parametrize("frames", [[], [0], [0, 0], [0, 7]])
def test_graphs_without_edges(frames: list[int]) -> None:
    detections = make(frames, [[10 * i, 0, 10 * i + 5, 10] for i, _ in enumerate(frames)])
    first = torch.tensor([min(frames, default=0)])
    for config in (SushiLevelConfig(4, 10, None, 1, ["offset_x"]), SushiLevelConfig(4, 10, 0.05, 2)):
        graph = ChunkBuilder(config, first)(detections, singletons(detections))
        assert graph.edge_index.shape == (2, 0) and graph.edge_features.shape == (0, len(config.features))
        assert graph.num_nodes == len(frames) and graph.num_candidates == 0


def ends_of(embedding: torch.Tensor | None, count: int) -> TrackletEnds:
    detections = make(list(range(count)), [[i, 0, i + 5, 10] for i in range(count)])
    detections = replace(detections, embedding=embedding)
    return tracklet_ends(detections, singletons(detections), 1)


@pytest.mark.parametrize("share", [0.005, 0.1, 1.0], ids=["thin", "some", "all"])
def test_appearance_is_a_euclidean_distance_however_many_pairs_are_asked(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(200, 32, generator=generator) * 3 + 20  # far from 0, where squares cancel
    embedding[150] = embedding[20]
    earlier, later = torch.triu_indices(200, 200, 1)
    asked = torch.rand(len(earlier), generator=generator) < share
    asked |= (earlier == 20) & (later == 150)
    earlier, later = earlier[asked], later[asked]
    ours = appearance_distance(ends_of(embedding, 200), earlier, later)
    exact = torch.linalg.vector_norm(embedding.double()[earlier] - embedding.double()[later] + 1e-6, dim=1)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("numbers", [1, 100, 3000])
def test_distances_on_a_gpu_do_not_depend_on_how_many_are_gathered(
    numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = ends_of(torch.randn(60, 32, generator=torch.Generator().manual_seed(0)), 60)
    earlier, later = torch.triu_indices(60, 60, 1)
    with like_on_a_gpu():
        whole = appearance_distance(ends, earlier, later)
        monkeypatch.setattr(pruning, "GPU_NUMBERS", numbers)
        assert torch.equal(appearance_distance(ends, earlier, later), whole)


def test_appearance_without_embeddings_or_pairs() -> None:
    nobody = torch.zeros(0, dtype=torch.int64)
    pair = torch.tensor([0]), torch.tensor([1])
    assert appearance_distance(ends_of(None, 2), *pair).tolist() == [0]
    for embedding in (None, torch.ones(2, 3)):
        assert appearance_distance(ends_of(embedding, 2), nobody, nobody).shape == (0,)


def test_the_addend_of_distances_has_a_sign() -> None:
    ends = ends_of(torch.ones(2, 4), 2)
    pair = torch.tensor([0]), torch.tensor([1])
    assert float(appearance_distance(ends, *pair)) == pytest.approx(2e-6, rel=1e-3)
    there, back = feet_distance(ends, *pair), feet_distance(ends, pair[1], pair[0])
    assert float(there - back) == pytest.approx(2e-6, rel=0.2)  # (1 + 1e-6) - (1 - 1e-6)


def test_motion_of_every_pair_equals_plain_numbers() -> None:
    detections = walkers(4, people=4, frames=30)
    tracklets = cut(detections, 4, mean_length=3)
    nodes = published.pieces(detections, tracklets)
    pairs = published.candidates(nodes, 1000)
    gaps = {nodes[v].frames[0] - nodes[u].frames[-1] for u, v in pairs}
    ends = tracklet_ends(detections, tracklets, 4)
    score = motion_score(tracklets, ends, 4, *torch.tensor(pairs).T.contiguous())
    expected = [published.motion(nodes[u], nodes[v], 4) for u, v in pairs]
    assert score.tolist() == pytest.approx(expected, abs=1e-4)
    assert {1, 2, 3} < gaps and max(gaps) > 8 and 0 < expected.count(-2.0) < len(expected)


def test_single_detections_have_no_motion() -> None:
    detections = make([0, 1, 2, 3], [[0, 0, 10, 20]] * 4)
    tracklets = tracklets_of(detections, [0, 0, 1, 2])
    assert members(tracklets) == [[0, 1], [2], [3]]
    ends = tracklet_ends(detections, tracklets, 4)
    score = motion_score(tracklets, ends, 4, torch.tensor([0, 0, 1]), torch.tensor([1, 2, 2]))
    assert score.tolist() == [-2, -2, -2]


def test_weight_of_motion() -> None:
    cost = motion_appearance_cost(torch.tensor([1.0, -2.0]), torch.tensor([0.0, 20.0]), 0.05)
    assert cost.tolist() == pytest.approx([1.0, 2 + 0.1 - 0.95 / math.e])
