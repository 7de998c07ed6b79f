from __future__ import annotations

from collections import Counter

import published
import pytest
import torch
from toy import cut, walkers

from sushi_lg.graph.labels import majority_identity, nearest_partner_labels
from sushi_lg.graph.tracklets import from_members
from sushi_lg.structures import Detections


def detections_of(frames: list[int], identities: list[int]) -> Detections:
    count = len(frames)
    return Detections(
        frame=torch.tensor(frames, dtype=torch.int64),
        boxes_xyxy=torch.tensor([[0.0, 0.0, 1.0, 2.0]]).expand(count, 4),
        score=torch.ones(count),
        identity=torch.tensor(identities, dtype=torch.int64),
        clip=torch.zeros(count, dtype=torch.int64),
        frame_rate=torch.tensor([25.0]),
        image_size=torch.tensor([[100.0, 100.0]]),
    )


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        ([4], 4),
        ([4, 4, 7], 4),
        ([7, 4], 4),  # a tie: the smaller number, and half is enough
        ([-1, 4], -1),  # -1 counts like an identity and is the smallest number
        ([4, 4, -1], 4),
        ([1, 2, 3], -1),  # a third is not enough
        ([9, 9, 1, 2], 9),  # exactly half
        ([9, 9, 1, 2, 3], -1),
    ],
)
def test_majority(identities: list[int], expected: int) -> None:
    detections = detections_of(list(range(len(identities))), identities)
    tracklets = from_members(detections, torch.zeros(len(identities), dtype=torch.int64))
    assert majority_identity(detections, tracklets).tolist() == [expected]


def test_majority_of_random_tracklets_equals_counting() -> None:
    generator = torch.Generator().manual_seed(0)
    count = 200
    members = torch.cat([torch.arange(40), torch.randint(0, 40, (count - 40,), generator=generator)])
    identities = torch.randint(-1, 4, (count,), generator=generator)
    detections = detections_of(list(range(count)), identities.tolist())
    tracklets = from_members(detections, members)
    expected = []
    for number in range(40):
        votes = Counter(identities[members == number].tolist())
        most = max(votes.values())
        expected.append(min(i for i, n in votes.items() if n == most) if 2 * most >= votes.total() else -1)
    assert majority_identity(detections, tracklets).tolist() == expected


def test_nothing_to_label() -> None:
    detections = detections_of([], [])
    tracklets = from_members(detections, torch.zeros(0, dtype=torch.int64))
    identity = majority_identity(detections, tracklets)
    assert identity.shape == (0,)
    assert nearest_partner_labels(tracklets, torch.zeros(2, 0, dtype=torch.int64), identity).shape == (2, 0)


def test_only_the_nearest_surviving_partner_counts() -> None:
    detections = detections_of([0, 1, 2, 3], [5, 5, 5, 6])
    tracklets = from_members(detections, torch.arange(4))
    edges = torch.tensor([[0, 0, 1, 2], [1, 2, 2, 3]])
    # 0 -> 1 -> 2: the edge 0-2 jumps over 1 and is no positive in either direction; 2-3 joins two people
    assert nearest_partner_labels(tracklets, edges, detections.identity).tolist() == [[True, False, True, False]] * 2
    # without the edge 0-1 the next one is promoted forwards, but 2 still has 1 as its nearest predecessor
    pruned = nearest_partner_labels(tracklets, edges[:, 1:], detections.identity)
    assert pruned.tolist() == [[True, True, False], [False, True, False]]


@pytest.mark.parametrize("seed", range(5))
def test_labels_equal_brute_force(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    count = 40
    frames = torch.randint(0, 12, (count,), generator=generator).sort().values
    identity = torch.randint(-1, 4, (count,), generator=generator)
    detections = detections_of(frames.tolist(), identity.tolist())
    tracklets = from_members(detections, torch.arange(count))
    possible = torch.nonzero(frames[:, None] < frames[None]).T
    edges = possible[:, torch.rand(possible.shape[1], generator=generator) < 0.4]
    listed = [(u, v) for u, v in edges.T.tolist()]
    same = [(u, v) for u, v in listed if identity[u] == identity[v] >= 0]
    forward = {
        (u, min((int(frames[v]), v) for a, v in same if a == u)[1]) for u in {u for u, _ in same}
    }  # ties in time go to the smallest node
    backward = {(min((-int(frames[u]), u) for u, b in same if b == v)[1], v) for v in {v for _, v in same}}
    labels = nearest_partner_labels(tracklets, edges, identity)
    assert labels[0].tolist() == [pair in forward for pair in listed]
    assert labels[1].tolist() == [pair in backward for pair in listed]


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_long_tracklets_equal_plain_loops(seed: int) -> None:
    detections = walkers(seed, people=3, clips=2, frames=24)
    tracklets = cut(detections, seed, mean_length=3)
    nodes = published.pieces(detections, tracklets)
    identity = [int(detections.identity[first]) for first in tracklets.first.tolist()]  # cut leaves tracklets pure
    # Overlapping tracklets of one identity, so that who starts first and who ends first are different questions.
    identity = [number % 2 for number in identity]
    pairs = published.candidates(nodes, 1000)
    keep = torch.rand(len(pairs), generator=torch.Generator().manual_seed(seed)) < 0.3
    pairs = [pair for pair, kept in zip(pairs, keep.tolist(), strict=True) if kept]
    labels = nearest_partner_labels(tracklets, torch.tensor(pairs).T, torch.tensor(identity))
    same = [(u, v) for u, v in pairs if identity[u] == identity[v]]
    expected = [
        (
            (u, v) in same and v == min((b for a, b in same if a == u), key=lambda node: (nodes[node].frames[0], node)),
            (u, v) in same
            and u == min((a for a, b in same if b == v), key=lambda node: (-nodes[node].frames[-1], node)),
        )
        for u, v in pairs
    ]
    assert labels.T.tolist() == [list(both) for both in expected]
    assert 0 < sum(forward != backward for forward, backward in expected)
