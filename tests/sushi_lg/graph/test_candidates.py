"""Candidates against enumeration of all pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from toy import cut, walkers

from sushi_lg.graph import candidates
from sushi_lg.graph.candidates import (
    mutual_nearest,
    nearest_pairs,
    pair_blocks,
    successors_within_chunk,
    successors_within_gap,
    within_band,
)
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.host import free_to_look

pytestmark = pytest.mark.usefixtures("both_ways")

BLOCKS = [1, 2, 7, 50, 1 << 20]


def table_cost(num_nodes: int, seed: int, values: int | None = None) -> tuple[np.ndarray, Callable[..., Tensor]]:
    """Return random costs of all pairs, a fifth of them impossible; from few ``values`` there are many ties."""
    rng = np.random.default_rng(seed)
    table = rng.random((num_nodes, num_nodes)) if values is None else rng.integers(0, values, (num_nodes, num_nodes))
    table = table.astype(np.float32)
    table[rng.random(table.shape) < 0.2] = np.inf
    lookup = torch.from_numpy(table)
    return table, lambda earlier, later: lookup[earlier, later][:, None]


def enumerated(tracklets: Tracklets, eligible: list[int], max_gap: int) -> set[tuple[int, int]]:
    """Return positions in ``eligible`` of all pairs with a gap of 1 .. max_gap in one clip."""
    first, last, clip = (x.tolist() for x in (tracklets.first_frame, tracklets.last_frame, tracklets.clip))
    return {
        (i, j)
        for i, a in enumerate(eligible)
        for j, b in enumerate(eligible)
        if clip[a] == clip[b] and 1 <= first[b] - last[a] <= max_gap
    }


def listed(low: Tensor, high: Tensor) -> set[tuple[int, int]]:
    return {(i, j) for i, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True)) for j in range(a, b)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_gap", [1, 3, 20, 1000])
def test_successors_within_a_gap(seed: int, max_gap: int) -> None:
    detections = walkers(seed, clips=3, frames=25)
    tracklets = cut(detections, seed)
    for eligible in (torch.arange(len(tracklets)), torch.nonzero(tracklets.length >= 3).squeeze(1)):
        low, high = successors_within_gap(tracklets, eligible, max_gap)
        assert listed(low, high) == enumerated(tracklets, eligible.tolist(), max_gap)


@pytest.mark.parametrize("frames", [1, 4, 16])
def test_successors_within_a_chunk(frames: int) -> None:
    detections = walkers(1, clips=2, frames=25)
    tracklets = cut(detections, 1, mean_length=2)
    first, last, clip = (x.tolist() for x in (tracklets.first_frame, tracklets.last_frame, tracklets.clip))
    origin = [min(f for f, c in zip(first, clip, strict=True) if c == k) for k in range(2)]
    chunk = [(f - origin[c]) // frames for f, c in zip(first, clip, strict=True)]
    expected = {
        (a, b)
        for a in range(len(first))
        for b in range(len(first))
        if clip[a] == clip[b] and chunk[a] == chunk[b] and first[b] > last[a]
    }
    low, high = successors_within_chunk(tracklets, frames, torch.tensor(origin))
    assert listed(low, high) == expected


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_list_every_pair_once_in_order(block: int) -> None:
    low, high = torch.tensor([1, 3, 2, 5, 0]), torch.tensor([4, 3, 5, 5, 5])
    blocks = [(a.tolist(), b.tolist()) for a, b in pair_blocks(low, high, block)]
    pairs = [pair for a, b in blocks for pair in zip(a, b, strict=True)]
    assert pairs == sorted(listed(low, high))
    # More than a block only where one node alone has more.
    assert all(len(a) <= block or len(set(a)) == 1 for a, _ in blocks)
    assert all(a for a, _ in blocks)


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_of_nothing(block: int) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert list(pair_blocks(none, none, block)) == []
    assert list(pair_blocks(torch.tensor([2, 2]), torch.tensor([2, 2]), block)) == []


@pytest.mark.parametrize("values", [None, 3], ids=["distinct", "ties"])
@pytest.mark.parametrize("k", [1, 3, 100])
def test_nearest_pairs_are_those_of_enumeration(values: int | None, k: int) -> None:
    detections = walkers(5, clips=2, frames=15)
    tracklets = cut(detections, 5, mean_length=2)
    low, high = successors_within_gap(tracklets, torch.arange(len(tracklets)), 6)
    table, cost = table_cost(len(tracklets), 0, values)
    possible = [pair for pair in sorted(listed(low, high)) if np.isfinite(table[pair])]
    near: list[set[tuple[int, int]]] = [set(), set()]
    for end in (0, 1):
        for node in range(len(tracklets)):
            own = [pair for pair in possible if pair[end] == node]
            near[end] |= set(sorted(own, key=lambda pair: (table[pair], pair))[:k])
    for block in BLOCKS:
        edge_index, found, is_near, considered = nearest_pairs(low, high, cost, k, block)
        pairs = list(zip(*edge_index.tolist(), strict=True))
        assert pairs == sorted(near[0] | near[1], key=lambda pair: pair[::-1])
        assert found[:, 0].tolist() == [table[pair] for pair in pairs]
        assert is_near.tolist() == [[pair in near[end] for pair in pairs] for end in (0, 1)]
        assert considered == len(possible)


@pytest.mark.parametrize("part", [1, 7, 50])
def test_pairs_measured_a_part_at_a_time_are_the_same(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tracklets = cut(walkers(5, clips=2, frames=15), 5, mean_length=2)
    low, high = successors_within_gap(tracklets, torch.arange(len(tracklets)), 6)
    _, cost = table_cost(len(tracklets), 0, 3)
    asked: list[int] = []

    def counted(earlier: Tensor, later: Tensor) -> Tensor:
        asked.append(len(earlier))
        return cost(earlier, later)

    whole = nearest_pairs(low, high, cost, 3)
    monkeypatch.setattr(candidates, "GPU_PART", part)
    parts = nearest_pairs(low, high, counted, 3)
    assert all(torch.equal(one, other) for one, other in zip(whole[:3], parts[:3], strict=True))
    assert whole[3] == parts[3] > 50
    if not free_to_look(low):
        assert max(asked) == part and sum(asked) == int((high - low).sum())


def test_negative_costs_come_first() -> None:
    values = torch.tensor([0.5, -2.0, -0.25, 0.0])
    low, high = torch.tensor([1, 5, 5, 5, 5]), torch.tensor([5, 5, 5, 5, 5])
    edge_index, _, is_near, _ = nearest_pairs(low, high, lambda earlier, later: values[later - 1, None], 2)
    assert edge_index[1, is_near[0]].tolist() == [2, 3]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_no_pairs(count: int) -> None:
    empty = torch.zeros(count, dtype=torch.int64)
    edge_index, values, is_near, considered = nearest_pairs(
        empty, empty, lambda earlier, later: earlier.float()[:, None], 3
    )
    assert edge_index.shape == (2, 0) and edge_index.dtype == torch.int64
    assert values.shape == (0, 1) and is_near.shape == (2, 0) and considered == 0
    assert mutual_nearest(edge_index, values[:, 0], count, 3).shape == (0,)


@pytest.mark.parametrize("values", [None, 3], ids=["distinct", "ties"])
def test_mutual_nearest_is_that_of_enumeration(values: int | None) -> None:
    table, _ = table_cost(9, 2, values)
    pairs = [(i, j) for i in range(9) for j in range(i + 1, 9) if np.isfinite(table[i, j])]
    edge_index = torch.tensor(pairs).T
    cost = torch.tensor([table[pair] for pair in pairs])
    neighbours = {
        node: sorted(
            (pair for pair in pairs if node in pair),
            key=lambda pair: (table[pair], pair[0] if pair[1] == node else pair[1]),
        )[:3]
        for node in range(9)
    }
    expected = [pair in neighbours[pair[0]] and pair in neighbours[pair[1]] for pair in pairs]
    assert mutual_nearest(edge_index, cost, 9, 3).tolist() == expected
    assert 0 < sum(expected) < len(pairs)


def test_a_band_holds_what_lies_in_it() -> None:
    generator = torch.Generator().manual_seed(0)
    bounds = torch.tensor([0, 4, 4, 30, 31, 50])  # groups of 4, 0, 26, 1 and 19
    position = torch.randn(50, generator=generator) * 10
    position[7] = position[9]
    group = torch.randint(5, (200,), generator=generator)
    low, high = bounds[group], bounds[group + 1]
    low[::17], high[::17] = 20, 20  # nothing, in the middle of a group
    least = torch.randn(200, generator=generator) * 10
    most = least + torch.rand(200, generator=generator) * 10 - 1  # some bands are empty
    least[3], most[3] = position[7], position[7]
    low[3], high[3] = 4, 30
    order, begin, end = within_band(low, high, position, least, most)
    assert order.sort().values.tolist() == list(range(50))
    for query in range(200):
        members = range(int(low[query]), int(high[query]))
        wanted = [member for member in members if least[query] <= position[member] <= most[query]]
        assert sorted(order[begin[query] : end[query]].tolist()) == wanted
        assert begin[query] <= end[query]


def test_no_band_around_nothing() -> None:
    none, empty = torch.zeros(0), torch.zeros(0, dtype=torch.int64)
    assert all(len(part) == 0 for part in within_band(empty, empty, none, none, none))


@pytest.mark.parametrize("block", [7, None])
def test_nearest_pairs_in_another_order_are_the_same(block: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    frame = torch.arange(20).repeat_interleave(6)
    position = torch.randint(30, (120,), generator=generator).float()  # many ties
    low, high = torch.searchsorted(frame, frame + 1), torch.searchsorted(frame, frame + 1, right=True)
    if not free_to_look(low):
        pytest.skip("a GPU lists everything")

    def cost(earlier: torch.Tensor, later: torch.Tensor) -> torch.Tensor:
        away = (position[earlier] - position[later]).abs()
        return away.masked_fill(away > 8, torch.inf)[:, None]

    plain = nearest_pairs(low, high, cost, 2, block)
    order, begin, end = within_band(low, high, position, position - 8, position + 8)
    banded = nearest_pairs(begin, end, cost, 2, block, order=order)
    assert all(torch.equal(one, other) for one, other in zip(plain[:3], banded[:3], strict=True))
    assert plain[3] == banded[3] > 100 and (end - begin).sum() < (high - low).sum()
