"""Candidate pairs: who could follow whom.

Tracklets are sorted by (clip, first frame), so the possible successors of a tracklet are one contiguous range of
tracklets, whatever the window. Pairs are listed in blocks of bounded size, costs are computed per block, and only the
K cheapest successors and the K cheapest predecessors of every node survive a block: memory is linear in nodes.

On a CPU rows that do not count are left out at once. On a GPU that would wait for their number in every block; there
every node has K places for its best partners, empty ones included, and only the edges at the end are counted.

Shapes: M tracklets, P pairs of a block, E edges, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sushi_lg.graph.tracklets import FRAME_SPAN, Tracklets
from sushi_lg.host import free_to_look, rows_of

PairCost = Callable[[Tensor, Tensor], Tensor]
"""(earlier (P,), later (P,)) -> (P, C): cost, infinite where the pair is impossible, and what else was measured."""

Keep = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(edge_index (2, E), measured (E, C), is_near (2, E)) -> (E,) bool: the edges that stay."""

BLOCK = 1 << 16
"""Pairs listed at once on a CPU: few enough for their numbers to stay in the cache."""
GPU_BLOCK = 1 << 22
"""Pairs listed at once on a GPU: few blocks, because some work is done once a block whatever its size."""
GPU_PART = 1 << 20
"""Pairs of a block that are measured at once on a GPU: measuring takes a hundred bytes and more a pair."""
_NOBODY = torch.iinfo(torch.int64).max


def successors_within_gap(tracklets: Tracklets, eligible: Tensor, max_gap: int) -> tuple[Tensor, Tensor]:
    """Return the half-open range of tracklets that start 1 .. ``max_gap`` frames after each one ends.

    Args:
        tracklets: M tracklets.
        eligible: (Q,) int64, ascending: the tracklets that take part; M stands for nobody.
        max_gap: frames.

    Returns:
        low, high: (Q,) int64 positions in ``eligible``; empty where low == high.
    """
    key, end = tracklets.key, tracklets.clip * FRAME_SPAN + tracklets.last_frame
    never = key.new_full((1,), _NOBODY - max_gap)
    key, end = torch.cat([key, never])[eligible], torch.cat([end, never])[eligible]
    return torch.searchsorted(key, end, right=True), torch.searchsorted(key, end + max_gap, right=True)


def successors_within_chunk(tracklets: Tracklets, frames: int, first_frame: Tensor) -> tuple[Tensor, Tensor]:
    """Return the range of tracklets that start after each one ends and in the same chunk (SUSHI).

    Args:
        tracklets: M tracklets.
        frames: frames a chunk covers; chunk = floor((first frame - first frame of the clip) / frames).
        first_frame: (C,) int64 first frame of each clip that has detections.
    """
    origin = first_frame[tracklets.clip]
    chunk = (tracklets.first_frame - origin) // frames
    last_of_chunk = origin + (chunk + 1) * frames - 1
    base = tracklets.clip * FRAME_SPAN
    low = torch.searchsorted(tracklets.key, base + tracklets.last_frame, right=True)
    high = torch.searchsorted(tracklets.key, base + last_of_chunk, right=True)
    return low, torch.maximum(low, high)


