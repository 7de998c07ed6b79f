"""Time-aware message passing over edges that join an earlier to a later node.

Follows MPNTrack (Braso and Leal-Taixe, 2020) as SUSHI uses it: edges are updated from their two nodes, then every node
sums what comes over its edges to the past and, separately, over its edges to the future. The first layer of every MLP
is split, so that nodes are projected once and gathered afterwards.

Shapes: N nodes, E edges, S steps, X node width, W edge width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from sushi_lg.nn.mlp import MLP
from sushi_lg.nn.segment import segment_sum


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

    def forward(self, nodes: Tensor, edges: Tensor, edge_index: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the edge latents after every step and the nodes after the last.

        Args:
            nodes: (N, X) encoded nodes.
            edges: (E, W) encoded edges.
            edge_index: (2, E) int64, row 0 the earlier node, row 1 the later.

        Returns:
            S tensors (D, E, W), D = 2 with ``both_directions`` (row 0 earlier → later) else 1; and (N, X) nodes.
        """
        earlier, later = edge_index
        num_nodes, node_width = nodes.shape
        edge_width = edges.shape[1]
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
            latents = [
                self.edge_update.after_first(role_a[a] + role_b[b] + initial + linear(latent, weight_edge))
                for (a, b), latent in zip(ends, latents, strict=True)
            ]
            history.append(torch.stack(latents))
            if step == self.num_steps - 1 and not self.reattach_nodes:
                break  # nothing reads the nodes after the last classified step
            to_later = self._messages(self.from_earlier, nodes, earlier, latents[-1])
            to_earlier = self._messages(self.from_later, nodes, later, latents[0])
            sums = [segment_sum(to_later, later, num_nodes), segment_sum(to_earlier, earlier, num_nodes)]
            nodes = self.node_update(torch.cat([*sums, encoded] if self.reattach_nodes else sums, dim=1))
        return history, nodes

    @staticmethod
    def _messages(mlp: MLP, nodes: Tensor, sender: Tensor, latent: Tensor) -> Tensor:
        weight_node, weight_edge = mlp.first_weights((nodes.shape[1], latent.shape[1]))
        pre_activation = linear(nodes, weight_node)[sender] + linear(latent, weight_edge, mlp.layers[0].bias)
        return mlp.after_first(pre_activation)
