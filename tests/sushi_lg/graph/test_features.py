from __future__ import annotations

from dataclasses import replace

import published
import pytest
import torch
from toy import cut, make, walkers

from sushi_lg.graph.ends import tracklet_ends
from sushi_lg.graph.features import FEATURES, Pairs, edge_features
from sushi_lg.graph.settings import EDGE_FEATURES
from sushi_lg.graph.tracklets import singletons
from sushi_lg.structures import Detections


def pairs_of(detections: Detections, seed: int, window: int) -> tuple[Pairs, list[dict[str, float]]]:
    """All ordered pairs of random tracklets, and their features from plain numbers."""
    tracklets = cut(detections, seed, mean_length=3)
    nodes = published.pieces(detections, tracklets)
    edges = published.candidates(nodes, 1000)
    ends = tracklet_ends(detections, tracklets, window)
    pairs = Pairs(detections, tracklets, ends, window, *torch.tensor(edges).T.contiguous())
    rates = detections.frame_rate.tolist()
    return pairs, [published.features(nodes[u], nodes[v], window, rates[nodes[u].clip]) for u, v in edges]


def test_settings_know_all_names() -> None:
    assert tuple(FEATURES) == EDGE_FEATURES


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("seed", range(2))
def test_equal_plain_numbers(seed: int, window: int) -> None:
    detections = walkers(seed, people=3, clips=2, frames=24)
    generator = torch.Generator().manual_seed(seed)
    detections = replace(detections, embedding=torch.randn(len(detections), 4, generator=generator) * 5)
    pairs, expected = pairs_of(detections, seed, window)
    ours = edge_features(pairs, list(FEATURES))
    assert ours.shape == (len(expected), 7) and ours.dtype == torch.float32 and len(expected) > 50
    for column, name in enumerate(FEATURES):
        assert ours[:, column].tolist() == pytest.approx([row[name] for row in expected], abs=1e-4), name


def test_names_choose_columns_and_their_order() -> None:
    pairs, expected = pairs_of(walkers(0, people=3, frames=12), 0, 4)
    ours = edge_features(pairs, ["motion", "gap_seconds"])
    assert ours.shape == (len(expected), 2)
    assert ours[:, 1].tolist() == pytest.approx([row["gap_seconds"] for row in expected])
    assert torch.equal(ours, edge_features(pairs, list(FEATURES))[:, [6, 0]])


def test_directions_and_units() -> None:
    # One second later, half a mean height (30) to the left and one down; twice as tall, three times as wide.
    detections = make([0, 25], [[100, 0, 110, 20], [75, 10, 105, 50]])
    tracklets = singletons(detections)
    pairs = Pairs(
        detections, tracklets, tracklet_ends(detections, tracklets, 1), 1, torch.tensor([0]), torch.tensor([1])
    )
    expected = [1.0, -0.5, 1.0, 0.6931472, 1.0986123, 0.0, -2.0]
    assert edge_features(pairs, list(FEATURES))[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("embedding", [None, torch.ones(3, 4)], ids=["boxes only", "embedded"])
def test_no_pairs(embedding: torch.Tensor | None) -> None:
    detections = replace(make([0, 0, 0], [[0, 0, 1, 2]] * 3), embedding=embedding)
    tracklets = singletons(detections)
    nobody = torch.zeros(0, dtype=torch.int64)
    pairs = Pairs(detections, tracklets, tracklet_ends(detections, tracklets, 2), 2, nobody, nobody)
    assert edge_features(pairs, list(FEATURES)).shape == (0, 7)