def within_band(
    low: Tensor, high: Tensor, position: Tensor, least: Tensor, most: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Narrow ranges to the members that lie in a band, so that those outside are never listed.

    In a crowd nobody is near most of the others: listing all would cost the square of their number in every frame.

    Args:
        low: (Q,) int64, start of each range.
        high: (Q,) int64, its end; two ranges that overlap are the same one (all members of one frame, say).
        position: (M,) float32 along some axis, of what the ranges number.
        least: (Q,) float32, lowest position that is wanted.
        most: (Q,) float32, highest.

    Returns:
        order: (M,) int64, all members, those of one range by position; and low, high: (Q,) int64 places in it.
    """
    edge = torch.zeros(len(position) + 1, dtype=torch.int64, device=low.device)
    for ends in (low, high):
        edge[torch.where(low < high, ends, 0)] = 1  # a member beside all ranges belongs to none of them
    group = edge.cumsum(0)
    key = (group[:-1] << 32) + _ordered(position)
    key, order = torch.sort(key)
    wanted = group[low] << 32
    begin = torch.searchsorted(key, wanted + _ordered(least))
    end = torch.searchsorted(key, wanted + _ordered(most), right=True)
    begin = torch.minimum(torch.maximum(begin, low), high)
    return order, begin, torch.minimum(torch.maximum(end, begin), high)


def pair_blocks(low: Tensor, high: Tensor, block: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """List all pairs (node, member of its range) in blocks, ordered by node.

    A block holds at most ``block`` pairs unless a single node has more. A GPU is waited for once, not once a block.

    Args:
        low: (M,) int64, start of the range of each node.
        high: (M,) int64, its end.
        block: pairs listed at once; None = what suits the device.

    Yields:
        earlier (P,), later (P,) int64.
    """
    block = block or (BLOCK if free_to_look(low) else GPU_BLOCK)
    total = (high - low).cumsum(0)
    for begin, end, count in _runs(total.cpu().numpy(), block):
        if count:
            yield _listed(low, high, total, begin, end, count)


def _runs(total: NDArray[np.int64], block: int) -> Iterator[tuple[int, int, int]]:
    """Cut nodes into runs of at most ``block`` pairs: first node, node after the last, pairs."""
    begin = 0
    while begin < len(total):
        done = int(total[begin - 1]) if begin else 0
        end = min(max(int(np.searchsorted(total, done + block, side="right")), begin + 1), len(total))
        yield begin, end, int(total[end - 1]) - done
        begin = end


def _listed(low: Tensor, high: Tensor, total: Tensor, begin: int, end: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the ``count`` pairs of the nodes ``begin`` to ``end - 1``."""
    counts = high[begin:end] - low[begin:end]
    nodes = torch.arange(begin, end, device=low.device)
    earlier = torch.repeat_interleave(nodes, counts, output_size=count)
    before = total[begin:end] - counts
    before = before - before[:1]
    later = torch.arange(count, device=low.device) + (low[begin:end] - before)[earlier - begin]
    return earlier, later


def nearest_pairs(
    low: Tensor,
    high: Tensor,
    cost: PairCost,
    k: int,
    block: int | None = None,
    *,
    keep: Keep | None = None,
    order: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Keep pairs that are among the K cheapest successors of one end or the K cheapest predecessors of the other.

    Args:
        low: (M,) int64, start of the successor range of each node.
        high: (M,) int64, its end.
        cost: measures a block of pairs.
        k: K.
        block: pairs listed at once; None = what suits the device.
        keep: chooses among the pairs found; None = all.
        order: (M,) int64, the node at each place that the ranges count, see ``within_band``; None = they count nodes.
            Only where looking is free.

    Returns:
        edge_index (2, E) sorted by (later, earlier), measured (E, C) as ``cost`` returned it, is_near (2, E) bool - row
        0: among the K successors of the earlier node, row 1: among the K predecessors of the later - and the number of
        pairs with finite cost. Equal costs are ordered by the lower node number.
    """
    if not free_to_look(low):
        assert order is None
        return _nearest_in_places(low, high, cost, k, block or GPU_BLOCK, keep)
    device, block = low.device, block or BLOCK
    kept: list[_Pairs] = []  # near their earlier node: final as soon as their block is done
    running: list[_Pairs] = []  # near their later node so far
    waiting, limit, considered = 0, 4 * block, 0
    num_nodes = max(len(low), 1)
    for earlier, later in pair_blocks(low, high, block):
        later = later if order is None else order[later]
        measured = cost(earlier, later)
        finite = torch.isfinite(measured[:, 0])
        pairs = (earlier, later, measured)
        if not bool(finite.all()):
            pairs = _select(pairs, finite)
        if order is not None:  # ties go to the lower number, so rows stand in the order of numbers
            rows = torch.argsort(pairs[0] * num_nodes + pairs[1])
            pairs = (pairs[0][rows], pairs[1][rows], pairs[2][rows])
        considered += len(pairs[0])
        kept.append(_nearest(pairs, 0, k))
        running.append(_nearest(pairs, 1, k))
        waiting += len(running[-1][0])
        if waiting > limit:
            running = [_nearest(_joined(running), 1, k)]
            waiting = len(running[0][0])
            limit = max(limit, 2 * waiting)  # the work of thinning out stays proportional to the pairs
    if not kept:
        none = torch.zeros(0, dtype=torch.int64, device=device)
        nothing = (none, none, cost(none, none))
        kept, running = [nothing], [nothing]
    after, before = _joined(kept), _nearest(_joined(running), 1, k)

    key = torch.cat([after[1] * num_nodes + after[0], before[1] * num_nodes + before[0]])
    unique, inverse = torch.unique(key, return_inverse=True)
    measured = torch.cat([after[2], before[2]])
    travelled = torch.empty(len(unique), measured.shape[1], dtype=measured.dtype, device=device)
    travelled[inverse] = measured
    is_near = torch.zeros(2, len(unique), dtype=torch.bool, device=device)
    is_near[0, inverse[: len(after[0])]] = True
    is_near[1, inverse[len(after[0]) :]] = True
    edge_index = torch.stack([unique % num_nodes, unique // num_nodes])
    if keep is not None:
        rows = torch.nonzero(keep(edge_index, travelled, is_near)).squeeze(1)
        edge_index, travelled, is_near = edge_index[:, rows], travelled[rows], is_near[:, rows]
    return edge_index, travelled, is_near, considered


def _nearest_in_places(
    low: Tensor, high: Tensor, cost: PairCost, k: int, block: int, keep: Keep | None
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Return what ``nearest_pairs`` returns, waiting twice: for the ranges, and for the number of edges."""
    num_nodes, device = len(low), low.device
    first, last = torch.stack([low, high]).cpu().numpy()
    none = low.new_zeros(0)
    width = cost(none, none).shape[1]
    after = _Places.empty(num_nodes, k, width, device)
    before = _Places.empty(num_nodes, k, width, device)
    considered = low.new_zeros(())
    total = (high - low).cumsum(0)
    for begin, end, count in _runs((last - first).cumsum(), block):
        if not count:
            continue
        earlier, later = _listed(low, high, total, begin, end, count)
        measured = _in_parts(cost, earlier, later, width)
        considered += measured[:, 0].isfinite().sum()
        after.fill(earlier, later, measured, begin, end)
        # Those found before come first: their earlier nodes have lower numbers, so they win ties.
        reached = first[begin:end] < last[begin:end]
        bottom, top = int(first[begin:end][reached].min()), int(last[begin:end][reached].max())
        before.fill(later, earlier, measured, bottom, top, again=begin > 0)
    node = torch.arange(num_nodes, device=device)[:, None]
    keys = [
        torch.where(after.taken, after.partner * num_nodes + node, _NOBODY).flatten(),
        torch.where(before.taken, node * num_nodes + before.partner, _NOBODY).flatten(),
    ]
    key, order = torch.sort(torch.cat(keys), stable=True)
    measured = torch.cat([after.measured.flatten(0, 1), before.measured.flatten(0, 1)])[order]
    same = key[1:] == key[:-1]
    edge = torch.zeros(1, dtype=torch.bool, device=device)
    is_new = (key != _NOBODY) & ~torch.cat([edge, same])[: len(key)]
    # A pair stands at most once among the successors, and then before the same one among the predecessors.
    is_after = order < num_nodes * k
    is_near = torch.stack([is_after, ~is_after | torch.cat([same, edge])[: len(key)]])
    key = torch.where(is_new, key, 0)
    edge_index = torch.stack([key % max(num_nodes, 1), key // max(num_nodes, 1)])
    chosen = is_new
    if keep is not None:
        measured = torch.where(is_new[:, None], measured, torch.inf)
        chosen = is_new & keep(edge_index, measured, is_near)
    num_edges, num_pairs = torch.stack([chosen.sum(), considered]).tolist()
    rows = rows_of(chosen, num_edges)
    return edge_index[:, rows], measured[rows], is_near[:, rows], num_pairs


def _in_parts(cost: PairCost, earlier: Tensor, later: Tensor, width: int) -> Tensor:
    """Return (P, C) what ``cost`` measures of pairs, with the memory that a part of them takes."""
    if len(earlier) <= GPU_PART:
        return cost(earlier, later)
    measured = torch.empty(len(earlier), width, device=earlier.device)
    for begin in range(0, len(earlier), GPU_PART):
        rows = slice(begin, begin + GPU_PART)
        measured[rows] = cost(earlier[rows], later[rows])
    return measured


@dataclass(frozen=True)
class _Places:
    """K places a node for its cheapest partners, in the order of cost.

    Attributes:
        partner: (M, K) int64.
        measured: (M, K, C), infinite cost where the place is empty.
    """

    partner: Tensor
    measured: Tensor

    @staticmethod
    def empty(num_nodes: int, k: int, width: int, device: torch.device) -> _Places:
        partner = torch.zeros(num_nodes, k, dtype=torch.int64, device=device)
        return _Places(partner, torch.full((num_nodes, k, width), torch.inf, device=device))

    @property
    def taken(self) -> Tensor:
        """(M, K) bool."""
        return self.measured[:, :, 0].isfinite()

    def fill(
        self, node: Tensor, partner: Tensor, measured: Tensor, begin: int, end: int, *, again: bool = False
    ) -> None:
        """Give the places of the nodes ``begin`` to ``end - 1`` to the cheapest of these pairs.

        Args:
            node: (P,) int64, whose places.
            partner: (P,) int64; of equal costs the first row wins.
            measured: (P, C).
            begin: first node.
            end: node after the last.
            again: those who have the places now compete too, as if they stood before the first row.
        """
        k, count = self.partner.shape[1], (end - begin) * self.partner.shape[1]
        if again:
            own = torch.arange(begin, end, device=node.device).repeat_interleave(k)
            node = torch.cat([own, node])
            partner = torch.cat([self.partner[begin:end].flatten(), partner])
            measured = torch.cat([self.measured[begin:end].flatten(0, 1), measured])
        cost = torch.where(measured[:, 0].isfinite(), measured[:, 0], torch.inf)
        rank = _rank_within(node, cost)
        # One place more, for all that are left out.
        place = torch.where((rank < k) & cost.isfinite(), (node - begin) * k + rank, count)
        partners = partner.new_zeros(count + 1).scatter_(0, place, partner)
        values = measured.new_full((count + 1, measured.shape[1]), torch.inf).index_copy_(0, place, measured)
        self.partner[begin:end] = partners[:count].unflatten(0, (-1, k))
        self.measured[begin:end] = values[:count].unflatten(0, (-1, k))


def mutual_nearest(edge_index: Tensor, cost: Tensor, num_nodes: int, k: int) -> Tensor:
    """Mark edges that are among the K cheapest of both their ends, successors and predecessors sharing K places.

    Args:
        edge_index: (2, E) int64, holding at least the K nearest successors and predecessors of every node.
        cost: (E,).
        num_nodes: M.
        k: K.

    Returns:
        (E,) bool.
    """
    num_edges = edge_index.shape[1]
    # Predecessors have lower numbers than successors, so they come first and win ties.
    near = _rank_within(edge_index.flip(0).reshape(-1), cost.repeat(2)) < k
    return near[:num_edges] & near[num_edges:]


_Pairs = tuple[Tensor, Tensor, Tensor]  # earlier, later, measured


def _nearest(pairs: _Pairs, end: int, k: int) -> _Pairs:
    """Return the pairs that are among the K cheapest of their earlier (0) or later (1) node."""
    return _select(pairs, _rank_within(pairs[end], pairs[2][:, 0]) < k)


def _select(pairs: _Pairs, chosen: Tensor) -> _Pairs:
    rows = torch.nonzero(chosen).squeeze(1)  # once for the three; each mask would look for them, and wait for a GPU
    return pairs[0].index_select(0, rows), pairs[1].index_select(0, rows), pairs[2].index_select(0, rows)


def _joined(parts: list[_Pairs]) -> _Pairs:
    if len(parts) == 1:
        return parts[0]
    earlier, later, measured = zip(*parts, strict=True)
    return torch.cat(earlier), torch.cat(later), torch.cat(measured)


def _rank_within(group: Tensor, value: Tensor) -> Tensor:
    """Return the 0-based rank of each row inside its group by value; equal values keep the order of the rows."""
    order = torch.sort((group << 32) + _ordered(value), stable=True).indices  # one sort instead of two
    sorted_group = group[order]
    position = torch.arange(len(group), device=group.device)
    is_first = torch.ones(len(group), dtype=torch.bool, device=group.device)
    is_first[1:] = sorted_group[1:] != sorted_group[:-1]
    group_start = torch.cummax(torch.where(is_first, position, 0), dim=0).values
    rank = torch.empty_like(position)
    rank[order] = position - group_start
    return rank


def _ordered(value: Tensor) -> Tensor:
    """Return int64 of 32 bits in the order of the numbers: as IEEE floats are, once negative ones are flipped."""
    bits = (value.to(torch.float32) + 0.0).contiguous()  # -0 becomes 0
    bits = bits.view(torch.int32).to(torch.int64)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
