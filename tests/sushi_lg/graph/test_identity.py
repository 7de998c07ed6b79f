"""Labels of the default recipe against their definition, read one tracklet at a time."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from toy import cut, make, members, tracklets_of, walkers

from sushi_lg.graph.identity import END_DETECTIONS, continuation_labels, end_identities, label_edges
from sushi_lg.graph.tracklets import singletons


def majority(identities: list[int]) -> int:
    counts = Counter(identities)
    most = max(counts.values())
    return min(i for i, c in counts.items() if c == most) if 2 * most >= len(identities) else -1


@pytest.mark.parametrize("seed", range(3))
def test_identities_of_the_ends(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detections = walkers(seed, clips=2, frames=120, missing=0.1)
    noisy = torch.from_numpy(np.where(rng.random(len(detections)) < 0.4, rng.integers(-1, 3), detections.identity))
    tracklets = cut(detections, seed, mean_length=40)
    detections.identity.copy_(noisy)
    start, end = end_identities(detections, tracklets)
    for number, own in enumerate(members(tracklets)):
        identities = detections.identity[own].tolist()
        assert start[number] == majority(identities[:END_DETECTIONS])
        assert end[number] == majority(identities[-END_DETECTIONS:])


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        ([4], 4),
        ([-1], -1),
        ([3, 2], 2),  # a tie goes to the lower number
        ([-1, 5], -1),  # also when it stands for nobody
        ([1, 2, 3], -1),  # nobody has half
        ([1] * 15 + [7] * 30, 1),
        ([1] * 14 + [7] * 30, 7),
    ],
)
def test_identity_at_the_start(identities: list[int], expected: int) -> None:
    frames = np.arange(len(identities))
    detections = make(frames, np.tile([0, 0, 9, 9], (len(frames), 1)), identity=np.array(identities))
    tracklets = tracklets_of(detections, [0] * len(frames))
    assert end_identities(detections, tracklets)[0].tolist() == [expected]


def test_a_mixed_tracklet_continues_whom_it_ends_with() -> None:
    # Tracklet 0 changes from person 1 to person 2; 1 goes on with person 1, 2 with person 2.
    detections = make(
        [0, 1, 2, 3, 20, 20],
        np.tile([0, 0, 9, 9], (6, 1)),
        identity=np.array([1, 1, 2, 2, 1, 2]),
    )
    tracklets = tracklets_of(detections, [0, 0, 0, 0, 1, 2])
    start, end = torch.tensor([1, 1, 2]), torch.tensor([2, 1, 2])
    edge_index = torch.tensor([[0, 0], [1, 2]])
    assert continuation_labels(tracklets, edge_index, start, end).tolist() == [False, True]


@pytest.mark.parametrize("seed", range(3))
def test_consecutive_tracklets_of_one_identity(seed: int) -> None:
    detections = walkers(seed, clips=2)
    tracklets = cut(detections, seed)
    identity = detections.identity[tracklets.first]
    count = len(tracklets)
    pairs = [
        (a, b)
        for a in range(count)
        for b in range(count)
        if tracklets.clip[a] == tracklets.clip[b] and tracklets.last_frame[a] < tracklets.first_frame[b]
    ]
    label = label_edges(detections, tracklets, torch.tensor(pairs).T)
    chains: dict[int, list[int]] = {}
    for number in range(count):
        chains.setdefault(int(identity[number]), []).append(number)
    expected = {pair for chain in chains.values() for pair in itertools.pairwise(chain)}
    assert {pair for pair, right in zip(pairs, label.tolist(), strict=True) if right} == expected


def test_a_missing_candidate_makes_the_next_one_right() -> None:
    detections = make([0, 1, 2], np.tile([0, 0, 9, 9], (3, 1)), identity=5)
    tracklets = singletons(detections)
    assert label_edges(detections, tracklets, torch.tensor([[0, 0, 1], [1, 2, 2]])).tolist() == [True, False, True]
    assert label_edges(detections, tracklets, torch.tensor([[0], [2]])).tolist() == [True]
    # Two want to be continued by the last one: the one that ends later is.
    assert label_edges(detections, tracklets, torch.tensor([[0, 1], [2, 2]])).tolist() == [False, True]


def test_nobody_continues_nobody() -> None:
    detections = make([0, 1], np.tile([0, 0, 9, 9], (2, 1)))
    assert label_edges(detections, singletons(detections), torch.tensor([[0], [1]])).tolist() == [False]


def test_nothing_at_all() -> None:
    detections = make([], np.zeros((0, 4)))
    none = torch.zeros(2, 0, dtype=torch.int64)
    assert label_edges(detections, singletons(detections), none).shape == (0,)
