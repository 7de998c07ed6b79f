"""Time-aware message passing over edges that join an earlier to a later node.

Follows MPNTrack (Braso and Leal-Taixe, 2020) as SUSHI uses it: edges are updated from their two nodes, then every node
sums what comes over its edges to the past and, separately, over its edges to the future. The first layer of every MLP
is split, so that nodes are projected once and gathered afterwards.

Two ways lead to the same numbers. With gradients, and on CUDA, every operation runs over all edges (messages are one
fused kernel with the Triton backend). Without them, on a CPU, blocks of edges go through all operations of a step while
they are in the cache: memory traffic and the making of large arrays cost several times more than the arithmetic. Under
bfloat16 autocast both multiply in bfloat16 and add up messages in float32.

Shapes: N nodes, E edges, S steps, X node width, W edge width, D edge directions, H hidden width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from sushi_lg.host import free_to_look
from sushi_lg.nn.mlp import MLP
from sushi_lg.nn.segment import default_backend, gather, prepared_sum, segment_sum
from sushi_lg.nn.structures import Segments, make_segments

BLOCK = 4096
"""Edges that go through a step together. Fixed, because a result must not depend on how much memory there is."""


class TimeAwareMessagePassing(nn.Module):
    """Routes and sums; the learned functions are given from outside.

    Args:
        edge_update: MLP on [node a, node b, encoded edge, present edge].
        from_earlier: MLP on [earlier node, edge]: the message that travels to the later node.
        from_later: MLP on [later node, edge]: the message that travels to the earlier node.
        node_update: MLP on [sum from earlier, sum from later], and the encoded node where ``reattach_nodes``.
        num_steps: S, rounds with the same weights.
        both_directions: keep a second latent per edge, updated with its nodes exchanged (SUSHI lists every edge
            twice); it feeds the messages to the earlier node.
        reattach_nodes: whether the node update sees the encoded node again.
    """

    def __init__(
        self,
        edge_update: MLP,
        from_earlier: MLP,
        from_later: MLP,
        node_update: MLP,
        *,
        num_steps: int,
        both_directions: bool,
        reattach_nodes: bool,
    ) -> None:
        super().__init__()
        self.edge_update = edge_update
        self.from_earlier = from_earlier
        self.from_later = from_later
        self.node_update = node_update
        self.num_steps = num_steps
        self.both_directions = both_directions
        self.reattach_nodes = reattach_nodes

    def forward(
        self, nodes: Tensor, edges: Tensor, earlier: Segments, later: Segments, keep: int | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the edge latents after the last steps and the nodes after the last.

        Args:
            nodes: (N, X) encoded nodes.
            edges: (E, W) encoded edges.
            earlier: edges by their earlier node.
            later: edges by their later node.
            keep: steps whose latents are returned; None = all.

        Returns:
            ``keep`` tensors (D, E, W), D = 2 with ``both_directions`` (row 0 earlier → later) else 1; and (N, X) nodes.
        """
        if len(edges) == 0:
            return self._without_edges(nodes, edges, keep)
        if keep == 1 and free_to_look(nodes) and not torch.is_grad_enabled():
            if not torch.is_autocast_enabled("cpu"):
                return self._in_blocks(nodes, edges, earlier.index, later.index)
            kind = torch.get_autocast_dtype("cpu")
            narrow = copy.deepcopy(self).to(kind)  # products in place are not cast, so here everything is of one kind
            with torch.autocast("cpu", enabled=False):
                return narrow._in_blocks(nodes.to(kind), edges.to(kind), earlier.index, later.index)
        node_width, edge_width = nodes.shape[1], edges.shape[1]
        weight_a, weight_b, weight_initial, weight_edge = self.edge_update.first_weights(
            (node_width, node_width, edge_width, edge_width)
        )
        # What never changes between steps is projected once.
        initial = linear(edges, weight_initial, self.edge_update.layers[0].bias)
        ends = [(earlier, later), (later, earlier)] if self.both_directions else [(earlier, later)]
        latents = [edges] * len(ends)
        encoded = nodes
        history: list[Tensor] = []
        for step in range(self.num_steps):
            role_a, role_b = linear(nodes, weight_a), linear(nodes, weight_b)
            # In place, where backward reads nothing of what is overwritten: less memory to make, write and read.
            latents = [
                self.edge_update.after_first(
                    torch.addmm(gather(role_a, a).add_(gather(role_b, b)).add_(initial), latent, weight_edge.t())
                )
                for (a, b), latent in zip(ends, latents, strict=True)
            ]
            if keep is None or step >= self.num_steps - keep:
                history.append(torch.stack(latents))
            if step == self.num_steps - 1 and not self.reattach_nodes:
                break  # nothing reads the nodes after the last classified step
            sums = [
                self._sum_messages(self.from_earlier, nodes, latents[-1], sender=earlier, receiver=later),
                self._sum_messages(self.from_later, nodes, latents[0], sender=later, receiver=earlier),
            ]
            nodes = self.node_update(torch.cat([*sums, encoded] if self.reattach_nodes else sums, dim=1))
        return history, nodes

    def _without_edges(self, nodes: Tensor, edges: Tensor, keep: int | None) -> tuple[list[Tensor], Tensor]:
        """Return what ``forward`` returns where nobody says anything: every step does what the first one does."""
        if self.reattach_nodes or self.num_steps > 1:
            silence = nodes.new_zeros(len(nodes), 2 * nodes.shape[1])
            nodes = self.node_update(torch.cat([silence, nodes], dim=1) if self.reattach_nodes else silence)
        num_kept = self.num_steps if keep is None else min(keep, self.num_steps)
        return [edges.expand(2 if self.both_directions else 1, -1, -1)] * num_kept, nodes

    @staticmethod
    def _sum_messages(mlp: MLP, nodes: Tensor, latent: Tensor, *, sender: Segments, receiver: Segments) -> Tensor:
        """Return (N, X) what every node receives."""
        weight_node, weight_edge = mlp.first_weights((nodes.shape[1], latent.shape[1]))
        projected = linear(nodes, weight_node, mlp.layers[0].bias)
        if default_backend(nodes.device) == "triton" and len(mlp.layers) == 2 and mlp.activate_last:
            from sushi_lg.nn.triton_kernels import message_sum

            last = mlp.layers[1]
            return message_sum(projected, latent, weight_edge, last.weight, last.bias, sender, receiver)
        messages = mlp.after_first(torch.addmm(gather(projected, sender), latent, weight_edge.t()))
        return segment_sum(messages, receiver)

    def _in_blocks(self, nodes: Tensor, edges: Tensor, earlier: Tensor, later: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what ``forward`` returns for the last step."""
        num_nodes, node_width = nodes.shape
        edge_width = edges.shape[1]
        weight_a, weight_b, weight_initial, weight_edge = self.edge_update.first_weights(
            (node_width, node_width, edge_width, edge_width)
        )
        earlier_node, earlier_edge = self.from_earlier.first_weights((node_width, edge_width))
        later_node, later_edge = self.from_later.first_weights((node_width, edge_width))
        directions = 2 if self.both_directions else 1
        # Everything a node contributes to its edges, side by side: one gather an end. Biases ride along.
        at_earlier = [*[weight_a, weight_b][:directions], earlier_node]
        at_later = [*[weight_b, weight_a][:directions], later_node]
        first_bias = self.edge_update.layers[0].bias
        earlier_bias = torch.cat([torch.zeros_like(first_bias)] * directions + [self.from_earlier.layers[0].bias])
        later_bias = torch.cat([torch.zeros_like(first_bias)] * directions + [self.from_later.layers[0].bias])
        earlier_weight, later_weight = torch.cat(at_earlier), torch.cat(at_later)
        # What never changes between steps is projected once: the encoded edge, and below the encoded node.
        initial = linear(edges, weight_initial, first_bias)
        state = [edges.clone() for _ in range(directions)]
        hidden = weight_a.shape[0]
        update = slice(0, directions * hidden)
        blocks = list(_blocks(earlier, later, nodes))
        # What the steps write is made once: fresh memory costs more than the numbers that go into it.
        from_earlier = nodes.new_empty(num_nodes, earlier_weight.shape[0])
        from_later = nodes.new_empty(num_nodes, later_weight.shape[0])
        wide = nodes.dtype if nodes.dtype == torch.float64 else torch.float32
        sums = nodes.new_empty(num_nodes, 2 * node_width, dtype=wide)
        node_bias = self.node_update.layers[0].bias
        if self.reattach_nodes:
            weight_sums, weight_encoded = self.node_update.first_weights((2 * node_width, node_width))
            from_encoded = linear(nodes, weight_encoded, node_bias)
        else:
            weight_sums, from_encoded = self.node_update.layers[0].weight, node_bias.expand(num_nodes, -1)
        nodes = nodes.clone()
        for step in range(self.num_steps):
            torch.addmm(earlier_bias, nodes, earlier_weight.t(), out=from_earlier)
            torch.addmm(later_bias, nodes, later_weight.t(), out=from_later)
            sums.zero_()
            needs_nodes = step < self.num_steps - 1 or self.reattach_nodes
            for block in blocks:
                sent_earlier = from_earlier.index_select(0, block.earlier)
                sent_later = from_later.index_select(0, block.later)
                of_ends = sent_earlier[:, update].add_(sent_later[:, update])
                latents = []
                for direction in range(directions):
                    own = of_ends[:, direction * hidden : (direction + 1) * hidden].add_(initial[block.edges])
                    present = state[direction][block.edges]
                    latents.append(self.edge_update.after_first(own.addmm_(present, weight_edge.t())))
                    present.copy_(latents[-1])
                if not needs_nodes:
                    continue
                own = sent_earlier[:, update.stop :].addmm_(latents[-1], earlier_edge.t())
                block.into_later.add_to(sums[:, :node_width], self.from_earlier.after_first(own))
                own = sent_later[:, update.stop :].addmm_(latents[0], later_edge.t())
                block.into_earlier.add_to(sums[:, node_width:], self.from_later.after_first(own))
            if not needs_nodes:
                break
            for begin in range(0, num_nodes, BLOCK):
                rows = slice(begin, begin + BLOCK)
                own = torch.addmm(from_encoded[rows], sums[rows].to(nodes.dtype), weight_sums.t())
                nodes[rows] = self.node_update.after_first(own)
        return [torch.stack(state)], nodes


@dataclass(frozen=True)
class _Receivers:
    """Where the messages of a block go: its edges by receiving node, counted from the lowest one."""

    low: int
    high: int
    total: Callable[[Tensor], Tensor]

    def add_to(self, sums: Tensor, messages: Tensor) -> None:
        part = sums[self.low : self.high]
        part += self.total(messages)


@dataclass(frozen=True)
class _Block:
    edges: slice
    earlier: Tensor
    later: Tensor
    into_earlier: _Receivers
    into_later: _Receivers


def _blocks(earlier: Tensor, later: Tensor, like: Tensor) -> Iterator[_Block]:
    for begin in range(0, len(earlier), BLOCK):
        edges = slice(begin, min(begin + BLOCK, len(earlier)))
        yield _Block(
            edges=edges,
            earlier=earlier[edges],
            later=later[edges],
            into_earlier=_receivers(earlier[edges], like),
            into_later=_receivers(later[edges], like),
        )


def _receivers(node: Tensor, like: Tensor) -> _Receivers:
    # Edges are sorted in time, so the nodes of a block lie close together.
    low, high = int(node.min()), int(node.max()) + 1
    return _Receivers(low, high, prepared_sum(make_segments(node - low, high - low), like))
