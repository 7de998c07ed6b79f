"""Candidate pairs: who could follow whom.

Tracklets are sorted by (clip, first frame), so the possible successors of a tracklet are one contiguous range of
tracklets, whatever the window. Pairs are listed in blocks of bounded size, costs are computed per block, and only the
K cheapest successors and the K cheapest predecessors of every node survive a block: memory is linear in nodes.

Shapes: M tracklets, P pairs of a block, E edges, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sushi_lg.graph.tracklets import FRAME_SPAN, Tracklets

PairCost = Callable[[Tensor, Tensor], Tensor]
"""(earlier (P,), later (P,)) -> (P, C): cost, infinite where the pair is impossible, and what else was measured."""

DEFAULT_BLOCK = 1 << 16
"""Pairs listed at once: few enough for their numbers to stay in the cache."""


def successors_within_gap(tracklets: Tracklets, eligible: Tensor, max_gap: int) -> tuple[Tensor, Tensor]:
    """Return the half-open range of tracklets that start 1 .. ``max_gap`` frames after each one ends.

    Args:
        tracklets: M tracklets.
        eligible: (Q,) int64, ascending: the tracklets that take part.
        max_gap: frames.

    Returns:
        low, high: (Q,) int64 positions in ``eligible``; empty where low == high.
    """
    key = tracklets.key[eligible]
    end = (tracklets.clip * FRAME_SPAN + tracklets.last_frame)[eligible]
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


def pair_blocks(low: Tensor, high: Tensor, block: int = DEFAULT_BLOCK) -> Iterator[tuple[Tensor, Tensor]]:
    """List all pairs (node, member of its range) in blocks, ordered by node.

    A block holds at most ``block`` pairs unless a single node has more.

    Yields:
        earlier (P,), later (P,) int64.
    """
    counts = high - low
    total = counts.cumsum(0)
    num_nodes = len(counts)
    position = 0
    while position < num_nodes:
        done = int(total[position - 1]) if position else 0
        end = int(torch.searchsorted(total, done + block, right=True))
        end = min(max(end, position + 1), num_nodes)
        count = counts[position:end]
        earlier = torch.repeat_interleave(torch.arange(position, end, device=low.device), count)
        before = total[position:end] - count - done
        later = torch.arange(len(earlier), device=low.device) + (low[position:end] - before)[earlier - position]
        if len(earlier):
            yield earlier, later
        position = end


def nearest_pairs(
    low: Tensor, high: Tensor, cost: PairCost, k: int, block: int = DEFAULT_BLOCK
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Keep pairs that are among the K cheapest successors of one end or the K cheapest predecessors of the other.

    Args:
        low: (M,) int64, start of the successor range of each node.
        high: (M,) int64, its end.
        cost: measures a block of pairs.
        k: K.
        block: pairs listed at once.

    Returns:
        edge_index (2, E) sorted by (later, earlier), measured (E, C) as ``cost`` returned it, is_near (2, E) bool - row
        0: among the K successors of the earlier node, row 1: among the K predecessors of the later - and the number of
        pairs with finite cost. Equal costs are ordered by the lower node number.
    """
    device = low.device
    kept: list[_Pairs] = []  # near their earlier node: final as soon as their block is done
    running: list[_Pairs] = []  # near their later node so far
    waiting, limit, considered = 0, 4 * block, 0
    for earlier, later in pair_blocks(low, high, block):
        measured = cost(earlier, later)
        finite = torch.isfinite(measured[:, 0])
        pairs = (earlier, later, measured)
        if not bool(finite.all()):
            pairs = _select(pairs, finite)
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

    num_nodes = max(len(low), 1)
    key = torch.cat([after[1] * num_nodes + after[0], before[1] * num_nodes + before[0]])
    unique, inverse = torch.unique(key, return_inverse=True)
    measured = torch.cat([after[2], before[2]])
    travelled = torch.empty(len(unique), measured.shape[1], dtype=measured.dtype, device=device)
    travelled[inverse] = measured
    is_near = torch.zeros(2, len(unique), dtype=torch.bool, device=device)
    is_near[0, inverse[: len(after[0])]] = True
    is_near[1, inverse[len(after[0]) :]] = True
    return torch.stack([unique % num_nodes, unique // num_nodes]), travelled, is_near, considered


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
    # One sort instead of two: IEEE floats read as integers keep their order once negative ones are flipped.
    bits = (value.to(torch.float32) + 0.0).contiguous()  # -0 becomes 0
    bits = bits.view(torch.int32).to(torch.int64)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    order = torch.sort((group << 32) + ordered, stable=True).indices
    sorted_group = group[order]
    position = torch.arange(len(group), device=group.device)
    is_first = torch.ones(len(group), dtype=torch.bool, device=group.device)
    is_first[1:] = sorted_group[1:] != sorted_group[:-1]
    group_start = torch.cummax(torch.where(is_first, position, torch.zeros_like(position)), dim=0).values
    rank = torch.empty_like(position)
    rank[order] = position - group_start
    return rank
